"""Files made and read so that nobody else can, nothing is overwritten and nothing is half there."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from bunkerctl.errors import Busy, Conflict, InputOutput
from bunkerctl.lean import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import BufferedIOBase

PRIVATE = 0o600
LOCK_POLL_SECONDS = 0.05
TURN_SECONDS = 0.25
CHUNK_BYTES = 1 << 16
GROUP_BYTES = 1 << 18
_DRAWN_BYTES = 6


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


def write(
    path: str,
    chunks: Iterable[bytes],
    *,
    force: bool,
    mode: int = PRIVATE,
    owner: tuple[int, int] | None = None,
    hint: str = "pass --force to replace it",
) -> None:
    """Put a whole file of these chunks in place: see `fill`."""

    def put(write: Callable[[bytes], object]) -> None:
        for chunk in chunks:
            write(chunk)

    fill(path, put, force=force, mode=mode, owner=owner, hint=hint)


def fill(
    path: str,
    put: Callable[[Callable[[bytes], object]], None],
    *,
    force: bool,
    mode: int = PRIVATE,
    owner: tuple[int, int] | None = None,
    hint: str = "pass --force to replace it",
) -> None:
    """Put a whole file in place: written without a name where that can be, synced, then linked.

    `put` is given what writes its content. A process that is killed then leaves nothing behind;
    but to replace a file takes a name for a moment, and what a kill leaves of that goes at the
    next write. `owner` is (uid, gid), for root who replaces another's file.

    Raises:
        Conflict: the file is there and `force` is false; `hint` says what to do.
        InputOutput: it is there and not a regular file, or the file system refuses.
    """
    check_writable(path, force=force, hint=hint)
    directory, name = os.path.split(os.path.abspath(path))
    clear_leftovers(path)
    temporary = os.path.join(directory, _beside(name))
    try:
        descriptor, has_name = _open_new(directory, temporary)
    except OSError as error:
        raise explain(error, "write", path) from error
    try:
        with open(descriptor, "wb") as file:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is no leftover
            put(file.write)
            file.flush()
            if owner is not None and os.geteuid() == 0:
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
            if not has_name:
                _link(descriptor, temporary if force else path)
        if force:
            os.rename(temporary, path)
        elif has_name:
            os.link(temporary, path)  # unlike rename, it fails if somebody was faster
        _sync_name(path, new=not force)
    except FileExistsError as error:
        raise Conflict(f"{path} exists", hint=hint) from error
    except OSError as error:
        raise explain(error, "write", path) from error
    finally:
        _discard(temporary)


@contextmanager
def temporary(path: str) -> Iterator[str]:
    """Make an empty file (0600) that is to become `path`, for a block; afterwards it is removed.

    Raises:
        OSError: it cannot be made.
    """
    clear_leftovers(path)
    directory, name = os.path.split(path)
    place = os.path.join(directory, _beside(name))
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield place
    finally:
        os.close(descriptor)
        _discard(place)


def clear_leftovers(path: str) -> None:
    """Remove what killed processes have left that was to become `path`; nobody holds those."""
    for leftover in unfinished(path):
        _discard(leftover, unless_held=True)


def unfinished(path: str) -> list[str]:
    """Return the files that are to become `path`, or were: what a killed process has left."""
    directory, name = os.path.split(os.path.abspath(path))
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return [os.path.join(directory, one) for one in names if _is_beside(one, name)]


def _discard(path: str, *, unless_held: bool = False) -> None:
    """Remove a file that has not become what it was to be, if that can be done."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return
    try:
        if unless_held:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except OSError:
        return  # somebody holds it, or the disk refuses: the next write tries again
    finally:
        os.close(descriptor)


def _sync_name(path: str, *, new: bool) -> None:
    """Make a file's name durable; a new one that cannot be is taken away again."""
    try:
        sync_directory(os.path.dirname(os.path.abspath(path)))
    except OSError:
        if new:
            os.unlink(path)
        raise


def _beside(name: str) -> str:
    return f".{name}.{os.urandom(_DRAWN_BYTES).hex()}.tmp"


def _is_beside(one: str, name: str) -> bool:
    """Tell whether a name is one that `_beside` has made."""
    drawn = one.removeprefix(f".{name}.").removesuffix(".tmp")
    return one == f".{name}.{drawn}.tmp" and len(drawn) == 2 * _DRAWN_BYTES and drawn.isalnum()


def put_in_place(temporary: str, path: str, *, force: bool) -> None:
    """Give a whole, synced file its name; without `force` it fails if somebody was faster.

    Raises:
        Conflict: the file is there.
        InputOutput: the file system refuses.
    """
    try:
        if force:
            os.rename(temporary, path)
        else:
            os.link(temporary, path)
        _sync_name(path, new=not force)
    except FileExistsError as error:
        raise Conflict(f"{path} exists", hint="pass --force to replace it") from error
    except OSError as error:
        raise explain(error, "write", path) from error


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


def _open_new(directory: str, temporary: str) -> tuple[int, bool]:
    """Open a new file, without a name if the system knows that; return whether it has one."""
    if hasattr(os, "O_TMPFILE") and os.path.exists("/proc/self/fd"):
        try:
            return os.open(directory, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, PRIVATE), False
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT):
                raise
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(temporary, flags, PRIVATE), True


def _link(descriptor: int, path: str) -> None:
    """Give an open file a name. A descriptor is passed so that linkat(2) is called, and follows."""
    os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)


def check_writable(path: str, *, force: bool, hint: str = "pass --force to replace it") -> None:
    """Raise what `write` would raise for what is there already."""
    if os.path.lexists(path):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise InputOutput(f"cannot write {path}: it is not a regular file")
        if not force:
            raise Conflict(f"{path} exists", hint=hint)


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


def lines_at_hand(
    file: BufferedIOBase, limit: int, most: Callable[[], int]
) -> Iterator[list[tuple[int, bytes | None]]]:
    """Yield what `lines` does, but as many lines at once as are there to be read.

    `most` is asked how many that may be.
    """
    number, rest, too_long, held = 0, b"", False, 0
    waiting: list[tuple[int, bytes | None]] = []
    _widen(file)
    while chunk := file.read1(CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        held += len(chunk)
        for body in whole:
            number += 1
            fits = len(body) <= limit and not too_long
            waiting.append((number, body.removesuffix(b"\r") if fits else None))
            too_long = False
        if len(rest) > limit:
            rest, too_long = b"", True
        while waiting and (len(waiting) >= most() or held > GROUP_BYTES or not _at_hand(file)):
            count = most()
            yield waiting[:count]
            del waiting[:count]
        held = held if waiting else 0
    if rest or too_long:
        waiting.append((number + 1, None if too_long else rest.removesuffix(b"\r")))
    while waiting:
        count = most()
        yield waiting[:count]
        del waiting[:count]


def _widen(file: BufferedIOBase) -> None:
    """Let a pipe hold more lines than the 64 KiB that it does by itself, where that can be done."""
    with suppress(OSError, AttributeError):  # no pipe; no room for a wider one; not Linux
        fcntl.fcntl(file.fileno(), fcntl.F_SETPIPE_SZ, GROUP_BYTES)


def _at_hand(file: BufferedIOBase) -> bool:
    """Tell whether there is something to read, or the end."""
    try:
        return readable(file.fileno(), 0.0)
    except OSError:  # bytes in memory
        return True


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
