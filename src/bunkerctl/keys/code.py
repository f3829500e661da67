"""Recovery codes: 140 random bits as a person can write them down, read them and type them.

32 letters and digits of Crockford's base 32 (https://www.crockford.com/base32.html) in groups
of four. Read as one number it is a multiple of the prime 1,048,573. A wrong letter adds
d * 32**n with |d| < 32, two neighbours swapped d * 31 * 32**n: neither has that prime as a
factor, so each such slip is found wherever it is.
"""

from __future__ import annotations

from bunkerctl import crypto
from bunkerctl.errors import Invalid

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 32
GROUP = 4
PRIME = 1_048_573  # the largest below 2**20
CHECK_BITS = 20
SECRET_BITS = 5 * LENGTH - CHECK_BITS
SECRET_BYTES = (SECRET_BITS + 7) // 8
_READ_AS = str.maketrans("OIL", "011", "- \t\r\n")


def new() -> str:
    """Return a new random code, in groups with dashes."""
    spare = 8 * SECRET_BYTES - SECRET_BITS
    secret = int.from_bytes(crypto.random_bytes(SECRET_BYTES), "big") >> spare
    number = secret << CHECK_BITS
    number += -number % PRIME
    letters = [ALPHABET[number >> 5 * place & 31] for place in reversed(range(LENGTH))]
    return "-".join("".join(letters[at : at + GROUP]) for at in range(0, LENGTH, GROUP))


def secret(text: str) -> bytes:
    """Return the secret of a code as it was typed: O is 0, I and L are 1; case, dashes and blanks
    do not count.

    Raises:
        Invalid: it is not a code, or has a slip.
    """
    letters = plain(text)
    if len(letters) != LENGTH or not set(letters) <= set(ALPHABET):
        raise Invalid(
            "that is not a recovery code",
            hint=f"it has {LENGTH} letters and digits in {LENGTH // GROUP} groups, and never a U",
        )
    number = 0
    for letter in letters:
        number = number << 5 | ALPHABET.index(letter)
    if number % PRIME:
        raise Invalid(
            "the recovery code has a slip: a wrong letter, or two that are swapped",
            hint="compare it group by group",
        )
    return (number >> CHECK_BITS).to_bytes(SECRET_BYTES, "big")


def plain(text: str) -> str:
    """Return the letters that count, as the alphabet has them."""
    return (text.upper() if text.isascii() else text).translate(_READ_AS)


def last_group(text: str) -> str:
    return plain(text)[-GROUP:]
