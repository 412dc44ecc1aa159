"""The Merkle tree: its frontier gives the roots that RFC 9162 defines."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.evidence.merkle import EMPTY_ROOT, MerkleFrontier

LEAVES = st.lists(st.binary(min_size=32, max_size=32), max_size=70)


def merkle_tree_hash(leaves: list[bytes]) -> bytes:
    """Return the root by the definition in RFC 9162, 2.1.1; `leaves` are hashes of leaves."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = merkle_tree_hash(leaves[:split]), merkle_tree_hash(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def grown(leaves: list[bytes]) -> MerkleFrontier:
    tree = MerkleFrontier()
    for leaf in leaves:
        tree.add(leaf)
    return tree


@given(LEAVES)
def test_roots_are_those_of_the_definition(leaves: list[bytes]) -> None:
    tree = MerkleFrontier()
    assert tree.root() == EMPTY_ROOT
    for count, leaf in enumerate(leaves, 1):
        tree.add(leaf)
        assert tree.root() == merkle_tree_hash(leaves[:count])
        assert len(tree.peaks) == count.bit_count()


@given(LEAVES, LEAVES)
def test_a_tree_goes_on_from_its_frontier(before: list[bytes], after: list[bytes]) -> None:
    whole = grown(before + after)
    tree = grown(before)
    resumed = MerkleFrontier.from_frontier(tree.size, tree.peaks)
    copied = tree.copy()
    for leaf in after:
        resumed.add(leaf)
    assert (resumed.size, resumed.root()) == (whole.size, whole.root())
    assert copied.root() == merkle_tree_hash(before)


@pytest.mark.parametrize(
    ("size", "peaks"), [(3, [bytes(32)]), (1, [bytes(31)]), (-1, [bytes(32)]), (0, [bytes(32)])]
)
def test_an_impossible_frontier_is_refused(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(ValueError):
        MerkleFrontier.from_frontier(size, peaks)
