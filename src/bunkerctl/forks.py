"""Work in forked processes beside this one, on the machine's other cores."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def cores() -> int:
    """Return how many processes can run at once; 1 where that cannot be told."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


@contextmanager
def beside(works: Iterable[Callable[[], bytes]]) -> Iterator[list[partial[bytes]]]:
    """Start each work in a process of its own; yield functions that wait for what it returns.

    A work that failed gives no bytes. It must open whatever it reads anew: a connection or a file
    offset is not to be shared. At the end of the block the processes are ended.
    """
    started: list[tuple[int, int]] = []
    try:
        for work in works:
            started.append(_start(work))
        yield [partial(_all_of, end) for _, end in started]
    finally:
        for process, end in started:
            os.close(end)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _start(work: Callable[[], bytes]) -> tuple[int, int]:
    """Return the new process, and the descriptor to read from."""
    ours, theirs = os.pipe()
    # No signal may make the new process run on as if it were this one.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        process = os.fork()
        if process == 0:
            _serve(work, theirs)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(theirs)
    return process, ours


def _serve(work: Callable[[], bytes], descriptor: int) -> None:
    """Do the work in the new process, which ends here."""
    try:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        content = memoryview(work())
        while content:
            content = content[os.write(descriptor, content) :]
    finally:
        os._exit(0)


def _all_of(descriptor: int) -> bytes:
    chunks = []
    while chunk := os.read(descriptor, 1 << 20):
        chunks.append(chunk)
    return b"".join(chunks)
