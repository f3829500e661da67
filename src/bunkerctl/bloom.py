"""A Bloom filter: which of many random numbers may have been met before, at little memory.

B. H. Bloom, "Space/time trade-offs in hash coding with allowable errors", Communications of the
ACM 13 (1970); with all the bits of a number in one word, as in F. Putze and others, "Cache-, hash-
and space-efficient Bloom filters", JEA 14 (2009). The numbers are random themselves, so their own
bits are the hashes.
"""

from __future__ import annotations

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

BITS = 22
"""Of a number's place among the words."""

_MARKS = [
    1 << one | 1 << two | 1 << three
    for one in range(32)
    for two in range(one)
    for three in range(two)
]
"""Which three bits of its word are a number's own."""


class Bloom:
    """A set of random 64-bit numbers that takes 16 MiB, whatever is in it.

    Of three million, it mistakes one other number of 1,000 for one of them; of ten million, of 75;
    of thirty million, of seven.
    """

    def __init__(self) -> None:
        self._words = array("I", bytes(4 << BITS))

    def add(self, numbers: Iterable[int]) -> list[int]:
        """Add numbers; return those that may have been in it."""
        words, marks, met = self._words, _MARKS, []
        bits, mask, count = BITS, (1 << BITS) - 1, len(_MARKS)
        for number in numbers:
            place, mark = number & mask, marks[(number >> bits) % count]
            word = words[place]
            if word & mark == mark:
                met.append(number)
            else:
                words[place] = word | mark
        return met
