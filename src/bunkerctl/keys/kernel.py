"""The master key, kept for a while in the user's keyring of the Linux kernel (keyrings(7)).

The kernel forgets it by itself when its time is over, and at a reboot; it is never swapped to a
disk, and only processes of the same user can read it. C's `syscall` is called directly: no
library that is kept up wraps keyctl(2), and its numbers never change.
"""

from __future__ import annotations

import os
import sys

from bunkerctl.errors import KeyUnavailable
from bunkerctl.lean import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBERS = {
    "x86_64": (248, 250),
    "aarch64": (217, 219),
    "riscv64": (217, 219),
    "armv7l": (309, 311),
    "i686": (286, 288),
    "ppc64le": (269, 271),
    "s390x": (278, 280),
}
"""The system calls add_key and keyctl, by machine."""

_PROCESS_KEYRING, _USER_KEYRING = -2, -4
_SETPERM, _LINK, _SEARCH, _READ, _SET_TIMEOUT, _INVALIDATE = 5, 8, 10, 11, 15, 21
_OWNER_ALONE = 0x3F0B0000
"""Whoever has it may do anything, the same user may see, read and search it, others nothing."""

_MAX_BYTES = 128


def keep(vault_id: str, secret: bytes, seconds: int) -> None:
    """Keep a secret for `seconds`, in place of what is kept for the vault.

    It gets its time before the user's keyring knows of it, so that a kill leaves none without.

    Raises:
        KeyUnavailable: this system has no such keyring, or does not let us use it.
    """
    add, control = _calls()
    key = add(b"user", _name(vault_id), secret, len(secret), _PROCESS_KEYRING)
    done = (
        key >= 0
        and control(_SETPERM, key, _OWNER_ALONE) >= 0
        and control(_SET_TIMEOUT, key, seconds) >= 0
        and control(_LINK, key, _USER_KEYRING) >= 0
    )
    if not done:
        raise _unusable()


def find(vault_id: str) -> bytes | None:
    """Return what is kept for a vault; None if that is nothing, or there can be nothing."""
    try:
        _, control = _calls()
    except KeyUnavailable:
        return None
    import ctypes

    key = control(_SEARCH, _USER_KEYRING, b"user", _name(vault_id), 0)
    if key < 0:
        return None
    buffer = ctypes.create_string_buffer(_MAX_BYTES)
    length = control(_READ, key, buffer, _MAX_BYTES)
    return buffer.raw[:length] if 0 <= length <= _MAX_BYTES else None


def forget(vault_id: str) -> bool:
    """Let the kernel forget at once what is kept for a vault; return whether there was any."""
    try:
        _, control = _calls()
    except KeyUnavailable:
        return False
    key = control(_SEARCH, _USER_KEYRING, b"user", _name(vault_id), 0)
    return key >= 0 and control(_INVALIDATE, key) >= 0


def _name(vault_id: str) -> bytes:
    return f"bunkerctl:{vault_id}".encode()


def _calls() -> tuple[Callable[..., int], Callable[..., int]]:
    """Return add_key(2) and keyctl(2)."""
    numbers = _NUMBERS.get(os.uname().machine)
    if sys.platform != "linux" or numbers is None:
        raise _unusable()
    import ctypes

    call = ctypes.CDLL(None).syscall
    call.restype = ctypes.c_long
    return partial(call, numbers[0]), partial(call, numbers[1])


def _unusable() -> KeyUnavailable:
    return KeyUnavailable(
        "this system does not let the key be kept in the kernel's keyring",
        reason="unsupported",
        hint="it takes Linux, and a container that does not bar keyctl(2)",
    )
