"""How many at once: as many as keep a transaction short, on whatever machine and disk."""

from __future__ import annotations


class Pace:
    """`size` is how many to take in the next transaction, for it to take about so many seconds.

    It follows from what the last ones took. The faster of two counts: one that had to wait, or
    after which the WAL was moved into the database, tells nothing about the next.
    """

    def __init__(self, seconds: float, *, first: int, least: int, most: int) -> None:
        self.size = first
        self._seconds, self._least, self._most = seconds, least, most
        self._before = 0.0

    def took(self, count: int, seconds: float) -> None:
        """Learn from a transaction with so many in it."""
        each = seconds / count
        wanted = int(self._seconds / max(min(each, self._before or each), 1e-9))
        self._before = each
        self.size = max(self._least, min(wanted, 2 * self.size, self._most))
