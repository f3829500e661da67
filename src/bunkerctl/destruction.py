"""Destruction: the end of a vault: its key, its database, its ledger.

The key goes first, so that what a kill leaves cannot be read; the header goes last, so that the
next `destroy` finds what is left.
"""

from __future__ import annotations

import os

from bunkerctl import ballast, errors, files, keys
from bunkerctl.directory import (
    DATABASE,
    HEADER,
    LEDGER,
    LOCK,
    enter,
    read_header,
)
from bunkerctl.header import write_header
from bunkerctl.keys import Route, keeping
from bunkerctl.model import Value
from bunkerctl.neighbours import sharers
from bunkerctl.store import holds, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.directory import Header
    from bunkerctl.keys import Session
    from bunkerctl.vault import Vault

ACTION = "vault.destroy"
_FILES = (
    *(DATABASE + suffix for suffix in ("", "-wal", "-shm", "-journal")),
    LEDGER,
    LOCK,
    ballast.NAME,
)
_ALWAYS_REMAINS = (
    "copies of the vault's files in backups and snapshots: a copy of the key, or a recovery code, "
    "still opens those"
)


class Destroyed(Value):
    """`removed` is what was removed, `remains` what is or may be left, in words."""

    directory: str
    vault_id: str
    removed: tuple[str, ...]
    remains: tuple[str, ...]


def check_may_end(vault: Vault) -> int:
    """Return how many people live in a vault; raise Held, and record it, if one is held."""
    with vault.transaction() as tx, tx.attempt(ACTION):
        held = holds.count(vault.db, tx.now)
        if held:
            raise errors.Held(
                f"{held} under a legal hold: a vault with them is not destroyed",
                hint="`bunkerctl user list --held` names them; `user release` lifts a hold",
            )
        return state.totals(vault.db).living


def destroy(vault: Vault, used: Route, session: Session) -> Destroyed:
    """Close a vault and remove it: its key wherever it is known to be, and then its files.

    Nobody else is in it; `used` is where its key came from. A key file that a vault beside this
    one uses as well is left.

    Raises:
        InputOutput: the file system refuses; `go_on` does the rest.
    """
    vault.db.close()
    header = vault.header.with_(ending=True)
    write_header(vault.directory, header)
    return _remove(vault.directory, header, used, session)


def go_on(directory: str, header: Header, session: Session, lock_wait: float) -> Destroyed:
    """Remove what is left of a vault whose destruction was cut off; its key may be gone."""
    presence = enter(directory, lock_wait, alone=True)
    try:
        read_header(directory)  # another call may have been faster
        return _remove(directory, header, None, session)
    finally:
        os.close(presence)


def _remove(directory: str, header: Header, used: Route | None, session: Session) -> Destroyed:
    removed, remains = [], []
    keys.lock(header.vault_id)
    for place in header.places():
        problem = _remove_key(place, directory, header, session)
        if problem is None:
            removed.append(f"the key in {place.words()}")
        elif problem:
            remains.append(f"the key in {place.words()}: {problem}")
    if used is not None and used not in header.places():
        remains.append(f"the key in {used.words()}, which this call took it from")
    for name in sorted(os.listdir(directory)):
        if name.startswith(f".{HEADER}."):  # left by a kill in the middle of replacing it
            files.remove(os.path.join(directory, name))
    removed += [name for name in (*_FILES, HEADER) if files.remove(os.path.join(directory, name))]
    others = sorted(os.listdir(directory))
    if others:
        remains.append(f"{directory}, with files that are not the vault's: {', '.join(others)}")
    try:
        files.sync_directory(directory)
        os.rmdir(os.path.realpath(directory))
        files.sync_directory(os.path.dirname(os.path.abspath(directory)))
    except OSError as error:
        if not others:
            raise files.explain(error, "remove", directory) from error
    return Destroyed(
        directory=directory,
        vault_id=header.vault_id,
        removed=tuple(removed),
        remains=(*remains, _ALWAYS_REMAINS),
    )


def _remove_key(place: Route, directory: str, header: Header, session: Session) -> str | None:
    """Remove the key from a place; return why it is left, "" if none is there, None if done."""
    if place.source == "credential":
        return _remove_credential(place, header, session)
    if others := sharers(directory, header.vault_id, place):
        keeping.disclaim(place, header.vault_id)
        return f"{others[0]} has its key there"
    try:
        later = keys.waiting(place, header.vault_id, session)
        if later is not None and _is_own(later, header):
            keeping.remove(place, header.vault_id, session, waiting=True)
        if not _is_own(keys.fetch(place, header.vault_id, session), header):
            return "another key is there"
        keeping.remove(place, header.vault_id, session)
    except errors.KeyUnavailable as error:
        return "" if error.reason in keys.GONE else error.message
    except errors.InputOutput as error:
        return error.message
    return None


def _remove_credential(place: Route, header: Header, session: Session) -> str | None:
    """Remove a credential if it has this vault's key, as `_remove_key` does."""
    from bunkerctl.keys import credential

    if not os.path.lexists(place.place):
        return ""
    try:
        found = keys.parse(credential.unseal(place.place, session.environment), place.words())
        if not _is_own(found, header):
            return "another key is there"
        files.remove(place.place)
    except (errors.KeyUnavailable, errors.InputOutput) as error:
        return f"{error.message}; remove it as root"
    return None


def _is_own(key: bytes, header: Header) -> bool:
    later = header.succession and header.succession.key_id
    return keys.id_of(key, header.vault_id) in (header.key_id, later)
