"""The audit trail: prove that it is whole.

Events are the leaves of a Merkle tree (RFC 6962, section 2.1). A tree alone cannot show
that its tail was cut or that it was built anew: a head kept elsewhere can.
"""

from __future__ import annotations

from bunkerctl import checkpoints, errors, forks, hashing, merkle, proofs
from bunkerctl.model import UNSEEN, Head, Progress, Value
from bunkerctl.store import audit as store
from bunkerctl.store import trail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bunkerctl.checkpoints import Kept
    from bunkerctl.vault import Vault

PAGE = 2000
LEAST_SHARED = 4
"""Of fewer pages, all are read by one process."""

Page = tuple[list[bytes], bool]
"""The hashes of some events, and whether those are all that there must be."""


class Verification(Value):
    """`first_bad` is the first event that cannot be trusted, None if that cannot be told.

    `proof` shows that the trail continues the head it was held against (RFC 6962, section
    2.1.2), `pruned` is how many events are known by their tree alone.
    """

    ok: bool
    events: int
    head: Head
    first_bad: int | None
    problem: str | None
    proof: list[bytes] | None
    pruned: int


def head(vault: Vault) -> Head:
    """Return what to keep elsewhere, so that a later `verify` can prove itself against it."""
    with vault.reading():
        return _head(vault, store.tree(vault.db))


def verify(
    vault: Vault,
    kept: Kept | None = None,
    progress: Progress = UNSEEN,
    again: Callable[[], Vault] | None = None,
) -> Verification:
    """Recompute the tree from every event, and prove it to be a continuation of a head kept.

    `again` opens the vault once more, for another process to read every second page.

    Raises:
        Invalid: the head is another vault's.
        Conflict: the head is older than what is left of the trail.
    """
    against = None if kept is None else kept.head
    if against is not None and against.vault_id != vault.header.vault_id:
        raise errors.Invalid("that head is another vault's")
    bad: tuple[int | None, str] | None = None
    with vault.reading():
        stored = store.tree(vault.db)
        pruned = trail.pruned(vault.db)
        if pruned is not None and not checkpoints.is_own(vault, pruned.tree, pruned.checkpoint):
            bad = (None, "what pruning has left is not signed by this vault")
        elif pruned is not None and trail.has_pruned(vault.db, pruned.tree.size):
            bad = (None, "there is an event among those that were pruned")
        elif kept is not None and not checkpoints.is_signed_by(vault, kept):
            bad = (None, "the head it is held against is not signed by this vault")
    tree = merkle.Tree() if pruned is None else pruned.tree
    begin = tree.size
    if against is not None and 0 < against.size < begin:
        raise errors.Conflict(
            f"the events up to {begin} were pruned: an older head has nothing to be held against",
            hint="hold it against a head from after that",
        )
    walk = _Walk(tree, stored, against)
    progress.begin("events checked", stored.size - begin)
    hashing.many()
    bad = bad or walk.over(_pages(vault, again, begin, stored.size), progress)
    if bad is None:
        bad = _excess(vault, stored.size)
    proof = None
    if bad is None and against is not None:
        bad = _compare(against, tree.size, walk.root_then)
        proof = None if bad else walk.proof()
    return Verification(
        ok=bad is None,
        events=stored.size,
        head=_head(vault, stored),
        first_bad=bad and bad[0],
        problem=bad and bad[1],
        proof=proof,
        pruned=begin,
    )


class _Walk:
    """One pass over the leaves: is the stored tree theirs, and what was the root at a head?"""

    def __init__(self, tree: merkle.Tree, stored: merkle.Tree, against: Head | None) -> None:
        self._tree = tree
        self._stored = stored
        self._against = against
        self._ends = {start + count for start, count in merkle.subtrees(stored.size)}
        within = against is not None and against.size < stored.size
        self._stops = sorted(self._ends | ({against.size} if against and within else set()))
        self.root_then = tree.root() if against and against.size in (0, tree.size) else None
        if against is not None and against.size == 0:
            self.root_then = merkle.Tree().root()
        fits = against is not None and against.size <= stored.size
        spans = proofs.consistency_spans(against.size, stored.size) if against and fits else []
        self._nodes = proofs.Nodes(one for span in spans for one in proofs.perfect(span))
        self._nodes.start_at(tree)

    def over(self, pages: Iterator[Page], progress: Progress) -> tuple[int, str] | None:
        """Append the leaves; return the first event that is bad, and why."""
        for leaves, whole in pages:
            bad = self._append(leaves)
            if bad is not None:
                return bad
            if not whole:
                return self._tree.size + 1, "an event is missing, added or altered"
            progress.done += len(leaves)
        return None

    def _append(self, leaves: list[bytes]) -> tuple[int, str] | None:
        tree, stored = self._tree, self._stored.frontier()
        while leaves:
            stop = next(stop for stop in self._stops if stop > tree.size)
            run, leaves = leaves[: stop - tree.size], leaves[stop - tree.size :]
            self._nodes.extend(tree, run)
            if self._against is not None and tree.size == self._against.size:
                self.root_then = tree.root()
            if tree.size in self._ends and not stored.startswith(tree.frontier()):
                start = tree.size - (tree.size & -tree.size)
                return start + 1, "the events do not give the stored tree"
        return None

    def proof(self) -> list[bytes] | None:
        if self._against is None or self._against.size > self._stored.size:
            return None
        return proofs.consistency_proof(self._against.size, self._stored.size, self._nodes.head)


def _compare(against: Head, size: int, root_then: bytes | None) -> tuple[int | None, str] | None:
    if size < against.size:
        return size + 1, f"the trail is shorter than the head it is held against ({against.size})"
    if root_then is None or root_then.hex() != against.root:
        return None, "the trail is not a continuation of the head it is held against"
    return None


def _pages(
    vault: Vault, again: Callable[[], Vault] | None, begin: int, size: int
) -> Iterator[Page]:
    """Yield the hashes of the events in order, up to a size; `begin` events were pruned.

    Every second page is read by another process, if there is another core.
    """
    spans = [(after, min(PAGE, size - after)) for after in range(begin, size, PAGE)]
    if again is None or len(spans) < LEAST_SHARED or forks.cores() == 1:
        yield from (_page(vault, *span) for span in spans)
        return
    with forks.ahead(_opened_pages(again, spans[1::2])) as others:
        lost = False
        for number, span in enumerate(spans):
            if number % 2 and not lost:
                try:
                    yield next(others)
                    continue
                except forks.Lost:  # then this one reads them all
                    lost = True
            yield _page(vault, *span)


def _opened_pages(again: Callable[[], Vault], spans: list[tuple[int, int]]) -> Iterator[Page]:
    vault = again()
    for span in spans:
        yield _page(vault, *span)


def _page(vault: Vault, after: int, count: int) -> Page:
    """Return the hashes of the events behind one, up to the first that is not as it must be.

    In pages: a long read would keep the pages of erased people alive.
    """
    with vault.reading():
        rows = trail.leaves(vault.db, after, count)
    leaves: list[bytes] = []
    for expected, row in enumerate(rows, after + 1):
        leaf = _leaf(expected, *row)
        if leaf is None:
            break
        leaves.append(leaf)
    return leaves, len(leaves) == count


def _excess(vault: Vault, size: int) -> tuple[int, str] | None:
    """Return the first event behind the last, if it was not appended since the size was read."""
    with vault.reading():
        rows = trail.leaves(vault.db, size, 1)
        known = store.tree(vault.db).size
    if rows and rows[0][0] > known:
        return rows[0][0], "an event is missing, added or altered"
    return None


def _leaf(expected: int, seq: int, event: str | None, digest: bytes) -> bytes | None:
    """Return the hash of an event that is what it was when it was stored, else None."""
    if seq != expected or event is None:
        return None
    leaf = merkle.leaf_hash(event.encode())
    return leaf if leaf == digest else None


def _head(vault: Vault, tree: merkle.Tree) -> Head:
    return Head(
        vault_id=vault.header.vault_id, size=tree.size, root=tree.root().hex(), at=vault.now()
    )
