"""Known: which tags are taken, and by whom, without a look at a page of the index for each.

Tags are random: each that is looked up in a large index decrypts a page of its own. A filter in
front of it tells of nearly all of those that are not taken.
"""

from __future__ import annotations

from collections import Counter

from bunkerctl.bloom import Bloom
from bunkerctl.errors import IntegrityFailure
from bunkerctl.lean import suppress
from bunkerctl.store import audit, lookup, records, state, trail, users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from bunkerctl.model import User
    from bunkerctl.vault import Vault

WORTH = 16
"""Among how many times as many as there were new people, those who are there are read."""
MOST_LOOKED_UP = 1 << 20
"""Of the records of those who have tags of a batch, in bytes."""
MOST_WRITTEN, MOST_BYTES = 1000, 4 << 20
"""Of how many records that others have written it is found out which tags they have."""


class Known:
    """What may be taken in a vault: the tags of all who were there at a time, and all added since.

    Whose records others have written is in the audit trail, as far as that is not pruned.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._filter = Bloom()
        self._added = 0
        self._read = False
        self.size = 0
        """How many events the trail had when the filter knew of all tags."""

    def read(self, people: int) -> None:
        """Count new people; read who is there, once that is worth while. Not in a transaction.

        In pages: a long read would keep the pages of erased people alive. What others add
        meanwhile is in the trail behind `size`.
        """
        self._added += people
        if self._read:
            return
        vault = self._vault
        with vault.reading():
            living, size = state.totals(vault.db).living, audit.tree(vault.db).size
        if living <= WORTH * self._added:
            for tags in lookup.all_tags(vault.db):
                self._filter.add(tags)
            self._read, self.size = True, size

    def taken(self, size: int, tags: list[int]) -> set[int]:
        """Return which of some tags are taken, in a transaction that has seen `size` events.

        They are added, for their owners come in with it, and with the size that it has then.
        """
        told = self._read and self._catch_up(size)
        suspects = self.add(tags)
        return lookup.taken(self._vault.db, suspects if told else tags)

    def add(self, tags: Iterable[int]) -> list[int]:
        """Add tags; return those that may have been taken."""
        return self._filter.add(tags)

    def _catch_up(self, size: int) -> bool:
        """Add the tags of whose records others have written; return whether all are known."""
        if size == self.size:
            return True
        if self._written_since(size):
            self.size = size
            return True
        self._read, self._added = False, 0
        return False

    def _written_since(self, size: int) -> bool:
        """Add the tags; return False if it cannot be told, or is not worth while to tell, whose."""
        db = self._vault.db
        pruned = trail.pruned(db)
        if pruned is not None and pruned.tree.size > self.size:
            return False
        written = trail.written_between(db, self.size, size, MOST_WRITTEN + 1)
        if len(written) > MOST_WRITTEN:
            return False
        if sum(records.sizes(db, written).values()) > MOST_BYTES:
            return False
        try:
            for user in users.by_ids(db, written):
                self.add(self._vault.tags(user.identities))
        except IntegrityFailure:  # a record is damaged
            return False
        return True


class Standing:
    """Who has the tags of a batch, looked up together: one by one that takes several times as long.

    It is as it was at the look: not of whom the batch itself has added or changed since.
    """

    def __init__(self, vault: Vault, tags: list[int], taken: set[int]) -> None:
        self._vault, self._taken = vault, taken
        met = Counter(tags) if taken else Counter[int]()
        self._sure = {tag for tag, times in met.items() if times == 1}
        """The tags of one row alone, of whose owners nothing has changed."""
        self._owners: dict[int, list[User]] = {}
        self.changed: set[int] = set()
        """The ids of users who have changed."""
        if taken:
            with suppress(IntegrityFailure):  # of a damaged record: it is met alone
                self._find(list(taken))

    def _find(self, tags: list[int]) -> None:
        found, all_of_them = users.by_tags_and_tokens(self._vault.db, tags, [], MOST_LOOKED_UP)
        for user in found if all_of_them else ():  # else a tag that is shared may lack an owner
            for tag in self._vault.tags(user.identities):
                self._owners.setdefault(tag, []).append(user)

    def doubt(self, tags: set[int]) -> None:
        """Note tags that may be others' by now."""
        self._sure -= tags

    def who(self, found: dict[str, str]) -> list[User] | None:
        """Return the living users who have one of some identities; None if that is not known."""
        standing: dict[int, User] = {}
        for kind, value in found.items():
            tag = self._vault.tag(kind, value)
            owners = self._owners.get(tag, [])
            if tag not in self._sure or (tag in self._taken and not owners):
                return None
            standing.update({one.id: one for one in owners if one.identities.get(kind) == value})
        return None if self.changed & standing.keys() else list(standing.values())
