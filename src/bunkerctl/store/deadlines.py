"""Deadlines: who waits, who is due and not held, and how many."""

from __future__ import annotations

from bunkerctl import uuids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bunkerctl.store.connection import Database

# ?1 is the time now, wherever these stand.
_HELD = "EXISTS (SELECT 1 FROM holds h WHERE h.user = e.user AND (h.until IS NULL OR h.until > ?1))"
_DUE = f"e.status = 'wait' AND e.due_at <= ?2 AND NOT {_HELD}"
_START = (-(1 << 62), 0)


def due(
    db: Database, now: int, *, after: tuple[int, int] | None = None, limit: int = -1
) -> list[tuple[int, int]]:
    """Return (due_at, user id) of who is due and not held, soonest first, from behind `after`."""
    return _pairs(
        db.rows(
            f"SELECT e.due_at, e.user FROM expirations e WHERE {_DUE}"
            " AND (e.due_at, e.user) > (?3, ?4) ORDER BY e.due_at, e.user LIMIT ?5",
            now,
            now,
            *(after or _START),
            limit,
        )
    )


def waiting(
    db: Database, until: int | None, after: tuple[int, int] | None, limit: int
) -> list[tuple[int, int]]:
    """Return (due_at, user id) of who waits, held or not, soonest first, from behind `after`.

    `until` leaves out who is due later than that.
    """
    return _pairs(
        db.rows(
            "SELECT due_at, user FROM expirations WHERE status = 'wait'"
            " AND (due_at, user) > (?, ?) AND due_at <= ? ORDER BY due_at, user LIMIT ?",
            *(after or _START),
            (1 << 62) if until is None else until,
            limit,
        )
    )


def count_waiting(db: Database) -> int:
    return int(db.one("SELECT count(*) FROM expirations WHERE status = 'wait'")[0])


def count_due(db: Database, now: int, by: int) -> int:
    """Count who is due at `by` and not held at `now`."""
    return int(db.one(f"SELECT count(*) FROM expirations e WHERE {_DUE}", now, by)[0])


def count_by_week(db: Database, now: int, weeks: int) -> dict[int, int]:
    """Count who waits and is not held, by when it is due: 0 is now, 1 within the first week.

    `weeks` + 1 stands for everything later.
    """
    rows = db.rows(
        "SELECT min(max((e.due_at - ?1 + 604799) / 604800, 0), ?2 + 1), count(*)"
        f" FROM expirations e WHERE e.status = 'wait' AND NOT {_HELD} GROUP BY 1",
        now,
        weeks,
    )
    return {int(week): int(count) for week, count in rows}


def count_held(db: Database, now: int) -> int:
    """Count who is due and held."""
    return int(
        db.one(
            "SELECT count(*) FROM expirations e"
            f" WHERE e.status = 'wait' AND e.due_at <= ?1 AND {_HELD}",
            now,
        )[0]
    )


def count_by_status(db: Database) -> dict[str, int]:
    """Count who waits, and who is kept; `none` are those whose expiration was cancelled."""
    return dict(db.rows("SELECT status, count(*) FROM expirations GROUP BY status"))


def count_by_week_and_hold(db: Database, now: int, start: int) -> list[tuple[int, int, int]]:
    """Count who falls due after now: rows of week, whether held, people.

    Week 0 begins at `start`, which is not after now.
    """
    return _triples(
        db.rows(
            f"SELECT (e.due_at - ?2) / {7 * 86400}, {_HELD}, count(*) FROM expirations e"
            " WHERE e.status = 'wait' AND e.due_at > ?1 GROUP BY 1, 2 ORDER BY 1, 2",
            now,
            start,
        )
    )


def oldest_due(db: Database, now: int, by: int, limit: int) -> list[tuple[str, int]]:
    """Return (token, due_at) of up to `limit` who are due at `by` and not held, soonest first."""
    rows = db.rows(
        "SELECT u.token, e.due_at FROM expirations e JOIN users u ON u.id = e.user"
        f" WHERE {_DUE} ORDER BY e.due_at, e.user LIMIT ?3",
        now,
        by,
        limit,
    )
    return [(uuids.to_text(token), int(due_at)) for token, due_at in rows]


def next_due(db: Database, now: int) -> int | None:
    """Return when the soonest of those who wait and are not held is due."""
    row = db.row(
        f"SELECT e.due_at FROM expirations e WHERE e.status = 'wait' AND NOT {_HELD}"
        " ORDER BY e.due_at, e.user LIMIT 1",
        now,
    )
    return None if row is None else int(row[0])


def _pairs(rows: list[tuple[Any, ...]]) -> list[tuple[int, int]]:
    return [(int(due_at), int(user)) for due_at, user in rows]


def _triples(rows: list[tuple[Any, ...]]) -> list[tuple[int, int, int]]:
    return [(int(one), int(two), int(three)) for one, two, three in rows]
