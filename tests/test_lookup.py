"""A large import adds people in runs: whoever is in one is found, changed and erased as well."""

from __future__ import annotations

import errno
import io
import json
from typing import Any

import pytest

from bunkerctl import crypto, erasure, files, forks, imports, preparation, sweep
from bunkerctl.cli import door
from bunkerctl.cli.shell import Shell
from bunkerctl.store import indexes, lookup, state
from bunkerctl.store.connection import Database
from bunkerctl.vault import Vault
from conftest import DAY, Home
from residue import found
from wholeness import check_whole

COUNT = 40


class Killed(BaseException):
    """What nothing in the program heeds."""


def killed(*_: object, **__: object) -> None:
    raise Killed


class Breaking(io.BytesIO):
    """Standard input that fails where others end."""

    def readline(self, size: int | None = -1, /) -> bytes:
        return _some(super().readline(size))

    def read(self, size: int | None = -1, /) -> bytes:
        return _some(super().read(size))

    def read1(self, size: int | None = -1, /) -> bytes:
        return _some(super().read1(size))


def _some(content: bytes) -> bytes:
    if not content:
        raise OSError(errno.EIO, "Input/output error")
    return content


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few people be enough for a run, and for another process."""
    monkeypatch.setattr(forks, "cores", lambda: 2)
    monkeypatch.setattr(preparation, "FIRST_LINES", 4)
    monkeypatch.setattr(preparation, "BATCH_LINES", 8)
    monkeypatch.setattr(imports, "LEAST_IN_RUN", 2)
    monkeypatch.setattr(imports, "LEAST_FOR_RUNS", 2)


def people(first: int = 0, count: int = COUNT) -> str:
    return "".join(
        json.dumps({"login": f"u{number}", "email": f"u{number}@example.com"}) + "\n"
        for number in range(first, first + count)
    )


def broken_off(home: Home, first: int = 0) -> None:
    """Import people from a pipe that breaks: what was added is in runs still."""
    out, err = io.BytesIO(), io.BytesIO()
    shell = Shell(Breaking(people(first).encode()), out, err, home.environment, lambda: home.now)
    assert door.run(["user", "import", "-", "--json"], shell) == 9
    assert "added and 0 updated before that are in" in err.getvalue().decode()
    assert rows(home, "runs") > 1
    assert rows(home, "recent_tokens") > COUNT // 2
    assert rows(home, "recent_identities") == 2 * rows(home, "recent_tokens")


def rows(home: Home, table: str) -> int:
    db = home.database()
    count: int = db.one(f"SELECT count(*) FROM {table}")[0]
    db.close()
    return count


def tokens(home: Home) -> dict[str, str]:
    """Return the tokens by login, as the list has them."""
    listed = home.ok("user list --reveal --json").json
    assert [one["token"] for one in listed] == sorted(one["token"] for one in listed)
    return {one["data"]["login"]: one["token"] for one in listed}


def test_who_is_in_a_run_is_found_and_taken(home: Home) -> None:
    broken_off(home)
    known = tokens(home)
    assert len(known) == rows(home, "users")
    for login, token in list(known.items())[-10:]:
        for identity in (f"login:{login}", f"{login}@example.com", token):
            assert home.ok(f"user get {identity} --json").json["token"] == token
        result = home.run("user add --json", json.dumps({"login": login}))
        assert (result.code, result.error["code"]) == (5, "conflict")
    listed: list[str] = []
    while page := home.ok(
        "user list --limit 7 --json" + (f" --after {listed[-1]}" if listed else "")
    ).json:
        listed += [one["token"] for one in page]
    assert listed == sorted(known.values())
    home.ok("user check")
    home.ok("audit verify --deep")
    check_whole(home)


def test_who_is_in_a_run_is_changed(home: Home) -> None:
    broken_off(home)
    login, token = list(tokens(home).items())[-1]
    home.ok(f"user update {token} login=other")
    assert home.run(f"user get login:{login}").code == 4
    assert home.ok("user get login:other --json").json["token"] == token
    home.ok("user add", json.dumps({"login": login}))
    check_whole(home)


def test_who_is_in_a_run_is_erased(home: Home) -> None:
    broken_off(home)
    db = home.database()
    tag = crypto.identity_tagger(state.own(db)[1])
    (first, forgotten), (second, swept) = list(tokens(home).items())[-2:]
    home.ok(f"user forget {forgotten} --yes")
    home.start(swept, "1d")
    home.now += 2 * DAY
    assert home.ok("exp sweep --json").json["erased"] == 1
    for login, token in ((first, forgotten), (second, swept)):
        left = [tag("login", login), tag("email", f"{login}@example.com")]
        for table in ("identities", "recent_identities"):
            marks = "SELECT count(*) FROM {} WHERE tag IN (?, ?)"
            assert db.one(marks.format(table), *left) == (0,)
        assert not found(home, f"{login}@example.com".encode())
        assert home.run(f"user get login:{login}").code == 4
        assert home.run(f"exp start {token} --json").error["code"] == "conflict"
        assert home.ok(f"exp status {token} --json").json["expstatus"] == "expired"
    db.close()
    check_whole(home)


def test_whoever_a_large_sweep_erases_from_a_run_is_counted_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "LARGE", 1)
    broken_off(home)
    token = list(tokens(home).values())[-1]
    home.start(token, "1d")
    home.now += 2 * DAY
    home.ok("exp sweep")
    assert home.ok(f"erasure show {token} --json").json["erased"]["identities"] == 2
    assert rows(home, "leaving") == 0
    check_whole(home)


def test_the_next_sweep_settles_what_was_left(home: Home) -> None:
    broken_off(home)
    known = tokens(home)
    home.ok("exp sweep")
    assert rows(home, "runs") == 0
    assert tokens(home) == known
    check_whole(home)


def test_the_next_import_settles_what_was_left(home: Home) -> None:
    broken_off(home)
    before = tokens(home)
    done = home.ok("user import - --on-conflict skip --json", people()).json
    assert (done["added"], done["skipped"]) == (COUNT - len(before), len(before))
    assert rows(home, "runs") == rows(home, "recent_tokens") == 0
    assert rows(home, "recent_identities") == 0
    assert tokens(home).items() >= before.items()
    check_whole(home)


@pytest.mark.parametrize("most", [1, 2, 100])
def test_runs_are_settled_on_the_way(
    home: Home, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(imports, "MOST_RUNS", most)
    monkeypatch.setattr(lookup, "FIRST_PART", 1 / 64)
    home.ok("user import -", people())
    assert rows(home, "runs") == 0
    assert len(tokens(home)) == rows(home, "tokens") == COUNT
    assert rows(home, "identities") == 2 * COUNT
    check_whole(home)


def stopped(home: Home, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Import people, and stop when some of the tags are in both tables; return the logins."""

    def copy(*what: Any, act: Any = lookup._copy) -> None:
        if what[1] == "identities" and what[-2] >= 0.4:
            raise OSError(errno.ENOSPC, "No space left on device")
        act(*what)

    broken_off(home)
    direct, recent = rows(home, "identities"), rows(home, "recent_identities")
    with monkeypatch.context() as patch:
        patch.setattr(lookup, "_copy", copy)
        with pytest.raises(OSError, match="No space"):
            home.run("exp sweep")
    assert rows(home, "recent_identities") == recent
    assert direct < rows(home, "identities") < direct + recent
    return list(tokens(home))


def test_who_is_being_moved_is_there_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    logins = stopped(home, monkeypatch)
    assert len(logins) == len(set(logins)) == home.ok("status --json").json["users"]
    assert len(home.ok("user list --limit 7 --json").json) == 7
    check_whole(home)
    for login in logins[:12]:
        done = home.ok(f"user forget login:{login} --yes --json").json
        assert home.ok(f"erasure show {done['token']} --json").json["erased"]["identities"] == 2
    home.ok("exp sweep")
    assert rows(home, "recent_identities") == rows(home, "runs") == 0
    assert rows(home, "identities") == 2 * (len(logins) - 12)
    check_whole(home)


def test_the_runs_of_another_import_stay(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_off(home)
    db = home.database()
    last = db.one("SELECT max(run) FROM runs")[0]
    before = rows(home, "recent_tokens")
    db.begin()
    other = lookup.begin_run(db)
    db.run("UPDATE recent_tokens SET run = ? WHERE run = ?", other, last)
    db.run("UPDATE recent_identities SET run = ? WHERE run = ?", other, last)
    db.commit()
    left = db.one("SELECT count(*) FROM recent_tokens WHERE run = ?", other)[0]
    assert 0 < left < before
    lookup._drop(db, last)
    assert db.rows("SELECT run FROM runs") == [(other,)]
    assert rows(home, "recent_tokens") == left
    assert rows(home, "recent_identities") == 2 * left
    db.close()


@pytest.mark.parametrize("most", [1, 7, 10_000])
def test_all_tags_are_read_and_any_of_them_is_found(
    home: Home, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    broken_off(home)
    monkeypatch.setattr(lookup, "TAGS_AT_ONCE", most)
    monkeypatch.setattr(lookup, "FEW_TAGS", most)
    db = home.database()
    db.begin()
    indexes.add(db, "identities", [(-(1 << 63), 1), ((1 << 63) - 1, 1)])  # the least, the greatest
    held = [
        tag
        for table in ("identities", "recent_identities")
        for (tag,) in db.rows(f"SELECT tag FROM {table}")
    ]
    read = [tag for page in lookup.all_tags(db) for tag in page]
    assert sorted(read) == sorted(held)
    nobodys = next(tag for tag in range(1 << 20) if tag not in held)
    assert lookup.taken(db, [*held, nobodys]) == set(held)
    db.rollback()
    db.close()


def test_a_part_of_the_keys_is_below_a_key_and_the_others_above() -> None:
    bounds = [lookup._key("tag", part / 8) for part in range(9)]
    assert bounds == sorted(bounds)
    assert bounds[0] == -(1 << 63)
    assert bounds[4] == 0
    assert isinstance(bounds[8], float) and bounds[8] > (1 << 63) - 1
    named = [lookup._key("token", part / 8) for part in range(9)]
    assert named == sorted(named)
    assert all(isinstance(one, bytes) and len(one) == 16 for one in named[:8])
    assert isinstance(named[8], bytes) and named[8] > b"\xff" * 16


# What a large sweep takes out of the index at its end.


def due(home: Home, count: int = 60) -> None:
    """Let most of some people be due, as many as make a sweep a large one."""
    home.ok("user import -", people(count=count))
    home.ok("exp start - --in 1d -q", "\n".join(f"u{number}" for number in range(count - 1)))
    home.now += 2 * DAY


SWEEP = "exp sweep --max-deletes 100 --json"


def kill_a_sweep(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a sweep erase 59 of 60 people, and end before the erasures are final."""
    due(home)
    with monkeypatch.context() as patch:
        patch.setattr(erasure, "finish", killed)
        with pytest.raises(Killed):
            home.run(SWEEP)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "LARGE", 2)
    monkeypatch.setattr(sweep, "FIRST_BATCH", 7)
    monkeypatch.setattr(sweep, "LEAST_BATCH", 7)
    monkeypatch.setattr(sweep, "BATCH", 7)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("most", [1, 3, 100])
def test_a_large_sweep_leaves_no_hash_of_an_identity(
    home: Home, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(sweep, "MOST_LEFT", most)
    monkeypatch.setattr(lookup, "FIRST_PART", 1 / 64)
    due(home)
    swept = home.ok(SWEEP).json
    assert swept["erased"] == 59
    assert (rows(home, "leaving"), rows(home, "identities")) == (0, 2)
    shown = home.ok(f"erasure show {swept['tokens'][0]} --json").json
    assert shown["erased"]["identities"] == 2
    home.ok("user get u59@example.com")
    home.ok("audit verify --deep")
    check_whole(home)


@pytest.mark.usefixtures("large")
def test_what_a_killed_sweep_has_left_leads_to_nobody_and_the_next_command_takes_it_out(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_a_sweep(home, monkeypatch)
    db = home.database()
    assert db.one("SELECT count(*) FROM leaving") == (2 * 59,)
    assert db.one("SELECT count(*) FROM identities") == (2 * 60,)
    with files.locked(str(home.vault / "vault.lock"), 0.0):  # as if it were running still
        assert home.run("user get u1@example.com").code == 4
        token = home.ok("user add", json.dumps({"email": "u1@example.com"})).out.strip()
        assert home.ok("user get u1@example.com --json").json["token"] == token
        done = home.ok("user import - --json", people(2, 2)).json
        assert (done["added"], done["rejected"]) == (2, 0)
        assert rows(home, "leaving") == 2 * 59
        assert db.one("SELECT unscrubbed > 0 FROM totals") == (1,)
    home.ok("status")
    assert rows(home, "leaving") == 0
    assert db.one("SELECT count(*) FROM identities") == (2 + 1 + 4,)
    db.close()
    assert home.ok(SWEEP).json["finished_earlier"] == 59
    home.ok("user get u2@example.com")
    check_whole(home)


@pytest.mark.usefixtures("large")
def test_a_backup_has_nothing_of_whom_a_killed_sweep_had_erased(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_a_sweep(home, monkeypatch)
    resume = erasure.resume

    def late(vault: Vault, *, alone: bool = False) -> None:
        """As if the sweep were running when the vault is opened, and killed while this waits."""
        if alone:
            resume(vault, alone=True)

    monkeypatch.setattr(erasure, "resume", late)
    home.ok(f"backup create {home.directory}/backup")
    assert rows(home, "leaving") == 0
    assert rows(home, "identities") == 2


def test_who_is_slow_to_settle_drops_no_run_that_was_begun_since(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another import settles the same runs meanwhile, and is broken off with runs of its own."""
    drop = lookup._drop

    def late(db: Database, last: int) -> None:
        monkeypatch.setattr(lookup, "_drop", drop)
        broken_off(home, first=100)
        assert rows(home, "recent_tokens") > 0
        drop(db, last)

    broken_off(home)
    monkeypatch.setattr(lookup, "_drop", late)
    home.ok("exp sweep")
    known = tokens(home)
    everybody_is_found = len(known) == rows(home, "users")
    assert everybody_is_found is True
    assert rows(home, "users") == rows(home, "tokens") + rows(home, "recent_tokens")
    for login in (min(known), max(known)):
        assert home.run("user add --json", json.dumps({"login": login})).code == 5
    check_whole(home)
