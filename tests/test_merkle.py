"""The Merkle tree: the published vectors, and any size against the definition of RFC 6962."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import merkle

# The reference vectors of google/certificate-transparency: eight leaves, and the root after each.
VECTORS = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
]
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
EVENTS = [f"event {number}".encode() for number in range(71)]


def naive_root(events: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not events:
        return sha256(b"").digest()
    if len(events) == 1:
        return sha256(b"\x00" + events[0]).digest()
    split = 1
    while split * 2 < len(events):
        split *= 2
    return sha256(b"\x01" + naive_root(events[:split]) + naive_root(events[split:])).digest()


def grown(events: list[bytes], tree: merkle.Tree | None = None) -> merkle.Tree:
    tree = tree or merkle.Tree()
    for event in events:
        tree.append(merkle.leaf_hash(event))
    return tree


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert (merkle.Tree().size, merkle.Tree().frontier()) == (0, b"")
    assert merkle.Tree().root().hex() == EMPTY


def test_the_roots_are_those_of_certificate_transparency() -> None:
    leaves = [bytes.fromhex(leaf) for leaf, _ in VECTORS]
    for size, (_, root) in enumerate(VECTORS, 1):
        assert grown(leaves[:size]).root().hex() == root == naive_root(leaves[:size]).hex()


@pytest.mark.parametrize("size", range(len(EVENTS)))
def test_a_tree_of_any_size_goes_on_from_its_frontier(size: int) -> None:
    tree = grown(EVENTS[:size])
    assert (tree.size, tree.root()) == (size, naive_root(EVENTS[:size]))
    again = merkle.Tree(size, tree.frontier())
    assert (again.root(), again.frontier()) == (tree.root(), tree.frontier())
    assert grown(EVENTS[size:], again).root() == naive_root(EVENTS)


@pytest.mark.parametrize("size", range(len(EVENTS)))
def test_the_frontier_holds_the_heads_of_the_perfect_subtrees(size: int) -> None:
    heads = [naive_root(EVENTS[start : start + count]) for start, count in merkle.subtrees(size)]
    assert grown(EVENTS[:size]).frontier() == b"".join(heads)


def test_subtrees_are_the_powers_of_two_largest_first() -> None:
    assert merkle.subtrees(0) == []
    assert merkle.subtrees(1) == [(0, 1)]
    assert merkle.subtrees(6) == [(0, 4), (4, 2)]
    assert merkle.subtrees(7) == [(0, 4), (4, 2), (6, 1)]
    assert merkle.subtrees(64) == [(0, 64)]
    assert merkle.subtrees(2**40 + 1) == [(0, 2**40), (2**40, 1)]


@given(st.integers(0, 2**64 - 1))
def test_subtrees_cover_the_tree_without_a_gap(size: int) -> None:
    end, last = 0, size + 1
    for start, count in merkle.subtrees(size):
        assert (start, count.bit_count()) == (end, 1)
        assert count < last
        end, last = start + count, count
    assert end == size


@pytest.mark.parametrize(("size", "length"), [(0, 32), (1, 0), (1, 31), (3, 32), (4, 64), (7, 95)])
def test_a_frontier_that_does_not_fit_the_size_is_refused(size: int, length: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        merkle.Tree(size, bytes(length))


@given(st.lists(st.binary(max_size=3), max_size=9), st.lists(st.binary(max_size=3), max_size=9))
def test_no_two_trails_have_the_same_root(left: list[bytes], right: list[bytes]) -> None:
    assert (grown(left).root() == grown(right).root()) == (left == right)


def test_a_leaf_is_never_taken_for_a_node() -> None:
    left, right = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
    assert merkle.node_hash(left, right) != merkle.node_hash(right, left)
