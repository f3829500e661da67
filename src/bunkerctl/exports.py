"""Exports: all about one person, for that person (GDPR Art. 15 and 20), or everybody."""

from __future__ import annotations

from itertools import chain

from bunkerctl import events, forks, users
from bunkerctl.lean import contextmanager
from bunkerctl.model import Identity, User, Value
from bunkerctl.store import audit, records, trail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from bunkerctl.store.records import Stored
    from bunkerctl.vault import Vault

    Show = Callable[[list[Stored]], Any]

PAGE = 4_000
PAGE_BYTES = 2 << 20


class Person(Value):
    """A user, and every audit event about it, this export's too; `at` is Unix seconds.

    `pruned` is how many of the trail's first events are there no more, about anybody.
    """

    vault_id: str
    at: int
    user: User
    events: list[events.Event]
    pruned: int


def person(vault: Vault, identity: Identity, check: Callable[[], None]) -> Person:
    """Return everything held about a person; the export is an audit event first.

    `check` raises if there is no place for it.
    """
    with vault.transaction() as tx:
        with tx.attempt("export.user"):
            user = users.find(vault, identity)
            check()
            tx.event("export.user", token=user.token, user=user.id)
        tx.write_events()
        left = trail.pruned(vault.db)
        return Person(
            vault_id=vault.header.vault_id,
            at=tx.now,
            user=user,
            events=events.of_token(vault.db, user.token),
            pruned=0 if left is None else left.tree.size,
        )


class _Page:
    """Some people as they were when the trail had `size` events, and what is shown of them.

    `last` is the row number of the last of them. A page of nobody is the last.
    """

    def __init__(self, size: int, after: int, people: list[Stored], show: Show) -> None:
        self.size = size
        self.last = people[-1].id if people else after
        self.people = [(found.id, found.token) for found in people]
        self.shown = show(people)


def everyone(
    vault: Vault, again: Callable[[], Vault], fields: list[str] | None, show: Show
) -> Iterator[tuple[int, Any]]:
    """Yield how many people are on a page, and what `show` makes of them, of every living person.

    There is an event for the export, and one a person. `fields` are what will be shown of each,
    None if that is all.

    From the second page on another process, in a vault that it opens `again`, reads one ahead. If
    anybody else has written to the trail since, the page is read once more, under the lock.
    """
    with vault.transaction() as tx:
        tx.event("export.all", fields=fields)
        ours = tx.size + 1  # all events behind those are of this export
    known, after = ours, 0
    with _ahead(vault, again, show) as pages:
        while True:
            page = next(pages, None)
            last = page.last if page is not None and page.people else None
            with vault.transaction() as tx:
                if tx.size != known:
                    ours = tx.size
                if page is None or page.size < ours:
                    page = _read(vault, show, after, last)
                for user_id, token in page.people:
                    tx.event("export.user", token=token, user=user_id, fields=fields)
                known = tx.size + len(page.people)
            if page.people:
                yield len(page.people), page.shown
            elif last is None:
                return
            after = page.last


@contextmanager
def _ahead(vault: Vault, again: Callable[[], Vault], show: Show) -> Iterator[Iterator[_Page]]:
    with vault.reading():
        first = _read(vault, show, 0, None)
    if len(first.people) < PAGE or forks.cores() == 1:
        yield chain([first], _pages(lambda: vault, show, first.last))
        return
    with forks.ahead(_pages(again, show, first.last)) as others:
        yield chain([first], _or_here(others, vault, show, first.last))


def _or_here(pages: Iterator[_Page], vault: Vault, show: Show, after: int) -> Iterator[_Page]:
    """Pass on the pages of another process; if that is lost, read those that are left here."""
    try:
        for page in pages:
            yield page
            after = page.last
    except forks.Lost:
        yield from _pages(lambda: vault, show, after)


def _pages(again: Callable[[], Vault], show: Show, after: int) -> Iterator[_Page]:
    vault = again()
    while True:
        with vault.reading():
            page = _read(vault, show, after, None)
        yield page
        if not page.people:
            return
        after = page.last


def _read(vault: Vault, show: Show, after: int, last: int | None) -> _Page:
    """Read a page in the caller's transaction; up to a row number, or as much as a page has."""
    size = audit.tree(vault.db).size
    if last is None:
        return _Page(size, after, records.stored(vault.db, after, PAGE, PAGE_BYTES), show)
    return _Page(size, after, records.stored_up_to(vault.db, after, last), show)
