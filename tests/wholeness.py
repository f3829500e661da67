"""Vaults that many processes use, or that are killed: filled, and seen to be whole."""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from bunkerctl import merkle
from bunkerctl.store.connection import Database
from conftest import Home
from residue import found

CANARY = "CANARY"


def made_now(bare: Home) -> Home:
    """Make a vault whose clock is the real one, which processes read."""
    bare.now = int(datetime.now(UTC).timestamp())
    bare.ok("init")
    return bare


@contextmanager
def reader(home: Home) -> Iterator[None]:
    """Keep a snapshot of the vault as it is now."""
    db = home.database()
    db.begin(write=False)
    db.one("SELECT count(*) FROM users")
    try:
        yield
    finally:
        db.rollback()
        db.close()


def until(condition: Callable[[], object]) -> None:
    """Wait for something that must happen, on a slow machine too."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def count(home: Home, table: str) -> int:
    db = home.database()
    number: int = db.one(f"SELECT count(*) FROM {table}")[0]
    db.close()
    return number


def due_people(home: Home, number: int) -> set[str]:
    """Add people whose time has come; return their tokens."""
    person = {"schema": "bunkerctl.user/1", "version": 1, "expstatus": "wait", "held": False}
    dates = dict.fromkeys(("created_at", "updated_at", "due_at"), "2020-01-01T00:00:00Z")
    tokens = [str(uuid.uuid4()) for _ in range(number)]
    data = [{"login": f"{CANARY}{n}", "text": CANARY * 50} for n in range(number)]
    people = [
        json.dumps({**person, **dates, "token": token, "data": datum})
        for token, datum in zip(tokens, data, strict=True)
    ]
    home.ok("user import -", "\n".join(people))
    return set(tokens)


def lines(number: int, start: int = 0) -> bytes:
    """Lines to import, each a person."""
    numbers = range(start, start + number)
    return b"".join(b'{"login":"u%d","text":"%s"}\n' % (n, CANARY.encode() * 9) for n in numbers)


def heed_signals() -> None:
    """Undo what a test runner in the background hands down: SIGINT ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def tamper(home: Home, *statements: str) -> None:
    """Change the database behind the program's back."""
    db = home.database()
    db.begin()
    for statement in statements:
        db.run(statement)
    db.commit()
    db.close()


def make_older(db: Database) -> None:
    """Make of a database what its version 2 was."""
    db.run("ALTER TABLE backups DROP COLUMN moving")
    db.run("ALTER TABLE totals DROP COLUMN largest")
    db.run("DELETE FROM migrations WHERE version > 2")
    db.run("PRAGMA user_version = 2")


def check_whole(home: Home) -> None:
    """The audit trail has no gap, and gives the stored frontier; the database is sound."""
    assert home.ok("audit verify --json").json["ok"] is True
    events = [json.loads(line) for line in home.ok("audit list -o jsonl").out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    tree = merkle.Tree()
    for event in events:
        tree.append(bytes.fromhex(event["hash"]))
    assert home.ok("audit head --json").json["root"] == tree.root().hex()
    db = home.database()
    assert db.one("SELECT size, frontier FROM tree") == (tree.size, tree.frontier())
    assert db.rows("PRAGMA integrity_check") == [("ok",)]
    living, erased, unscrubbed = db.one("SELECT living, erased, unscrubbed FROM totals")
    db.close()
    assert (count(home, "users"), count(home, "tombstones")) == (living, erased)
    assert unscrubbed == 0


def check_erased_once(home: Home, tokens: set[str], action: str = "exp.erase") -> None:
    """Each has one tombstone, one event and one line of the ledger; nothing is left of them."""
    db = home.database()
    buried = [str(uuid.UUID(bytes=row[0])) for row in db.rows("SELECT token FROM tombstones")]
    db.close()
    events = home.ok(f"audit list --action {action} -o jsonl").out.splitlines()
    ledger = (home.vault / "erasures.jsonl").read_text().splitlines()
    assert sorted(buried) == sorted(tokens)
    assert sorted(json.loads(line)["token"] for line in events) == sorted(tokens)
    assert sorted(json.loads(line)["token"] for line in ledger) == sorted(tokens)
    assert found(home, CANARY.encode()) == []
    check_whole(home)
