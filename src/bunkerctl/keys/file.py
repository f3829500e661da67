"""The master key in a file that its owner alone can read."""

from __future__ import annotations

import errno
import os
import stat

from bunkerctl import files
from bunkerctl.errors import KeyUnavailable

MAX_BYTES = 200
_CLAIMS = "user.bunkerctl.vaults"
_OTHERS = 0o077
_ANYBODY = 0o007


def read(path: str, owner: int | None = None) -> bytes:
    """Return the file's bytes; the file checked is the file read, for it is opened once.

    It belongs to whoever runs this, to root, or to the user `owner`.

    Raises:
        KeyUnavailable: missing, a link, not a regular file, another owner's, open to others.
    """
    return _read(path, f"the key file {path}", _OTHERS, owner)


def read_credential(path: str) -> bytes:
    """As `read`, for a file that systemd delivers.

    systemd lets the service's user in by an access list, which shows as the group's bits.
    """
    return _read(path, f"the credential {path}", _ANYBODY, None)


def write(path: str, secret: bytes, *, like: str, owner: tuple[int, int] | None) -> None:
    """Write a key file, or replace it in one step.

    It belongs to the owner of the file `like`, or if there is none, for root to `owner`.

    Raises:
        InputOutput: the file system refuses.
    """
    from bunkerctl import placement  # who reads a key does without

    if os.path.exists(like):
        found = os.lstat(like)
        owner = (found.st_uid, found.st_gid)
    placement.write(path, [secret], force=os.path.lexists(path), owner=owner)


def claim(path: str, vault_id: str) -> None:
    """Note on a key file that a vault has its key there, where the file system keeps such notes."""
    _note(path, {*claims(path), vault_id})


def disclaim(path: str, vault_id: str) -> None:
    """Take that note away."""
    _note(path, claims(path) - {vault_id})


def claims(path: str) -> set[str]:
    """Return the ids of the vaults that have claimed a key file."""
    try:
        return set(os.getxattr(path, _CLAIMS, follow_symlinks=False).decode().split())
    except (OSError, AttributeError, UnicodeDecodeError):  # no note, or none can be kept
        return set()


def _note(path: str, vault_ids: set[str]) -> None:
    try:
        os.setxattr(path, _CLAIMS, " ".join(sorted(vault_ids)).encode(), follow_symlinks=False)
    except (OSError, AttributeError):
        return  # vaults beside one another are found all the same


def promote(waiting: str, path: str) -> None:
    """Put the file `waiting` in the place of `path`, in one step."""
    try:
        os.rename(waiting, path)
        files.sync_directory(os.path.dirname(path))
    except OSError as error:
        raise files.explain(error, "replace", path) from error


def _read(path: str, name: str, barred: int, owner: int | None) -> bytes:
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise KeyUnavailable(
            f"{name} is missing",
            reason="missing",
            hint="pass --key-file FILE with the file's place now; or, with a recovery code, "
            "`bunkerctl key restore`",
        ) from None
    except ValueError:  # a NUL, or a surrogate, in a path that a file names
        raise KeyUnavailable("the path of the key file is none", reason="unreadable") from None
    except OSError as error:
        link = error.errno == errno.ELOOP
        why = "it is a symbolic link" if link else os.strerror(error.errno or 0).lower()
        raise KeyUnavailable(
            f"cannot open {name}: {why}",
            reason="unreadable",
            hint="name the file itself" if link else "run as the vault's owner",
        ) from error
    try:
        _check(path, name, os.fstat(descriptor), barred, owner)
        return os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)


def _check(path: str, name: str, found: os.stat_result, barred: int, owner: int | None) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        hint = "copy it to a file of its own, and name that"
        raise _refused(f"{name} is not a regular file with one name", hint)
    if found.st_uid not in (os.geteuid(), 0, owner):
        raise _refused(f"{name} belongs to another user", "run as its owner")
    if found.st_mode & barred:
        raise _refused(f"{name} can be read by others", f"chmod 600 {path}")
    if found.st_size > MAX_BYTES:
        raise KeyUnavailable(
            f"{name} is not a master key",
            reason="malformed",
            hint="a master key is 64 hexadecimal digits and a newline",
        )


def _refused(message: str, hint: str) -> KeyUnavailable:
    return KeyUnavailable(message, reason="permissions", hint=hint)
