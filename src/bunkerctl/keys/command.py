"""The master key from a command: a password manager, a hardware token, a secrets service."""

from __future__ import annotations

import shlex
import subprocess

from bunkerctl.errors import KeyUnavailable

TIMEOUT_SECONDS = 30


def run(line: str) -> bytes:
    """Run a command, without a shell and without input, and return what it printed.

    What it says on stderr is shown as it comes.

    Raises:
        KeyUnavailable: it could not be run, failed, or took more than 30 seconds.
    """
    try:
        words = shlex.split(line)
        if not words:
            raise ValueError("empty")
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except ValueError as error:
        raise _failed("is empty or has an open quote") from error
    except subprocess.TimeoutExpired:
        raise KeyUnavailable(
            f"the key command took more than {TIMEOUT_SECONDS} seconds", reason="timeout"
        ) from None
    except OSError as error:
        raise _failed("could not be run: " + (error.strerror or "unknown").lower()) from error
    if done.returncode:
        raise _failed(f"failed with exit code {done.returncode}")
    return done.stdout


def _failed(problem: str) -> KeyUnavailable:
    return KeyUnavailable(
        f"the key command {problem}",
        reason="command_failed",
        hint="run it by hand: it must print 64 hexadecimal digits",
    )
