"""Vaults that many processes use, or that are killed: filled, and seen to be whole."""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from bunkerctl import keys, merkle, times
from bunkerctl.directory import read_header
from bunkerctl.model import Origin
from bunkerctl.store import audit, schema, trail
from bunkerctl.store.connection import Database
from bunkerctl.vault import Surroundings, Vault, open_vault
from conftest import Home
from residue import found

CANARY = "CANARY"
ORIGIN = Origin(actor="cron", os_user="cron", uid=1, host="here", reason=None, ref=None)


def made_now(bare: Home) -> Home:
    """Make a vault whose clock is the real one, which processes read."""
    bare.now = int(datetime.now(UTC).timestamp())
    bare.ok("init")
    return bare


def opened(home: Home) -> Vault:
    """Open a vault as a job does, in this process."""
    header = read_header(str(home.vault))
    master = keys.parse(home.key_file.read_bytes(), "the key file")
    session = keys.Session(
        environment=home.environment,
        attended=False,
        seconds=None,
        tell=print,
        owner=None,
        unlocked=False,
    )
    surroundings = Surroundings(
        origin=ORIGIN, session=session, lock_wait=5.0, clock=lambda: home.now
    )
    return open_vault(str(home.vault), header, master, surroundings)


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


def leaves(db: Database) -> list[str]:
    """Return every audit event, as its canonical JSON."""
    return [leaf for _, leaf in trail.page(db, 0, -1)]


def put_leaf(db: Database, leaf: str) -> bytes:
    """Store an event under its number, by its canonical JSON; return the hash of the leaf."""
    said = {"commitment": None, "token": None, **json.loads(leaf)}
    text = audit.wording(said)
    number = audit.number_of(db, text)
    digest = merkle.leaf_hash(leaf.encode())
    db.run(
        "INSERT OR REPLACE INTO audit VALUES (?, ?, ?, unhex(?, '-'), NULL, unhex(?), ?)",
        said["seq"],
        number,
        times.parse_date(said["at"]),
        said["token"],
        said["commitment"],
        digest,
    )
    return digest


def reworded(seq: int, text: str) -> tuple[str, str]:
    """Return the statements that give one event another wording, by an SQL expression of its own.

    Its hash stays.
    """
    return (
        f"INSERT INTO wordings (digest, text) SELECT 0, {text} FROM wordings "
        f"JOIN audit ON id = wording WHERE seq = {seq}",
        f"UPDATE audit SET wording = (SELECT max(id) FROM wordings) WHERE seq = {seq}",
    )


def make_older(db: Database) -> None:
    """Make of a database what its version 2 was."""
    for view in ("all_tokens", "all_identities"):
        db.run(f"DROP VIEW {view}")
    for table in ("tokens", "exptokens", "runs", "recent_tokens", "recent_identities", "leaving"):
        db.run(f"DROP TABLE {table}")
    db.run("DROP INDEX expirations_waiting")
    for table in ("users", "expirations", "tombstones"):
        db.run(f"ALTER TABLE {table} RENAME TO after")
        for one in schema.FIRST.split(";\n\n"):
            if f"CREATE TABLE {table} " in one or f" ON {table} " in one:
                db.run(one)
        names = ", ".join(schema.columns(db)[table])
        db.run(f"INSERT INTO {table} SELECT {names} FROM after")
        db.run("DROP TABLE after")
    rows = db.rows("SELECT seq, hash, at, token FROM audit ORDER BY seq")
    told = leaves(db)
    db.run("DROP TABLE audit")
    db.run("DROP TABLE wordings")
    db.run(
        "CREATE TABLE audit (seq INTEGER PRIMARY KEY, event TEXT NOT NULL, "
        "hash BLOB NOT NULL CHECK (length(hash) = 32), at INTEGER NOT NULL, token BLOB) STRICT"
    )
    db.run("CREATE INDEX audit_token ON audit (token, seq) WHERE token IS NOT NULL")
    db.insert_many(
        "audit",
        "(?, ?, ?, ?, ?)",
        [(row[0], leaf, *row[1:]) for row, leaf in zip(rows, told, strict=True)],
    )
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
    check_led(home)


def check_led(home: Home) -> None:
    """Each token and exptoken leads to the row that has it, living or erased, and no other does."""
    db = home.database()
    for key, index, table, owner in (
        ("token", "all_tokens", "users", "id"),
        ("exptoken", "exptokens", "expirations", "user"),
    ):
        led = db.rows(f"SELECT DISTINCT {key}, user FROM {index} ORDER BY {key}")
        held = db.rows(
            f"SELECT {key}, {owner} FROM {table} UNION ALL "
            f"SELECT {key}, user FROM tombstones WHERE {key} IS NOT NULL ORDER BY 1"
        )
        assert led == held, key
    db.close()


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
