"""The vault's directory: its files, its header, and whether a vault may and can be there."""

from __future__ import annotations

import os
import stat

from bunkerctl import crypto, errors, files, jsontext, times, uuids
from bunkerctl.keys import Route
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1
DATABASE = "vault.db"
HEADER = "vault.json"
LEDGER = "erasures.jsonl"
LOCK = "vault.lock"

RECORDED = ("keyring", "file")
"""The key sources that a header may name: never a command, or a copied vault could run one."""

COPIED = (*RECORDED, "credential")
"""Where further copies of the key may be."""

MAX_HEADER_BYTES = 1 << 16
KEY_ID_BYTES = 8
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse", "fuseblk")


class Recovery(Value):
    """The master key, wrapped by the secret of a recovery code; `made_at` is Unix seconds."""

    made_at: int
    wrapped: bytes


class Succession(Value):
    """A rotation that is not finished: the id of the new key, and its recovery."""

    key_id: str
    recovery: Recovery | None


class Header(Value):
    """What `vault.json` says: no secret. `created_at` is Unix seconds.

    `key` is where the key comes from if nothing else is said, `copies` where else it is kept
    and to be renewed. `ending` says that the vault is being destroyed.
    """

    vault_id: str
    created_at: int
    key_id: str
    key: Route | None
    copies: tuple[Route, ...]
    recovery: Recovery | None
    succession: Succession | None
    ending: bool

    def places(self) -> tuple[Route, ...]:
        """Return where the key is kept, as far as the vault knows."""
        return (self.key, *self.copies) if self.key else self.copies


def read_header(directory: str) -> Header:
    """Read what a vault says of itself.

    Raises:
        NoVault: there is none.
        IntegrityFailure: its header is damaged.
        InputOutput: no permission.
    """
    path = os.path.join(directory, HEADER)
    try:
        said: Any = jsontext.loads(_read(path))
    except (FileNotFoundError, NotADirectoryError):
        raise errors.NoVault(
            f"no vault at {directory}",
            hint="make one with `bunkerctl init`, or name another with --vault DIR",
        ) from None
    except OSError as error:
        raise files.explain(error, "read", path) from error
    except errors.Invalid:
        raise errors.IntegrityFailure(f"{path} is damaged") from None
    try:
        if said["format"] > FORMAT:
            raise errors.UnsupportedVersion(
                f"the vault has format {said['format']}, this program knows {FORMAT}",
                hint="upgrade bunkerctl",
            )
        return Header(
            vault_id=uuids.checked(said["vault_id"]),
            created_at=times.parse_date(said["created_at"]),
            key_id=_hex(said["key_id"]),
            key=None if said["key"] is None else read_route(said["key"]),
            copies=tuple(read_route(one, COPIED) for one in said.get("copies", ())),
            recovery=read_recovery(said.get("recovery")),
            succession=_succession(said.get("next")),
            ending=said.get("ending") is True,
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


def read_route(said: dict[str, str], sources: tuple[str, ...] = RECORDED) -> Route:
    """Return a route as `header.route_said` has it; raise TypeError or KeyError for others."""
    source, place = said["source"], said["place"]
    if source not in sources or not isinstance(place, str) or not place:
        raise TypeError("not a route to a key")
    return Route(source=source, place=place)


def read_recovery(said: dict[str, str] | None) -> Recovery | None:
    """Return a recovery as `header.recovery_said` has it, None for None.

    Raises:
        KeyError, TypeError, ValueError, Invalid: it is something else.
    """
    if said is None:
        return None
    wrapped = bytes.fromhex(said["wrapped"])
    if len(wrapped) != crypto.WRAPPED_BYTES:
        raise ValueError("not a wrapped key")
    return Recovery(made_at=times.parse_date(said["made_at"]), wrapped=wrapped)


def _succession(said: dict[str, Any] | None) -> Succession | None:
    if said is None:
        return None
    return Succession(key_id=_hex(said["key_id"]), recovery=read_recovery(said["recovery"]))


def check_outside(directory: str, path: str, what: str) -> None:
    """Refuse a path inside a vault, through whatever links; raise Usage."""
    place, vault = os.path.realpath(os.path.dirname(path) or "."), os.path.realpath(directory)
    if place == vault or place.startswith(vault + os.sep):
        raise errors.Usage(f"the {what} must lie outside the vault", hint="another directory")


def enter(directory: str, wait: float, *, alone: bool) -> int:
    """Take part in a vault until the returned descriptor is closed; its key stays the same.

    With `alone` nobody else is in it: for a rotation, and for what ends the vault. `wait` is in
    seconds.

    Raises:
        NoVault, InputOutput: as `read_header`.
        Busy: others are in it, or one is who must be alone.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        read_header(directory)  # which says more of what is wrong
        raise files.explain(error, "look into", directory) from error
    try:
        files.lock(descriptor, directory, wait, shared=not alone)
    except errors.Busy as error:
        os.close(descriptor)
        who = "other commands are" if alone else "a command that must be alone is"
        raise errors.Busy(f"{who} in this vault", hint=error.hint) from error
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_place(directory: str) -> None:
    """Refuse a network file system: SQLite's WAL needs shared memory between processes.

    Raises:
        Usage: NFS, SMB, 9p or FUSE (https://sqlite.org/wal.html).
    """
    kind = file_system(os.path.realpath(directory))
    if kind.split(".")[0] in _REMOTE:
        raise errors.Usage(
            f"{directory} is on a {kind} file system, where SQLite's WAL is unsafe",
            hint="keep the vault on a local disk",
        )


def file_system(path: str) -> str:
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
