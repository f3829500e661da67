"""Exports: everything held about one person, for that person (GDPR Art. 15 and 20)."""

from __future__ import annotations

from bunkerctl import audit, users
from bunkerctl.model import Identity, User, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bunkerctl.vault import Vault


class Person(Value):
    """A user, and every audit event about it, this export's too; `at` is Unix seconds."""

    vault_id: str
    at: int
    user: User
    events: list[audit.Event]


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
        events = audit.of_token(vault.db, user.token)
        return Person(vault_id=vault.header.vault_id, at=tx.now, user=user, events=events)
