"""Whole files put in their place: nothing is overwritten unasked, and nothing is half there."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from bunkerctl.errors import Conflict, InputOutput
from bunkerctl.files import PRIVATE, explain, sync_directory
from bunkerctl.lean import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_DRAWN_BYTES = 6


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
