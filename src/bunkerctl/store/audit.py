"""Audit events: the canonical JSON is what counts.

The other columns are for looking up, and the leaf's hash tells which event was altered.
"""

from __future__ import annotations

from bunkerctl import merkle
from bunkerctl.errors import IntegrityFailure
from bunkerctl.store.users import token_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from bunkerctl.store.connection import Database

Leaf = tuple[int, str, bytes, int, "bytes | None"]


def tree(db: Database) -> merkle.Tree:
    """Return the tree over all events so far.

    Raises:
        IntegrityFailure: the stored size and frontier do not fit each other.
    """
    try:
        return merkle.Tree(*db.one("SELECT size, frontier FROM tree"))
    except ValueError as error:
        raise IntegrityFailure("the audit tree is damaged", hint="run `audit verify`") from error


def put_tree(db: Database, tree: merkle.Tree) -> None:
    db.run("UPDATE tree SET size = ?, frontier = ?", tree.size, tree.frontier())


def append(db: Database, seq: int, event: str, leaf: bytes, at: int, token: str | None) -> None:
    """Add an event; `leaf` is its hash."""
    raw = token and token_bytes(token)
    db.run("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", seq, event, leaf, at, raw)


def page(
    db: Database,
    after: int,
    limit: int,
    where: Iterable[str] = (),
    parameters: Iterable[Any] = (),
) -> list[tuple[int, str]]:
    """Return up to `limit` (seq, event), oldest first, from behind `after`."""
    conditions = " AND ".join(("seq > ?", *where))
    return _pairs(
        db.rows(
            f"SELECT seq, event FROM audit WHERE {conditions} ORDER BY seq LIMIT ?",
            after,
            *parameters,
            limit,
        )
    )


def nth_newest(
    db: Database, count: int, where: Iterable[str] = (), parameters: Iterable[Any] = ()
) -> int:
    """Return the seq behind which the newest `count` events lie; 0 if there are no more."""
    conditions = " AND ".join(("1", *where))
    row = db.row(
        f"SELECT seq FROM audit WHERE {conditions} ORDER BY seq DESC LIMIT 1 OFFSET ?",
        *parameters,
        count,
    )
    return 0 if row is None else int(row[0])


def by_seq(db: Database, seq: int) -> str | None:
    row = db.row("SELECT event FROM audit WHERE seq = ?", seq)
    return None if row is None else str(row[0])


def newest_is(db: Database, action: str, key_id: str) -> bool:
    """Tell whether the newest event is of that action, done, about that master key."""
    row = db.row(
        "SELECT event ->> '$.action', event ->> '$.key_id', event ->> '$.outcome' "
        "FROM audit ORDER BY seq DESC LIMIT 1"
    )
    return row == (action, key_id, "ok")


def newest_at(db: Database) -> int:
    """Return the time of the newest event."""
    return int(db.one("SELECT at FROM audit ORDER BY seq DESC LIMIT 1")[0])


def leaves(db: Database, after: int, limit: int) -> list[Leaf]:
    """Return up to `limit` (seq, event, hash, at, token) from behind `after`, to be verified."""
    rows: list[Any] = db.rows(
        "SELECT seq, event, hash, at, token FROM audit WHERE seq > ? ORDER BY seq LIMIT ?",
        after,
        limit,
    )
    return rows


def _pairs(rows: list[tuple[Any, ...]]) -> list[tuple[int, str]]:
    return [(int(seq), str(event)) for seq, event in rows]
