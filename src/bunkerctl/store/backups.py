"""Backups that the vault knows of."""

from __future__ import annotations

from bunkerctl import uuids
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.store.connection import Database


class Backup(Value):
    """One backup: `until` is when it is to go, None never; `gone_at` when it was removed.

    Times are Unix seconds.
    """

    id: str
    path: str
    created_at: int
    until: int | None
    gone_at: int | None


def put(db: Database, backup: Backup) -> None:
    db.run(
        "INSERT INTO backups VALUES (?, ?, ?, ?, ?)",
        uuids.to_bytes(backup.id),
        backup.path,
        backup.created_at,
        backup.until,
        backup.gone_at,
    )


def known(db: Database) -> list[Backup]:
    """Return every backup, oldest first."""
    return [
        Backup(
            id=uuids.to_text(row[0]), path=row[1], created_at=row[2], until=row[3], gone_at=row[4]
        )
        for row in db.rows(
            "SELECT id, path, created_at, until, gone_at FROM backups ORDER BY created_at, id"
        )
    ]


def set_gone(db: Database, backup_id: str, now: int) -> None:
    db.run("UPDATE backups SET gone_at = ? WHERE id = ?", now, uuids.to_bytes(backup_id))
