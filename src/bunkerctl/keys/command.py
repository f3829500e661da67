"""The master key from a command: a password manager, a hardware token, a secrets service."""

from __future__ import annotations

import shlex
import subprocess
import time

from bunkerctl.errors import KeyUnavailable
from bunkerctl.keys import descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS = 30


def run(line: str, environment: Mapping[str, str]) -> bytes:
    """Run a command, without a shell and without input, and return what it printed.

    What it says on stderr is shown as it comes; of what it prints, no more is read than a key
    can have.

    Raises:
        KeyUnavailable: it could not be run, failed, or took more than 30 seconds.
    """
    try:
        words = shlex.split(line)
        if not words:
            raise ValueError("empty")
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment
        )
    except ValueError as error:
        raise _failed("is empty or has an open quote") from error
    except OSError as error:
        raise _failed("could not be run: " + (error.strerror or "unknown").lower()) from error
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        pipe = process.stdout.fileno() if process.stdout else -1
        printed = descriptor.until_end(pipe, deadline)
        whole = len(printed) <= descriptor.MAX_BYTES
        if whole:
            process.wait(max(0.0, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise _too_long() from None
    finally:
        _end(process)
    code = process.returncode
    if whole and code:
        raise _failed(f"failed with exit code {code}" if code > 0 else f"died of signal {-code}")
    return printed


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command that has not ended by itself; one that became root cannot be waited for."""
    if process.stdout:
        process.stdout.close()
    try:
        process.kill()
    except PermissionError:
        return
    process.wait()


def _too_long() -> KeyUnavailable:
    return KeyUnavailable(
        f"the key command took more than {TIMEOUT_SECONDS} seconds",
        reason="timeout",
        hint="run it by hand: does it ask for something?",
    )


def _failed(problem: str) -> KeyUnavailable:
    return KeyUnavailable(
        f"the key command {problem}",
        reason="command_failed",
        hint="run it by hand: it must print 64 hexadecimal digits",
    )
