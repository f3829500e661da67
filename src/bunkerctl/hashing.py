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


def _digest(message: bytes) -> bytes:
    return sha256(message).digest()


def _mac(key: bytes, message: bytes) -> bytes:
    if len(key) > _BLOCK_BYTES:
        key = _digest(key)
    key = key.ljust(_BLOCK_BYTES, b"\0")
    return _digest(key.translate(_OUTER) + _digest(key.translate(_INNER) + message))


digest: Callable[[bytes], bytes] = _digest
"""Return the 32 bytes of SHA-256 of a message."""

mac: Callable[[bytes, bytes], bytes] = _mac
"""Return the 32 bytes of HMAC-SHA256 of a key and a message."""


def many() -> None:
    """Hash with OpenSSL from now on: it is slow to load, and then the faster one."""
    global digest, mac
    import hmac
    from hashlib import sha256

    def by_openssl(message: bytes) -> bytes:
        return sha256(message).digest()

    def mac_by_openssl(key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, "sha256")

    digest, mac = by_openssl, mac_by_openssl
