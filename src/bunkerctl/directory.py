"""The vault's directory: its files, its header, and whether a vault may and can be there."""

from __future__ import annotations

import json
import os
import stat
import uuid

from bunkerctl import errors, files, times
from bunkerctl.keys import Route
from bunkerctl.model import Value

FORMAT = 1
DATABASE = "vault.db"
HEADER = "vault.json"
LEDGER = "erasures.jsonl"
LOCK = "vault.lock"

RECORDED = ("keyring", "file")
"""The key sources that a header may name: never a command, or a copied vault could run one."""

MAX_HEADER_BYTES = 1 << 16
KEY_ID_BYTES = 8
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse", "fuseblk")


class Header(Value):
    """What `vault.json` says: no secret. `created_at` is Unix seconds."""

    vault_id: str
    created_at: int
    key_id: str
    key: Route | None


def read_header(directory: str) -> Header:
    """Read what a vault says of itself.

    Raises:
        NoVault: there is none.
        IntegrityFailure: its header is damaged.
        InputOutput: no permission.
    """
    path = os.path.join(directory, HEADER)
    try:
        said = json.loads(_read(path))
    except (FileNotFoundError, NotADirectoryError):
        raise errors.NoVault(
            f"no vault at {directory}",
            hint="make one with `bunkerctl init`, or name another with --vault DIR",
        ) from None
    except OSError as error:
        raise files.explain(error, "read", path) from error
    except (ValueError, RecursionError):
        raise errors.IntegrityFailure(f"{path} is damaged") from None
    try:
        if said["format"] > FORMAT:
            raise errors.UnsupportedVersion(
                f"the vault has format {said['format']}, this program knows {FORMAT}",
                hint="upgrade bunkerctl",
            )
        return Header(
            vault_id=str(uuid.UUID(said["vault_id"])),
            created_at=times.parse_date(said["created_at"]),
            key_id=_hex(said["key_id"]),
            key=None if said["key"] is None else _route(said["key"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, errors.Invalid):
        raise errors.IntegrityFailure(f"{path} is damaged") from None


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise errors.InputOutput(f"{path} is not a regular file")
        return os.read(descriptor, MAX_HEADER_BYTES)
    finally:
        os.close(descriptor)


def _hex(text: str) -> str:
    if len(bytes.fromhex(text)) != KEY_ID_BYTES or text != text.lower():
        raise ValueError("not a key id")
    return text


def _route(said: dict[str, str]) -> Route:
    source, place = said["source"], said["place"]
    if source not in RECORDED or not isinstance(place, str) or not place:
        raise TypeError("not a route to a key")
    return Route(source=source, place=place)


def header_text(header: Header) -> bytes:
    """Return a header as `vault.json` has it."""
    key = header.key
    return (
        json.dumps(
            {
                "format": FORMAT,
                "vault_id": header.vault_id,
                "created_at": times.text(header.created_at),
                "key_id": header.key_id,
                "key": key and {"source": key.source, "place": key.place},
            },
            indent=2,
        ).encode()
        + b"\n"
    )


def check_place(directory: str) -> None:
    """Refuse a network file system: SQLite's WAL needs shared memory between processes.

    Raises:
        Usage: NFS, SMB, 9p or FUSE (https://sqlite.org/wal.html).
    """
    kind = _file_system(os.path.realpath(directory))
    if kind.split(".")[0] in _REMOTE:
        raise errors.Usage(
            f"{directory} is on a {kind} file system, where SQLite's WAL is unsafe",
            hint="keep the vault on a local disk",
        )


def _file_system(path: str) -> str:
    """Return the type of the file system that holds a path, empty where it cannot be told."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return ""
    best, kind = "", ""
    for fields in mounts:
        point = fields[4].replace("\\040", " ").rstrip("/")
        if (path == point or path.startswith(point + "/")) and len(point) >= len(best):
            best, kind = point, fields[fields.index("-") + 1]
    return kind


def check_access(directory: str) -> None:
    """Say what is wrong in words that tell the cases apart, before SQLite says less.

    Raises:
        NoVault: the database is missing.
        InputOutput: no permission to read and write, or a symbolic link.
    """
    path = os.path.join(directory, DATABASE)
    try:
        os.lstat(path)
    except FileNotFoundError:
        raise errors.NoVault(
            f"no {DATABASE} in {directory}: the database is missing",
            hint="its header is there, so do not run init; look for a backup",
        ) from None
    except OSError as error:
        raise files.explain(error, "reach", path) from error
    if os.path.islink(path):
        raise errors.InputOutput(f"{path} is a symbolic link")
    if not os.access(path, os.R_OK | os.W_OK):
        raise errors.InputOutput(
            f"no permission to read and write {path}", hint="run as the vault's owner"
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        raise errors.InputOutput(
            f"no permission to write in the directory {directory}",
            hint="each command, a read too, writes an audit event first",
        )
