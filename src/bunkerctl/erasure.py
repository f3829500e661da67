"""Erasure: the one act that destroys, and what must follow before it may be called done.

`user forget`, `exp delete` and `exp sweep` all come here.
"""

from __future__ import annotations

from bunkerctl import errors, files, ledger, times
from bunkerctl.model import Tombstone, User
from bunkerctl.store import registry, state, tombstones

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.vault import Transaction, Vault


def erase(
    tx: Transaction, user: User, *, action: str, reason: str, was: str | None = None
) -> Tombstone:
    """Destroy all that is personal of a user; see `erase_all`."""
    return erase_all(tx, [user], action=action, reason=reason, was=was)[0]


def erase_all(
    tx: Transaction,
    people: list[User],
    *,
    action: str,
    reason: str,
    was: str | None = None,
    later: bool = False,
) -> list[Tombstone]:
    """Destroy all that is personal of some users, within a transaction; each leaves a tombstone.

    `reason` is `request`, `link`, `sweep` or `restore`; `was` is the expstatus until now, if not
    the users'. The bytes are gone from the disk only after `scrub`: call it once the transaction
    is committed. Until then the keyed hashes of the identities may stay in their index, if `later`:
    of many at once they are taken out faster.

    Raises:
        Held: a legal hold bars it for one of them.
        IntegrityFailure: the database lacks something of one of them.
    """
    if not people:
        return []
    for user in people:
        check_not_held(user, tx.now)
    tags = {user.id: tx.vault.tags(user.identities) for user in people}
    counts = registry.clear(tx.db, tags, later=later)
    left: dict[int, Tombstone] = {}
    for user in people:
        plan = user.expiration if user.waiting() else None
        event = tx.event(
            action,
            token=user.token,
            user=user.id,
            counts=counts[user.id],
            requested_at=times.text(plan.started_at) if plan else None,
            due_at=times.text(plan.due_at) if plan else None,
            was=was or user.expstatus(),
        )
        left[user.id] = Tombstone(
            token=user.token,
            exptoken=user.expiration.exptoken if user.expiration else None,
            created_at=user.created_at,
            erased_at=tx.now,
            reason=reason,
            counts=counts[user.id],
            event=event,
        )
    tombstones.put(tx.db, left)
    tx.left += left.values()
    state.add_erased(tx.db, event, len(left), living=len(left))
    return list(left.values())


def check_not_held(user: User, now: int) -> None:
    """Raise Held if a legal hold bars the erasure."""
    if user.held(now):
        raise errors.Held(
            f"a legal hold bars the erasure of {user.token}",
            hint="`bunkerctl user release` lifts it",
            token=user.token,
        )


def scrub(vault: Vault, wait: float, *, after_crash: bool = False, alone: bool = False) -> None:
    """Make committed erasures final: no hash of an identity left, nothing in the WAL, all synced.

    And the ledger written. Without the sync of the emptied WAL a power cut can bring its bytes
    back. `wait` is how many seconds a reader may bar it, `alone` says that no sweep is running but
    the caller's.

    Raises:
        Residue: a reader keeps old pages alive, or the ledger could not be written. The
            erasure stands, and the next command tries again.
    """
    newest = state.totals(vault.db).unscrubbed
    if not newest:
        return
    try:
        taken_out = _take_out(vault, alone)
        clean = vault.db.truncate_wal(wait)
        files.sync(vault.db.path + "-wal")
        files.sync_directory(vault.directory)
        ledger.catch_up(vault, wait, after_crash=after_crash)
    except errors.IntegrityFailure as error:
        raise errors.Residue(
            "erased, but the erasure ledger is damaged",
            hint="move erasures.jsonl away: the next command writes it anew",
        ) from error
    except (OSError, errors.InputOutput, errors.OutcomeUnknown, errors.Busy) as error:
        raise errors.Residue(
            "erased, but the file system let neither pages nor ledger be finished",
            hint="make room, or see to permissions: the next command finishes it",
        ) from error
    if not clean:
        raise errors.Residue(
            "erased, but a reader keeps old pages alive",
            hint="the next command after that reader ends finishes the scrubbing",
        )
    if not taken_out:
        return  # another process's sweep does it at its end, and notes it then
    try:
        with vault.transaction() as tx:
            state.set_scrubbed(tx.db, newest)
    except (errors.Busy, errors.InputOutput, errors.OutcomeUnknown):
        return  # all is done but the note of it: the next command does it again, and notes it


def _take_out(vault: Vault, alone: bool) -> bool:
    """Take out what a sweep has left in the index of identities; False if it is running still."""
    from bunkerctl.directory import LOCK
    from bunkerctl.store import lookup

    if not lookup.left(vault.db):
        return True
    from contextlib import ExitStack  # a sweep with nothing due does not need it

    with ExitStack() as stack:
        if not alone:
            try:
                stack.enter_context(files.locked(vault.path(LOCK), 0.0))
            except errors.Busy:
                return False
        try:
            lookup.take_out(vault.db)
        except errors.IntegrityFailure as error:
            raise errors.Residue(
                "erased, but the database is damaged: keyed hashes of identities stay",
                hint="run `bunkerctl doctor`",
            ) from error
    return True


def resume(vault: Vault, *, alone: bool = False) -> None:
    """Finish, without waiting, what an earlier command left unscrubbed."""
    try:
        scrub(vault, 0.0, after_crash=True, alone=alone)
    except errors.Residue:
        return
    finally:
        vault.saved = False  # that was not this command's change


def finish(vault: Vault, *, alone: bool = False) -> errors.Residue | None:
    """Scrub after erasures, waiting for readers as long as for writers; return what is left."""
    try:
        scrub(vault, vault.lock_wait, alone=alone)
    except errors.Residue as residue:
        return residue
    return None
