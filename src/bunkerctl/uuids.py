"""UUIDs (RFC 9562), as 36 characters of text and as 16 bytes.

The standard library's module takes longer to import than the vault to open.
"""

from __future__ import annotations

import os

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_LENGTH, _DIGITS, _BYTES = 36, 32, 16
_VERSION = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))


def new() -> str:
    """Return a random UUID (version 4)."""
    return to_text(some(1)[0])


def some(count: int) -> list[bytes]:
    """Return random UUIDs (version 4), each as 16 bytes."""
    size = _BYTES * count
    drawn = bytearray(os.urandom(size))
    drawn[6::_BYTES] = drawn[6::_BYTES].translate(_VERSION)
    drawn[8::_BYTES] = drawn[8::_BYTES].translate(_VARIANT)
    whole = bytes(drawn)
    return [whole[at : at + _BYTES] for at in range(0, size, _BYTES)]


def is_uuid(text: str) -> bool:
    """Tell whether a text is 8-4-4-4-12 hexadecimal digits, of either case."""
    digits = text.replace("-", "")
    return (
        len(text) == _LENGTH
        and len(digits) == _DIGITS
        and text[8:24:5] == "----"
        and _HEX_DIGITS.issuperset(digits)
    )


def to_text(raw: bytes | bytearray) -> str:
    """Return 16 bytes as text, in lower case."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def to_bytes(text: str) -> bytes:
    """Return the 16 bytes of a UUID.

    Raises:
        ValueError: the text is none.
    """
    try:
        raw = bytes.fromhex(text.replace("-", ""))  # which passes over blanks
    except ValueError:
        raise ValueError("not a UUID") from None
    if len(raw) != _BYTES or len(text) != _LENGTH or text[8:24:5] != "----":
        raise ValueError("not a UUID")
    return raw


def checked(text: str) -> str:
    """Return a UUID in lower case; raise ValueError for anything else."""
    return to_text(to_bytes(text))
