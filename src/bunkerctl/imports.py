"""Imports: many people from the rows of a file, each row on its own."""

from __future__ import annotations

import time
from array import array

from bunkerctl import (
    errors,
    jsontext,
    patches,
    preparation,
    users,
    uuids,
)
from bunkerctl.incoming import Incoming, read_row
from bunkerctl.known import Known, Standing
from bunkerctl.lean import contextmanager
from bunkerctl.model import UNSEEN, Expiration, Hold, Progress, User, Value
from bunkerctl.pace import Pace
from bunkerctl.store import audit, expirations, holds, lookup, state, tombstones
from bunkerctl.store import users as store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bunkerctl.intake import Row
    from bunkerctl.preparation import Batch
    from bunkerctl.vault import Transaction, Vault

POLICIES = ("error", "skip", "update")
LEAST_LINES, MOST_LINES = 200, preparation.BATCH_LINES
LOCK_SECONDS = 0.2
CACHE_KIB = 8 * 1024
LEAST_IN_RUN, LEAST_FOR_RUNS, MOST_RUNS = 500, 50_000, 64
"""How many people make a run, in a vault of how many; at how many of them they are moved."""
FEW_ODD = 256
"""Of how many rows one may be about somebody who is there: that is looked for in each run."""
HELD_ELSEWHERE = "held in the vault that it was exported from"


class Options(Value):
    """How to import: `on_conflict` is one of POLICIES."""

    on_conflict: str
    dry_run: bool
    terms: preparation.Terms


class Tally:
    """How many rows were read, and what became of them.

    `duplicates` are those, among them all, about a person of an earlier row of the file.
    """

    def __init__(self) -> None:
        self.read = self.added = self.updated = self.skipped = self.rejected = 0
        self.duplicates = 0

    def counts(self) -> dict[str, int]:
        return dict(vars(self))


class Rejection(Value):
    """A row that was not taken: its line, its bytes (None if they were not kept), and why."""

    line: int
    raw: bytes | None
    error: errors.BunkerError


class _Met:
    """Which line of the file was the first about a person: four bytes for each in the vault."""

    def __init__(self) -> None:
        self._lines = array("I")

    def at(self, user_id: int) -> int:
        """Return the line, 0 if there was none."""
        return self._lines[user_id] if user_id < len(self._lines) else 0

    def extend(self, first: int, lines: Iterable[int]) -> None:
        """Add the lines of new people, whose numbers are in order from the first."""
        self._lines.frombytes(bytes(self._lines.itemsize * (first - len(self._lines))))
        self._lines.extend(lines)

    def add(self, user_id: int, line: int) -> None:
        if user_id >= len(self._lines):
            self._lines.frombytes(bytes(self._lines.itemsize * (user_id + 1 - len(self._lines))))
        self._lines[user_id] = self._lines[user_id] or line


def run(
    vault: Vault,
    rows: Iterable[Row],
    options: Options,
    tally: Tally,
    progress: Progress = UNSEEN,
) -> Iterator[Rejection]:
    """Add the people of a file's rows, and yield the rows that were rejected.

    Rows are committed in batches, so a killed import leaves whole people only. A dry run
    is one transaction that is undone at its end: it reports exactly what a real run would.
    """
    prepared = preparation.ahead(vault, rows, options.terms, progress)
    taker = _Taker(vault, options, tally)
    with vault.db.in_bulk(CACHE_KIB), prepared as batches:
        if options.dry_run:
            with vault.transaction(keep=False) as tx:
                for batch in batches:
                    taker.look(tx.size, batch)
                    yield from taker.take(tx, batch, range(len(batch.lines)))
        else:
            yield from _run_batches(vault, batches, taker, tally)
    dry = {"dry_run": True} if options.dry_run else {}
    try:
        with vault.transaction() as tx:
            tx.event("user.import", counts={**tally.counts(), **dry})
    except errors.InputOutput as error:
        if tally.added or tally.updated:
            raise errors.InputOutput(
                f"{tally.added} are added and {tally.updated} updated; that the import is at its "
                "end could not be recorded",
                hint="make room; the event of each person is there",
            ) from error
        raise


def _run_batches(
    vault: Vault, batches: Iterable[Batch], taker: _Taker, tally: Tally
) -> Iterator[Rejection]:
    pace = Pace(LOCK_SECONDS, first=MOST_LINES, least=LEAST_LINES, most=MOST_LINES)
    lookup.settle(vault.db)  # what a killed import has left
    for batch in _told(batches, tally):
        with _hinted(tally):
            taker.known.read(len(batch.lines))
            with vault.reading():
                odd = taker.look(audit.tree(vault.db).size, batch)
        whole = odd * FEW_ODD <= len(batch.lines)
        if not whole:
            lookup.settle(vault.db)
        for span in batch.spans(pace.size):
            with _kept(tally) as keep, vault.transaction() as tx:
                began = time.monotonic()
                run = _run(tx, len(span)) if whole else None
                rejected = list(taker.take(tx, batch, span, run))
                tx.on_commit = keep
            pace.took(len(span), time.monotonic() - began)
            yield from rejected
        if lookup.runs(vault.db) >= MOST_RUNS:
            lookup.settle(vault.db)
    lookup.settle(vault.db)


def _run(tx: Transaction, people: int) -> int | None:
    """Return the number of a run for many new people in a large vault."""
    if people < LEAST_IN_RUN or state.totals(tx.db).living < LEAST_FOR_RUNS:
        return None
    return lookup.begin_run(tx.db)


def _told(batches: Iterable[Batch], tally: Tally) -> Iterator[Batch]:
    """Pass batches on; if the file fails, or who reads it ahead, tell what is in."""
    with _hinted(tally):
        yield from batches


@contextmanager
def _hinted(tally: Tally) -> Iterator[None]:
    try:
        yield
    except errors.BunkerError as error:
        error.hint = _hint(tally)
        raise


def _hint(tally: Tally) -> str:
    return f"{tally.added} added and {tally.updated} updated before that are in"


@contextmanager
def _kept(tally: Tally) -> Iterator[Callable[[], None]]:
    """Yield what is to be called when all that is tallied is in; what is not is not tallied."""
    before = [tally.counts()]
    try:
        yield lambda: before.append(tally.counts())
    except BaseException as error:
        vars(tally).update(before[-1])
        if isinstance(error, errors.BunkerError):
            error.hint = _hint(tally)
        raise


class _Taker:
    """Takes rows into the vault, one transaction after the other."""

    def __init__(self, vault: Vault, options: Options, tally: Tally) -> None:
        self._vault, self._options, self._tally = vault, options, tally
        self.known = Known(vault)
        self._met = _Met()
        self._size = -1
        """How many events the trail had at the last look, or after what was taken since."""
        self._doubtful: set[int] = set()
        self._standing = Standing(vault, [], set())
        self._given: set[int] = set()
        """The tags that a row has given to somebody."""

    def look(self, size: int, batch: Batch) -> int:
        """Look up, in a transaction that has seen `size` events, who of a batch is there.

        Return how many rows are to be looked at one by one.
        """
        self._size = size
        tags = batch.people.tags
        taken = self.known.taken(size, tags)
        self._doubtful = batch.doubtful(taken)
        self._standing = Standing(self._vault, tags, taken)
        return len(self._doubtful)

    def take(
        self, tx: Transaction, batch: Batch, span: range, run: int | None = None
    ) -> Iterator[Rejection]:
        """Take the rows of a span: the new people together, the other rows one by one, in order.

        The batch has been looked up; if others wrote since, that is done anew. `run` is as for
        `store.users.insert`.
        """
        if tx.size != self._size:
            self.look(tx.size, batch)
        doubtful, whose = self._doubtful, dict[int, int]()
        begin = span.start
        for place in span:
            if place not in doubtful:
                continue
            self._put_in(tx, batch, begin, place, run)
            begin = place + 1
            yield from self._take_one(tx, batch, place, batch.said(place))
            if self._given:
                self.known.add(self._given)
                self._standing.doubt(self._given)
                whose = whose or batch.whose()
                doubtful.update(whose[tag] for tag in self._given if tag in whose)
                self._given = set()
        self._put_in(tx, batch, begin, span.stop, run)
        self._size = self.known.size = tx.last()

    def _put_in(self, tx: Transaction, batch: Batch, begin: int, end: int, run: int | None) -> None:
        """Add the people at some places."""
        if begin == end:
            return
        people = batch.people.some(begin, end)
        first = users.put_in(tx, people, run)
        self._met.extend(first, batch.lines[begin:end])
        self._tally.read += len(people)
        self._tally.added += len(people)

    def _take_one(
        self, tx: Transaction, batch: Batch, place: int, said: jsontext.Json | errors.Invalid
    ) -> Iterator[Rejection]:
        """Take one row; yield it if it is rejected."""
        tally, line = self._tally, batch.lines[place]
        tally.read += 1
        try:
            if isinstance(said, errors.Invalid):
                raise said
            what = self._one(tx, line, said, plain=place not in batch.odd)
        except (errors.Invalid, errors.Conflict) as error:
            tally.rejected += 1
            raw = batch.raws[place] if batch.raws else None
            yield Rejection(line=line, raw=raw, error=error)
        else:
            setattr(tally, what, getattr(tally, what) + 1)

    def _one(self, tx: Transaction, line: int, said: jsontext.Json, *, plain: bool) -> str:
        """Take one row; return `added`, `updated` or `skipped`.

        A plain one's tags were looked up with its batch.
        """
        incoming, rules = read_row(said), self._options.terms.rules
        incoming.check_times(tx.now)
        found = users.identify(incoming.record, rules.region)
        with tx.attempt("user.add", token=incoming.token):
            standing = self._standing.who(found) if plain else None
            if standing is None:
                standing = _met_alone(tx, found, incoming.token)
            earlier = _earlier(standing, line, self._met)
            self._tally.duplicates += earlier is not None
            if standing and self._options.on_conflict == "skip":
                return "skipped"
            if standing and self._options.on_conflict == "update":
                self._given |= tx.vault.tags(found)
                self._standing.changed.update(user.id for user in standing)
                return _update(tx, standing, incoming, rules)
            if earlier is not None:
                raise errors.Conflict(f"it is about the person of line {earlier}")
            if incoming.token is not None and store.by_token(tx.db, incoming.token) is not None:
                raise errors.Conflict("the line's token is taken")
            rules.check(incoming.record)
            self._given |= tx.vault.tags(found)
            user = users.create(
                tx,
                incoming.record,
                found,
                token=incoming.token or uuids.new(),
                at=incoming.at,
                version=incoming.version,
            )
            _restore_state(tx, user, incoming)
        self._met.add(user.id, line)
        return "added"


def _met_alone(tx: Transaction, found: dict[str, str], token: str | None) -> list[User]:
    """Return the living users who have one of the identities, or the token.

    Raises:
        Conflict: the token is an erased person's.
    """
    if token is not None and tombstones.by_token(tx.db, token) is not None:
        raise errors.Conflict("the line's token belongs to an erased person")
    owners = [users.owner(tx.vault, kind, value) for kind, value in found.items()]
    if token is not None:
        owners.append(store.by_token(tx.db, token))
    return list({user.id: user for user in owners if user is not None}.values())


def _earlier(standing: list[User], number: int, met: _Met) -> int | None:
    """Return the first line of the file that was about one of these people, if this is not it."""
    lines = [line for user in standing if (line := met.at(user.id))]
    for user in standing:
        met.add(user.id, number)
    return min(lines, default=None)


def _update(tx: Transaction, standing: list[User], incoming: Incoming, rules: users.Rules) -> str:
    """Merge a record into the one user that it is about: what the line lacks stays.

    A hold is added, for to lose one could break the law; an expiration stays as it stands.
    """
    if len(standing) > 1:
        raise errors.Conflict("the line's identities belong to different users")
    merged = patches.apply(standing[0].data, incoming.record)
    user, changed = users.change(tx, standing[0], merged, rules)
    if incoming.held and not user.held(tx.now):
        _hold(tx, user)
        changed = True
    return "updated" if changed else "skipped"


def _restore_state(tx: Transaction, user: User, incoming: Incoming) -> None:
    """Carry over that a person waits, chose to stay or is held: moving must not lose it.

    The exptoken is new: an export does not have it.
    """
    if incoming.expstatus in ("wait", "retain"):
        expiration = Expiration(
            exptoken=uuids.new(),
            status=incoming.expstatus,
            started_at=tx.now,
            due_at=tx.now if incoming.due_at is None else incoming.due_at,
        )
        expirations.put(tx.db, user.id, expiration, None)
        action = "exp.start" if incoming.expstatus == "wait" else "exp.retain"
        tx.event(action, token=user.token, user=user.id, fields=["expstatus"], was="none")
    if incoming.held:
        _hold(tx, user)


def _hold(tx: Transaction, user: User) -> None:
    by = tx.vault.origin.actor
    holds.put(tx.db, user.id, Hold(reason=HELD_ELSEWHERE, by=by, since=tx.now, until=None))
    tx.event("user.hold", token=user.token, user=user.id, fields=["hold"])
