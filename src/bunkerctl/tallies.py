"""Tallies: how often what was done, counted in one walk that makes the tree of the same events.

What is counted is what the events say, and so it is proven as they are.
"""

from __future__ import annotations

import json
import pickle
from collections import Counter
from itertools import pairwise

from bunkerctl import audit, forks, hashing, merkle
from bunkerctl.lean import partial
from bunkerctl.store import trail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bunkerctl.model import Progress
    from bunkerctl.vault import Vault

    Tally = tuple[str, str, str, str, str | None]

HEIGHT = 15
LEAST_PART = 1 << 17
MOST_PARTS = 8
"""Subtrees of 2 ** HEIGHT events, and no less than LEAST_PART of them, go to another process."""

EARLIER, LATER = "", "~"
"""What stands for the months before the period, and for those after it."""

UNTOLD, BATCH = "?", "*"
"""What an expstatus was, if an event does not tell; and the event of many reads."""

_CHANGES = ("expstatus", "hold")
_ROTATED = '["key.rotate","ok",'


class Tallies:
    """What was counted of some events; `since` and `until` bound the period (RFC 3339).

    `events` were walked over. `first_at` is the time of the first, `rotated_at` of the newest
    rotation of the key, RFC 3339.
    """

    def __init__(self, since: str, until: str) -> None:
        self.events = 0
        self.first_at: str | None = None
        self.rotated_at: str | None = None
        self.read = [bytearray() for _ in range(256)]
        """The tokens of the period's readings, one behind the other, by their first byte: a count
        of each would take ten times the room."""
        self._since, self._until = since, until
        self._counts: Counter[tuple[str, str, bool]] = Counter()

    def empty(self) -> Tallies:
        """Return tallies of the same period, with nothing in them."""
        return Tallies(self._since, self._until)

    def take(self, rows: list[trail.Tallied]) -> None:
        """Count a page of events, in their order."""
        times = [row[2] for row in rows]
        inside = min(times) >= self._since and max(times) < self._until
        months = [at[:7] for at in times] if inside else list(map(self._month, times))
        counts = Counter(
            (month, row[4], row[3] is None) for month, row in zip(months, rows, strict=True)
        )
        for month, row in zip(months, rows, strict=True):
            if row[3] and month not in (EARLIER, LATER):
                self.read[row[3][0]] += row[3]
        self.events += len(rows)
        self._counts.update(counts)
        self.first_at = self.first_at or times[0]
        if any(kind.startswith(_ROTATED) for _, kind, _ in counts):
            self.rotated_at = [row[2] for row in rows if row[4].startswith(_ROTATED)][-1]

    def add(self, later: Tallies) -> None:
        """Add what was counted of the events behind these."""
        self.events += later.events
        self._counts.update(later._counts)
        for first, tokens in enumerate(later.read):
            self.read[first] += tokens
        self.first_at = self.first_at or later.first_at
        self.rotated_at = later.rotated_at or self.rotated_at

    def counts(self) -> dict[Tally, int]:
        """Return how often was what: month, action, outcome, actor, and what an expstatus was.

        The month is EARLIER or LATER for what is not of the period. The last is also not None for
        a changed hold, and for a BATCH.
        """
        found: Counter[Tally] = Counter()
        for (month, kind, bare), count in self._counts.items():
            action, outcome, actor, was, field, records = json.loads(kind)
            if action in trail.READINGS:
                was = BATCH if bare and outcome == "ok" else None
            elif was is None and (field in _CHANGES or records is not None):
                was = UNTOLD
            if action == "user.add":
                was = None
            found[month, str(action), str(outcome), str(actor), was and str(was)] += count
        return found

    def _month(self, at: str) -> str:
        if at < self._since:
            return EARLIER
        return at[:7] if at < self._until else LATER


def walk(
    vault: Vault,
    again: Callable[[], Vault],
    tallies: Tallies,
    begin: merkle.Tree,
    size: int,
    progress: Progress,
) -> merkle.Tree:
    """Count the events from behind a tree up to a size; return the tree that they make of it.

    It ends at an event that is missing or no JSON: the tree is then smaller. Of a long trail
    other processes count some of it, in a vault that they open `again`.
    """
    bounds = _bounds(begin.size, size)
    parts = list(pairwise(bounds[1:]))
    hashing.many()
    own, *others = counters = forks.counters(len(bounds) - 1)
    progress.begin("events counted", size - begin.size, lambda: sum(one[0] for one in counters))
    works = [
        partial(_elsewhere, again, tallies, *part, counter)
        for part, counter in zip(parts, others, strict=True)
    ]
    tree = merkle.Tree(begin.size, begin.frontier())
    with forks.beside(works) as answers:
        _walk(vault, tallies, tree, bounds[1], own)
        for (start, end), answer, counter in zip(parts, answers, others, strict=True):
            if tree.size != start:
                break
            found = answer() or _elsewhere(lambda: vault, tallies, start, end, counter)
            _join(tree, tallies, found)
    return tree


def _bounds(begin: int, size: int) -> list[int]:
    """Return where the parts begin, and where the last one ends: in between, whole subtrees."""
    most = min(forks.cores(), MOST_PARTS, max(1, (size - begin) // LEAST_PART))
    inner = [(begin + (size - begin) * one // most) >> HEIGHT << HEIGHT for one in range(1, most)]
    return [begin, *inner, size]


def _walk(
    vault: Vault,
    tallies: Tallies,
    tree: merkle.Tree,
    end: int,
    counter: memoryview,
    offset: int = 0,
) -> None:
    """Count the events up to `end`, and append them to a tree, which begins behind `offset`.

    In pages: a long read would keep the pages of erased people alive.
    """
    while (after := offset + tree.size) < end:
        with vault.reading():
            rows = trail.tallied(vault.db, after, min(audit.PAGE, end - after))
        if not rows or rows[-1][0] != after + len(rows):
            return
        tree.extend([merkle.leaf_hash(row[1].encode()) for row in rows])
        tallies.take(rows)
        counter[0] += len(rows)


def _elsewhere(
    again: Callable[[], Vault], like: Tallies, start: int, end: int, counter: memoryview
) -> bytes:
    """Return what `_join` takes: tallies, the heads of whole subtrees, and the tree of the rest."""
    vault, tallies = again(), like.empty()
    counter[0] = 0
    heads: list[bytes] = []
    while True:
        tree = merkle.Tree()
        _walk(vault, tallies, tree, min(end, start + (1 << HEIGHT)), counter, start)
        if tree.size != 1 << HEIGHT:
            return pickle.dumps((tallies, heads, tree))
        heads.append(tree.root())
        start += tree.size


def _join(tree: merkle.Tree, tallies: Tallies, answer: bytes) -> None:
    """Append what was counted elsewhere."""
    later, heads, rest = pickle.loads(answer)  # noqa: S301 - of a process of ours
    tallies.add(later)
    tree.extend(heads, HEIGHT)
    tree.join(rest)
