"""Work in forked processes beside this one, on the machine's other cores."""

from __future__ import annotations

import os
import pickle
import queue
import select
import signal
import threading

from bunkerctl.errors import Internal
from bunkerctl.lean import contextmanager, partial

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
    with _ended() as started:
        for work in works:
            started.append(_start(partial(_answer, work)))
        yield [partial(_all_of, end) for _, end in started]


def _answer(work: Callable[[], bytes], descriptor: int) -> None:
    _write(descriptor, work())


class Lost(Internal):
    """The process that was to help has ended before its work."""


@contextmanager
def ahead(things: Iterator[T], most: int = 1) -> Iterator[Iterator[T]]:
    """Let a process of its own go through an iterator, `most` things ahead of whoever takes them.

    Or as many MiB of them, if that is less.

    What it raises is raised here. At the end of the block the process is ended. Where none can be
    started, this one goes through the iterator.

    Raises:
        Lost: the process was killed.
    """

    def work(descriptor: int) -> None:
        with _sending(descriptor, most) as send:
            try:
                for thing in things:
                    send((thing, None))
                send((None, StopIteration()))
            except Exception as error:
                send((None, error))

    with _ended() as started:
        try:
            started.append(_start(work))
        except OSError:  # too many processes
            yield things
            return
        with open(started[0][1], "rb", buffering=1 << 20, closefd=False) as answers:
            yield _received(answers)


class _Waiting(queue.Queue[bytes]):
    """A queue in which a thing that is large counts as several, one for each MiB."""

    def _qsize(self) -> int:
        return max(len(self.queue), sum(map(len, self.queue)) >> 20)


@contextmanager
def _sending(descriptor: int, most: int) -> Iterator[Callable[[object], None]]:
    """Yield what sends something while the caller goes on, until `most` are on their way."""
    waiting = _Waiting(most)

    def write() -> None:
        try:
            while content := waiting.get():
                _write(descriptor, content)
        except OSError:  # nobody is left to read it
            os._exit(0)

    writer = threading.Thread(target=write)
    writer.start()
    yield lambda thing: waiting.put(pickle.dumps(thing, pickle.HIGHEST_PROTOCOL))
    waiting.put(b"")
    writer.join()


def _received(answers: BinaryIO) -> Iterator[Any]:
    while True:
        try:
            thing, error = pickle.load(answers)  # noqa: S301 - of a process of ours
        except (EOFError, pickle.UnpicklingError):
            raise Lost("a process that was to help has ended", hint="run it again") from None
        if isinstance(error, StopIteration):
            return
        if error is not None:
            raise error
        yield thing


@contextmanager
def _ended() -> Iterator[list[tuple[int, int]]]:
    """End at the end of a block the processes that were started in it."""
    started: list[tuple[int, int]] = []
    try:
        yield started
    finally:
        for process, end in started:
            os.close(end)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _start(work: Callable[[int], None]) -> tuple[int, int]:
    """Return the new process, which is given a descriptor to write to, and where to read."""
    ours, theirs = os.pipe()
    # No signal may make the new process run on as if it were this one, or leave it behind.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    process = 0
    try:
        process = os.fork()
        if process == 0:
            os.close(ours)  # or it would wait for itself to read, if this one is killed
            _serve(work, theirs)
        os.close(theirs)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # what has come meanwhile is raised
    except BaseException:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(ours)
        if process:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        else:
            os.close(theirs)
        raise
    return process, ours


def _serve(work: Callable[[int], None], descriptor: int) -> None:
    """Do the work in the new process, which ends here."""
    try:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        threading.Thread(target=_end_with_reader, args=(descriptor,), daemon=True).start()
        work(descriptor)
    finally:
        os._exit(0)


def _end_with_reader(descriptor: int) -> None:
    """End this process when nobody is left to read from a pipe, though it may be waiting for input.

    It has the vault's lock as well as who has started it.
    """
    poll = select.poll()
    poll.register(descriptor, 0)  # an error is told without being asked for
    poll.poll()
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
