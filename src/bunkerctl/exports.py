"""Exports: everything held about one person, for that person (GDPR Art. 15 and 20)."""

from __future__ import annotations

from bunkerctl import audit, users
from bunkerctl.model import Identity, User, Value
from bunkerctl.store import audit as trail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bunkerctl.vault import Vault


class Person(Value):
    """A user, and every audit event about it, this export's too; `at` is Unix seconds.

    `pruned` is how many of the trail's first events are there no more, about anybody.
    """

    vault_id: str
    at: int
    user: User
    events: list[audit.Event]
    pruned: int


def person(vault: Vault, identity: Identity, check: Callable[[], None]) -> Person:
    """Return everything held about a person; the export is an audit event first.

    `check` raises if there is no place for it.
    """
    with vault.transaction() as tx:
        with tx.attempt("export.user"):
            user = users.find(vault, identity)
            check()
            tx.event("export.user", token=user.token)
        tx.write_events()
        left = trail.pruned(vault.db)
        return Person(
            vault_id=vault.header.vault_id,
            at=tx.now,
            user=user,
            events=audit.of_token(vault.db, user.token),
            pruned=0 if left is None else left.tree.size,
        )
