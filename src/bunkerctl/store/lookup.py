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

from bunkerctl import jsontext
from bunkerctl.errors import Busy, InputOutput, OutcomeUnknown
from bunkerctl.lean import contextmanager, partial, suppress
from bunkerctl.store.indexes import KEYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bunkerctl.store.connection import Database

LOCK_SECONDS = 0.12
LEAST_ROOM = 64 << 20
FIRST_PART, LEAST_PART = 1 / 16, 1 / 4096
TAGS_AT_ONCE, FEW_TAGS = 10_000, 250


def taken(db: Database, tags: list[int]) -> set[int]:
    """Return which of the tags a living user has."""
    if not tags:
        return set()
    wanted = jsontext.dumps(sorted(tags))  # in the order of the index
    rows = db.rows("SELECT tag FROM json_each(?) CROSS JOIN identities ON tag = value", wanted)
    if runs(db):
        tag = "tag" if len(tags) <= FEW_TAGS else "+tag"  # which goes through all of each run
        rows += db.rows(
            "SELECT tag FROM runs CROSS JOIN recent_identities USING (run)"
            f" WHERE {tag} IN (SELECT value FROM json_each(?))",
            wanted,
        )
    return {tag for (tag,) in rows}


def all_tags(db: Database) -> Iterator[list[int]]:
    """Yield all tags in pages, each read by itself: one that is taken all the while is there.

    Those in runs come first, for they may be moved into the index meanwhile.
    """
    for (run,) in db.rows("SELECT run FROM runs"):
        yield [tag for (tag,) in db.rows("SELECT tag FROM recent_identities WHERE run = ?", run)]
    after: int | None = -(1 << 63)
    sql = "SELECT tag FROM identities WHERE tag >= ? ORDER BY tag LIMIT ?"
    while after is not None:
        page = [tag for (tag,) in db.rows(sql, after, TAGS_AT_ONCE)]
        yield page
        after = page[-1] + 1 if len(page) == TAGS_AT_ONCE and page[-1] < (1 << 63) - 1 else None


def begin_run(db: Database) -> int:
    """Return the number of a new run; it is filled in the same transaction."""
    return db.insert("INSERT INTO runs DEFAULT VALUES")


def runs(db: Database) -> int:
    """Return how many runs there are."""
    return int(db.one("SELECT count(*) FROM runs")[0])


def settle(db: Database) -> None:
    """Move all runs into the indexes, in transactions that are short.

    One that is killed has copied some, which does no harm; where others keep the lock, or the disk
    is full or nearly so, the rest stays for the next.
    """
    last = db.one("SELECT max(run) FROM runs")[0]
    if last is None or db.room() < LEAST_ROOM:
        return
    with suppress(Busy, InputOutput, OutcomeUnknown):
        for table in KEYS:
            _in_parts(db, partial(_copy, db, table, last))
        _drop(db, last)


def leave(db: Database, pairs: list[tuple[int, int]]) -> None:
    """Note pairs of a tag and a row number that are to be taken out of the identities."""
    db.insert_many("leaving", f"({left(db) + 1:d}, ?, ?)", sorted(pairs))


def left(db: Database) -> int:
    """Return how many runs of tags are still to be taken out."""
    return db.one("SELECT max(run) FROM leaving")[0] or 0


def take_out(db: Database) -> None:
    """Take out the tags that were left, in transactions that are short."""
    runs = jsontext.dumps(list(range(1, left(db) + 1)))
    if runs != "[]":
        _in_parts(db, partial(_take, db, runs))


def _in_parts(db: Database, act: Callable[[float, float], None]) -> None:
    """Act on the keys between two parts of all that there can be, each time in a transaction."""
    done, part = 0.0, FIRST_PART
    while done < 1:
        end = min(1.0, done + part)
        began = time.monotonic()
        with _transaction(db):
            act(done, end)
        took = time.monotonic() - began
        done, part = end, max(LEAST_PART, part * min(2.0, LOCK_SECONDS / took))


@contextmanager
def _transaction(db: Database) -> Iterator[None]:
    db.begin()
    try:
        yield
        db.commit()
    finally:
        db.rollback()


def _copy(db: Database, table: str, last: int, begin: float, end: float) -> None:
    """Copy the keys of the runs up to the last that lie between two parts into an index."""
    key = KEYS[table]
    # OR IGNORE: who was killed here has copied some. It keeps nothing in memory to undo either.
    db.run(
        f"INSERT OR IGNORE INTO {table} SELECT {key}, user FROM recent_{table} "
        f"WHERE run IN (SELECT run FROM runs WHERE run <= ?) AND {key} >= ? AND {key} < ? "
        f"ORDER BY {key}",
        last,
        _key(key, begin),
        _key(key, end),
    )


def _drop(db: Database, last: int) -> None:
    """Drop the runs up to the last, which are in the indexes by now: a run begun since has a
    higher number.

    All at once if there is no such: SQLite then frees the pages and looks at no row.
    """
    for table in KEYS:
        with _transaction(db):
            if db.row("SELECT 1 FROM runs WHERE run > ?", last) is not None:
                break
            db.run(f"DELETE FROM recent_{table}")
    else:
        with _transaction(db):
            db.run("DELETE FROM runs WHERE run <= ?", last)
    for (run,) in db.rows("SELECT run FROM runs WHERE run <= ?", last):
        with _transaction(db):
            for table in KEYS:
                db.run(f"DELETE FROM recent_{table} WHERE run = ?", run)
            db.run("DELETE FROM runs WHERE run = ?", run)


def _take(db: Database, runs: str, begin: float, end: float) -> None:
    """Take out the tags of some runs that lie between two parts."""
    bounds = runs, _key("tag", begin), _key("tag", end)
    where = "run IN (SELECT value FROM json_each(?)) AND tag >= ? AND tag < ?"
    db.run(
        "DELETE FROM identities "
        f"WHERE (tag, user) IN (SELECT tag, user FROM leaving WHERE {where})",
        *bounds,
    )
    db.run(f"DELETE FROM leaving WHERE {where}", *bounds)


def _key(key: str, part: float) -> float | bytes:
    """Return the key below which such a part of all random keys lies."""
    if part == 1:  # above all of them
        return 2.0**63 if key == "tag" else b"\xff" * 17
    high = int(part * (1 << 32))
    return (high << 32) - (1 << 63) if key == "tag" else high.to_bytes(4, "big") + bytes(12)
