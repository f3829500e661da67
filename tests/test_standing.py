"""People of an import who are there: looked up together they are told just as one by one."""

from __future__ import annotations

import json
import random
import re
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest

from bunkerctl import crypto, forks, imports, known, preparation
from bunkerctl.store import trail
from conftest import Home

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KINDS = ("login", "email", "custom")
POOL = 14


def value(kind: str, number: int) -> str:
    return f"{kind}{number}@example.com" if kind == "email" else f"{kind}{number}"


def record(chance: random.Random) -> dict[str, Any]:
    """Return a record of one to three identities from a small pool, most of them one person's."""
    own = chance.randrange(POOL)
    said: dict[str, Any] = {}
    for kind in chance.sample(KINDS, chance.randint(1, 3)):
        number = own if chance.random() < 0.8 else chance.randrange(POOL)
        said[kind] = value(kind, number)
    if chance.random() < 0.3:
        said["note"] = chance.choice(["a", "b"])
    if chance.random() < 0.1:
        said["schema"] = "somebody's own"
    if chance.random() < 0.05:
        said["login"] = 1.5
    return said


def line(chance: random.Random, tokens: list[str]) -> str:
    """Return a row of an import, sometimes one of an export."""
    said = record(chance)
    if chance.random() < 0.9:
        return json.dumps(said)
    exported = {
        "schema": "bunkerctl.user/1",
        "token": chance.choice(tokens),
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z",
        "version": 2,
        "data": said,
        "expstatus": "none",
        "due_at": None,
        "held": chance.random() < 0.3,
    }
    return json.dumps(exported)


def course(place: Home, options: str, lines: str) -> tuple[Any, ...]:
    """Return all that can be seen of an import, but for the tokens, which are random."""
    done = place.run(f"user import - --json {options}", lines)
    db = place.database()
    people = db.rows(
        "SELECT u.id, u.version, substr(d.bytes, 17), h.user FROM users u "
        "JOIN drawer d ON d.id = u.record LEFT JOIN holds h ON h.user = u.id ORDER BY u.id"
    )
    index = db.rows("SELECT tag, user FROM all_identities ORDER BY tag, user")
    events = [json.loads(event) for _, event in trail.page(db, 0, -1)]
    db.close()
    for event in events:
        for name in ("at", "token", "commitment"):
            event.pop(name, None)
    return done.code, done.out, UUID.sub("TOKEN", done.err), people, index, events


@pytest.mark.parametrize("policy", imports.POLICIES)
@pytest.mark.parametrize("seed", range(25))
def test_together_is_as_one_by_one(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, policy: str
) -> None:
    """And as if each row was looked at alone, whatever is in doubt: tags that are shared, too."""
    chance = random.Random(f"{seed}{policy}")
    monkeypatch.setattr(forks, "cores", lambda: 1)
    monkeypatch.setattr(preparation, "FIRST_LINES", 5)
    monkeypatch.setattr(preparation, "BATCH_LINES", 30)
    monkeypatch.setattr(imports, "MOST_LINES", chance.choice([7, 30]))
    shared = chance.random() < 0.4
    if shared:
        tagger, bits = crypto.identity_tagger, chance.choice([1, 7, 63])
        monkeypatch.setattr(
            crypto,
            "identity_tagger",
            lambda key: lambda kind, value: tagger(key)(kind, value) & bits,
        )
    if chance.random() < 0.2:
        monkeypatch.setattr(known, "MOST_LOOKED_UP", 60)
    tokens = [
        home.add(**{kind: value(kind, number) for kind in KINDS}) for number in range(0, POOL, 2)
    ]
    home.ok(f"user forget {tokens[1]} --yes")
    tokens += [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(3)]
    lines = "\n".join(line(chance, tokens) for _ in range(60))
    options = f"--on-conflict {policy}" + (" --dry-run" if chance.random() < 0.1 else "")
    homes = [home]
    for name in ("one by one", "alone"):
        homes.append(Home(tmp_path / name))
        homes[-1].directory.mkdir()
        shutil.copytree(home.vault, homes[-1].vault)
        shutil.copy(home.key_file, homes[-1].key_file)

    together = course(homes[0], options, lines)
    with monkeypatch.context() as patch:
        patch.setattr(known.Standing, "who", lambda self, found: None)
        assert together == course(homes[1], options, lines)
        patch.setattr(preparation.Batch, "doubtful", lambda self, taken: {*range(len(self.lines))})
        assert together == course(homes[2], options, lines)
    if not shared:
        home.ok("audit verify --deep")


def test_it_is_told_of_some_at_least(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    who = known.Standing.who

    def counted(self: known.Standing, found: dict[str, str]) -> Any:
        told.append(who(self, found))
        return told[-1]

    monkeypatch.setattr(known.Standing, "who", counted)
    for login in ("ann", "bob"):
        home.add(login=login)
    lines = "\n".join(json.dumps({"login": login}) for login in ("ann", "bob", "bob", "carl"))
    assert home.ok("user import - --on-conflict skip --json", lines).json["skipped"] == 3
    assert [one if one is None else len(one) for one in told] == [1, None, None]


def test_an_erased_token_is_told_before_anybody_is_read(home: Home) -> None:
    """So that somebody whose record is damaged does not end the import."""
    gone, _ = home.add(login="gone"), home.add(login="bad")
    home.ok(f"user forget {gone} --yes")
    db = home.database()
    db.begin()
    damaged = "UPDATE drawer SET bytes = zeroblob(length(bytes)) WHERE id ="
    db.run(f"{damaged} (SELECT max(record) FROM users)")
    db.commit()
    db.close()
    erased = {
        "schema": "bunkerctl.user/1",
        "token": gone,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z",
        "version": 1,
        "data": {"login": "bad"},
        "expstatus": "none",
        "due_at": None,
        "held": False,
    }
    done = home.run("user import - --json", json.dumps(erased) + '\n{"login": "new"}\n')
    assert (done.code, done.json["added"], done.json["rejected"]) == (3, 1, 1)
