"""The manifest of a backup: what stands behind the last page of its file.

A backup is an encrypted database with its manifest appended, a JSON object, its length and eight
letters: one file to carry away, and SQLite reads it where it lies. Nothing in the manifest is
secret: the backup's own key is in it, wrapped.
"""

from __future__ import annotations

import json
import os

from bunkerctl import crypto, errors, files, times, uuids
from bunkerctl.directory import Recovery, read_recovery, read_route
from bunkerctl.header import recovery_said, route_said
from bunkerctl.keys import Route
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA = "bunkerctl.backup/1"
MAX_BYTES = 64 * 1024
_MAGIC = b"bunkrbk1"
_LENGTH_BYTES = 8
_TAIL = _LENGTH_BYTES + len(_MAGIC)


class Manifest(Value):
    """What a backup says of itself. Times are Unix seconds.

    `vault` is where the vault was, `key` where its master key came from, `wrapped` the backup's
    own key under the master key with the id `key_id`; `sha256` is of the database (hex).
    """

    id: str
    vault_id: str
    vault: str
    created_at: int
    until: int | None
    key_id: str
    key: Route | None
    recovery: Recovery | None
    wrapped: bytes
    users: int
    erased: int
    events: int
    checkpoint: str
    size: int
    sha256: str

    def key_of(self, master: bytes) -> bytes | None:
        """Return the backup's own key; None if it was made under another master key."""
        return crypto.unwrap_backup(
            master, uuids.to_bytes(self.vault_id), uuids.to_bytes(self.id), self.wrapped
        )

    def keys_of(self, own: bytes) -> tuple[bytes, bytes]:
        """Return the raw key of the database, and the one that authenticates this manifest."""
        return crypto.backup_keys(own, uuids.to_bytes(self.id))


def append(path: str, manifest: Manifest, own: bytes) -> None:
    """Put a manifest behind the database of a backup, authenticated by the backup's own key."""
    said = _said(manifest)
    said["mac"] = crypto.mac(manifest.keys_of(own)[1], _canonical(said))
    body = _canonical(said)
    with open(path, "ab") as file:
        file.write(body + len(body).to_bytes(_LENGTH_BYTES, "big") + _MAGIC)
        file.flush()
        os.fsync(file.fileno())


def read(path: str) -> tuple[Manifest, str]:
    """Return the manifest of a backup, and what is to authenticate it.

    Raises:
        InputOutput: the file cannot be read.
        Invalid: it is not a backup.
        UnsupportedVersion: a newer program has made it.
    """
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - _TAIL - MAX_BYTES))
            tail = file.read()
    except OSError as error:
        raise files.explain(error, "read", path) from error
    length = int.from_bytes(tail[-_TAIL : -len(_MAGIC)], "big")
    if not tail.endswith(_MAGIC) or length > len(tail) - _TAIL:
        raise _not_one(path)
    try:
        said = json.loads(tail[-_TAIL - length : -_TAIL])
        if said["schema"] != SCHEMA and said["schema"].startswith(SCHEMA.partition("/")[0]):
            raise errors.UnsupportedVersion(
                f"{path} was made by a newer bunkerctl", hint="upgrade bunkerctl"
            )
        mac = str(said.pop("mac"))
        manifest = _manifest(said)
    except (KeyError, TypeError, ValueError, AttributeError, errors.Invalid, RecursionError):
        raise _not_one(path) from None
    if tail[-_TAIL - length : -_TAIL] != _canonical({**_said(manifest), "mac": mac}):
        raise errors.IntegrityFailure(f"the manifest of {path} was altered")
    if manifest.size != end - _TAIL - length:
        raise errors.IntegrityFailure(f"{path} is cut off, or something was put into it")
    return manifest, mac


def is_authentic(manifest: Manifest, mac: str, own: bytes) -> bool:
    return crypto.mac(manifest.keys_of(own)[1], _canonical(_said(manifest))) == mac


def _not_one(path: str) -> errors.Invalid:
    return errors.Invalid(f"{path} is not a backup", hint="`bunkerctl backup create` makes one")


def _canonical(said: dict[str, Any]) -> bytes:
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def _said(manifest: Manifest) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        **{name: getattr(manifest, name) for name in manifest.__annotations__},
        "created_at": times.text(manifest.created_at),
        "until": None if manifest.until is None else times.text(manifest.until),
        "key": manifest.key and route_said(manifest.key),
        "recovery": manifest.recovery and recovery_said(manifest.recovery),
        "wrapped": manifest.wrapped.hex(),
    }


def _manifest(said: dict[str, Any]) -> Manifest:
    numbers = {name: said[name] for name in ("users", "erased", "events", "size")}
    if any(type(value) is not int or value < 0 for value in numbers.values()):
        raise ValueError("not a count")
    return Manifest(
        id=uuids.checked(said["id"]),
        vault_id=uuids.checked(said["vault_id"]),
        vault=str(said["vault"]),
        created_at=times.parse_date(said["created_at"]),
        until=None if said["until"] is None else times.parse_date(said["until"]),
        key_id=str(said["key_id"]),
        key=None if said["key"] is None else read_route(said["key"]),
        recovery=read_recovery(said["recovery"]),
        wrapped=bytes.fromhex(said["wrapped"]),
        checkpoint=str(said["checkpoint"]),
        sha256=str(said["sha256"]),
        **numbers,
    )
