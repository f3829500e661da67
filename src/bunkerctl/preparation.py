"""Preparation: what of an import needs no lock is done ahead, on another core if there is one.

Rows are read, checked and packed; who is there already, only the lock can tell.
"""

from __future__ import annotations

import marshal
import pickle
from array import array
from itertools import chain, islice
from math import ceil

from bunkerctl import crypto, errors, forks, hashing, jsontext, users, uuids
from bunkerctl.lean import contextmanager
from bunkerctl.model import Value
from bunkerctl.store import users as store
from bunkerctl.store.users import Fresh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bunkerctl.intake import Row
    from bunkerctl.model import Progress
    from bunkerctl.vault import Vault

FIRST_LINES = 500
"""In the first batch, which this process makes ready: for fewer there is no other one."""
BATCH_LINES, BATCH_BYTES = 2500, 1 << 20
MOST_WAITING = 8
"""How many batches wait to be taken."""


class Terms(Value):
    """How rows are made ready: by which rules, and whether each keeps its bytes.

    `verbatim` says that the bytes of a row are what it says, as JSON.
    """

    rules: users.Rules
    keep: bool
    verbatim: bool


class Batch(Value):
    """Some rows, and what the vault is to hold of those who may be new people.

    A row has the same place in `lines`, where it begins, in `people`, and in `raws`, its bytes, if
    they are kept. `odd` is what those say that are no plain records, or no good ones.

    `progress` is how far the file was read.
    """

    lines: list[int]
    raws: list[bytes | None]
    people: Fresh
    odd: dict[int, jsontext.Json | errors.Invalid]
    progress: tuple[int, int | None]

    def spans(self, most: int) -> Iterator[range]:
        """Yield the places in parts of like size."""
        count = len(self.lines)
        size = ceil(count / ceil(count / most))
        for begin in range(0, count, size):
            yield range(begin, min(begin + size, count))

    def doubtful(self, taken: set[int]) -> set[int]:
        """Return the places to be looked at one by one, if such tags are taken.

        Of two people with the same tag the second is.
        """
        places, tags, owners = set(self.odd), self.people.tags, self.people.owners
        if taken or len(set(tags)) < len(tags):
            seen = set(taken)
            for tag, owner in zip(tags, owners, strict=True):
                if tag in seen:
                    places.add(owner)
                seen.add(tag)
        return places

    def whose(self) -> dict[int, int]:
        """Return the place of each tag's first owner."""
        tags, owners = self.people.tags, self.people.owners
        return dict(zip(reversed(tags), reversed(owners), strict=True))

    def said(self, place: int) -> jsontext.Json | errors.Invalid:
        """Return what a row says."""
        if place in self.odd:
            return self.odd[place]
        return jsontext.loads(store.body_of(self.people.contents[place]))


@contextmanager
def ahead(
    vault: Vault, rows: Iterable[Row], terms: Terms, progress: Progress
) -> Iterator[Iterator[Batch]]:
    """Yield the batches of a file.

    From the second on, another process makes them ready.
    """
    hashing.many()
    vault.tag("", "")  # that of the other process cannot ask the database for the key
    made = _batches(vault, rows, terms, progress)
    first = list(islice(made, 1))
    if not first or len(first[0].lines) < FIRST_LINES or forks.cores() == 1:
        yield chain(first, made)
        return
    with forks.ahead(map(_packed, made), MOST_WAITING) as others:
        yield chain(first, _unpacked(others, progress))


def _batches(
    vault: Vault, rows: Iterable[Row], terms: Terms, progress: Progress
) -> Iterator[Batch]:
    """Make what the vault is to hold of each row that may be a new person.

    One after the other: many records together would not fit into the processor's cache.
    """
    left, most = iter(rows), FIRST_LINES
    while True:
        lines: list[int] = []
        raws: list[bytes | None] = []
        people = Fresh()
        odd: dict[int, jsontext.Json | errors.Invalid] = {}
        size = 0
        for token, salt, row in zip(uuids.some(most), crypto.salts(most), left, strict=False):
            number, raw, said = row
            if not _add(vault, people, row, terms, token, salt):
                people.skip()
                odd[len(lines)] = said
            lines.append(number)
            raws.append(raw if terms.keep else None)
            size += len(raw or b"")
            if size > BATCH_BYTES:
                break
        if not lines:
            return
        yield Batch(
            lines=lines,
            raws=raws if terms.keep else [],
            people=people,
            odd=odd,
            progress=(progress.done, progress.total),
        )
        most = min(2 * most, BATCH_LINES)


def _add(vault: Vault, people: Fresh, row: Row, terms: Terms, token: bytes, salt: bytes) -> bool:
    """Add whom a row is about to some people, and tell whether it is a plain and good record."""
    _, raw, said = row
    if not isinstance(said, dict) or "schema" in said:
        return False
    try:
        found = users.identify(said, terms.rules.region)
        terms.rules.check(said)
        written = raw if terms.verbatim and raw and jsontext.is_compact(raw) else None
        users.prepare(vault, people, said, found, token=token, salt=salt, written=written)
    except errors.Invalid:
        return False
    return True


class _Packed(Value):
    """A batch as bytes, which takes the least memory."""

    columns: bytes
    odd: bytes
    tags: array[int]
    owners: array[int]
    progress: tuple[int, int | None]


def _packed(batch: Batch) -> _Packed:
    *columns, tags, owners = batch.people.columns()
    return _Packed(
        columns=marshal.dumps((batch.lines, batch.raws, *columns)),
        odd=pickle.dumps(batch.odd, pickle.HIGHEST_PROTOCOL),
        tags=array("q", tags),
        owners=array("I", owners),
        progress=batch.progress,
    )


def _unpacked(batches: Iterator[_Packed], progress: Progress) -> Iterator[Batch]:
    """Yield batches of another process, and tell how far it has come."""
    for one in batches:
        progress.done, progress.total = one.progress
        lines, raws, *columns = marshal.loads(one.columns)  # noqa: S302 - of a process of ours
        yield Batch(
            lines=lines,
            raws=raws,
            people=Fresh(*columns, one.tags.tolist(), one.owners.tolist()),
            odd=pickle.loads(one.odd),  # noqa: S301 - as above
            progress=one.progress,
        )
