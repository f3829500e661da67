"""Making a vault: the key first, then everything else at once under its final name."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack

from bunkerctl import ballast, crypto, errors, files, keys, recovery, uuids
from bunkerctl.directory import (
    DATABASE,
    HEADER,
    LEDGER,
    LOCK,
    Header,
    check_place,
    read_header,
)
from bunkerctl.header import header_text
from bunkerctl.keys import Route, keeping
from bunkerctl.lean import contextmanager
from bunkerctl.model import Origin
from bunkerctl.store import schema, state
from bunkerctl.store.connection import Database
from bunkerctl.vault import Vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bunkerctl.keys import Session
    from bunkerctl.vault import Surroundings


def create(
    directory: str,
    place: Route,
    surroundings: Surroundings,
    *,
    code: str | None = None,
    recovery_file: str | None = None,
) -> Header:
    """Make a vault with a new key, in a key file or in the keyring; return its header.

    A key file that is there already is used as it is. The key is stored and read back
    before anything else is written. `code` is to recover it; it goes into a new file too.

    Raises:
        Conflict: there is a vault, or something else, at that place; the recovery file is there.
        KeyUnavailable: the key could not be stored.
        Busy: another process makes a vault there for longer than `lock_wait` seconds.
    """
    directory = os.path.abspath(directory)
    key_file = place.place if place.source == "file" else None
    check_free(directory)
    parent = os.path.dirname(directory)
    files.make_directory(parent)
    check_place(parent)
    vault_id, now = uuids.new(), int(surroundings.clock())
    with (
        _alone(parent, key_file, surroundings.lock_wait),
        _stored_key(place, vault_id, surroundings.session, directory) as master,
        recovery.written(
            recovery_file, code or "", vault_id, now, lambda: is_there(directory, vault_id)
        ),
    ):
        header = Header(
            vault_id=vault_id,
            created_at=now,
            key_id=keys.id_of(master, vault_id),
            key=place,
            copies=(),
            recovery=recovery.wrapped(code, vault_id, master, now) if code else None,
            succession=None,
            ending=False,
        )
        temporary = os.path.join(parent, f".{os.path.basename(directory)}.{vault_id[:8]}.tmp")
        try:
            _fill(temporary, header, master, surroundings.origin, now)
            os.rename(temporary, directory)  # fails unless the place is free or an empty directory
            files.sync_directory(parent)
        except OSError as error:
            if not is_there(directory, vault_id):
                check_free(directory)
            raise files.explain(error, "make", directory) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return header


def check_free(directory: str) -> None:
    """Raise Conflict if there is something at that place."""
    try:
        free = not os.path.lexists(directory) or not os.listdir(directory)
    except NotADirectoryError:
        free = False
    except OSError as error:
        raise files.explain(error, "look into", directory) from error
    if not free:
        raise _taken(directory)


def _taken(directory: str) -> errors.Conflict:
    if os.path.exists(os.path.join(directory, HEADER)):
        return errors.Conflict(
            f"there is a vault at {directory}", hint="name another place with --vault DIR"
        )
    return errors.Conflict(
        f"{directory} is not an empty directory", hint="name another place with --vault DIR"
    )


def _fill(directory: str, header: Header, master: bytes, origin: Origin, now: int) -> None:
    os.mkdir(directory, mode=0o700)
    path = os.path.join(directory, DATABASE)
    vault_id = uuids.to_bytes(header.vault_id)
    db = Database(path, crypto.database_key(master, vault_id), 0.0, create=True)
    try:
        schema.migrate(db, now)
        vault = Vault(directory, header, db, origin, 0.0, lambda: now)
        with vault.transaction() as tx:
            state.begin(db, vault_id, crypto.random_bytes(crypto.KEY_BYTES), now)
            tx.event("vault.init")
    finally:
        db.close()
    files.sync(path)
    for name, content in ((HEADER, header_text(header)), (LEDGER, b""), (LOCK, b"")):
        files.create(os.path.join(directory, name), content)
    ballast.keep(directory, ballast.size(0, 0))
    files.sync_directory(directory)


@contextmanager
def _alone(parent: str, key_file: str | None, lock_wait: float) -> Iterator[None]:
    """Keep other `init`s out of both directories: one that fails takes its key away again,
    and no other may have used that key by then.
    """
    folders = {parent, os.path.dirname(os.path.abspath(key_file))} if key_file else {parent}
    with ExitStack() as stack:
        for folder in sorted(map(os.path.realpath, folders)):  # in one order: no deadlock
            if os.access(folder, os.R_OK):
                stack.enter_context(files.locked(folder, lock_wait))
        yield


@contextmanager
def _stored_key(place: Route, vault_id: str, session: Session, directory: str) -> Iterator[bytes]:
    """Store a new key, read back; take it away again if its vault was not made.

    A key file that is there is used.
    """
    found = place.source == "file" and os.path.lexists(place.place)
    try:
        if found:
            keeping.claim(place, vault_id)
        else:
            keeping.store(place, vault_id, crypto.new_master_key(), session)
        yield keys.fetch(place, vault_id, session)
    except BaseException:
        if not is_there(directory, vault_id):
            (
                keeping.disclaim(place, vault_id)
                if found
                else keeping.remove(place, vault_id, session)
            )
        raise


def is_there(directory: str, vault_id: str) -> bool:
    """Tell whether this very vault is in place, though what came after that failed."""
    try:
        return read_header(directory).vault_id == vault_id
    except errors.NoVault:
        return False
    except errors.BunkerError:
        return True  # in doubt the key stays: without it a vault is lost
