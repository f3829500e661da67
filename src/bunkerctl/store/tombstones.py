"""Tombstones: what remains of an erased person."""

from __future__ import annotations

from bunkerctl import jsontext, uuids
from bunkerctl.errors import IntegrityFailure, Invalid
from bunkerctl.lean import lru_cache
from bunkerctl.model import Tombstone
from bunkerctl.store.connection import blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bunkerctl.store.connection import Database

_SELECT = "SELECT token, exptoken, created_at, erased_at, reason, counts, event FROM tombstones"


def put(db: Database, some: dict[int, Tombstone]) -> None:
    """Add tombstones by the row numbers of the people, to whom their tokens lead already."""
    db.insert_many(
        "tombstones",
        "(?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                user_id,
                blob(uuids.to_bytes(one.token)),
                one.exptoken and blob(uuids.to_bytes(one.exptoken)),
                one.created_at,
                one.erased_at,
                one.reason,
                jsontext.dumps(one.counts),
                one.event,
            )
            for user_id, one in some.items()
        ],
    )


def by_token(db: Database, token: str) -> Tombstone | None:
    return _first(db, "(SELECT user FROM all_tokens WHERE token = ?1) AND token = ?1", token)


def by_exptoken(db: Database, exptoken: str) -> Tombstone | None:
    whose = "(SELECT user FROM exptokens WHERE exptoken = ?1) AND exptoken = ?1"
    return _first(db, whose, exptoken)


def is_of_event(db: Database, event: int, token: str) -> bool:
    """Tell whether that event erased that token, here."""
    row = db.row("SELECT token FROM tombstones WHERE event = ?", event)
    return row is not None and uuids.to_text(row[0]) == token


def is_erased(db: Database, token: bytes) -> bool:
    sql = (
        "SELECT 1 FROM tombstones "
        "WHERE user IN (SELECT user FROM all_tokens WHERE token = ?1) AND token = ?1"
    )
    return db.row(sql, token) is not None


def since(db: Database, event: int, limit: int, reason: str | None = None) -> list[Tombstone]:
    """Return up to `limit` tombstones whose event is later than `event`, in order."""
    return [
        _tombstone(row)
        for row in db.rows(
            f"{_SELECT} WHERE event > ? AND reason = coalesce(?, reason) ORDER BY event LIMIT ?",
            event,
            reason,
            limit,
        )
    ]


def count_since(db: Database, event: int) -> int:
    """Return how many tombstones there are whose event is later than `event`."""
    return int(db.one("SELECT count(*) FROM tombstones WHERE event > ?", event)[0])


def count_by_reason(
    db: Database, since: int, until: int, pruned: int
) -> list[tuple[str, int, int]]:
    """Count erasures from `since` to before `until` (Unix seconds).

    Rows of reason, people, and how many of them have an event up to number `pruned`.
    """
    rows = db.rows(
        "SELECT reason, count(*), sum(event <= ?) FROM tombstones"
        " WHERE erased_at >= ? AND erased_at < ? GROUP BY reason",
        pruned,
        since,
        until,
    )
    return [(str(reason), int(people), int(bare)) for reason, people, bare in rows]


def newest(db: Database, since: int, until: int, limit: int) -> list[Tombstone]:
    """Return up to `limit` erasures from `since` to before `until`, newest first."""
    rows = db.rows(
        f"{_SELECT} WHERE erased_at >= ? AND erased_at < ? ORDER BY event DESC LIMIT ?",
        since,
        until,
        limit,
    )
    return [_tombstone(row) for row in rows]


def _first(db: Database, whose: str, value: str) -> Tombstone | None:
    row = db.row(f"{_SELECT} WHERE user IN {whose}", uuids.to_bytes(value))
    return None if row is None else _tombstone(row)


def _tombstone(row: tuple[Any, ...]) -> Tombstone:
    return Tombstone(
        token=uuids.to_text(row[0]),
        exptoken=row[1] and uuids.to_text(row[1]),
        created_at=row[2],
        erased_at=row[3],
        reason=row[4],
        counts=dict(_counts(row[5])),
        event=row[6],
    )


@lru_cache
def _counts(text: str) -> dict[str, int]:
    """Read counts, which many have in common; not to be changed."""
    try:
        counts = jsontext.loads(text.encode())
    except Invalid:
        counts = None
    if not isinstance(counts, dict):
        raise IntegrityFailure("a tombstone in the database is damaged")
    return counts
