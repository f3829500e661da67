"""Making a vault: the key first, then everything else at once under its final name."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import ExitStack, contextmanager

from bunkerctl import crypto, errors, files, keys
from bunkerctl.directory import (
    DATABASE,
    HEADER,
    LEDGER,
    LOCK,
    Header,
    check_place,
    header_text,
    read_header,
)
from bunkerctl.keys import Route
from bunkerctl.model import Origin
from bunkerctl.store import schema, state
from bunkerctl.store.connection import Database
from bunkerctl.vault import Vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def create(
    directory: str,
    key_file: str | None,
    origin: Origin,
    *,
    now: int,
    attended: bool,
    lock_wait: float,
) -> Header:
    """Make a vault with a new key, in a key file or in the keyring; return its header.

    A key file that is there already is used as it is. The key is stored and read back
    before anything else is written.

    Raises:
        Conflict: there is a vault, or something else, at that place.
        KeyUnavailable: the key could not be stored.
        Busy: another process makes a vault there for longer than `lock_wait` seconds.
    """
    directory = os.path.abspath(directory)
    if key_file and os.path.dirname(os.path.abspath(key_file)) == directory:
        raise errors.Usage("the key file must lie outside the vault", hint="another directory")
    _check_free(directory)
    parent = os.path.dirname(directory)
    try:
        os.makedirs(parent, mode=0o700, exist_ok=True)
    except OSError as error:
        raise files.explain(error, "make", parent) from error
    check_place(parent)
    vault_id = str(uuid.uuid4())
    with (
        _alone(parent, key_file, lock_wait),
        _stored_key(key_file, vault_id, attended, directory) as found,
    ):
        master, route = found
        identifier = crypto.key_id(master, uuid.UUID(vault_id).bytes)
        header = Header(vault_id=vault_id, created_at=now, key_id=identifier, key=route)
        temporary = os.path.join(parent, f".{os.path.basename(directory)}.{vault_id[:8]}.tmp")
        try:
            _fill(temporary, header, master, origin, now)
            os.rename(temporary, directory)  # fails unless the place is free or an empty directory
            files.sync_directory(parent)
        except OSError as error:
            if not _is_there(directory, vault_id):
                _check_free(directory)
            raise files.explain(error, "make", directory) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return header


def _check_free(directory: str) -> None:
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
    vault_id = uuid.UUID(header.vault_id).bytes
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
def _stored_key(
    key_file: str | None, vault_id: str, attended: bool, directory: str
) -> Iterator[tuple[bytes, Route]]:
    """Store a new key, read back; take it away again if its vault was not made."""
    route, undo = _store(key_file, vault_id, attended)
    try:
        yield keys.fetch(route, vault_id, attended=attended), route
    except BaseException:
        if not _is_there(directory, vault_id):
            undo()
        raise


def _is_there(directory: str, vault_id: str) -> bool:
    """Tell whether this very vault is in place, though what came after that failed."""
    try:
        return read_header(directory).vault_id == vault_id
    except errors.NoVault:
        return False
    except errors.BunkerError:
        return True  # in doubt the key stays: without it a vault is lost


def _store(key_file: str | None, vault_id: str, attended: bool) -> tuple[Route, Callable[[], None]]:
    secret = keys.text_of(crypto.new_master_key())
    if key_file is None:
        from bunkerctl.keys import oskeyring

        backend = oskeyring.choose_backend()
        oskeyring.put(backend, vault_id, secret, attended=attended)
        return Route(source="keyring", place=backend), lambda: oskeyring.remove(backend, vault_id)
    path = os.path.abspath(key_file)
    route = Route(source="file", place=path)
    if os.path.lexists(path):
        return route, lambda: None
    files.write(path, [secret], force=False)
    return route, lambda: os.unlink(path)
