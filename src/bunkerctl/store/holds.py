"""Legal holds: the row says when, the words lie in the drawer."""

from __future__ import annotations

from bunkerctl import jsontext
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


def count(db: Database, now: int) -> int:
    return int(db.one("SELECT count(*) FROM holds WHERE until IS NULL OR until > ?", now)[0])
