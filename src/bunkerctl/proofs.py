"""Proofs of the Merkle tree: that it has a leaf, and that it continues an earlier one.

Of RFC 6962, section 2.1. A span is (first leaf, leaf count).
"""

from __future__ import annotations

from bunkerctl.merkle import Tree, node_hash, subtrees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Span = tuple[int, int]


class Nodes:
    """The heads of some perfect subtrees, taken in one walk over the leaves."""

    def __init__(self, wanted: Iterable[Span]) -> None:
        self._wanted = set(wanted)
        self._found: dict[Span, bytes] = {}

    def start_at(self, tree: Tree) -> None:
        """Take what a tree has already, whose leaves are not walked over."""
        for span, head in zip(subtrees(tree.size), tree.heads(), strict=True):
            self._found[span] = head

    def extend(self, tree: Tree, leaves: list[bytes]) -> None:
        """Append leaves to a tree, as `append` does."""
        if not self._wanted:
            tree.extend(leaves)
            return
        for leaf in leaves:
            self.append(tree, leaf)

    def append(self, tree: Tree, leaf: bytes) -> None:
        """Append a leaf to a tree, and keep what becomes whole by it and is wanted."""
        before, count = tree.heads(), 1
        tree.append(leaf)
        head = leaf
        while True:
            span = (tree.size - count, count)
            if span in self._wanted:
                self._found[span] = head
            if tree.size % (2 * count) or not before:
                return
            head = node_hash(before.pop(), head)
            count *= 2

    def head(self, span: Span) -> bytes:
        """Return the head of any span of the walk; raise KeyError for one that was not wanted."""
        return _head(span, self._found.__getitem__)


def inclusion_proof(index: int, size: int, head: Callable[[Span], bytes]) -> list[bytes]:
    """Return the audit path of a leaf (RFC 6962, section 2.1.1); `index` counts from 0."""
    return [head(span) for span in inclusion_spans(index, size)]


def consistency_proof(first: int, second: int, head: Callable[[Span], bytes]) -> list[bytes]:
    """Return the proof that a tree of `second` leaves continues one of `first` (section 2.1.2)."""
    return [head(span) for span in consistency_spans(first, second)]


def inclusion_spans(index: int, size: int) -> list[Span]:
    """Return the spans whose heads are an inclusion proof, from the leaf upwards."""
    return _path(index, (0, size))


def consistency_spans(first: int, second: int) -> list[Span]:
    """Return the spans whose heads are a consistency proof; none for equal trees or from none."""
    if first in (0, second):
        return []
    return _subproof(first, (0, second), known=True)


def perfect(span: Span) -> list[Span]:
    """Return the perfect subtrees that a span of the tree is made of."""
    start, count = span
    return [(start + offset, size) for offset, size in subtrees(count)]


def root_of_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes | None:
    """Return the root that a proof leads to (RFC 9162, section 2.1.3.2); None if it cannot fit."""
    if index >= size:
        return None
    node, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    return root if last == 0 else None


def is_consistent(
    first: int, second: int, root_then: bytes, root_now: bytes, proof: list[bytes]
) -> bool:
    """Tell whether the proof shows that the second tree continues the first.

    RFC 9162, section 2.1.4.2.
    """
    if first > second:
        return False
    if first in (0, second):
        return not proof and (first == 0 or root_then == root_now)
    path = [root_then, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    then = now = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            then, now = node_hash(sibling, then), node_hash(sibling, now)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            now = node_hash(now, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and then == root_then and now == root_now


def _split(count: int) -> int:
    """Return the largest power of two below a count of two or more."""
    return 1 << (count - 1).bit_length() - 1


def _path(index: int, span: Span) -> list[Span]:
    start, count = span
    if count <= 1:
        return []
    left = _split(count)
    below, above = (start, left), (start + left, count - left)
    if index < start + left:
        return [*_path(index, below), above]
    return [*_path(index, above), below]


def _subproof(first: int, span: Span, *, known: bool) -> list[Span]:
    start, count = span
    if first == start + count:
        return [] if known else [span]
    left = _split(count)
    below, above = (start, left), (start + left, count - left)
    if first <= start + left:
        return [*_subproof(first, below, known=known), above]
    return [*_subproof(first, above, known=False), below]


def _head(span: Span, found: Callable[[Span], bytes]) -> bytes:
    heads = [found(one) for one in perfect(span)]
    root = heads.pop()
    for head in reversed(heads):
        root = node_hash(head, root)
    return root
