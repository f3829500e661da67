"""People of an import who are there: looked up together they are told just as one by one."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from bunkerctl import forks, imports, known, preparation
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


def course(place: Home, lines: str, policy: str) -> tuple[Any, ...]:
    """Return all that can be seen of an import, but for the tokens, which are random."""
    done = place.run(f"user import - --on-conflict {policy} --json", lines)
    people = place.ok("export --all --yes").out.splitlines()
    told = [json.loads(one) for one in people]
    return (
        done.code,
        done.out,
        UUID.sub("TOKEN", done.err),
        [(one["data"], one["version"]) for one in told],
    )


@pytest.mark.parametrize("policy", imports.POLICIES)
@pytest.mark.parametrize("seed", range(25))
def test_together_is_as_one_by_one(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, policy: str
) -> None:
    monkeypatch.setattr(forks, "cores", lambda: 1)
    monkeypatch.setattr(preparation, "FIRST_LINES", 5)
    monkeypatch.setattr(preparation, "BATCH_LINES", 12)
    chance = random.Random(seed)
    for number in range(0, POOL, 2):
        home.add(**{kind: value(kind, number) for kind in KINDS})
    other = Home(tmp_path / "other")
    other.directory.mkdir()
    shutil.copytree(home.vault, other.vault)
    shutil.copy(home.key_file, other.key_file)
    lines = "\n".join(json.dumps(record(chance)) for _ in range(60))
    told: list[object] = []
    who = known.Standing.who

    def counted(self: known.Standing, found: dict[str, str]) -> Any:
        told.append(who(self, found))
        return told[-1]

    with monkeypatch.context() as patch:
        patch.setattr(known.Standing, "who", counted)
        together = course(home, lines, policy)
    with monkeypatch.context() as patch:
        patch.setattr(known.Standing, "who", lambda self, found: None)
        assert together == course(other, lines, policy)
    assert any(told)  # somebody was found that way
    assert None in told  # and of somebody it could not be told
    home.ok("audit verify --deep")
