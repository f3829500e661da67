"""Opening a vault: its key, and whatever an earlier command was killed in the middle of."""

from __future__ import annotations

import os

from bunkerctl import ballast, errors, keys
from bunkerctl import vault as vaults
from bunkerctl.directory import enter, read_header
from bunkerctl.store import state
from bunkerctl.vault import Opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.directory import Header
    from bunkerctl.keys import Route
    from bunkerctl.vault import Surroundings, Vault


FINISHED = "a rotation of the key was cut off, and is finished now"
TAKEN_BACK = (
    "a rotation of the key was cut off, and is taken back: the recovery code that was made for it "
    "opens nothing"
)


def open_(
    directory: str,
    given: Route | None,
    surroundings: Surroundings,
    *,
    alone: bool = False,
    erasing: bool = False,
) -> Opened:
    """Open a vault with the key from `given`, or else from where its header says.

    A rotation that was cut off is finished first, or taken back; then an erasure's scrubbing.
    With `alone` no other command is in the vault until this one closes it. `erasing` says that
    people are to be erased, which must work on a full disk, too.

    Raises:
        NoVault, KeyUnavailable, WrongKey, IntegrityFailure, InputOutput, UnsupportedVersion.
        Busy: others are in it, or one is who must be alone.
    """
    while True:
        presence = enter(directory, surroundings.lock_wait, alone=alone)
        try:
            header = living(directory)
            if header.succession is None:
                if erasing:
                    ballast.release(directory)
                opened = _opened(directory, header, given, surroundings)
                break
        except BaseException:
            os.close(presence)
            raise
        os.close(presence)
        _finish_rotation(directory, given, surroundings)
    opened.vault.presence = presence
    if state.totals(opened.vault.db).unscrubbed:
        from bunkerctl import erasure

        erasure.resume(opened.vault)
    return opened


def close(vault: Vault, *, erasing: bool) -> None:
    """Close a vault that was opened here, and see to the ballast that it needs by now."""
    try:
        totals = state.totals(vault.db)
        vault.db.close()  # which leaves room: the journal goes
        wanted = ballast.size(totals.living, totals.largest)
        if erasing:
            ballast.put_back(vault.directory, wanted)
        else:
            ballast.keep(vault.directory, wanted)
    except errors.BunkerError:  # it is closed already, or damaged
        return
    finally:
        vault.close()


def route_of(header: Header, given: Route | None) -> Route:
    """Return the one place to look for the key.

    Raises:
        KeyUnavailable: nothing names one.
    """
    found = given or header.key
    if found is None:
        raise errors.KeyUnavailable(
            "the vault's header names no key source",
            reason="entry_missing",
            hint="pass --key-file FILE",
        )
    return found


def living(directory: str) -> Header:
    """Return the header of a vault that is not being destroyed; raise NoVault for one that is."""
    header = read_header(directory)
    if header.ending:
        raise errors.NoVault(
            f"the vault at {directory} is being destroyed",
            hint="`bunkerctl destroy` goes on with it",
        )
    return header


def _opened(
    directory: str, header: Header, given: Route | None, surroundings: Surroundings
) -> Opened:
    route = route_of(header, given)
    master = keys.current(route, header.vault_id, header.key_id, surroundings.session)
    vault = vaults.open_vault(directory, header, master, surroundings)
    return Opened(vault=vault, master=master, route=route)


def _finish_rotation(directory: str, given: Route | None, surroundings: Surroundings) -> None:
    from bunkerctl import rotation

    presence = enter(directory, surroundings.lock_wait, alone=True)
    try:
        header = living(directory)
        if header.succession is not None:  # else another command was faster
            route = route_of(header, given)
            key = keys.fetch(route, header.vault_id, surroundings.session)
            finished = rotation.settle(directory, header, key, route, surroundings)
            surroundings.session.tell(FINISHED if finished else TAKEN_BACK)
    finally:
        os.close(presence)
