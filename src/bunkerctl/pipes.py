"""Pipes: lines of another program, as many at once as it has written."""

from __future__ import annotations

import fcntl

from bunkerctl.files import readable
from bunkerctl.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedIOBase

CHUNK_BYTES = 1 << 16
GROUP_BYTES = 1 << 18


def lines_at_hand(
    file: BufferedIOBase, limit: int, most: Callable[[], int]
) -> Iterator[list[tuple[int, bytes | None]]]:
    """Yield what `files.lines` does, but as many lines at once as are there to be read.

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
        if fcntl.fcntl(file.fileno(), fcntl.F_GETPIPE_SZ) < GROUP_BYTES:
            fcntl.fcntl(file.fileno(), fcntl.F_SETPIPE_SZ, GROUP_BYTES)


def _at_hand(file: BufferedIOBase) -> bool:
    """Tell whether there is something to read, or the end."""
    try:
        return readable(file.fileno(), 0.0)
    except OSError:  # bytes in memory
        return True
