"""Backups, and a vault that was made of one."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.answers import Answer, time_or_null

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.manifests import Manifest
    from bunkerctl.reinstatement import Reinstated
    from bunkerctl.store.backups import Backup

BACKUP = ("id", "path", "created_at", "until", "due")


def manifest(file: str, found: Manifest) -> Answer:
    return {
        "file": file,
        "id": found.id,
        "vault_id": found.vault_id,
        "created_at": times.text(found.created_at),
        "until": time_or_null(found.until),
        "key_id": found.key_id,
        "users": found.users,
        "erased": found.erased,
        "events": found.events,
        "size": found.size,
    }


def backup(found: Backup, now: int) -> Answer:
    return {
        "id": found.id,
        "path": found.path,
        "created_at": times.text(found.created_at),
        "until": time_or_null(found.until),
        "due": found.until is not None and found.until <= now,
    }


def reinstated(file: str, done: Reinstated) -> Answer:
    return {
        "vault": done.directory,
        "vault_id": done.manifest.vault_id,
        "file": file,
        "id": done.manifest.id,
        "created_at": times.text(done.manifest.created_at),
        "users": done.users,
        "erased_again": done.erased,
        "live": done.live,
        "anchored": done.anchored,
        "changed": True,
    }
