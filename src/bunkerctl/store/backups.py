"""Backups that the vault knows of."""

from __future__ import annotations

from bunkerctl import uuids
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.store.connection import Database


class Backup(Value):
    """One backup: `until` is when it is to go, None never; `gone_at` when it was removed.

    `moving` says that the vault has begun to put its file in place, or to take it away, and has
    not noted what came of it. Times are Unix seconds.
    """

    id: str
    path: str
    created_at: int
    until: int | None
    gone_at: int | None
    moving: bool


def put(db: Database, backup: Backup) -> None:
    db.run(
        "INSERT INTO backups VALUES (?, ?, ?, ?, ?, ?)",
        uuids.to_bytes(backup.id),
        backup.path,
        backup.created_at,
        backup.until,
        backup.gone_at,
        backup.moving,
    )


def known(db: Database) -> list[Backup]:
    """Return every backup, oldest first."""
    return [
        Backup(
            id=uuids.to_text(row[0]),
            path=row[1],
            created_at=row[2],
            until=row[3],
            gone_at=row[4],
            moving=bool(row[5]),
        )
        for row in db.rows(
            "SELECT id, path, created_at, until, gone_at, moving FROM backups"
            " ORDER BY created_at, id"
        )
    ]


def set_moving(db: Database, backup_id: str) -> None:
    """Note that the file of a backup that is there is about to be taken away."""
    db.run(
        "UPDATE backups SET moving = 1 WHERE id = ? AND gone_at IS NULL", uuids.to_bytes(backup_id)
    )


def settle(db: Database, backup_id: str, gone_at: int | None) -> None:
    """Note what came of a move: the file is there, or gone since a time."""
    db.run(
        "UPDATE backups SET moving = 0, gone_at = ? WHERE id = ?",
        gone_at,
        uuids.to_bytes(backup_id),
    )
