"""Enrolment: one more place for the key of a vault, so that a job has a route of its own."""

from __future__ import annotations

import os

from bunkerctl import errors, keys
from bunkerctl.directory import check_outside
from bunkerctl.keys import Route, keeping
from bunkerctl.model import Value
from bunkerctl.neighbours import sharers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.directory import Header
    from bunkerctl.keys import Session
    from bunkerctl.vault import Opened, Vault

ACTION = "key.enroll"


class Enrolled(Value):
    """`changed` says that the key or the header's list of places was not so before."""

    route: Route
    default: bool
    changed: bool


def enroll(
    opened: Opened, route: Route, session: Session, *, default: bool, replace: bool
) -> Enrolled:
    """Put the key into a keyring, a file or a credential, and remember that it is there.

    With `default` it is where the vault's key comes from if nothing else is said; with `replace`
    another key that is there is replaced. `opened` is alone in its vault: a rotation must not come
    between.

    Raises:
        Conflict: another key is there already, and `replace` is false.
        KeyUnavailable, InputOutput: it cannot be stored.
    """
    vault, header = opened.vault, opened.vault.header
    check_outside(vault.directory, route.place, "key file")
    if route.source == "credential":
        _check_credential(route, header, session, replace)
        stored = False
    else:
        stored = keeping.holds(route, header.vault_id, opened.master, session, replace=replace)
    wanted = _with(vault, route, default=default)
    if stored and wanted == header:
        return Enrolled(route=route, default=header.key == route, changed=False)
    with vault.becoming(wanted, ACTION):
        if not stored:
            _store(route, opened, session)
    if header.key is not None and header.key not in wanted.places():
        keeping.disclaim(header.key, header.vault_id)  # last: until then it is needed
    return Enrolled(route=route, default=wanted.key == route, changed=True)


def _check_credential(route: Route, header: Header, session: Session, replace: bool) -> None:
    """Raise Conflict for a file that may be another vault's credential, or its key."""
    if not os.path.lexists(route.place):
        return
    place = Route(source="file", place=route.place)
    try:
        keys.fetch(place, header.vault_id, session)
        plain = True
    except errors.KeyUnavailable:
        plain = False
    if plain or not (replace or route in header.copies):
        raise errors.Conflict(
            f"{route.place} exists, and is not known to be this vault's credential",
            hint="name another place, or --replace a credential that no other vault needs",
        )


def _store(route: Route, opened: Opened, session: Session) -> None:
    if route.source == "credential":
        from bunkerctl.keys import credential

        credential.seal(route.place, keys.text_of(opened.master), session.environment)
    else:
        keeping.store(route, opened.vault.header.vault_id, opened.master, session)


def _with(vault: Vault, route: Route, *, default: bool) -> Header:
    """Return a header that names the place.

    The former default stays a place of the key, unless it is a file of another vault as well:
    that must not be replaced when this key is rotated.
    """
    header = vault.header
    places = dict.fromkeys((*header.places(), route))
    first = route if default else header.key
    if first != header.key and header.key and sharers(vault.directory, header.vault_id, header.key):
        del places[header.key]
    return header.with_(key=first, copies=tuple(place for place in places if place != first))
