"""An open vault, and the one kind of transaction; the clock is read here and nowhere else."""

from __future__ import annotations

import os

from bunkerctl import crypto, errors, files, hashing, keys, uuids
from bunkerctl.directory import (
    DATABASE,
    LEDGER,
    LOCK,
    Header,
    check_access,
    check_place,
    read_header,
)
from bunkerctl.keys import Route, Session
from bunkerctl.lean import contextmanager, nullcontext
from bunkerctl.model import Origin, Value
from bunkerctl.store import audit, state
from bunkerctl.store.connection import Database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from bunkerctl.model import Tombstone, User

FEW_EVENTS = 100
"""For more of them at once it pays to load the faster hash."""
MOST_LEFT = 5000
"""Tombstones that are kept for the ledger: more would take more memory than to read them."""


class Vault:
    """An open vault. `now()` is Unix seconds; `lock_wait` is in seconds."""

    def __init__(
        self,
        directory: str,
        header: Header,
        db: Database,
        origin: Origin,
        lock_wait: float,
        clock: Callable[[], float],
    ) -> None:
        self.directory = directory
        self.header = header
        self.db = db
        self.origin = origin
        self.lock_wait = lock_wait
        self._clock = clock
        self.presence: int | None = None
        """The descriptor that keeps a rotation out while this vault is open."""
        self.saved = False
        """Whether this call has changed more than the audit trail."""
        self.index_key: bytes | None = None
        """That of the database, where it is known already."""
        self._tagger: Callable[[str, str], int] | None = None
        self.left: list[Tombstone] = []
        """Of whom this process has erased, and the ledger lacks; none, if they are very many."""
        self.near: dict[tuple[str, str], User] = {}
        """Who was looked up together in this transaction, by the identity or token asked for."""

    def now(self) -> int:
        return int(self._clock())

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    @property
    def tag(self) -> Callable[[str, str], int]:
        """What gives the number under which an identity (kind, value) is indexed."""
        if self._tagger is None:
            index_key = self.index_key or state.own(self.db)[1]
            self._tagger = crypto.identity_tagger(index_key)
        return self._tagger

    def tags(self, identities: dict[str, str]) -> set[int]:
        tag = self.tag
        return {tag(kind, value) for kind, value in identities.items()}

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[Transaction]:
        """Run a block under the write lock: committed at its end, undone if it raises.

        A refusal that has been recorded as an event is committed, and raised all the same.
        With `keep` false everything is undone at the end.
        """
        self.db.begin()
        try:
            tx = Transaction(self, keep=keep)
            try:
                yield tx
            except errors.BunkerError as error:
                if not (error.recorded and keep):
                    raise
                self._commit(tx)
                raise
            if keep:
                self._commit(tx)
        finally:
            self.near.clear()
            self.db.rollback()

    @contextmanager
    def becoming(self, header: Header, action: str) -> Iterator[None]:
        """Run a block and replace the header, both in one transaction with their event.

        If it fails, the header is what it was.
        """
        from bunkerctl.header import write_header

        try:
            with self.transaction() as tx:
                tx.event(action, key_id=header.key_id)
                yield
                if header != self.header:
                    write_header(self.directory, header)
        except BaseException:
            if read_header(self.directory) != self.header:
                write_header(self.directory, self.header)
            raise

    def refused(self, action: str, error: errors.BunkerError) -> errors.BunkerError:
        """Record an attempt that ended before its transaction; return the error to raise."""
        with self.transaction() as tx:
            tx.event(action, outcome=error.outcome or "failed", token=error.token)
        return error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run a block on one snapshot, without an event: for what is not about a person."""
        self.db.begin(write=False)
        try:
            yield
        finally:
            self.db.rollback()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other sweeps, rotations, backups and restores out.

        Raises:
            Busy: another has it for longer than `lock_wait`.
        """
        with files.locked(self.path(LOCK), self.lock_wait):
            yield

    @contextmanager
    def ledger(self, wait: float) -> Iterator[int]:
        """Run a block alone with the erasure ledger, open for appending; yields its descriptor."""
        with files.locked(self.path(LEDGER), wait) as descriptor:
            yield descriptor

    def close(self) -> None:
        self.db.close()
        if self.presence is not None:
            os.close(self.presence)
            self.presence = None

    def _commit(self, tx: Transaction) -> None:
        changed = tx.finish()
        with nullcontext() if tx.on_commit is None else _undisturbed():
            self.db.commit()
            self.saved = self.saved or changed
            self.left += tx.left
            if len(self.left) > MOST_LEFT:
                self.left.clear()
            if tx.on_commit is not None:
                tx.on_commit()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Run a block in which no signal is heeded that ends the program."""
    import signal  # no hot command needs it

    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_UNKEPT: audit.Told = ("", None, None, None)


class Transaction:
    """The write lock, one instant, and the audit trail; `now` is Unix seconds."""

    def __init__(self, vault: Vault, *, keep: bool) -> None:
        self.vault = vault
        self.db = vault.db
        self.now = vault.now()
        state.version(vault.db)  # another process may have migrated it since it was opened
        self._tree = audit.tree(vault.db)
        self.size = self._tree.size
        """How many events the trail had before."""
        self._events: list[audit.Told] = []
        """The events so far: they are stored when the transaction ends.

        One that is not kept has none to store, and may be very long.
        """
        self.left: list[Tombstone] = []
        """Of whom it erases."""
        self.on_commit: Callable[[], object] | None = None
        """What counts what is committed: no signal is heeded between the two."""
        self._origin = vars(vault.origin)
        self._wordings: dict[tuple[Any, ...], str] = {}
        """The wordings of the events so far, by what makes them: see `store.audit`."""
        self._keep = keep
        self._changes, self._changed = vault.db.changes(), False

    @contextmanager
    def attempt(
        self, action: str, token: str | None = None, *, asks_first: bool = False
    ) -> Iterator[None]:
        """Run one act; if it is refused, undo it and record the refusal in its place.

        One that `asks_first` is refused before it changes anything, if at all: it has nothing but
        its events to be undone.
        """
        before, left, changes = len(self._events), len(self.left), self.db.changes()
        if not asks_first:
            self.db.run("SAVEPOINT attempt")
        try:
            yield
        except errors.BunkerError as error:
            if not self.db.in_transaction():  # a full disk, say: SQLite has undone all of it
                raise
            if not asks_first:
                self.db.run("ROLLBACK TO attempt")
                self.db.run("RELEASE attempt")
            elif error.outcome is not None and self.db.changes() != changes:
                raise errors.Internal("an act was refused after a change") from error
            del self._events[before:]
            del self.left[left:]
            if error.outcome is not None:
                self.event(action, outcome=error.outcome, token=error.token or token)
                error.recorded = True
            raise
        if not asks_first:
            self.db.run("RELEASE attempt")

    def event(
        self,
        action: str,
        *,
        outcome: str = "ok",
        token: str | None = None,
        user: int | None = None,
        fields: Sequence[str] | None = None,
        commitment: str | None = None,
        counts: dict[str, Any] | None = None,
        **more: str | None,
    ) -> int:
        """Append an event to the audit trail; return its number.

        `user` is the row number of the person, where it is known: it is for finding the event.
        `fields` are the names of what changed, `commitment` is that of the new record. `more`
        is what an action has besides, never a person's data: the id of a key, times, and what an
        expstatus `was`, so that the trail can be counted.
        """
        if not self._keep:
            self._events.append(_UNKEPT)
            return self.last()
        raw = None if token is None else uuids.to_bytes(token)
        wording = self._wording(action, outcome, token, fields, commitment, counts, more)
        self._events.append((wording, raw, user, commitment))
        return self.last()

    def event_for_each(
        self, action: str, people: Iterable[tuple[bytes, int, tuple[str, ...], str]]
    ) -> None:
        """Append an event for each of many: token, row number, fields and commitment."""
        known: tuple[str, ...] | None = None
        wording = ""
        for token, user, fields, commitment in people:
            if not self._keep:
                self._events.append(_UNKEPT)
                continue
            if fields is not known:
                known = fields
                wording = self._wording(action, "ok", "", fields, commitment, None, {})
            self._events.append((wording, token, user, commitment))

    def _wording(
        self,
        action: str,
        outcome: str,
        token: str | None,
        fields: Sequence[str] | None,
        commitment: str | None,
        counts: dict[str, Any] | None,
        more: dict[str, str | None],
    ) -> str:
        """Return what the event says besides whom it is about: see `store.audit`."""
        names = None if fields is None else tuple(fields)
        alike = (
            action,
            outcome,
            token is None,
            names,
            commitment is None,
            repr(counts),
            *more.items(),
        )
        if alike not in self._wordings:
            said = {"v": 1, "action": action, "outcome": outcome, **self._origin, **more}
            known = {"token": token, "fields": fields, "commitment": commitment, "counts": counts}
            self._wordings[alike] = audit.wording({**said, **known})
        return self._wordings[alike]

    def last(self) -> int:
        """Return the number of the newest event."""
        return self._tree.size + len(self._events)

    def write_events(self) -> None:
        """Store the events so far, to be read in this transaction; not within an attempt."""
        self._changed = self._changed or self.db.changes() != self._changes
        if self._events:
            if len(self._events) > FEW_EVENTS:
                hashing.many()
            audit.append(self.db, self._tree, self._events, self.now)
            self._events.clear()
        self._changes = self.db.changes()

    def finish(self) -> bool:
        """Store what events are left; return whether anything but the audit trail was changed.

        The vault calls this before it commits.
        """
        self.write_events()
        return self._changed


class Surroundings(Value):
    """What a vault is opened in: who asks, in which session, by which clock.

    `lock_wait` is in seconds, `clock` returns Unix seconds.
    """

    origin: Origin
    session: Session
    lock_wait: float
    clock: Callable[[], float]


class Opened(Value):
    """An open vault, its master key, and where that came from."""

    vault: Vault
    master: bytes
    route: Route


def open_vault(directory: str, header: Header, master: bytes, surroundings: Surroundings) -> Vault:
    """Open a vault with its master key.

    Raises:
        WrongKey: the key is another vault's.
        IntegrityFailure: the database is damaged, or of another vault.
        InputOutput: no permission to write, or a read-only file system.
        UnsupportedVersion: made by a newer bunkerctl.
    """
    path = os.path.join(directory, DATABASE)
    check_place(directory)
    vault_id = uuids.to_bytes(header.vault_id)
    if keys.id_of(master, header.vault_id) != header.key_id:
        raise keys.wrong_key(master, header.vault_id, header.key_id)
    check_access(directory)
    lock_wait = surroundings.lock_wait
    db = Database(path, crypto.database_key(master, vault_id), lock_wait)
    vault = Vault(directory, header, db, surroundings.origin, lock_wait, surroundings.clock)
    try:
        if state.version(db) < state.VERSION:
            from bunkerctl.store import schema

            schema.migrate(db, vault.now())
        own_id, vault.index_key = state.own(db)
        if own_id != vault_id:
            raise errors.IntegrityFailure("the database and vault.json are of different vaults")
    except BaseException:
        db.close()
        raise
    return vault
