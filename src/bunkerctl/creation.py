"""Making a vault: the key first, then everything else at once under its final name."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import contextmanager

from bunkerctl import crypto, errors, files, keys
from bunkerctl.directory import (
    DATABASE,
    HEADER,
    LEDGER,
    LOCK,
    Header,
    check_place,
    header_text,
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
    directory: str, key_file: str | None, origin: Origin, *, now: int, attended: bool
) -> Header:
    """Make a vault with a new key, in a key file or in the keyring; return its header.

    A key file that is there already is used as it is. The key is stored and read back
    before anything else is written.

    Raises:
        Conflict: there is a vault, or something else, at that place.
        KeyUnavailable: the key could not be stored.
    """
    directory = os.path.abspath(directory)
    _check_free(directory)
    parent = os.path.dirname(directory)
    try:
        os.makedirs(parent, mode=0o700, exist_ok=True)
    except OSError as error:
        raise files.explain(error, "make", parent) from error
    check_place(parent)
    vault_id = str(uuid.uuid4())
    with _stored_key(key_file, vault_id, attended) as (master, route):
        identifier = crypto.key_id(master, uuid.UUID(vault_id).bytes)
        header = Header(vault_id=vault_id, created_at=now, key_id=identifier, key=route)
        temporary = os.path.join(parent, f".{os.path.basename(directory)}.{vault_id[:8]}.tmp")
        try:
            _fill(temporary, header, master, origin, now)
            os.rename(temporary, directory)  # fails unless the place is free or an empty directory
            files.sync_directory(parent)
        except OSError as error:
            if os.path.isdir(directory) and os.listdir(directory):
                raise _taken(directory) from error
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
def _stored_key(
    key_file: str | None, vault_id: str, attended: bool
) -> Iterator[tuple[bytes, Route]]:
    """Store a new key, read back, and take it away again if the vault could not be made."""
    route, undo = _store(key_file, vault_id, attended)
    try:
        yield keys.fetch(route, vault_id, attended=attended), route
    except BaseException:
        undo()
        raise


def _store(key_file: str | None, vault_id: str, attended: bool) -> tuple[Route, Callable[[], None]]:
    secret = keys.text_of(crypto.new_master_key())
    if key_file is None:
        from bunkerctl.keys import oskeyring

        backend = oskeyring.choose_backend()
        oskeyring.put(backend, vault_id, secret, attended=attended)
        return Route(source="keyring", place=backend), lambda: oskeyring.remove(backend, vault_id)
    path = os.path.abspath(key_file)
    route = Route(source="file", place=path)
    try:
        files.create(path, secret)
        files.sync_directory(os.path.dirname(path))
    except FileExistsError:
        return route, lambda: None
    except OSError as error:
        raise errors.KeyUnavailable(
            f"cannot make the key file {path}: {os.strerror(error.errno or 0).lower()}",
            reason="unreadable",
        ) from error
    return route, lambda: os.unlink(path)
