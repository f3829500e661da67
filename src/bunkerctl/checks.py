"""Checks: is every record as the schema and the rules of identities say today?"""

from __future__ import annotations

from bunkerctl import errors, identities
from bunkerctl.model import IDENTITY_KINDS, UNSEEN, Progress, Value
from bunkerctl.store import state
from bunkerctl.store import users as store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bunkerctl.model import User
    from bunkerctl.users import Rules
    from bunkerctl.vault import Vault

PAGE = 500
IDENTITY = "identity"


class Finding(Value):
    """What in a person's record breaks a rule: a JSON Pointer, and a keyword or IDENTITY."""

    token: str
    path: str
    rule: str


class Tally:
    """How many people were looked at, and how many had a finding."""

    def __init__(self) -> None:
        self.people = self.bad = 0


def everyone(
    vault: Vault, rules: Rules, tally: Tally, progress: Progress = UNSEEN
) -> Iterator[Finding]:
    """Yield what is wrong with each living person, in the order of their tokens.

    It is one event, before anybody's record is read. In pages: a long read would keep the pages
    of erased people alive.
    """
    with vault.transaction() as tx:
        tx.event("user.check")
        living = state.totals(vault.db).living
    progress.begin("people checked", living)
    after = None
    while True:
        with vault.reading():
            page = store.page(vault.db, after, PAGE)
        for user in page:
            found = list(_problems(user, rules))
            tally.people += 1
            tally.bad += bool(found)
            for path, rule in found:
                yield Finding(token=user.token, path=path, rule=rule)
        progress.done = tally.people
        if len(page) < PAGE:
            return
        after = page[-1].token


def _problems(user: User, rules: Rules) -> Iterator[tuple[str, str]]:
    if rules.schema is not None:
        yield from rules.schema.problems(user.data)
    given = [kind for kind in IDENTITY_KINDS if user.data.get(kind) is not None]
    if not given:
        yield "", IDENTITY
    for kind in given:
        if not _is_found_by(user, kind, rules.region):
            yield f"/{kind}", IDENTITY


def _is_found_by(user: User, kind: str, region: str | None) -> bool:
    """Tell whether an identity is good today, and the one that the person is found by."""
    try:
        return identities.of_record({kind: user.data[kind]}, region)[kind] == user.identities[kind]
    except (errors.Invalid, KeyError):
        return False
