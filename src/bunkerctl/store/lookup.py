"""Whom a tag or a token leads to; what a large import adds lies in runs at first.

Tags and tokens are random: each that is added to a large index, or taken out, writes a page of its
own, which must be decrypted and encrypted. So a large import adds what each of its transactions
has as a sorted run, side by side, and from time to time all runs are moved into the index together,
in the order of the keys: each of its pages is then written for many (O'Neil et al., "The
log-structured merge-tree", 1996). Whoever looks for a key looks into the index and into each run.

A large sweep leaves runs of the tags that are to be taken out, and takes them out the same way
before an erasure is final. Until then they lead to nobody: a row number is never given again.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial

from bunkerctl import jsontext
from bunkerctl.errors import Busy, InputOutput, OutcomeUnknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bunkerctl.store.connection import Database

KEYS = {"identities": "tag", "tokens": "token"}
"""The indexes and their keys; the runs of each are in `recent_` and its name."""

IN_RUNS = "run IN (SELECT run FROM runs)"

LOCK_SECONDS = 0.12
LEAST_ROOM = 64 << 20
FIRST_PART, LEAST_PART = 1 / 16, 1 / 4096


def add(db: Database, table: str, pairs: list[tuple[Any, int]], run: int | None = None) -> None:
    """Add pairs of a key and a row number to an index, or to a run."""
    into = table if run is None else f"recent_{table}"
    first = "" if run is None else f"{run:d}, "
    db.run_many(f"INSERT INTO {into} VALUES ({first}?, ?)", sorted(pairs))


def remove(db: Database, table: str, key: Any, user: int) -> None:
    where = f"{KEYS[table]} = ? AND user = ?"
    db.run(f"DELETE FROM {table} WHERE {where}", key, user)
    db.run(f"DELETE FROM recent_{table} WHERE {IN_RUNS} AND {where}", key, user)


def begin_run(db: Database) -> int:
    """Return the number of a new run."""
    return db.insert("INSERT INTO runs DEFAULT VALUES")


def runs(db: Database) -> int:
    """Return how many runs there are."""
    return int(db.one("SELECT count(*) FROM runs")[0])


def settle(db: Database) -> None:
    """Move all runs into the indexes, in transactions that are short.

    One that is killed has moved some, which does no harm; where others keep the lock, or the disk
    is full or nearly so, the rest stays for the next.
    """
    if not runs(db) or db.room() < LEAST_ROOM:
        return
    with suppress(Busy, InputOutput, OutcomeUnknown):
        for table in KEYS:
            _in_parts(db, partial(_move, db, table))


def leave(db: Database, pairs: list[tuple[int, int]]) -> None:
    """Note pairs of a tag and a row number that are to be taken out of the identities."""
    db.run_many(f"INSERT INTO leaving VALUES ({left(db) + 1:d}, ?, ?)", sorted(pairs))


def left(db: Database) -> int:
    """Return how many runs of tags are still to be taken out."""
    return db.one("SELECT max(run) FROM leaving")[0] or 0


def take_out(db: Database) -> None:
    """Take out the tags that were left, in transactions that are short."""
    runs = jsontext.dumps(list(range(1, left(db) + 1)))
    if runs != "[]":
        _in_parts(db, partial(_take, db, runs))


def _in_parts(db: Database, act: Callable[[float], None]) -> None:
    """Act on the keys up to a growing part of all that there can be, each in a transaction."""
    done, part = 0.0, FIRST_PART
    while done < 1:
        done = min(1.0, done + part)
        began = time.monotonic()
        db.begin()
        try:
            act(done)
            db.commit()
        finally:
            db.rollback()
        took = time.monotonic() - began
        part = max(LEAST_PART, part * min(2.0, LOCK_SECONDS / took))


def _move(db: Database, table: str, part: float) -> None:
    """Move the lowest keys of all runs, up to such a part of all keys, into an index."""
    key = KEYS[table]
    where, bound = (IN_RUNS, []) if part == 1 else (f"{IN_RUNS} AND {key} <= ?", [_key(key, part)])
    # OR FAIL: else SQLite keeps all that it changes in memory, to undo the statement.
    db.run(
        f"INSERT OR FAIL INTO {table} SELECT {key}, user FROM recent_{table} "
        f"WHERE {where} ORDER BY {key}",
        *bound,
    )
    db.run(f"DELETE FROM recent_{table} WHERE {where}", *bound)
    db.run(
        "DELETE FROM runs "
        "WHERE NOT EXISTS (SELECT 1 FROM recent_identities WHERE run = runs.run) "
        "AND NOT EXISTS (SELECT 1 FROM recent_tokens WHERE run = runs.run)"
    )


def _take(db: Database, runs: str, part: float) -> None:
    """Take out the lowest tags of some runs, up to such a part of all."""
    bound = (1 << 63) - 1 if part == 1 else _key("tag", part)
    where = "run IN (SELECT value FROM json_each(?)) AND tag <= ?"
    db.run(
        "DELETE FROM identities "
        f"WHERE (tag, user) IN (SELECT tag, user FROM leaving WHERE {where})",
        runs,
        bound,
    )
    db.run(f"DELETE FROM leaving WHERE {where}", runs, bound)


def _key(key: str, part: float) -> int | bytes:
    """Return the key below which such a part of all random keys lies."""
    high = int(part * (1 << 32))
    return (high << 32) - (1 << 63) if key == "tag" else high.to_bytes(4, "big") + bytes(12)
