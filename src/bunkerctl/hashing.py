"""SHA-256 (FIPS 180-4) and HMAC-SHA256 (RFC 2104), at the price of what a call hashes.

`hashlib` and `hmac` load OpenSSL, which takes a cold call longer than opening the vault does. For
the dozen hashes of such a call CPython has a SHA-256 of its own, which its `random` module takes
for the same reason; whoever hashes thousands calls `many`, and gets OpenSSL's.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256  # from Python 3.12 on
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:  # a Python that was built to have OpenSSL's alone
            from hashlib import sha256

_BLOCK_BYTES = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))

_made = sha256
"""What makes a hash: CPython's own, until `many`."""


def many() -> None:
    """Hash with OpenSSL from now on: it is slow to load, and then the faster one."""
    global _made  # noqa: PLW0603 - one for the process
    from hashlib import sha256 as openssl

    _made = openssl


def digest(message: bytes) -> bytes:
    """Return the 32 bytes of SHA-256 of a message."""
    return _made(message).digest()


def mac(key: bytes, message: bytes) -> bytes:
    """Return the 32 bytes of HMAC-SHA256 of a key and a message."""
    inner, outer = _pads(key)
    return _made(outer + _made(inner + message).digest()).digest()


def keyed(key: bytes) -> Callable[[bytes], bytes]:
    """Return `mac` of a key, for many messages."""
    inner, outer = (_made(pad).copy for pad in _pads(key))

    def mac_of(message: bytes) -> bytes:
        within, around = inner(), outer()
        within.update(message)
        around.update(within.digest())
        return around.digest()

    return mac_of


def _pads(key: bytes) -> tuple[bytes, bytes]:
    if len(key) > _BLOCK_BYTES:
        key = digest(key)
    key = key.ljust(_BLOCK_BYTES, b"\0")
    return key.translate(_INNER), key.translate(_OUTER)
