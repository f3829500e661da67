"""How far a long command has come: one line on standard error, for a person at a terminal.

Whoever acts writes into a `Progress`, and knows of no terminal. A thread looks at it: nothing else
runs while SQLite is in one long call.
"""

from __future__ import annotations

import os
import select
import time

from bunkerctl.cli.shell import SIGNALS
from bunkerctl.errors import Interrupted
from bunkerctl.lean import contextmanager
from bunkerctl.model import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Thread
    from typing import BinaryIO

AFTER_SECONDS = 0.5
EVERY_SECONDS = 0.1
BAR = 24
LEAST_BAR = 6
ERASE = "\r\x1b[K"


class Line:
    """The line of one command, for a block; the block gets the `Progress` to write into.

    If it is interrupted, the error says how far it came (in the words of `came`, if given), and
    `hint` how to go on.
    """

    def __init__(
        self,
        stderr: BinaryIO,
        hint: str,
        came: Callable[[], str | None] | None,
        *,
        shown: bool,
    ) -> None:
        self._progress = Progress()
        self._stderr = stderr
        self._hint = hint
        self._came = came or (lambda: words(self._progress))
        self._shown = shown
        self._thread: Thread | None = None
        self._drawn = False

    def __enter__(self) -> Progress:
        if self._shown:
            self._start()
        return self._progress

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._thread is not None:
            os.close(self._end)
            self._thread.join()
            os.close(self._ended)
            self._erase()
        if isinstance(error, Interrupted):
            error.came, error.hint = self._came(), self._hint

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the terminal to something else, for a block."""
        if self._thread is None:
            yield
            return
        with self._lock:
            self._erase()
            yield

    def _start(self) -> None:
        import signal
        import threading

        self._lock = threading.RLock()  # what is said aside may say it aside
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._draw_on, daemon=True)
        # Signals are for the main thread: where it has them blocked, this one must not take them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _draw_on(self) -> None:
        """Draw again and again, until the other end of the pipe is closed."""
        began = time.monotonic()
        stage, since = "", began
        # Not an Event: under a moved clock waiting for one never ends.
        while not select.select([self._ended], [], [], EVERY_SECONDS)[0]:
            now = time.monotonic()
            if self._progress.what != stage:
                stage, since = self._progress.what, (now if stage else began)
            if stage and now - began >= AFTER_SECONDS and self._in_front():
                with self._lock:
                    self._drawn = True
                    self._write(ERASE + drawn(self._progress, now - since, self._columns()))

    def _erase(self) -> None:
        if self._drawn:
            self._drawn = False
            self._write(ERASE)

    def _in_front(self) -> bool:
        """Tell whether the terminal is ours now: `bunkerctl ... &` leaves it to the shell."""
        try:
            return os.tcgetpgrp(self._stderr.fileno()) == os.getpgrp()
        except OSError:
            return False

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stderr.fileno()).columns or 80
        except OSError:
            return 80

    def _write(self, text: str) -> None:
        try:
            self._stderr.write(text.encode())
            self._stderr.flush()
        except OSError:
            pass


def words(progress: Progress) -> str | None:
    """Say how far it came, for a message; None if nobody knows."""
    if progress.total is not None:
        return f"{progress.come()} of {progress.total} {progress.what}"
    done = progress.come()
    return f"{done} {progress.what}" if done else None


def drawn(progress: Progress, seconds: float, columns: int) -> str:
    """Return the line: share and bar if the end is known, what is done, rate, time left."""
    done, total, what = progress.come(), progress.total, progress.what
    share = min(1.0, done / total) if total else None
    text = f"{done:,} {what}" if done else f"{what}: {_spell(seconds)}"
    if done and seconds >= EVERY_SECONDS:
        text += f"  {_round(done / seconds)}/s"
    if share and seconds >= EVERY_SECONDS:
        text += f"  {_spell(seconds / share - seconds)} left"
    if share is not None:
        width = min(BAR, columns - 1 - len(text) - 7)
        full = round(width * share)
        bar = f"{'━' * full}{'╌' * (width - full)}  " if width >= LEAST_BAR else ""
        text = f"{share:4.0%} {bar}{text}"
    return text[: columns - 1]


def _round(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _spell(seconds: float) -> str:
    left = max(0, round(seconds))
    if left < 60:
        return f"{left} s"
    if left < 3600:
        return f"{left // 60} min {left % 60} s"
    return f"{left // 3600} h {left % 3600 // 60} min"
