"""Restoration: the key put back, from a recovery code, where its keyring or key file is gone."""

from __future__ import annotations

import os

from bunkerctl import opening, recovery, rotation
from bunkerctl import vault as vaults
from bunkerctl.directory import check_outside, enter, read_header
from bunkerctl.keys import keeping
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bunkerctl.directory import Header
    from bunkerctl.keys import Route
    from bunkerctl.vault import Surroundings

ACTION = "key.restore"


class Restored(Value):
    """`changed` is false where the key was in its place all along."""

    header: Header
    route: Route
    changed: bool


def restore(
    directory: str,
    code: str,
    place: Callable[[Header], Route],
    surroundings: Surroundings,
    *,
    replace: bool,
) -> Restored:
    """Put the key that a code gives to a place, where it comes from then on.

    It must open the vault first; a rotation that was cut off is finished or taken back.

    Raises:
        NoVault, Busy: as opening a vault does.
        Invalid, WrongKey: the code is none, or not this vault's.
        Conflict: another key is at that place already, and `replace` is false.
        KeyUnavailable, InputOutput: it cannot be stored.
    """
    presence = enter(directory, surroundings.lock_wait, alone=True)
    try:
        header = opening.living(directory)
        master = recovery.master_of(header, code)
        if header.succession is not None:
            rotation.settle(directory, header, master, None, surroundings)
            header = read_header(directory)
        return _put(directory, header, master, place(header), surroundings, replace)
    finally:
        os.close(presence)


def _put(
    directory: str,
    header: Header,
    master: bytes,
    route: Route,
    surroundings: Surroundings,
    replace: bool,
) -> Restored:
    session = surroundings.session
    check_outside(directory, route.place, "key file")
    vault = vaults.open_vault(directory, header, master, surroundings)
    try:
        there = keeping.holds(route, header.vault_id, master, session, replace=replace)
        copies = tuple(place for place in header.places() if place != route)
        wanted = header.with_(key=route, copies=copies)
        changed = not there or wanted != header
        if changed:
            with vault.becoming(wanted, ACTION):
                if not there:
                    keeping.store(route, header.vault_id, master, session)
    finally:
        vault.close()
    return Restored(header=wanted, route=route, changed=changed)
