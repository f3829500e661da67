"""Expirations: the plan to erase a person, and the person's answer to it."""

from __future__ import annotations

from bunkerctl import errors, users, uuids
from bunkerctl.model import TRANSITIONS, Expiration, Identity, Tombstone, User
from bunkerctl.store import expirations as store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.vault import Transaction, Vault


def start(
    tx: Transaction, identity: Identity, due_at: int, *, restart: bool = False
) -> tuple[User, bool]:
    """Let a person wait for erasure at `due_at` (Unix seconds); return it and whether that is new.

    Who waits already keeps the standing date and exptoken, unless `restart` is true.

    Raises:
        Conflict: the person is erased.
    """
    with tx.attempt("exp.start", asks_first=True):
        user = _living(tx, identity, "start")
        new = restart or not user.waiting()
        plan = user.expiration
        if new:
            plan = Expiration(exptoken=uuids.new(), status="wait", started_at=tx.now, due_at=due_at)
        return _put(tx, user, plan, "exp.start"), new


def status(tx: Transaction, identity: Identity) -> User | Tombstone:
    """Return how a person stands; an erased one is found by token."""
    with tx.attempt("exp.status", asks_first=True):
        found = users.find_or_tombstone(tx.vault, identity)
        user_id = found.id if isinstance(found, User) else None
        tx.event("exp.status", token=found.token, user=user_id)
        return found


def cancel(tx: Transaction, identity: Identity) -> tuple[User, bool]:
    """Take an expiration back, decided or not; return the person and whether there was one.

    Raises:
        Conflict: the person is erased.
    """
    with tx.attempt("exp.cancel", asks_first=True):
        user = _living(tx, identity, "cancel")
        cancelled = _put(tx, user, _as(user, "none"), "exp.cancel")
        return cancelled, cancelled != user


def retain(vault: Vault, exptoken: str) -> tuple[User, bool]:
    """Keep a person who asked to be kept, overdue or not; twice is once.

    Raises:
        NotFound: no such exptoken, or a replaced one.
        Conflict: cancelled, or erased.
    """
    with vault.transaction() as tx, tx.attempt("exp.retain", asks_first=True):
        found = _by_exptoken(tx, exptoken, "retain")
        if isinstance(found, Tombstone):
            raise _refusal("expired", "retain", found.token)
        kept = _put(tx, found, _as(found, "retain"), "exp.retain")
        return kept, kept != found


def deletable(vault: Vault, exptoken: str) -> User | Tombstone:
    """Return whom `delete` would erase, or has erased, so that it can be confirmed."""
    from bunkerctl import erasure

    with vault.transaction() as tx, tx.attempt("exp.delete"):
        found = _by_exptoken(tx, exptoken, "delete")
        if isinstance(found, User):
            erasure.check_not_held(found, tx.now)
        return found


def delete(tx: Transaction, exptoken: str) -> tuple[Tombstone, bool]:
    """Erase a person who waits and asked to be gone now; twice is once.

    Returns what `forgetting.forget` does.

    Raises:
        NotFound: no such exptoken, or a replaced one.
        Conflict: kept, or cancelled.
        Held: a legal hold bars it.
    """
    from bunkerctl import erasure

    with tx.attempt("exp.delete"):
        found = _by_exptoken(tx, exptoken, "delete")
        if isinstance(found, Tombstone):
            tx.event("exp.delete", token=found.token, counts={})
            return found, False
        return erasure.erase(tx, found, action="exp.delete", reason="link"), True


def _living(tx: Transaction, identity: Identity, event: str) -> User:
    found = users.find_or_tombstone(tx.vault, identity)
    status = "expired" if isinstance(found, Tombstone) else found.expstatus()
    if isinstance(found, Tombstone) or TRANSITIONS[status, event] is None:
        raise _refusal(status, event, found.token)
    return found


def _by_exptoken(tx: Transaction, exptoken: str, event: str) -> User | Tombstone:
    """Return whom an exptoken belongs to, if that person's state allows the event."""
    user_id = store.user_of(tx.db, exptoken)
    if user_id is None:
        from bunkerctl.store import tombstones

        tombstone = tombstones.by_exptoken(tx.db, exptoken)
        if tombstone is None:
            raise errors.NotFound(
                "no such exptoken", hint="a restarted expiration has a new one: see `exp status`"
            )
        return tombstone
    user = users.reread(tx, user_id)
    if TRANSITIONS[user.expstatus(), event] is None:
        raise _refusal(user.expstatus(), event, user.token)
    return user


def _as(user: User, status: str) -> Expiration | None:
    """Return the plan that a person has, in another status."""
    return user.expiration and user.expiration.with_(status=status)


def _put(tx: Transaction, user: User, plan: Expiration | None, action: str) -> User:
    """Give a person a plan, if it is another one, and record it; return the person as it is now."""
    if plan is None or plan == user.expiration:
        tx.event(action, token=user.token, user=user.id, fields=[])
        return user
    store.put(tx.db, user.id, plan, user.expiration)
    was = user.expstatus()
    tx.event(action, token=user.token, user=user.id, fields=["expstatus"], was=was)
    return user.with_(expiration=plan)


def _refusal(expstatus: str, event: str, token: str) -> errors.Conflict:
    why = {
        "none": "its expiration was cancelled",
        "retain": "it chose to be kept",
        "expired": "it is erased",
    }[expstatus]
    return errors.Conflict(f"cannot {event} {token}: {why}", token=token)
