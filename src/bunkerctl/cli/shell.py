"""What the caller's shell hands over: streams, environment, clock; and the process made safe."""

from __future__ import annotations

import io
import os
import resource
import sys
import time

from bunkerctl.errors import Interrupted, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping
    from io import BufferedIOBase
    from types import FrameType
    from typing import Any, BinaryIO
else:
    import _signal as signal  # the C half: the rest imports `enum`, which costs a call 1 ms

AGAIN_SECONDS = 0.01
FOR_EVER = float("inf")
DEFAULT_COLUMNS = 80
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Shell:
    """The surroundings of one call. `clock` returns Unix seconds."""

    def __init__(
        self,
        stdin: BufferedIOBase,
        stdout: BinaryIO,
        stderr: BinaryIO,
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.environment = environment
        self.clock = clock

    def variable(self, name: str | None) -> str | None:
        """Return an environment variable; an empty one counts as absent."""
        value = self.environment.get(name) if name else None
        return check_utf8(value, "the environment") if value else None

    def attended(self) -> bool:
        """Tell whether a person is there to be asked."""
        return self.stdin.isatty() and self.stderr.isatty()

    def columns(self) -> int | None:
        """Return how wide the terminal is, None if standard output is none.

        COLUMNS says otherwise, where it is set (POSIX.1-2024, 8.3).
        """
        if not self.stdout.isatty():
            return None
        said = self.environment.get("COLUMNS", "")
        if said.isascii() and said.isdecimal() and int(said[:6]):
            return int(said[:6])
        return os.get_terminal_size(self.stdout.fileno()).columns or DEFAULT_COLUMNS

    def animated(self) -> bool:
        """Tell whether standard error is a terminal where a line can be written over."""
        return (
            self.stderr.isatty()
            and self.environment.get("TERM") not in (None, "", "dumb")
            and not self.environment.get("CI")
        )


class _Input(io.FileIO):
    """Standard input; waiting for it, a signal that comes just before a read is heeded, too."""

    def readinto(self, buffer: Any, /) -> int | None:
        from bunkerctl import files

        files.readable(self.fileno(), FOR_EVER)
        return super().readinto(buffer)

    def readall(self) -> bytes:
        return io.RawIOBase.readall(self)  # which calls `readinto`


def check_utf8(word: str, what: str) -> str:
    """Return a word of the line or the environment; raise Usage if its bytes were not UTF-8."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise Usage(f"{what} is not UTF-8") from None
    return word


def speak_utf8() -> None:
    """Start this process anew in Python's UTF-8 mode, where the locale is another one.

    Arguments, paths and variables are then text, and the same text in every locale.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def prepare() -> bool:
    """Make the process safe for secrets; return whether there is a standard output to write to.

    Files are made for the owner alone, no core is dumped, and the signals that end a
    program end it in order.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # or no process that is started can be waited for
    sys.unraisablehook = _unraisable
    _heed()
    writable = _is_open(1)
    for descriptor in (0, 1, 2):
        if not _is_open(descriptor):  # else the next file opened would be taken for it
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    return writable


def of_process() -> Shell:
    """Return the surroundings of this process."""
    return Shell(
        stdin=io.BufferedReader(_Input(0, "rb", closefd=False)),
        stdout=os.fdopen(1, "wb", closefd=False),
        stderr=os.fdopen(2, "wb", buffering=0, closefd=False),
        environment=os.environ,
    )


def silence(descriptor: int) -> None:
    """Let whatever is still in a buffer go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _heed() -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup asks for that
            signal.signal(number, _interrupt)


def _interrupt(signum: int, _frame: FrameType | None) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _pass)  # one is enough: the way out must not be cut
    raise Interrupted(signum)


def _pass(_signum: int, _frame: FrameType | None) -> None:
    """Do nothing: for SIG_IGN a second signal on its way would be a warning on stderr."""


def _unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Heed a signal that came where Python cannot raise it, as in a finalizer; else say nothing.

    A timer raises it once more, a little later: here it would be lost again. What else cannot be
    raised is not for a user, and could show a value.
    """
    interrupted = unraisable.exc_value
    if isinstance(interrupted, Interrupted):
        signal.signal(signal.SIGALRM, lambda *_: _interrupt(interrupted.signum, None))
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
