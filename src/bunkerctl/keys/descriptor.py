"""The master key from an open descriptor: a pipe or a file that the caller's shell opened."""

from __future__ import annotations

import os
import time

from bunkerctl import files
from bunkerctl.errors import KeyUnavailable

TIMEOUT_SECONDS = 30
MAX_BYTES = 200


def read(number: str) -> bytes:
    """Return what a descriptor gives to its end, or one byte more than a key can have.

    Raises:
        KeyUnavailable: it is not open for reading, or did not end within 30 seconds.
    """
    try:
        return until_end(int(number), time.monotonic() + TIMEOUT_SECONDS)
    except TimeoutError:
        raise KeyUnavailable(
            f"descriptor {number} did not end within {TIMEOUT_SECONDS} seconds", reason="timeout"
        ) from None
    except (OSError, ValueError, OverflowError) as error:
        raise KeyUnavailable(
            f"cannot read the key from descriptor {number}",
            reason="unreadable",
            hint="open it in the shell: --key-fd 3 3< FILE",
        ) from error


def until_end(descriptor: int, deadline: float) -> bytes:
    """Return what comes until the end, but no more than MAX_BYTES + 1; raise TimeoutError."""
    said = b""
    while len(said) <= MAX_BYTES:
        left = max(0.0, deadline - time.monotonic())
        if not files.readable(descriptor, left):
            raise TimeoutError
        chunk = os.read(descriptor, MAX_BYTES + 1 - len(said))
        if not chunk:
            break
        said += chunk
    return said
