"""Preparation: what of an import needs no lock is done ahead, on another core if there is one.

Rows are read, checked and packed, and their identities looked up. One by one, each look-up in a
large index would decrypt a page: so it is done for many rows at once, in the order of the index.
"""

from __future__ import annotations

import marshal
import pickle
import time
from array import array
from contextlib import contextmanager
from itertools import chain, islice
from math import ceil

from bunkerctl import errors, forks, hashing, jsontext, users, uuids
from bunkerctl.model import Value
from bunkerctl.store import audit, state
from bunkerctl.store import users as store
from bunkerctl.store.users import Fresh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bunkerctl.intake import Row
    from bunkerctl.model import Progress
    from bunkerctl.vault import Vault

FIRST_LINES = 500
"""In the first batch, which this process makes ready: for fewer there is no other one."""
BATCH_LINES, BATCH_BYTES = 2500, 1 << 20
AT_ONCE, LEAST_LARGE = 25_000, 50_000
"""How many people are looked up at once, in a vault of how many."""
MOST_BYTES, MOST_SECONDS = 14 << 20, 2.0
MOST_WAITING = AT_ONCE // BATCH_LINES
"""How many batches wait to be taken, while the next are looked up."""


class Batch(Value):
    """Some rows, and what the vault is to hold of those who may be new people, by line.

    Of these there is no need to know what the row says. `taken` are those of their tags that were
    taken when the audit trail had `size` events; `size` is -1 if nobody has looked. `progress` is
    how far the file was read.
    """

    rows: list[Row]
    ready: dict[int, Fresh]
    progress: tuple[int, int | None]
    taken: set[int]
    size: int

    def parts(self, most: int) -> Iterator[Batch]:
        """Yield it in parts of like size."""
        rows = self.rows
        count = ceil(len(rows) / most)
        size = ceil(len(rows) / count)
        for begin in range(0, len(rows), size):
            yield self.with_(rows=rows[begin : begin + size])

    def odd(self) -> int:
        """Return how many rows are to be looked at one by one, as far as is known."""
        fresh = self.fresh()
        there = sum(not self.taken.isdisjoint(one.tags) for one in fresh) if self.taken else 0
        return len(self.rows) - len(fresh) + there

    def fresh(self) -> list[Fresh]:
        return [fresh for row in self.rows if (fresh := self.ready.get(row[0]))]


@contextmanager
def ahead(
    vault: Vault,
    again: Callable[[], Vault] | None,
    rows: Iterable[Row],
    rules: users.Rules,
    progress: Progress,
    *,
    keep: bool,
) -> Iterator[Iterator[Batch]]:
    """Yield the batches of a file.

    From the second on, another process makes them ready. `again` opens the vault for it, to look
    up the tags; None if what it would see is not what counts. With `keep`, each row keeps its
    bytes.
    """
    hashing.many()
    vault.tag("", "")  # that of the other process cannot ask the database for the key
    made = (_ready(vault, batch, rules, progress, keep=keep) for batch in _batches(rows))
    first = list(islice(made, 1))
    if not first or len(first[0].rows) < FIRST_LINES or forks.cores() == 1:
        yield chain(first, made)
        return
    with forks.ahead(_looked_up(made, again), MOST_WAITING) as others:
        yield chain(first, _unpacked(others, progress))


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size, most = 0, FIRST_LINES
    for row in rows:
        batch.append(row)
        size += len(row[1] or b"")
        if len(batch) == most or size > BATCH_BYTES:
            yield batch
            batch, size, most = [], 0, BATCH_LINES
    if batch:
        yield batch


def _ready(
    vault: Vault, rows: list[Row], rules: users.Rules, progress: Progress, *, keep: bool
) -> Batch:
    """Make what the vault is to hold of each row that may be a new person.

    Rows that are not plain records, or not good ones, are left to be looked at one by one.
    """
    left: list[Row] = []
    ready: dict[int, Fresh] = {}
    for number, raw, said in rows:
        fresh = _fresh(vault, said, rules)
        if fresh is None:
            left.append((number, raw, said))
        else:
            left.append((number, raw if keep else None, None))
            ready[number] = fresh
    seen = (progress.done, progress.total)
    return Batch(rows=left, ready=ready, progress=seen, taken=set(), size=-1)


def _fresh(vault: Vault, said: jsontext.Json | errors.Invalid, rules: users.Rules) -> Fresh | None:
    if not isinstance(said, dict) or "schema" in said:
        return None
    try:
        found = users.identify(said, rules.region)
        rules.check(said)
        return users.prepare(vault, said, found, token=uuids.new())
    except errors.Invalid:
        return None


class _Packed(Value):
    """A batch as bytes, which takes the least memory, with what was found out about it since."""

    rows: bytes
    ready: bytes
    progress: tuple[int, int | None]
    tags: array[int]
    taken: set[int]
    size: int


def _looked_up(batches: Iterator[Batch], again: Callable[[], Vault] | None) -> Iterator[_Packed]:
    vault = None if again is None else again()
    while True:
        some = _together(batches, 0 if vault is None else _at_once(vault))
        if not some:
            return
        yield from some if vault is None else _with_taken(vault, some)


def _at_once(vault: Vault) -> int:
    with vault.reading():
        return AT_ONCE if state.totals(vault.db).living >= LEAST_LARGE else 0


def _together(batches: Iterator[Batch], people: int) -> list[_Packed]:
    """Return the next batches, until there are so many people in them, or MOST_BYTES.

    Or until that has taken long, because the file is a pipe that more comes from now and then.
    """
    some: list[_Packed] = []
    room, end = MOST_BYTES, time.monotonic() + MOST_SECONDS
    for batch in batches:
        tags = array("q", [tag for fresh in batch.fresh() for tag in fresh.tags])
        packed = _Packed(
            rows=pickle.dumps(batch.rows, pickle.HIGHEST_PROTOCOL),
            ready=marshal.dumps([(line, *fresh.parts()) for line, fresh in batch.ready.items()]),
            progress=batch.progress,
            tags=tags,
            taken=set(),
            size=-1,
        )
        some.append(packed)
        people -= len(batch.rows)
        room -= len(packed.rows) + len(packed.ready)
        if people <= 0 or room <= 0 or time.monotonic() > end:
            break
    return some


def _with_taken(vault: Vault, some: list[_Packed]) -> Iterator[_Packed]:
    with vault.reading():
        size = audit.tree(vault.db).size
        taken = store.taken(vault.db, chain.from_iterable(one.tags for one in some))
    some.reverse()
    while some:
        one = some.pop()  # and then it is here no more
        own = taken.intersection(one.tags) if taken else taken
        yield one.with_(tags=array("q"), taken=own, size=size)


def _unpacked(batches: Iterator[_Packed], progress: Progress) -> Iterator[Batch]:
    """Yield batches of another process, and tell how far it has come."""
    for one in batches:
        progress.done, progress.total = one.progress
        yield Batch(
            rows=pickle.loads(one.rows),  # noqa: S301 - of a process of ours, as below
            ready={line: Fresh(*parts) for line, *parts in marshal.loads(one.ready)},  # noqa: S302
            progress=one.progress,
            taken=one.taken,
            size=one.size,
        )
