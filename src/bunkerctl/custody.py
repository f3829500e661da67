"""Custody: where the key of a vault is, and whether it can be had; never the key itself."""

from __future__ import annotations

from bunkerctl import errors, keys, opening
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.directory import Header
    from bunkerctl.keys import Route, Session


class Custody(Value):
    """`locked` is None where it cannot be asked, `found` the id of the key that is there.

    `problem` says why there is none; `found` and `problem` exclude each other.
    """

    header: Header
    route: Route
    locked: bool | None
    found: str | None
    problem: errors.KeyUnavailable | None

    def matches(self) -> bool | None:
        """Tell whether the key is the vault's, or the one of a rotation that was cut off."""
        if self.found is None:
            return None
        later = self.header.succession and self.header.succession.key_id
        return self.found in (self.header.key_id, later)


def look(directory: str, given: Route | None, session: Session) -> Custody:
    """Look for the key of a vault, without a dialog and without opening the vault.

    Raises:
        NoVault, IntegrityFailure, InputOutput: its header cannot be read.
        KeyUnavailable: nothing names a source.
    """
    header = opening.living(directory)
    route = opening.route_of(header, given)
    session = session.with_(attended=False)
    locked: bool | None = None
    found, problem = None, None
    try:
        if route.source == "keyring":
            from bunkerctl.keys import oskeyring

            locked = oskeyring.locked(route.place, session)
        found = keys.id_of(keys.fetch(route, header.vault_id, session), header.vault_id)
    except errors.KeyUnavailable as error:
        problem = error
    return Custody(header=header, route=route, locked=locked, found=found, problem=problem)
