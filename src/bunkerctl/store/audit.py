"""Audit events: the canonical JSON is what counts.

The other columns are for looking up, and the leaf's hash tells which event was altered.
"""

from __future__ import annotations

from bunkerctl import merkle, uuids
from bunkerctl.errors import IntegrityFailure
from bunkerctl.model import ERASURES, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from bunkerctl.store.connection import Database

Leaf = tuple[int, str, bytes, int, "bytes | None"]

Tallied = tuple[int, str, str, "bytes | None", str]

READINGS = ("user.get", "exp.status", "export.user")
"""The actions that read one person's data."""


def tree(db: Database) -> merkle.Tree:
    """Return the tree over all events so far.

    Raises:
        IntegrityFailure: the stored size and frontier do not fit each other.
    """
    try:
        return merkle.Tree(*db.one("SELECT size, frontier FROM tree"))
    except ValueError as error:
        raise IntegrityFailure("the audit tree is damaged", hint="run `audit verify`") from error


class Pruned(Value):
    """What is left of the events that were pruned: the tree over them, and its checkpoint."""

    tree: merkle.Tree
    checkpoint: str


def pruned(db: Database) -> Pruned | None:
    """Return what pruning has left; None if nothing was pruned.

    Raises:
        IntegrityFailure: its size and frontier do not fit each other.
    """
    row = db.row("SELECT size, frontier, checkpoint FROM pruned")
    if row is None:
        return None
    try:
        return Pruned(tree=merkle.Tree(row[0], row[1]), checkpoint=row[2])
    except ValueError as error:
        raise IntegrityFailure("what pruning has left of the audit trail is damaged") from error


def prune(db: Database, left: Pruned) -> int:
    """Delete the events up to the size of that tree; return how many there were."""
    db.run("DELETE FROM pruned")
    db.run(
        "INSERT INTO pruned VALUES (1, ?, ?, ?)",
        left.tree.size,
        left.tree.frontier(),
        left.checkpoint,
    )
    return db.run("DELETE FROM audit WHERE seq <= ?", left.tree.size)


def last_before(db: Database, at: int) -> int:
    """Return the number of events that come before the first one of that time or later."""
    row = db.row("SELECT min(seq) FROM audit WHERE at >= ?", at)
    if row is not None and row[0] is not None:
        return int(row[0]) - 1
    return tree(db).size


def newest_commitment(db: Database, token: bytes) -> str | None:
    """Return the newest commitment to a person's record; None if no event has one."""
    row = db.row(
        "SELECT event ->> '$.commitment' FROM audit WHERE token = ? "
        "AND event ->> '$.commitment' IS NOT NULL ORDER BY seq DESC LIMIT 1",
        token,
    )
    return None if row is None else str(row[0])


def says_erased(db: Database, token: bytes) -> bool:
    """Tell whether an event says that a person was erased."""
    marks = ", ".join("?" * len(ERASURES))
    row = db.row(
        "SELECT 1 FROM audit WHERE token = ? AND event ->> '$.outcome' = 'ok' "
        f"AND event ->> '$.action' IN ({marks}) LIMIT 1",
        token,
        *ERASURES,
    )
    return row is not None


def tokens(db: Database, after: bytes, limit: int) -> list[bytes]:
    """Return up to `limit` tokens that events are about, in their order, from behind one."""
    rows = db.rows(
        "SELECT DISTINCT token FROM audit WHERE token > ? ORDER BY token LIMIT ?", after, limit
    )
    return [row[0] for row in rows]


def has_pruned(db: Database, size: int) -> bool:
    """Tell whether there is an event among those that were pruned."""
    return db.row("SELECT 1 FROM audit WHERE seq <= ? LIMIT 1", size) is not None


def hashes(db: Database, after: int, limit: int) -> list[bytes]:
    """Return up to `limit` leaf hashes from behind `after`, as they were stored."""
    return [
        row[0]
        for row in db.rows(
            "SELECT hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", after, limit
        )
    ]


def append(
    db: Database, tree: merkle.Tree, events: Iterable[tuple[str, str | None]], at: int
) -> None:
    """Add (event, token) after those of the tree, and move the tree on over them."""
    rows: list[Leaf] = []
    for event, token in events:
        leaf = merkle.leaf_hash(event.encode())
        tree.append(leaf)
        rows.append((tree.size, event, leaf, at, None if token is None else uuids.to_bytes(token)))
    db.run_many("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", rows)
    db.run("UPDATE tree SET size = ?, frontier = ?", tree.size, tree.frontier())


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


def newest_is(db: Database, action: str, outcome: str, key_id: str) -> bool:
    """Tell whether the newest event is of that action and outcome, about that master key."""
    row = db.row(
        "SELECT event ->> '$.action', event ->> '$.key_id', event ->> '$.outcome' "
        "FROM audit ORDER BY seq DESC LIMIT 1"
    )
    return row == (action, key_id, outcome)


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


def tallied(db: Database, after: int, limit: int) -> list[Tallied]:
    """Return up to `limit` events from behind `after`, as what counts them wants them.

    A row has seq, event, time (RFC 3339), the token if a person's data were read, and as a JSON
    array what is counted: action, outcome, actor, what an expstatus `was` before it changed, the
    first field that changed, and how many records were erased. All is from the event itself, not
    from the columns beside it. An event that is no JSON is left out.
    """
    rows: list[Any] = db.rows(
        f"""
        SELECT seq, event,
            coalesce(CAST(event ->> '$.at' AS TEXT), ''),
            CASE WHEN event ->> '$.action' IN ({", ".join(f"'{one}'" for one in READINGS)})
                AND event ->> '$.outcome' = 'ok' THEN unhex(event ->> '$.token', '-') END,
            json_extract(event, '$.action', '$.outcome', '$.actor', '$.was', '$.fields[0]',
                '$.counts.records')
        FROM audit WHERE seq > ? AND json_valid(event) ORDER BY seq LIMIT ?
        """,
        after,
        limit,
    )
    return rows


def _pairs(rows: list[tuple[Any, ...]]) -> list[tuple[int, str]]:
    return [(int(seq), str(event)) for seq, event in rows]
