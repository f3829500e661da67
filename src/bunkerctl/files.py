"""Files made and read so that nobody else can, nothing is overwritten and nothing is half there."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import contextmanager

from bunkerctl.errors import Busy, Conflict, InputOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

PRIVATE = 0o600
LOCK_POLL_SECONDS = 0.05


def explain(error: OSError, doing: str, path: str) -> InputOutput:
    """Return what the file system said, as our error."""
    return InputOutput(f"cannot {doing} {path}: {os.strerror(error.errno or 0).lower()}")


def create(path: str, content: bytes) -> None:
    """Write a new file, 0600, synced; raise FileExistsError if there is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write(path: str, chunks: Iterable[bytes], *, force: bool) -> None:
    """Put a whole file in place, 0600: under a temporary name, synced, then moved.

    Raises:
        Conflict: the file is there and `force` is false.
        InputOutput: it is there and not a regular file, or the file system refuses.
    """
    check_writable(path, force=force)
    directory, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE
        )
    except OSError as error:
        raise explain(error, "write", path) from error
    try:
        with open(descriptor, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if force:
            os.rename(temporary, path)
        else:
            os.link(temporary, path)  # unlike rename, it fails if somebody was faster
        sync_directory(directory)
    except FileExistsError as error:
        raise Conflict(f"{path} exists", hint="pass --force to replace it") from error
    except OSError as error:
        raise explain(error, "write", path) from error
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)


def check_writable(path: str, *, force: bool) -> None:
    """Raise what `write` would raise for what is there already."""
    if os.path.lexists(path):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise InputOutput(f"cannot write {path}: it is not a regular file")
        if not force:
            raise Conflict(f"{path} exists", hint="pass --force to replace it")


def read(path: str, limit: int) -> bytes:
    """Read a file, and no more than one byte over `limit` of it."""
    try:
        with open(path, "rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise explain(error, "read", path) from error


def lines(file: BinaryIO, limit: int) -> Iterator[tuple[int, bytes | None]]:
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
        for turn in range(int(wait / LOCK_POLL_SECONDS) + 1):
            if turn:
                time.sleep(LOCK_POLL_SECONDS)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                continue
        else:
            raise Busy(
                f"another process keeps {os.path.basename(path)}",
                hint="try again, or wait longer with --lock-wait",
            )
        yield descriptor
    finally:
        os.close(descriptor)


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
