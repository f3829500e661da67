"""The Merkle tree over the audit trail, of RFC 6962, section 2.1.

A frontier is the list of the heads of the perfect subtrees that make up a tree, largest
first; there is one for each bit of the tree's size.
"""

from __future__ import annotations

from bunkerctl import hashing

HASH_BYTES = 32


def leaf_hash(event: bytes) -> bytes:
    return hashing.digest(b"\x00" + event)


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashing.digest(b"\x01" + left + right)


class Tree:
    """An append-only tree that keeps its size and frontier alone: at most 64 hashes."""

    def __init__(self, size: int = 0, frontier: bytes = b"") -> None:
        if len(frontier) != HASH_BYTES * size.bit_count():
            raise ValueError("a frontier that does not fit the size")
        self.size = size
        self._heads = [
            frontier[start : start + HASH_BYTES] for start in range(0, len(frontier), HASH_BYTES)
        ]

    def append(self, leaf: bytes) -> None:
        """Add the hash of one leaf."""
        size = self.size
        while size & 1:
            leaf = node_hash(self._heads.pop(), leaf)
            size >>= 1
        self._heads.append(leaf)
        self.size += 1

    def extend(self, heads: list[bytes], height: int = 0) -> None:
        """Add many leaves by their hashes; a row at a time, which is faster than one by one.

        With a height, perfect subtrees of 2 ** height leaves by their heads: the size must be a
        multiple of that.
        """
        size, row, lowest = self.size >> height, heads, []
        digest = hashing.digest
        while row:
            if size & 1:
                row = [self._heads.pop(), *row]
            size >>= 1
            if len(row) & 1:
                lowest.append(row[-1])
            pairs = zip(row[::2], row[1::2], strict=False)
            row = [digest(b"\x01" + left + right) for left, right in pairs]
        self._heads += reversed(lowest)
        self.size += len(heads) << height

    def join(self, rest: Tree) -> None:
        """Add a tree that is smaller than the last subtree: what lies behind that."""
        self._heads += rest.heads()
        self.size += rest.size

    def heads(self) -> list[bytes]:
        """Return the heads of `subtrees(size)`."""
        return list(self._heads)

    def frontier(self) -> bytes:
        return b"".join(self._heads)

    def root(self) -> bytes:
        """Return the tree head; of the empty tree, the hash of nothing."""
        if not self._heads:
            return hashing.digest(b"")
        *rest, root = self._heads
        for head in reversed(rest):
            root = node_hash(head, root)
        return root


def subtrees(size: int) -> list[tuple[int, int]]:
    """Return (first leaf, leaf count) of each perfect subtree of a tree, largest first."""
    spans, start = [], 0
    for bit in range(size.bit_length() - 1, -1, -1):
        if size >> bit & 1:
            spans.append((start, 1 << bit))
            start += 1 << bit
    return spans
