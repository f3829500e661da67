"""A process of its own for what cannot be bounded otherwise: it can be killed.

A keyring may open a dialog that nobody answers, block in C where no signal of ours is heard,
read the terminal, or crash. None of that reaches the caller.
"""

from __future__ import annotations

import json
import os
import signal
import time

from bunkerctl import files
from bunkerctl.errors import KeyUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MAX_BYTES = 4096
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MAY_ASK = b"?"


class Silent(Exception):
    """There was no answer in time."""


def run(
    work: Callable[[Callable[[], None]], str | None],
    environment: Mapping[str, str],
    seconds: float,
    waiting: Callable[[bool], None] | None,
) -> str | None:
    """Return what `work` returns, from a forked process that has its own copy of everything.

    `work` gets a function to call before it does something that may ask a person. If there is no
    answer after a second, `waiting` is called here, with whether a person may be being asked.

    Raises:
        KeyUnavailable: as `work` raised it, or no_backend for any other exception.
        Silent: it took more than `seconds`, and was killed.
    """
    ours, theirs = os.pipe()
    child = 0
    # A signal between fork and the two lines that follow it would leave a stray process, or let
    # the new one run on as if it were the old one.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        child = os.fork()
        if child == 0:
            _serve(work, theirs, environment, seconds, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(theirs)
        said = _heard(ours, time.monotonic() + seconds, waiting)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(ours)
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return _answer(said)


def _heard(descriptor: int, end: float, waiting: Callable[[bool], None] | None) -> bytes:
    said = b""
    tell_at = time.monotonic() + 1
    while len(said) <= MAX_BYTES:
        if files.readable(descriptor, min(1.0, max(0.0, end - time.monotonic()))):
            chunk = os.read(descriptor, MAX_BYTES)
            if not chunk:
                break
            said += chunk
        elif time.monotonic() >= end:
            raise Silent
        elif waiting is not None and time.monotonic() >= tell_at:
            waiting(said.startswith(_MAY_ASK))
            waiting = None
    return said.removeprefix(_MAY_ASK)


def _answer(said: bytes) -> str | None:
    try:
        answer = json.loads(said)
    except ValueError:
        raise _failed("it ended without an answer") from None
    if "failed" in answer:
        raise _failed(answer["failed"])
    if "reason" in answer:
        raise KeyUnavailable(answer["message"], reason=answer["reason"], hint=answer["hint"])
    secret: str | None = answer["secret"]
    return secret


def _failed(how: str) -> KeyUnavailable:
    return KeyUnavailable(f"the keyring failed ({how})", reason="no_backend")


def _serve(
    work: Callable[[Callable[[], None]], str | None],
    descriptor: int,
    environment: Mapping[str, str],
    seconds: float,
    mask: Iterable[int],
) -> None:
    """Do the work in the new process, which ends here."""
    try:
        for number in (*SIGNALS, signal.SIGALRM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.setitimer(signal.ITIMER_REAL, seconds + 1)  # if nobody is left to kill it
        os.closerange(3, descriptor)  # the vault's lock is not to live on here
        os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        given = dict(environment)  # it may be os.environ itself
        os.environ.clear()
        os.environ.update(given)
        answer: dict[str, str | None] = {"secret": work(lambda: _write(descriptor, _MAY_ASK))}
    except KeyUnavailable as error:
        answer = {"message": error.message, "reason": error.reason, "hint": error.hint}
    except BaseException as error:  # a panic of foreign code too
        answer = {"failed": type(error).__name__}  # its text could hold the secret
    try:
        _write(descriptor, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _write(descriptor: int, content: bytes) -> None:
    os.write(descriptor, content)
