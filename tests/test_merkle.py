"""The Merkle tree: the published vectors, and any size against the definition of RFC 6962."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import merkle, proofs

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
# Of the same tests: heads of subtrees, by the numbers of their first and last leaf, ...
NODES = {
    "00": "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "11": "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "23": "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "03": "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "44": "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "45": "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "67": "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "47": "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    "01": "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
}
# ... the paths of ReferenceMerklePath, as (index, size, path), ...
PATHS = [
    (0, 1, ""),
    (1, 2, "00"),
    (0, 8, "11 23 47"),
    (5, 8, "44 67 03"),
    (2, 3, "01"),
    (1, 5, "00 23 44"),
]
# ... and the proofs of ReferenceSnapshotConsistency, as (first, second, proof).
PROOFS = [
    (1, 1, ""),
    (1, 8, "11 23 47"),
    (6, 8, "45 67 03"),
    (2, 5, "23 44"),
]
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
EVENTS = [f"event {number}".encode() for number in range(71)]
BASES = 34


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
def test_leaves_that_are_added_at_once_give_the_same_tree(size: int) -> None:
    for end in range(size, len(EVENTS) + 1):
        tree = grown(EVENTS[:size])
        tree.extend([merkle.leaf_hash(event) for event in EVENTS[size:end]])
        assert (tree.size, tree.frontier()) == (end, grown(EVENTS[:end]).frontier())


@pytest.mark.parametrize("height", range(4))
def test_perfect_subtrees_that_are_added_give_the_same_tree(height: int) -> None:
    count = 1 << height
    for begin in range(0, len(EVENTS) + 1, count):
        for end in range(begin, len(EVENTS) + 1, count):
            starts = range(begin, end, count)
            tree = grown(EVENTS[:begin])
            tree.extend([grown(EVENTS[at : at + count]).root() for at in starts], height)
            assert (tree.size, tree.frontier()) == (end, grown(EVENTS[:end]).frontier())


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


def vector(names: str) -> list[bytes]:
    return [bytes.fromhex(NODES[name]) for name in names.split()]


def walked(
    leaves: list[bytes], spans: list[tuple[int, int]], base: merkle.Tree | None = None
) -> proofs.Nodes:
    """Take what proofs need in one walk over the leaves, those of a pruned base left out."""
    nodes = proofs.Nodes(one for span in spans for one in proofs.perfect(span))
    tree = merkle.Tree() if base is None else merkle.Tree(base.size, base.frontier())
    nodes.start_at(tree)
    for leaf in leaves[tree.size :]:
        nodes.append(tree, merkle.leaf_hash(leaf))
    return nodes


def included(leaves: list[bytes], index: int) -> list[bytes]:
    size = len(leaves)
    nodes = walked(leaves, proofs.inclusion_spans(index, size))
    return proofs.inclusion_proof(index, size, nodes.head)


def continued(leaves: list[bytes], first: int) -> list[bytes]:
    second = len(leaves)
    nodes = walked(leaves, proofs.consistency_spans(first, second))
    return proofs.consistency_proof(first, second, nodes.head)


@cache
def head_of(start: int, end: int) -> bytes:
    """MTH(D[start:end]) of the events."""
    return naive_root(EVENTS[start:end])


def naive_path(index: int, start: int, end: int) -> list[bytes]:
    """PATH(index, D[start:end]) of RFC 6962, section 2.1.1, word for word."""
    if end - start == 1:
        return []
    k = split(end - start)
    if index < k:
        return [*naive_path(index, start, start + k), head_of(start + k, end)]
    return [*naive_path(index - k, start + k, end), head_of(start, start + k)]


def naive_subproof(first: int, start: int, end: int, known: bool) -> list[bytes]:
    """SUBPROOF(first, D[start:end], known) of RFC 6962, section 2.1.2, word for word."""
    if first == end - start:
        return [] if known else [head_of(start, end)]
    k = split(end - start)
    if first <= k:
        return [*naive_subproof(first, start, start + k, known), head_of(start + k, end)]
    return [*naive_subproof(first - k, start + k, end, False), head_of(start, start + k)]


def split(count: int) -> int:
    """Return the largest power of two below a count of two or more."""
    return next(1 << bit for bit in range(count) if 1 << (bit + 1) >= count)


def altered(proof: list[bytes]) -> list[list[bytes]]:
    """Every way to get a proof a little wrong."""
    other = merkle.leaf_hash(b"other")
    one_wrong = [
        [*proof[:at], bytes([node[0] ^ bit, *node[1:31], node[31] ^ (bit ^ 1)]), *proof[at + 1 :]]
        for at, node in enumerate(proof)
        for bit in (0, 1)
    ]
    one_less = [[*proof[:at], *proof[at + 1 :]] for at in range(len(proof))]
    one_more = [[*proof[:at], other, *proof[at:]] for at in range(len(proof) + 1)]
    twice = [[*proof[:at], node, *proof[at:]] for at, node in enumerate(proof)]
    short = [[*proof[:at], node[:31], *proof[at + 1 :]] for at, node in enumerate(proof)]
    turned = [proof[::-1]] if len(proof) > 1 else []
    return one_wrong + one_less + one_more + twice + short + turned


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_the_paths_are_those_of_certificate_transparency(index: int, size: int, path: str) -> None:
    leaves = [bytes.fromhex(leaf) for leaf, _ in VECTORS[:size]]
    assert included(leaves, index) == vector(path)
    leaf, root = merkle.leaf_hash(leaves[index]), bytes.fromhex(VECTORS[size - 1][1])
    assert proofs.root_of_inclusion(leaf, index, size, vector(path)) == root


@pytest.mark.parametrize(("first", "second", "proof"), PROOFS)
def test_the_consistency_proofs_are_those_of_certificate_transparency(
    first: int, second: int, proof: str
) -> None:
    leaves = [bytes.fromhex(leaf) for leaf, _ in VECTORS[:second]]
    assert continued(leaves, first) == vector(proof)
    then, now = (bytes.fromhex(VECTORS[size - 1][1]) for size in (first, second))
    assert proofs.is_consistent(first, second, then, now, vector(proof))


@pytest.mark.parametrize("size", range(1, len(EVENTS)))
def test_the_path_of_each_leaf_is_that_of_the_definition_and_leads_to_the_root(size: int) -> None:
    for index in range(size):
        proof = included(EVENTS[:size], index)
        assert proof == naive_path(index, 0, size)
        leaf = merkle.leaf_hash(EVENTS[index])
        assert proofs.root_of_inclusion(leaf, index, size, proof) == head_of(0, size)


@pytest.mark.parametrize("size", range(1, len(EVENTS)))
def test_an_altered_path_does_not_lead_to_the_root(size: int) -> None:
    for index in range(size):
        leaf, root = merkle.leaf_hash(EVENTS[index]), head_of(0, size)
        proof = naive_path(index, 0, size)
        for wrong in altered(proof):
            assert proofs.root_of_inclusion(leaf, index, size, wrong) != root
        for other in set(range(size + 2)) - {index}:
            assert proofs.root_of_inclusion(leaf, other, size, proof) != root
        for other in (0, index, 2 * size, 64 * size):
            assert proofs.root_of_inclusion(leaf, index, other, proof) != root
        for wrong_leaf in (EVENTS[index], merkle.leaf_hash(b"other"), root if proof else b""):
            assert proofs.root_of_inclusion(wrong_leaf, index, size, proof) != root


@pytest.mark.parametrize("second", range(1, len(EVENTS)))
def test_each_consistency_proof_is_that_of_the_definition_and_holds(second: int) -> None:
    for first in range(1, second + 1):
        proof = continued(EVENTS[:second], first)
        assert proof == naive_subproof(first, 0, second, True)
        assert proofs.is_consistent(first, second, head_of(0, first), head_of(0, second), proof)


@pytest.mark.parametrize("second", range(1, len(EVENTS)))
def test_an_altered_consistency_proof_does_not_hold(second: int) -> None:
    other = merkle.leaf_hash(b"other")
    for first in range(1, second + 1):
        then, now = head_of(0, first), head_of(0, second)
        proof = naive_subproof(first, 0, second, True)
        for wrong in altered(proof):
            assert not proofs.is_consistent(first, second, then, now, wrong)
        assert not proofs.is_consistent(first, second, other, now, proof)
        assert not proofs.is_consistent(first, second, then, other, proof)
        assert not proofs.is_consistent(second + 1, second, then, now, proof)
        if first < second:
            assert not proofs.is_consistent(first, second, now, then, proof)
            assert not proofs.is_consistent(second, first, now, then, proof)
            assert not proofs.is_consistent(first, first, then, now, [])
            assert not proofs.is_consistent(first, 64 * second, then, now, proof)


def test_whatever_continues_nothing_and_nothing_is_proven_of_it() -> None:
    nothing, root = merkle.Tree().root(), head_of(0, 7)
    assert continued(EVENTS[:7], 0) == continued(EVENTS[:7], 7) == []
    assert proofs.is_consistent(0, 7, nothing, root, [])
    assert proofs.is_consistent(7, 7, root, root, [])
    assert not proofs.is_consistent(0, 7, nothing, root, [root])
    assert not proofs.is_consistent(7, 7, root, root, [root])
    assert proofs.root_of_inclusion(root, 0, 0, []) is None


@pytest.mark.parametrize("base", range(1, BASES))
def test_proofs_on_a_pruned_base_are_those_of_the_whole_tree(base: int) -> None:
    left = grown(EVENTS[:base])
    for size in range(base, BASES):
        spans = [span for n in range(base, size) for span in proofs.inclusion_spans(n, size)]
        spans += [span for n in range(base, size) for span in proofs.consistency_spans(n, size)]
        nodes = walked(EVENTS[:size], spans, left)
        for number in range(base, size):
            path = proofs.inclusion_proof(number, size, nodes.head)
            assert path == naive_path(number, 0, size)
            proof = proofs.consistency_proof(number, size, nodes.head)
            assert proof == naive_subproof(number, 0, size, True)


def test_what_was_pruned_cannot_be_proven() -> None:
    nodes = walked(EVENTS[:8], proofs.inclusion_spans(2, 8), grown(EVENTS[:5]))
    with pytest.raises(KeyError):
        proofs.inclusion_proof(2, 8, nodes.head)
