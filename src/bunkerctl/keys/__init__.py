"""Where the master key comes from: one source a call, and no falling through to another."""

from __future__ import annotations

import os

from bunkerctl.errors import KeyUnavailable
from bunkerctl.model import Value

HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")


class Route(Value):
    """One way to the key: `source` is keyring, file, command or fd; `place` is what it needs.

    `place` is the backend class, the path, the command line or the descriptor number.
    """

    source: str
    place: str


def fetch(route: Route, vault_id: str, *, attended: bool) -> bytes:
    """Return the 32 bytes of the master key.

    `attended` says that a person is there to answer the keyring's dialog.

    Raises:
        KeyUnavailable: with the reason, and what to do.
    """
    if route.source == "file":
        from bunkerctl.keys import file

        return parse(file.read(route.place), f"the key file {route.place}")
    if route.source == "command":
        from bunkerctl.keys import command

        return parse(command.run(route.place), "what the key command printed")
    if route.source == "fd":
        return parse(_read_descriptor(route.place), f"what descriptor {route.place} gave")
    from bunkerctl.keys import oskeyring

    return parse(oskeyring.get(route.place, vault_id, attended=attended), "the keyring's entry")


def text_of(key: bytes) -> bytes:
    """Return the key as it is kept: 64 hexadecimal digits and a newline."""
    return key.hex().encode() + b"\n"


def parse(raw: bytes, what: str) -> bytes:
    """Read 64 hexadecimal digits, with one newline or none.

    Raises:
        KeyUnavailable: anything else.
    """
    digits = raw.removesuffix(b"\n").removesuffix(b"\r")
    if not looks_like_key(digits):
        raise KeyUnavailable(
            f"{what} is not a master key",
            reason="malformed",
            hint="a master key is 64 hexadecimal digits and a newline",
        )
    return bytes.fromhex(digits.decode())


def looks_like_key(digits: bytes) -> bool:
    return len(digits) == 64 and HEX_DIGITS.issuperset(digits)


def _read_descriptor(number: str) -> bytes:
    try:
        with os.fdopen(int(number), "rb", closefd=False) as pipe:
            return pipe.read(200)
    except (OSError, ValueError) as error:
        raise KeyUnavailable(
            f"cannot read the key from descriptor {number}",
            reason="unreadable",
            hint="open it in the shell: --key-fd 3 3< FILE",
        ) from error
