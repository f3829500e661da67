"""Keeping the master key: put into a keyring or a file, claimed, put in place, taken away."""

from __future__ import annotations

import os

from bunkerctl import files
from bunkerctl.errors import Conflict, InputOutput, KeyUnavailable
from bunkerctl.keys import GONE, Route, Session, entry_of, fetch, path_of, text_of, waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def holds(
    route: Route, vault_id: str, key: bytes, session: Session, *, replace: bool = False
) -> bool:
    """Tell whether a key is at a place already.

    Raises:
        Conflict: there is another one, which `replace` would let be replaced.
        KeyUnavailable: the place cannot be looked at.
    """
    try:
        found = fetch(route, vault_id, session)
    except KeyUnavailable as error:
        if error.reason in GONE:
            return False
        if error.reason == "malformed":
            error.hint = "what is there is no key: move it away"
        raise
    if found == key:
        claim(route, vault_id)
        return True
    if not replace or _claimed(route, vault_id):
        raise Conflict(
            "there is another key at that place already",
            hint="it may be all that opens another vault; --replace replaces one that no other "
            "vault has claimed, as from before a rotation",
        )
    return False


def _claimed(route: Route, vault_id: str) -> bool:
    """Tell whether another vault has said that its key is in that file."""
    if route.source != "file":
        return False
    from bunkerctl.keys import file

    return bool(file.claims(route.place) - {vault_id})


def claim(route: Route, vault_id: str) -> None:
    """Note on a key file that a vault has its key there."""
    if route.source == "file":
        from bunkerctl.keys import file

        file.claim(route.place, vault_id)


def disclaim(route: Route, vault_id: str) -> None:
    """Take that note away."""
    if route.source == "file":
        from bunkerctl.keys import file

        file.disclaim(route.place, vault_id)


def store(
    route: Route, vault_id: str, key: bytes, session: Session, *, waiting: bool = False
) -> None:
    """Put a key into a keyring or a file, replacing what is there, and read it back.

    Raises:
        KeyUnavailable: it cannot be stored, or comes back as something else.
        InputOutput: the file system refuses.
    """
    if route.source == "file":
        from bunkerctl.keys import file

        files.make_directory(os.path.dirname(route.place), session.owner)
        file.write(path_of(route, waiting), text_of(key), like=route.place, owner=session.owner)
        if fetch(route, vault_id, session, waiting=waiting) != key:
            raise KeyUnavailable("the key was read back and differs", reason="not_kept")
        file.claim(path_of(route, waiting), vault_id)
    else:
        from bunkerctl.keys import oskeyring

        oskeyring.put(route.place, entry_of(vault_id, waiting), text_of(key), session)


def check_free_to_wait(route: Route, vault_id: str) -> None:
    """Refuse a file in the place of the waiting key that this vault has not put there.

    Raises:
        Conflict: there is one.
    """
    if route.source != "file":
        return
    from bunkerctl.keys import file

    path = path_of(route, waiting=True)
    if os.path.lexists(path) and vault_id not in file.claims(path):
        raise Conflict(
            f"{path} is in the way: a new key is to wait there",
            hint="move it away; it may be another vault's key",
        )


def promote(
    places: Iterable[Route], vault_id: str, key: bytes, session: Session
) -> tuple[Route, ...]:
    """Let a waiting key take its place, if it is that one; return where it goes on waiting."""
    left = []
    for place in places:
        try:
            if waiting(place, vault_id, session) == key:
                _promote(place, vault_id, key, session)
        except (KeyUnavailable, InputOutput):
            left.append(place)
    return tuple(left)


def _promote(route: Route, vault_id: str, key: bytes, session: Session) -> None:
    if route.source == "file":
        from bunkerctl.keys import file

        file.promote(path_of(route, waiting=True), route.place)
    else:
        store(route, vault_id, key, session)
        remove(route, vault_id, session, waiting=True)


def remove(route: Route, vault_id: str, session: Session, *, waiting: bool = False) -> None:
    """Remove a key from a keyring or a file, if it is there."""
    if route.source == "file":
        files.remove(path_of(route, waiting))
    else:
        from bunkerctl.keys import oskeyring

        oskeyring.remove(route.place, entry_of(vault_id, waiting), session)
