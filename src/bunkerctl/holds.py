"""Legal holds: what bars every erasure until it is released or lapses."""

from __future__ import annotations

from bunkerctl import users
from bunkerctl.model import Hold, Identity, User
from bunkerctl.store import holds as store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.vault import Vault


def hold(vault: Vault, identity: Identity, reason: str, until: int | None) -> tuple[User, bool]:
    """Hold a person until a Unix second, or until released; return it and whether that changed.

    The same hold again changes nothing; another reason or end replaces the standing one.
    """
    with vault.transaction() as tx, tx.attempt("user.hold"):
        user = users.find(vault, identity)
        standing = user.hold if user.held(tx.now) else None
        same = standing is not None and (standing.reason, standing.until) == (reason, until)
        if not same:
            placed = Hold(reason=reason, by=vault.origin.actor, since=tx.now, until=until)
            store.put(tx.db, user.id, placed)
        tx.event("user.hold", token=user.token, user=user.id, fields=[] if same else ["hold"])
        return users.reread(tx, user.id), not same


def release(vault: Vault, identity: Identity) -> tuple[User, bool]:
    """Lift a hold; return the person and whether there was one."""
    with vault.transaction() as tx, tx.attempt("user.release"):
        user = users.find(vault, identity)
        was_held = user.held(tx.now)
        store.remove(tx.db, user.id)
        fields = ["hold"] if was_held else []
        tx.event("user.release", token=user.token, user=user.id, fields=fields)
        return users.reread(tx, user.id), was_held
