"""Enrolment: one more place for the key of a vault, so that a job has a route of its own."""

from __future__ import annotations

import os

from bunkerctl import errors, files, keys
from bunkerctl.directory import sharers, write_header
from bunkerctl.keys import Route
from bunkerctl.model import Value

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
    vault = opened.vault
    if route.source == "file" and os.path.dirname(route.place) == os.path.realpath(vault.directory):
        raise errors.Usage("the key file must lie outside the vault", hint="another directory")
    if route.source == "credential":
        _check_credential(route, vault.header, replace)
        stored = False
    else:
        stored = keys.holds(route, vault.header.vault_id, opened.master, session, replace=replace)
    wanted = _with(vault, route, default=default)
    changed = not stored or wanted != vault.header
    if changed:
        with vault.transaction() as tx:
            tx.event(ACTION, key_id=vault.header.key_id)
    if not stored:
        _store(route, opened, session)
    if wanted != vault.header:
        write_header(vault.directory, wanted)
    return Enrolled(route=route, default=wanted.key == route, changed=changed)


def _check_credential(route: Route, header: Header, replace: bool) -> None:
    """Raise Conflict for a file that this vault has not made: it may be another's credential."""
    if os.path.lexists(route.place) and route not in header.copies and not replace:
        raise errors.Conflict(
            f"{route.place} exists, and is not known to be this vault's",
            hint="name another place, or --replace if no other vault needs it",
        )


def _store(route: Route, opened: Opened, session: Session) -> None:
    if route.source == "credential":
        from bunkerctl.keys import credential

        credential.seal(route.place, keys.text_of(opened.master), session.environment)
    else:
        if route.source == "file":
            files.make_directory(os.path.dirname(route.place))
        keys.store(route, opened.vault.header.vault_id, opened.master, session)


def _with(vault: Vault, route: Route, *, default: bool) -> Header:
    """Return a header that names the place.

    The former default stays a place of the key, unless it is a file of another vault as well:
    that must not be replaced when this key is rotated.
    """
    header = vault.header
    places = dict.fromkeys((*header.places(), route))
    first = route if default else header.key
    if default and header.key and sharers(vault.directory, header.vault_id, header.key):
        del places[header.key]
        keys.disclaim(header.key, header.vault_id)
    return header.with_(key=first, copies=tuple(place for place in places if place != first))
