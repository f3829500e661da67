"""The master key in a file that its owner alone can read."""

from __future__ import annotations

import errno
import os
import stat

from bunkerctl.errors import KeyUnavailable

MAX_BYTES = 200


def read(path: str) -> bytes:
    """Return the file's bytes; the file checked is the file read, for it is opened once.

    Raises:
        KeyUnavailable: missing, a link, not a regular file, another owner's, open to others.
    """
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise KeyUnavailable(
            f"the key file {path} is missing",
            reason="missing",
            hint="pass --key-file FILE with the file's place now",
        ) from None
    except OSError as error:
        link = error.errno == errno.ELOOP
        why = "it is a symbolic link" if link else os.strerror(error.errno or 0).lower()
        raise KeyUnavailable(
            f"cannot open the key file {path}: {why}",
            reason="unreadable",
            hint="name the file itself" if link else None,
        ) from error
    try:
        _check(path, os.fstat(descriptor))
        return os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)


def _check(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise _refused(path, "is not a regular file with one name", None)
    if found.st_uid not in (os.geteuid(), 0):
        raise _refused(path, "belongs to another user", "run as its owner")
    if found.st_mode & 0o077:
        raise _refused(path, "can be read by others", f"chmod 600 {path}")
    if found.st_size > MAX_BYTES:
        raise KeyUnavailable(
            f"the key file {path} is not a master key",
            reason="malformed",
            hint="a master key is 64 hexadecimal digits and a newline",
        )


def _refused(path: str, problem: str, hint: str | None) -> KeyUnavailable:
    return KeyUnavailable(f"the key file {path} {problem}", reason="permissions", hint=hint)
