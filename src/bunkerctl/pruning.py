"""Pruning the audit trail: the events go, the tree over them and its signed checkpoint stay."""

from __future__ import annotations

from bunkerctl import audit, checkpoints, errors, merkle
from bunkerctl.model import UNSEEN, Progress, Value
from bunkerctl.store import trail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bunkerctl.checkpoints import Signed
    from bunkerctl.vault import Vault

ACTION = "audit.prune"


class Pruned(Value):
    """`events` went now, `size` in all; `checkpoint` is of the tree over those, None if none."""

    events: int
    size: int
    checkpoint: Signed | None


def prune(
    vault: Vault,
    before: int,
    again: Callable[[], Vault] | None = None,
    progress: Progress = UNSEEN,
) -> Pruned:
    """Delete the events from before an instant (Unix seconds), once the trail is proven whole.

    `again` opens the vault once more, for another process to prove half of it.

    Raises:
        IntegrityFailure: it is not.
    """
    found = audit.verify(vault, None, progress, again)
    if not found.ok:
        raise errors.IntegrityFailure(
            "the audit trail is damaged, so nothing was pruned", hint="run `audit verify`"
        )
    progress.begin("events deleted")
    with vault.transaction() as tx:
        earlier = trail.pruned(vault.db)
        tree = merkle.Tree() if earlier is None else earlier.tree
        begin, end = tree.size, trail.last_before(vault.db, before)
        if end <= begin:
            return Pruned(events=0, size=begin, checkpoint=None)
        while page := trail.hashes(vault.db, tree.size, min(audit.PAGE, end - tree.size)):
            for leaf in page:
                tree.append(leaf)
        signed = checkpoints.sign(vault, tree)
        count = trail.prune(vault.db, trail.Pruned(tree=tree, checkpoint=signed.note))
        tx.event(ACTION, counts={"events": count, "up_to": end})
    return Pruned(events=count, size=end, checkpoint=signed)
