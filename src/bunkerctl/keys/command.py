"""The master key from a command: a password manager, a hardware token, a secrets service."""

from __future__ import annotations

import os
import select
import shlex
import subprocess
import time

from bunkerctl.errors import KeyUnavailable

TIMEOUT_SECONDS = 30
MAX_BYTES = 200


def run(line: str) -> bytes:
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
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except ValueError as error:
        raise _failed("is empty or has an open quote") from error
    except OSError as error:
        raise _failed("could not be run: " + (error.strerror or "unknown").lower()) from error
    with process:
        try:
            printed = _printed(process, time.monotonic() + TIMEOUT_SECONDS)
        finally:
            process.kill()  # if it has not ended by itself
    if process.returncode > 0:
        raise _failed(f"failed with exit code {process.returncode}")
    return printed


def _printed(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """Return what a process prints until it ends, or one byte more than a key can have."""
    descriptor = process.stdout.fileno() if process.stdout else -1
    printed = b""
    while len(printed) <= MAX_BYTES:
        left = max(0.0, deadline - time.monotonic())
        if not select.select([descriptor], [], [], left)[0]:
            raise _too_long()
        chunk = os.read(descriptor, MAX_BYTES + 1 - len(printed))
        if not chunk:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise _too_long() from None
            break
        printed += chunk
    return printed


def _too_long() -> KeyUnavailable:
    return KeyUnavailable(
        f"the key command took more than {TIMEOUT_SECONDS} seconds", reason="timeout"
    )


def _failed(problem: str) -> KeyUnavailable:
    return KeyUnavailable(
        f"the key command {problem}",
        reason="command_failed",
        hint="run it by hand: it must print 64 hexadecimal digits",
    )
