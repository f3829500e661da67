"""The audit trail in figures: what its tallies say of months, readers and the people read."""

from __future__ import annotations

from collections import Counter
from heapq import nlargest

from bunkerctl import errors, times, uuids
from bunkerctl.model import ERASURES, Value
from bunkerctl.store.trail import READINGS
from bunkerctl.tallies import EARLIER, LATER, UNTOLD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bunkerctl.tallies import Tallies

OFTEN_TIMES = 10
MOST_NAMED = 50
OUTSIDE = (EARLIER, LATER)
STATES = ("none", "wait", "retain")
READS = (*READINGS, "user.list", "exp.list", "export.all")
"""The actions that show data of people."""

_BECOMES = {"user.add": "none", "exp.start": "wait", "exp.retain": "retain", "exp.cancel": "none"}
_BECOMES |= dict.fromkeys(ERASURES, "expired")
_NAMES = {
    "user.add": "added",
    "exp.start": "started",
    "exp.retain": "kept",
    "exp.cancel": "cancelled",
    "exp.delete": "removed",
    "exp.erase": "swept",
    "user.forget": "forgotten",
    "backup.restore": "restored",
    "user.hold": "held",
    "user.release": "released",
    **dict.fromkeys(READS, "reads"),
}
_ASSUMED = {"exp.retain": "wait", "exp.cancel": "wait", "exp.delete": "wait", "exp.erase": "wait"}
"""What an expstatus was before a change by an event that does not say it; else `none`."""

MOVES = tuple(dict.fromkeys((*_NAMES.values(), "restarted")))
"""What is counted per month."""


class Period(Value):
    """From `since` to before `until`, Unix seconds."""

    since: int
    until: int


class Month(Value):
    """A month within the period: how often each of MOVES was, and how people stood at its end.

    `standing` has STATES and `erased`, all of them so far.
    """

    month: str
    moves: dict[str, int]
    standing: dict[str, int]


class Reader(Value):
    """An actor, and how often it read, by action; None stands for all the others."""

    actor: str | None
    reads: dict[str, int]


class Often(Value):
    """Who was read unusually often: more than `limit` times, OFTEN_TIMES the median.

    `people` were read at all, `count` too often; `named` are the most read of those, with how
    often. The median is of the people who were read at all.
    """

    people: int
    median: int
    limit: int
    count: int
    named: list[tuple[str, int]]


class Figures:
    """What the tallies of a period say."""

    def __init__(self, tallies: Tallies, until: int) -> None:
        """`until` is the end of the period, which was the tallies' too."""
        self._tallies = tallies
        self._counts = tallies.counts()
        self._until = until

    def first_at(self) -> int:
        """Return when the first event was, or the first month if the clock went back later."""
        said = _instant(self._tallies.first_at)
        first = self._until if said is None else said
        lowest = min((month for month, *_ in self._counts if _is_month(month)), default=LATER)
        return times.parse_date(f"{lowest}-01") if lowest < times.text(first)[:7] else first

    def rotated_at(self) -> int | None:
        """Return when the newest rotation of the key was that is told."""
        return _instant(self._tallies.rotated_at)

    def untold(self) -> int:
        """Return how many changes do not say what they changed from."""
        return sum(
            count
            for (_, action, _, _, was), count in self._counts.items()
            if was == UNTOLD and action in _BECOMES
        )

    def months(self, period: Period, now: dict[str, int]) -> list[Month]:
        """Return the months of the period; `now` is how people stand, as Month has it.

        Counted backwards from now, so that events which were pruned need not be known.
        """
        moves: dict[str, Counter[str]] = {}
        change: dict[str, Counter[str]] = {}
        for (month, action, outcome, _, was), count in self._counts.items():
            if outcome == "ok":
                told = moves.setdefault(month, Counter())
                for name in _moves(action, was):
                    told[name] += count
                changed = change.setdefault(month, Counter())
                for state, by in _changes(action, was):
                    changed[state] += by * count
        standing = Counter(now)
        standing.subtract(change.get(LATER, {}))
        found = []
        for month in reversed(_months(period)):
            counted = moves.get(month, Counter())
            found.append(
                Month(
                    month=month,
                    moves={name: counted[name] for name in MOVES},
                    standing={state: standing[state] for state in (*STATES, "erased")},
                )
            )
            standing.subtract(change.get(month, {}))
        return found[::-1]

    def readers(self) -> list[Reader]:
        """Return who read within the period, most reads first; the last may be all the others."""
        reads: dict[str, Counter[str]] = {}
        for (month, action, outcome, actor, was), count in self._counts.items():
            if outcome == "ok" and month not in OUTSIDE and "reads" in _moves(action, was):
                reads.setdefault(actor, Counter())[action] += count
        order = sorted(reads, key=lambda actor: (-reads[actor].total(), actor))
        named: list[str | None] = [*order[:MOST_NAMED]]
        others: Counter[str] = sum((reads[actor] for actor in order[MOST_NAMED:]), Counter())
        if others:
            named.append(None)
        return [
            Reader(actor=actor, reads={one: counted[one] for one in READS})
            for actor in named
            for counted in [others if actor is None else reads[actor]]
        ]

    def attempts(self) -> list[tuple[str, str, int]]:
        """Return (action, outcome, count) of what did not succeed within the period."""
        failed: Counter[tuple[str, str]] = Counter()
        for (month, action, outcome, _, _), count in self._counts.items():
            if outcome != "ok" and month not in OUTSIDE:
                failed[action, outcome] += count
        return [(*key, count) for key, count in sorted(failed.items())]

    def often(self) -> Often:
        """Return who was read unusually often within the period."""
        people: Counter[int] = Counter()
        most: list[tuple[int, bytes]] = []
        for read in self._tallies.read:
            counted = Counter(bytes(read[at : at + 16]) for at in range(0, len(read), 16))
            people.update(counted.values())
            most = nlargest(MOST_NAMED, [*most, *((count, one) for one, count in counted.items())])
        median = _median(people)
        limit = OFTEN_TIMES * median
        return Often(
            people=people.total(),
            median=median,
            limit=limit,
            count=sum(count for times_, count in people.items() if times_ > limit),
            named=[(uuids.to_text(one), count) for count, one in most if count > limit],
        )


def _moves(action: str, was: str | None) -> Iterator[str]:
    """Yield what a successful event is counted as."""
    if action in READS:
        yield from ["reads"] if was is None else []
    elif action == "user.add":
        yield "added"
    elif was is not None and action in _NAMES:
        yield "restarted" if (action, was) == ("exp.start", "wait") else _NAMES[action]


def _changes(action: str, was: str | None) -> Iterator[tuple[str, int]]:
    """Yield by how much a successful event changes the number of people in a state."""
    now = _BECOMES.get(action)
    if action == "user.add":
        yield "none", 1
    elif now is not None and was is not None:
        before = _ASSUMED.get(action, "none") if was == UNTOLD else was
        if before in STATES:  # else the person is not in this vault: it was erased elsewhere
            yield before, -1
        yield "erased" if now == "expired" else now, 1


def _is_month(name: str) -> bool:
    try:
        times.parse_date(f"{name}-01")
    except errors.Invalid:  # EARLIER, LATER, or of an event that was altered
        return False
    return True


def _months(period: Period) -> list[str]:
    """Return the months of a period, as `2027-01`."""
    last = times.text(max(period.since, period.until - 1))[:7]
    year, month = map(int, times.text(period.since)[:7].split("-"))
    found = []
    while (name := f"{year:04}-{month:02}") <= last:
        found.append(name)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return found


def _instant(said: str | None) -> int | None:
    """Return the time that an event says; None for none, or for one that was altered."""
    try:
        return None if said is None else times.parse_date(said)
    except errors.Invalid:
        return None


def _median(people: Counter[int]) -> int:
    """Return the lower median of the keys, each as often as its count; 0 of none."""
    middle = (people.total() + 1) // 2
    for value in sorted(people):
        middle -= people[value]
        if middle <= 0:
            return value
    return 0
