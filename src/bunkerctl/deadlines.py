"""Deadlines: who waits for erasure, and how many are to be erased in the weeks to come."""

from __future__ import annotations

from bunkerctl.model import User, Value
from bunkerctl.store import deadlines as store
from bunkerctl.store import users as people

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bunkerctl.vault import Vault

PAGE = 500
WEEKS = 6


class Ahead(Value):
    """How many are to be erased, if nobody holds them: now, in each of some weeks, and later."""

    now: int
    weeks: list[int]
    later: int


def ahead(vault: Vault) -> Ahead:
    """Count who falls due in the coming weeks; it names nobody, so it is no audit event."""
    with vault.reading():
        found = store.count_by_week(vault.db, vault.now(), WEEKS)
    weeks = [found.get(week, 0) for week in range(1, WEEKS + 1)]
    return Ahead(now=found.get(0, 0), weeks=weeks, later=found.get(WEEKS + 1, 0))


def waiting(vault: Vault, until: int | None, limit: int | None) -> Iterator[User]:
    """Yield who waits, soonest due first; `until` leaves out who is due later than that."""
    with vault.transaction() as tx:
        tx.event("exp.list")
    left, after = limit, None
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        with vault.reading():
            page = store.waiting(vault.db, until, after, size)
            found = [people.by_id(vault.db, user_id) for _, user_id in page]
        yield from (user for user in found if user is not None)
        if len(page) < size:
            return
        after = page[-1]
        left = left and left - len(page)
