"""A Bloom filter: which of many random numbers may have been met before, at little memory.

B. H. Bloom, "Space/time trade-offs in hash coding with allowable errors", Communications of the
ACM 13 (1970). The numbers are random themselves, so their own bits are the hashes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

BITS = 27
_MASK = (1 << BITS) - 1


class Bloom:
    """A set of random 64-bit numbers that takes 16 MiB, whatever is in it.

    Of three million, it mistakes one other number of some 3,500 for one of them; of ten million, of
    120.
    """

    def __init__(self) -> None:
        self._bits = bytearray(1 << BITS - 3)

    def add(self, numbers: Iterable[int]) -> list[int]:
        """Add numbers; return those that may have been in it."""
        bits, met = self._bits, []
        for number in numbers:
            one, two, three = number & _MASK, number >> 19 & _MASK, number >> 37 & _MASK
            first, second, third = 1 << (one & 7), 1 << (two & 7), 1 << (three & 7)
            if bits[one >> 3] & first and bits[two >> 3] & second and bits[three >> 3] & third:
                met.append(number)
            else:
                bits[one >> 3] |= first
                bits[two >> 3] |= second
                bits[three >> 3] |= third
        return met
