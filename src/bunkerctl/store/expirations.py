"""Expirations: the plan that a person has, and whom an exptoken belongs to."""

from __future__ import annotations

from bunkerctl import uuids
from bunkerctl.model import Expiration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.store.connection import Database


def put(db: Database, user_id: int, expiration: Expiration, before: Expiration | None) -> None:
    """Give a user an expiration; `before` is the standing one."""
    lead(db, user_id, expiration, before)
    db.run(
        "INSERT INTO expirations VALUES (?, ?, ?, ?, ?) ON CONFLICT (user) DO UPDATE SET"
        " exptoken = excluded.exptoken, status = excluded.status,"
        " started_at = excluded.started_at, due_at = excluded.due_at",
        user_id,
        uuids.to_bytes(expiration.exptoken),
        expiration.status,
        expiration.started_at,
        expiration.due_at,
    )


def lead(
    db: Database, user_id: int, expiration: Expiration | None, before: Expiration | None
) -> None:
    """Let the exptoken of an expiration lead to a user, in place of that of the one before."""
    old = None if before is None else before.exptoken
    new = None if expiration is None else expiration.exptoken
    if old == new:
        return
    if old is not None:
        db.run("DELETE FROM exptokens WHERE exptoken = ?", uuids.to_bytes(old))
    if new is not None:
        db.run("INSERT INTO exptokens VALUES (?, ?)", uuids.to_bytes(new), user_id)


def user_of(db: Database, exptoken: str) -> int | None:
    """Return the id of the living user whom an exptoken belongs to."""
    row = db.row(
        "SELECT user FROM expirations "
        "WHERE user IN (SELECT user FROM exptokens WHERE exptoken = ?1) AND exptoken = ?1",
        uuids.to_bytes(exptoken),
    )
    return None if row is None else int(row[0])
