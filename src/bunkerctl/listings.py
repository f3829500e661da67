"""Listings: who there is, a page at a time."""

from __future__ import annotations

from bunkerctl.model import User, Value
from bunkerctl.store import users as store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from bunkerctl.vault import Vault

PAGE = 500


class Listing(Value):
    """Which users to list; None means no condition. Times are Unix seconds."""

    expstatus: str | None
    created_before: int | None
    updated_before: int | None
    held: bool
    after: str | None
    limit: int | None


def listing(vault: Vault, wanted: Listing, *, reveal: bool) -> Iterator[User]:
    """Yield people in the order of their tokens, a page at a time.

    An unrevealed list is one event; a revealed one is an event a person too.
    """
    with vault.transaction() as tx:
        where, parameters = _conditions(wanted, tx.now)
        tx.event("user.list", counts={"revealed": True} if reveal else None)
    left, after = wanted.limit, wanted.after
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page = _page(vault, (after, size, where, parameters), "user.get" if reveal else None)
        yield from page
        if len(page) < size:
            return
        after = page[-1].token
        left = left and left - len(page)


def _page(vault: Vault, page: tuple[Any, ...], action: str | None) -> list[User]:
    """Return a page of users; with an action, after an event a person is committed."""
    if action is None:
        with vault.reading():
            return store.page(vault.db, *page)
    with vault.transaction() as tx:
        users = store.page(vault.db, *page)
        for user in users:
            tx.event(action, token=user.token, user=user.id)
    return users


def _conditions(wanted: Listing, now: int) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    parameters: list[Any] = []
    for condition, value in (
        ("coalesce(e.status, 'none') = ?", wanted.expstatus),
        ("u.created_at < ?", wanted.created_before),
        ("u.updated_at < ?", wanted.updated_before),
        ("h.user IS NOT NULL AND coalesce(h.until > ?, 1)", now if wanted.held else None),
    ):
        if value is not None:
            where.append(condition)
            parameters.append(value)
    return where, parameters
