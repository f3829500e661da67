"""Legal holds: the row says when, the words lie in the drawer."""

from __future__ import annotations

from bunkerctl import jsontext, uuids
from bunkerctl.model import Hold
from bunkerctl.store import drawer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.store.connection import Database


def put(db: Database, user_id: int, hold: Hold) -> None:
    remove(db, user_id)
    words = jsontext.dumps({"reason": hold.reason, "by": hold.by}).encode()
    db.run(
        "INSERT INTO holds VALUES (?, ?, ?, ?)",
        user_id,
        drawer.put(db, words),
        hold.since,
        hold.until,
    )


def remove(db: Database, user_id: int) -> None:
    for (place,) in db.rows("SELECT words FROM holds WHERE user = ?", user_id):
        drawer.zero(db, [place])
    db.run("DELETE FROM holds WHERE user = ?", user_id)


def count(db: Database, now: int, since: int | None = None) -> int:
    """Count the holds that stand; with `since`, those placed by then."""
    return int(
        db.one(
            "SELECT count(*) FROM holds WHERE (until IS NULL OR until > ?1)"
            " AND since <= coalesce(?2, since)",
            now,
            since,
        )[0]
    )


def oldest(db: Database, now: int, limit: int) -> list[tuple[str, int, int | None]]:
    """Return (token, since, until) of up to `limit` holds that stand, oldest first."""
    rows = db.rows(
        "SELECT u.token, h.since, h.until FROM holds h JOIN users u ON u.id = h.user"
        " WHERE h.until IS NULL OR h.until > ? ORDER BY h.since, h.user LIMIT ?",
        now,
        limit,
    )
    return [(uuids.to_text(token), int(since), until) for token, since, until in rows]
