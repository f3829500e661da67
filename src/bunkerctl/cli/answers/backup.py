"""Backups, and a vault that was made of one."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.answers import (
    COUNT,
    FLAG,
    KEY_ID,
    TEXT,
    TIME,
    UUID,
    Answer,
    Fields,
    list_of,
    or_null,
    time_or_null,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.manifests import Manifest
    from bunkerctl.reinstatement import Reinstated
    from bunkerctl.store.backups import Backup


MANIFEST: Fields = {
    "file": (TEXT, "the backup's file, as it was named"),
    "id": (UUID, "which backup"),
    "vault_id": (UUID, "which vault"),
    "created_at": (TIME, "when it was made"),
    "until": (or_null(TIME), "until when it is kept, as --keep said"),
    "key_id": (KEY_ID, "the master key that opens it"),
    "users": (COUNT, "how many people are in it"),
    "erased": (COUNT, "how many had been erased before"),
    "events": (COUNT, "how many audit events it has"),
    "size": (COUNT, "of its database, in bytes"),
}
CREATED: Fields = {**MANIFEST, "changed": (FLAG, "true: it was written")}
VERIFIED: Fields = {**MANIFEST, "ok": ({"const": True}, "true: a damaged one is an error")}
BACKUP: Fields = {
    "id": (UUID, "which backup"),
    "path": (TEXT, "where it was written"),
    "created_at": (TIME, "when it was made"),
    "until": (or_null(TIME), "until when it is kept, as --keep said"),
    "due": (FLAG, "whether `backup prune` would remove it"),
}
REINSTATED: Fields = {
    "vault": (TEXT, "the directory of the new vault"),
    "vault_id": (UUID, "which vault it is"),
    "file": (TEXT, "the backup's file, as it was named"),
    "id": (UUID, "which backup"),
    "created_at": (TIME, "when it was made"),
    "users": (COUNT, "how many people live in the new vault"),
    "erased_again": (COUNT, "how many of the backup had been erased since"),
    "live": (FLAG, "whether the vault itself could be asked who was erased"),
    "anchored": (
        or_null(FLAG),
        "whether the trail was proven against a head kept elsewhere; null: there was none",
    ),
    "changed": (FLAG, "true: the vault was made"),
}
PRUNED: Fields = {
    "removed": (list_of(TEXT), "the files that were removed"),
    "missing": (list_of(TEXT), "files that were not there: moved ones are to be removed by hand"),
    "changed": (FLAG, "whether any was removed"),
}


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
