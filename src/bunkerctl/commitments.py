"""Commitments: is each living record the one that the trail last committed to?

This finds an old page or an old file that was played back, which the page's own HMAC does not.
"""

from __future__ import annotations

from bunkerctl import uuids
from bunkerctl.model import UNSEEN, Progress, Value
from bunkerctl.store import audit, records, state, tombstones, trail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.vault import Vault

PAGE = 500
MOST_NAMED = 100


class Check(Value):
    """`unchecked` people have no commitment left in a pruned trail; `bad` are tokens, at most 100.

    A token is bad whose record is not what was committed to, or that is erased and has a row;
    `miscounted` says that the number of rows is not the vault's own count.
    """

    people: int
    unchecked: int
    bad: list[str]
    miscounted: bool

    def ok(self) -> bool:
        return not self.bad and not self.miscounted


def check(vault: Vault, progress: Progress = UNSEEN) -> Check:
    """Compare every living record with its newest commitment, and the rows with the trail.

    In pages: a long read would keep the pages of erased people alive.
    """
    with vault.reading():
        pruned = trail.pruned(vault.db) is not None
        living, size = state.totals(vault.db).living, audit.tree(vault.db).size
    progress.begin("records checked", living)
    after, people, unchecked, bad = 0, 0, 0, []
    while True:
        with vault.reading():
            page = records.lying(vault.db, after, PAGE)
            for row in page:
                said = trail.newest_commitment(vault.db, row.token, row.id)
                if _is_erased(vault, row.token, row.id):
                    bad.append(row.token)
                elif said is None and pruned:
                    unchecked += 1
                elif said != row.commitment or not _is_indexed(vault, row):
                    bad.append(row.token)
        people += len(page)
        progress.done = people
        if len(page) < PAGE:
            break
        after = page[-1].id
    progress.begin("tokens checked")
    bad += _missing(vault, progress)
    with vault.reading():
        changed = audit.tree(vault.db).size != size
    return Check(
        people=people,
        unchecked=unchecked,
        bad=[uuids.to_text(token) for token in list(dict.fromkeys(bad))[:MOST_NAMED]],
        miscounted=people != living and not changed,
    )


def _missing(vault: Vault, progress: Progress) -> list[bytes]:
    """Return the tokens that the trail has committed to and not erased, and that have no row.

    Also those with an event under another row number than theirs, where nobody would find it.
    """
    after, missing = b"", []
    while True:
        with vault.reading():
            page = trail.tokens(vault.db, after, PAGE)
            missing += [token for token in page if _is_missing(vault, token, None)]
        progress.done += len(page)
        if len(page) < PAGE:
            break
        after = page[-1]
    number = 0
    while True:
        with vault.reading():
            pairs = trail.numbered(vault.db, number, PAGE)
            missing += [token for user, token in pairs if _is_missing(vault, token, user)]
        progress.done += len(pairs)
        if not pairs:
            return missing
        number = pairs[-1][0]


def _is_missing(vault: Vault, token: bytes, user: int | None) -> bool:
    if user is not None and trail.user_of(vault.db, token) != user:
        return True
    if records.has(vault.db, token) or _is_erased(vault, token, user):
        return False
    return trail.newest_commitment(vault.db, token, user) is not None


def _is_erased(vault: Vault, token: bytes, user: int | None) -> bool:
    return tombstones.is_erased(vault.db, token) or trail.says_erased(vault.db, token, user)


def _is_indexed(vault: Vault, row: records.Lying) -> bool:
    """Tell whether a person is found by the token and the identities that lie with the record."""
    tags = vault.tags(row.identities)
    return records.is_named(vault.db, row.token, row.id) and all(
        records.is_tagged(vault.db, tag, row.id) for tag in tags
    )
