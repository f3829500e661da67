"""Enrolment: one more place for the key of a vault, so that a job has a route of its own."""

from __future__ import annotations

import os

from bunkerctl import errors, files, keys
from bunkerctl.directory import neighbours, write_header
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


def enroll(opened: Opened, route: Route, session: Session, *, default: bool) -> Enrolled:
    """Put the key into a keyring, a file or a credential, and remember that it is there.

    With `default` it is where the vault's key comes from if nothing else is said.
    `opened` is alone in its vault: a rotation must not come between.

    Raises:
        Conflict: another key is there already.
        KeyUnavailable, InputOutput: it cannot be stored.
    """
    vault = opened.vault
    if route.source == "file" and os.path.dirname(route.place) == os.path.realpath(vault.directory):
        raise errors.Usage("the key file must lie outside the vault", hint="another directory")
    stored = route.source != "credential" and keys.holds(
        route, vault.header.vault_id, opened.master, session
    )
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

    The former default stays a place of the key, unless it is a file of a vault beside this one:
    that must not be replaced when this key is rotated.
    """
    header = vault.header
    places = dict.fromkeys((*header.places(), route))
    first = route if default else header.key
    if default and header.key and neighbours(vault.directory, header.key):
        del places[header.key]
    return header.with_(key=first, copies=tuple(place for place in places if place != first))
