"""UUIDs (RFC 9562), as 36 characters of text and as 16 bytes.

The standard library's module takes longer to import than the vault to open.
"""

from __future__ import annotations

import os

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_LENGTH, _DIGITS, _BYTES = 36, 32, 16


def new() -> str:
    """Return a random UUID (version 4)."""
    drawn = bytearray(os.urandom(16))
    drawn[6] = drawn[6] & 0x0F | 0x40
    drawn[8] = drawn[8] & 0x3F | 0x80
    return to_text(drawn)


def is_uuid(text: str) -> bool:
    """Tell whether a text is 8-4-4-4-12 hexadecimal digits, of either case."""
    digits = text.replace("-", "")
    return (
        len(text) == _LENGTH
        and len(digits) == _DIGITS
        and text[8] == text[13] == text[18] == text[23] == "-"
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
    hyphens = len(text) == _LENGTH and text[8] == text[13] == text[18] == text[23] == "-"
    if len(raw) != _BYTES or not hyphens:
        raise ValueError("not a UUID")
    return raw


def checked(text: str) -> str:
    """Return a UUID in lower case; raise ValueError for anything else."""
    return to_text(to_bytes(text))
