"""Forgetting: who asks to be erased, is."""

from __future__ import annotations

from bunkerctl import erasure, errors
from bunkerctl.model import Identity, Tombstone, User
from bunkerctl.users import find_or_tombstone, look_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.vault import Transaction, Vault

    Refusal = errors.NotFound | errors.Conflict


def forgettable(vault: Vault, identity: Identity) -> User | Tombstone:
    """Return whom `forget` would erase, or has erased, so that it can be confirmed.

    Raises:
        Held: a legal hold bars it.
    """
    with vault.transaction() as tx:
        found = _forgettable(tx, identity)
        if isinstance(found, errors.BunkerError):
            raise found
        return found


def forget(tx: Transaction, whose: list[Identity]) -> list[tuple[Tombstone, bool] | Refusal]:
    """Erase some people at once; return what is left of each, and whether that is new.

    Once it is committed, `erasure.finish` makes it final. An erased token stays as it is. In the
    place of who is not found, or held, is why.
    """
    look_up(tx.vault, whose)
    found = [_forgettable(tx, identity) for identity in whose]
    going = {one.token: one for one in found if isinstance(one, User)}
    left = erasure.erase_all(tx, list(going.values()), action="user.forget", reason="request")
    tombstones = {one.token: one for one in left}
    done: list[tuple[Tombstone, bool] | Refusal] = []
    for one in found:
        if isinstance(one, User):
            changed = going.pop(one.token, None) is not None  # else it was named twice
            done.append((tombstones[one.token], changed))
        elif isinstance(one, Tombstone):
            changed = False
            done.append((one, changed))
        else:
            done.append(one)
            continue
        if not changed:
            tx.event("user.forget", token=one.token, counts={})
    return done


def _forgettable(tx: Transaction, identity: Identity) -> User | Tombstone | Refusal:
    try:
        with tx.attempt("user.forget", asks_first=True):
            found = find_or_tombstone(tx.vault, identity)
            if isinstance(found, User):
                erasure.check_not_held(found, tx.now)
            return found
    except (errors.NotFound, errors.Conflict) as refusal:
        return refusal
