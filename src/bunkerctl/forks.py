"""Work in forked processes beside this one, on the machine's other cores."""

from __future__ import annotations

import os
import pickle
import signal
from contextlib import contextmanager
from functools import partial

from bunkerctl.errors import Internal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, BinaryIO, TypeVar

    T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def cores() -> int:
    """Return how many processes can run at once; 1 where that cannot be told."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def counters(number: int) -> list[memoryview]:
    """Return views of one number each, which a forked process can write and this one read."""
    import mmap

    shared = memoryview(mmap.mmap(-1, 8 * number)).cast("Q")
    return [shared[one : one + 1] for one in range(number)]


@contextmanager
def beside(works: Iterable[Callable[[], bytes]]) -> Iterator[list[partial[bytes]]]:
    """Start each work in a process of its own; yield functions that wait for what it returns.

    A work that failed gives no bytes. It must open whatever it reads anew: a connection or a file
    offset is not to be shared. At the end of the block the processes are ended.
    """
    started: list[tuple[int, int]] = []
    try:
        for work in works:
            started.append(_start(partial(_answer, work)))
        yield [partial(_all_of, end) for _, end in started]
    finally:
        for process, end in started:
            os.close(end)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _answer(work: Callable[[], bytes], descriptor: int) -> None:
    _write(descriptor, work())


@contextmanager
def ahead(things: Iterator[T]) -> Iterator[Iterator[T]]:
    """Let a process of its own go through an iterator, one thing ahead of whoever takes them.

    What it raises is raised here. At the end of the block the process is ended.
    """

    def work(descriptor: int) -> None:
        try:
            for thing in things:
                _send(descriptor, (thing, None))
            _send(descriptor, (None, StopIteration()))
        except Exception as error:
            _send(descriptor, (None, error))

    process, end = _start(work)
    try:
        with open(end, "rb", buffering=1 << 20) as answers:
            yield _received(answers)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def _send(descriptor: int, answer: tuple[object, Exception | None]) -> None:
    _write(descriptor, pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))


def _received(answers: BinaryIO) -> Iterator[Any]:
    while True:
        try:
            thing, error = pickle.load(answers)  # noqa: S301 - of a process of ours
        except EOFError:
            raise Internal("a process that was to help has ended") from None
        if isinstance(error, StopIteration):
            return
        if error is not None:
            raise error
        yield thing


def _start(work: Callable[[int], None]) -> tuple[int, int]:
    """Return the new process, which is given a descriptor to write to, and where to read."""
    ours, theirs = os.pipe()
    # No signal may make the new process run on as if it were this one.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        process = os.fork()
        if process == 0:
            os.close(ours)  # or it would wait for itself to read, if this one is killed
            _serve(work, theirs)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(theirs)
    return process, ours


def _serve(work: Callable[[int], None], descriptor: int) -> None:
    """Do the work in the new process, which ends here."""
    try:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        work(descriptor)
    finally:
        os._exit(0)


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _all_of(descriptor: int) -> bytes:
    chunks = []
    while chunk := os.read(descriptor, 1 << 20):
        chunks.append(chunk)
    return b"".join(chunks)
