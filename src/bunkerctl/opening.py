"""Opening a vault: its key, and whatever an earlier command was killed in the middle of."""

from __future__ import annotations

import os

from bunkerctl import erasure, errors, keys
from bunkerctl import vault as vaults
from bunkerctl.directory import enter, read_header
from bunkerctl.vault import Opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.directory import Header
    from bunkerctl.keys import Route
    from bunkerctl.vault import Surroundings


def open_(
    directory: str, given: Route | None, surroundings: Surroundings, *, alone: bool = False
) -> Opened:
    """Open a vault with the key from `given`, or else from where its header says.

    A rotation that was cut off is finished first, or taken back; then an erasure's scrubbing.
    With `alone` no other command is in the vault until this one closes it.

    Raises:
        NoVault, KeyUnavailable, WrongKey, IntegrityFailure, InputOutput, UnsupportedVersion.
        Busy: others are in it, or one is who must be alone.
    """
    while True:
        presence = enter(directory, surroundings.lock_wait, alone=alone)
        try:
            header = _living(directory)
            if header.succession is None:
                opened = _opened(directory, header, given, surroundings)
                break
        except BaseException:
            os.close(presence)
            raise
        os.close(presence)
        _finish_rotation(directory, given, surroundings)
    opened.vault.presence = presence
    erasure.resume(opened.vault)
    return opened


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


def _living(directory: str) -> Header:
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
        header = _living(directory)
        if header.succession is not None:  # else another command was faster
            route = route_of(header, given)
            key = keys.fetch(route, header.vault_id, surroundings.session)
            rotation.settle(directory, header, key, route, surroundings)
    finally:
        os.close(presence)
