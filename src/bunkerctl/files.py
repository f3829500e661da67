"""Files and directories that nobody else can read: made, read, locked, synced and removed."""

from __future__ import annotations

import fcntl
import os
import time

from bunkerctl.errors import Busy, InputOutput
from bunkerctl.lean import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase

PRIVATE = 0o600
LOCK_POLL_SECONDS = 0.05
TURN_SECONDS = 0.25


def explain(error: OSError, doing: str, path: str) -> InputOutput:
    """Return what the file system said, as our error."""
    return InputOutput(f"cannot {doing} {path}: {os.strerror(error.errno or 0).lower()}")


def make_directory(path: str, owner: tuple[int, int] | None = None) -> None:
    """Make a directory (0700), and those above it, where there is none; for root, for `owner`."""
    path = os.path.abspath(path)
    missing = []
    while not os.path.isdir(path) and path != os.path.dirname(path):
        missing.append(path)
        path = os.path.dirname(path)
    for one in reversed(missing):
        try:
            os.mkdir(one, mode=0o700)
            if owner is not None and os.geteuid() == 0:
                os.chown(one, *owner)
            sync_directory(os.path.dirname(one))
        except FileExistsError:  # another command was faster, or it is no directory
            if not os.path.isdir(one):
                raise InputOutput(f"cannot make {one}: not a directory") from None
        except OSError as error:
            raise explain(error, "make", one) from error


def create(path: str, content: bytes) -> None:
    """Write a new file, 0600, synced; raise FileExistsError if there is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove(path: str) -> bool:
    """Remove a file; return whether it was there.

    Raises:
        InputOutput: the file system refuses.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise explain(error, "remove", path) from error
    try:
        sync_directory(os.path.dirname(os.path.abspath(path)))
    except OSError as error:
        raise explain(error, "make durable the removal of", path) from error
    return True


def read(path: str, limit: int) -> bytes:
    """Read a file, and no more than one byte over `limit` of it."""
    try:
        with open(path, "rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise explain(error, "read", path) from error


def lines(file: BufferedIOBase, limit: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield (line number, line without its end); None for a line of over `limit` bytes."""
    number = 0
    while line := file.readline(limit + 2):
        number += 1
        body = line.removesuffix(b"\n")
        if len(body) <= limit:
            yield number, body.removesuffix(b"\r")
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(1 << 20)
        yield number, None


def readable(descriptor: int, seconds: float) -> bool:
    """Wait until a descriptor has something to read, or its end; return whether it has.

    In short turns: a signal that comes just before a wait would be heeded only after it.
    """
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    left = seconds
    while left > TURN_SECONDS:
        if poll.poll(TURN_SECONDS * 1000):
            return True
        left -= TURN_SECONDS
    return bool(poll.poll(left * 1000))


@contextmanager
def locked(path: str, wait: float) -> Iterator[int]:
    """Run a block alone with a file, made if need be, or with a directory; yields the descriptor.

    Raises:
        Busy: another process has it for longer than `wait` seconds.
    """
    flags = os.O_RDONLY if os.path.isdir(path) else os.O_RDWR | os.O_CREAT | os.O_APPEND
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    except OSError as error:
        raise explain(error, "open", path) from error
    try:
        lock(descriptor, path, wait)
        yield descriptor
    finally:
        os.close(descriptor)


def lock(descriptor: int, path: str, wait: float, *, shared: bool = False) -> None:
    """Take flock(2) on an open file: alone, or with others who share it.

    Raises:
        Busy: another process has it for longer than `wait` seconds.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    for turn in range(int(wait / LOCK_POLL_SECONDS) + 1):
        if turn:
            time.sleep(LOCK_POLL_SECONDS)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return
    raise Busy(
        f"another process keeps {os.path.basename(path)}",
        hint="try again, or wait longer with --lock-wait",
    )


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(path: str) -> None:
    """Make a file's content durable, if there is such a file."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
