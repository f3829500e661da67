"""Rotation: a new master key, and the whole database encrypted anew under it.

Older copies of the files then open with no key that is kept. The order never leaves a vault
without one, whenever the process is killed:

    1. vault.json says that a succession has begun
    2. the new key waits beside the old one at each place, read back; its recovery code is made
    3. PRAGMA rekey, one transaction; checkpoint, sync; opened anew and checked
    4. vault.json: the new key is the vault's
    5. the new key takes the old one's place, everywhere
    6. the event; vault.json: the succession is over

Whoever opens a vault in which one has begun tries both keys. Before step 3 is committed the old
one opens it, and all is taken back; after that the new one does, and all is finished.
"""

from __future__ import annotations

import os

from bunkerctl import crypto, errors, files, keys, recovery, uuids
from bunkerctl import vault as vaults
from bunkerctl.directory import DATABASE, Succession, read_header
from bunkerctl.header import write_header
from bunkerctl.keys import Route, keeping
from bunkerctl.lean import contextmanager
from bunkerctl.model import UNSEEN, Progress, Value
from bunkerctl.neighbours import sharers
from bunkerctl.store import integrity, trail
from bunkerctl.store.connection import Database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bunkerctl.directory import Header
    from bunkerctl.keys import Session
    from bunkerctl.vault import Opened, Surroundings, Vault

ACTION = "key.rotate"
_SPARE_BYTES = 1 << 20


class Plan(Value):
    """A rotation that has begun, as the header `begun` says: `new` is to wait at each of `places`.

    `stale` are places that the vault knows of and that keep the old key; `gone` had none.
    """

    opened: Opened
    new: bytes
    begun: Header
    places: tuple[Route, ...]
    stale: tuple[Route, ...]
    gone: tuple[Route, ...]


class Rotated(Value):
    """`left` are the places that the new key waits at: it takes its place at the next use."""

    header: Header
    old_key_id: str
    left: tuple[Route, ...]


@contextmanager
def planned(
    opened: Opened,
    surroundings: Surroundings,
    *,
    skip_unreachable: bool,
    progress: Progress = UNSEEN,
) -> Iterator[Plan]:
    """Begin a rotation, and let a new key wait at every place of the old one, for a block.

    `opened` is alone in its vault. If the block fails, all is taken back, or if it was too late
    for that, finished.

    Raises:
        Usage: the key came from a source that cannot take a new one.
        Conflict: another vault has its key at one of the places.
        KeyUnavailable: a place cannot be read or written.
        IntegrityFailure: the database is damaged.
        InputOutput: there is not enough room.
    """
    with opened.vault.exclusive():
        yield from _planned(opened, surroundings, skip_unreachable, progress)


def _planned(
    opened: Opened, surroundings: Surroundings, skip_unreachable: bool, progress: Progress
) -> Iterator[Plan]:
    vault, session = opened.vault, surroundings.session
    plan = _plan(opened, session, skip_unreachable)
    _check_shared(vault, plan.places)
    _check_room(vault.path(DATABASE))
    if integrity.problems(vault.db, progress):
        raise errors.IntegrityFailure(
            "the database is damaged, so its key is not rotated",
            hint="`bunkerctl doctor` says more",
        )
    for place in plan.places:
        keeping.check_free_to_wait(place, vault.header.vault_id)
    try:
        write_header(vault.directory, plan.begun)
        for place in plan.places:
            keeping.store(place, vault.header.vault_id, plan.new, session, waiting=True)
        yield plan
    except BaseException:
        _give_up(plan, surroundings)
        raise


def carry_out(
    plan: Plan,
    code: str | None,
    recovery_file: str | None,
    surroundings: Surroundings,
    progress: Progress = UNSEEN,
) -> Rotated:
    """Rotate as planned, and close the vault. `code` recovers the new key; it goes into a file too.

    Raises:
        InputOutput: the disk refused, and the old key is still the vault's.
        IntegrityFailure: the new key is the vault's, and the database does not read back whole.
    """
    vault, old, begun = plan.opened.vault, plan.opened.vault.header, plan.begun
    made = recovery.wrapped(code, old.vault_id, plan.new, vault.now()) if code else None
    if begun.succession is not None:
        begun = begun.with_(succession=begun.succession.with_(recovery=made))

    def stands() -> bool:
        found = read_header(vault.directory)
        return found.key_id != old.key_id or found.succession is not None

    with recovery.written(recovery_file, code or "", old.vault_id, vault.now(), stands):
        try:
            write_header(vault.directory, begun)
            vault.db.rekey(_database_key(begun, plan.new), progress)
            vault.db.close()
            if not _opens(vault.directory, begun, plan.new):  # a failed sync is not told
                raise errors.InputOutput(
                    "the database could not be written anew under another key",
                    hint="is there room? it stays as it was",
                )
            header, left, problems = _complete(
                vault.directory, begun, plan.new, plan.places, surroundings, progress
            )
            if plan.gone:
                kept = tuple(copy for copy in header.copies if copy not in plan.gone)
                header = header.with_(copies=kept)
                write_header(vault.directory, header)
        except BaseException as error:
            _give_up(plan, surroundings)
            if isinstance(error, errors.InputOutput) and stands():
                raise errors.InputOutput(
                    "the rotation was cut off by the disk",
                    hint="make room, or see to permissions: the next command finishes it, or takes "
                    "it back",
                ) from error
            raise
    if problems:
        raise errors.IntegrityFailure(
            "the key is rotated, but the database does not read back whole",
            hint="`bunkerctl doctor` says more; the new key is in its place",
        )
    keys.lock(header.vault_id)  # what `unlock` has kept opens nothing any more
    return Rotated(header=header, old_key_id=old.key_id, left=left)


def _give_up(plan: Plan, surroundings: Surroundings) -> None:
    """Settle a rotation that fails; if that fails too, the next command does it."""
    vault, opened = plan.opened.vault, plan.opened
    vault.db.close()
    try:
        header = read_header(vault.directory)
        settle(vault.directory, header, opened.master, opened.route, surroundings)
    except errors.BunkerError:
        return


def settle(
    directory: str, header: Header, key: bytes, route: Route | None, surroundings: Surroundings
) -> bool:
    """Finish a rotation that has begun, or take it back if the old key still opens the vault.

    Return whether it is finished. The caller is alone in the vault; `key` is the one it has, from
    `route` if from a place.

    Raises:
        KeyUnavailable: the key that opens it cannot be had here.
        WrongKey: `key` is neither the old one nor the new one.
    """
    if header.succession is None:
        return False
    places = _writable([route, *header.places()] if route else header.places())
    for found in _candidates(header, key, places, surroundings.session):
        if not _opens(directory, header, found):
            continue
        places = [  # another keyring may not be reachable
            place for place in places if place.source == "file" or place == route
        ]
        if keys.id_of(found, header.vault_id) == header.succession.key_id:
            _complete(directory, header, found, places, surroundings, check=False)
            return True
        _take_back(directory, header, found, places, surroundings)
        return False
    raise errors.KeyUnavailable(
        "a rotation of the key was cut off, and neither key here opens the database",
        reason="rotation",
        hint="run any command where the key is kept ("
        + ", ".join(place.words() for place in header.places())
        + "), or restore with the other recovery code",
    )


def _plan(opened: Opened, session: Session, skip_unreachable: bool) -> Plan:
    """Look at every place that the vault knows of, and at the one that this call names."""
    header, route = opened.vault.header, opened.route
    if route.source not in keys.WRITABLE:
        raise errors.Usage(
            "the key came from a source that cannot take a new one",
            hint="give it a file: `bunkerctl key enroll file FILE`, then rotate with "
            "--key-file FILE",
        )
    places, stale, gone = [route], [], []
    for place in header.places():
        if place in places or _is_same_file(place, route):
            continue
        if place.source not in keys.WRITABLE:
            stale.append(place)
            continue
        try:
            keys.current(place, header.vault_id, header.key_id, session)
            places.append(place)
        except (errors.KeyUnavailable, errors.WrongKey) as error:
            if getattr(error, "reason", None) in keys.GONE and place in header.copies:
                gone.append(place)
            elif skip_unreachable:
                stale.append(place)
            else:
                if place.place not in error.message:
                    error.message = f"in {place.words()}: {error.message}"
                error.hint = "--skip-unreachable rotates without it: it then keeps the old key"
                raise
    new = crypto.new_master_key()
    succession = Succession(key_id=keys.id_of(new, header.vault_id), recovery=None)
    return Plan(
        opened=opened,
        new=new,
        begun=header.with_(succession=succession),
        places=tuple(places),
        stale=tuple(stale),
        gone=tuple(gone),
    )


def _is_same_file(one: Route, other: Route) -> bool:
    """Tell whether two routes lead to one key file, by whatever links."""
    if one.source != "file" or other.source != "file":
        return False
    return os.path.realpath(one.place) == os.path.realpath(other.place)


def _check_shared(vault: Vault, places: Iterable[Route]) -> None:
    """Refuse to replace a key file that another vault has its key in."""
    for place in places:
        for other in sharers(vault.directory, vault.header.vault_id, place):
            raise errors.Conflict(
                f"{other} has its key in the same file, and would not open any more",
                hint="give this vault a file of its own, and rotate then: `bunkerctl key enroll "
                "file FILE --default`",
            )


def _check_room(path: str) -> None:
    """The WAL takes every page once before the checkpoint moves it."""
    system = os.statvfs(path)
    free, needed = system.f_bavail * system.f_frsize, os.path.getsize(path) * 11 // 10
    if free < needed + _SPARE_BYTES:
        raise errors.InputOutput(
            f"a rotation writes the database anew: {needed >> 20} MB are needed, "
            f"{free >> 20} MB are free",
            hint="nothing was changed: make room, and try again",
        )


def _complete(
    directory: str,
    begun: Header,
    new: bytes,
    places: Iterable[Route],
    surroundings: Surroundings,
    progress: Progress = UNSEEN,
    *,
    check: bool = True,
) -> tuple[Header, tuple[Route, ...], list[str]]:
    """Do what follows the rekey; return the header, the places left, and the problems found."""
    if begun.succession is None:
        raise errors.Internal("no succession to complete")
    header = begun.with_(key_id=begun.succession.key_id, recovery=begun.succession.recovery)
    vault = vaults.open_vault(directory, header, new, surroundings)
    try:
        vault.db.truncate_wal(surroundings.lock_wait)
        _sync(vault)
        problems = integrity.problems(vault.db, progress) if check else []
        write_header(directory, header)
        left = keeping.promote(places, header.vault_id, new, surroundings.session)
        with vault.transaction() as tx:
            if not trail.newest_is(
                vault.db, ACTION, "ok", header.key_id
            ):  # a kill may have come here
                tx.event(ACTION, key_id=header.key_id)
        done = header.with_(succession=None)
        write_header(directory, done)
    finally:
        vault.close()
    return done, left, problems


def _sync(vault: Vault) -> None:
    try:
        for path in (vault.db.path, vault.db.path + "-wal"):
            files.sync(path)
        files.sync_directory(vault.directory)
    except OSError as error:
        raise files.explain(error, "sync", vault.db.path) from error


def _take_back(
    directory: str, begun: Header, old: bytes, places: Iterable[Route], surroundings: Surroundings
) -> None:
    header = begun.with_(succession=None)
    vault = vaults.open_vault(directory, header, old, surroundings)
    try:
        _drop(places, header.vault_id, surroundings.session)
        with vault.transaction() as tx:
            new_id = begun.succession.key_id if begun.succession else header.key_id
            if not trail.newest_is(vault.db, ACTION, "failed", new_id):  # a kill may have come here
                tx.event(ACTION, outcome="failed", key_id=new_id)
        write_header(directory, header)
    finally:
        vault.close()


def _candidates(
    header: Header, mine: bytes, places: Iterable[Route], session: Session
) -> Iterator[bytes]:
    """Yield the keys that may open the database: the one at hand first."""
    known = [header.key_id, header.succession.key_id if header.succession else ""]
    expected = keys.id_of(mine, header.vault_id) in known
    if expected:
        yield mine
    for place in places:
        key = keys.waiting(place, header.vault_id, session)
        if key is not None and key != mine and keys.id_of(key, header.vault_id) in known:
            yield key
    if not expected:
        raise keys.wrong_key(mine, header.vault_id, header.key_id)


def _writable(routes: Iterable[Route]) -> list[Route]:
    return [route for route in dict.fromkeys(routes) if route.source in keys.WRITABLE]


def _opens(directory: str, header: Header, key: bytes) -> bool:
    try:
        path = os.path.join(directory, DATABASE)
        Database(path, _database_key(header, key), 0.0).close()
    except errors.IntegrityFailure:
        return False
    return True


def _drop(places: Iterable[Route], vault_id: str, session: Session) -> None:
    for place in places:
        try:
            keeping.remove(place, vault_id, session, waiting=True)
        except (errors.KeyUnavailable, errors.InputOutput):
            continue  # a key that opens nothing; the next rotation replaces it


def _database_key(header: Header, key: bytes) -> bytes:
    return crypto.database_key(key, uuids.to_bytes(header.vault_id))
