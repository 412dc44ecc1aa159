"""Proofs of RFC 9162: made for every size, checked, and refused when anything in them is changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.evidence.merkle import EMPTY_ROOT, MerkleFrontier, node_hash
from muniment.evidence.tree_proofs import (
    consistency_proof,
    inclusion_proof,
    subtree_root,
    verify_consistency,
    verify_inclusion,
)

MOST = 70


class Leaves:
    """A tree whose leaves are all in memory."""

    def __init__(self, count: int, salt: bytes = b"") -> None:
        self.leaves = [hashlib.sha256(salt + str(number).encode()).digest() for number in range(count)]

    def full(self, start: int, width: int) -> bytes:
        assert width.bit_count() == 1
        assert start % width == 0
        assert start + width <= len(self.leaves)
        if width == 1:
            return self.leaves[start]
        return node_hash(self.full(start, width // 2), self.full(start + width // 2, width // 2))

    def root(self, size: int) -> bytes:
        tree = MerkleFrontier()
        for leaf in self.leaves[:size]:
            tree.add(leaf)
        return tree.root()


TREE = Leaves(MOST)
ROOTS = [TREE.root(size) for size in range(MOST + 1)]
SIZES = st.integers(1, 3000)


def changed(proof: list[bytes]) -> Iterator[list[bytes]]:
    """Yield proofs that differ from `proof` in one thing."""
    for at in range(len(proof)):
        yield [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]
        yield proof[:at] + proof[at + 1 :]
        yield [*proof[: at + 1], *proof[at:]]
        yield [*proof[:at], *proof[at:][::-1]] if proof[at:] != proof[at:][::-1] else [*proof, bytes(32)]
    yield [*proof, bytes(32)]
    yield [bytes(32), *proof]


@pytest.mark.parametrize("size", range(MOST + 1))
def test_roots_are_those_of_the_frontier(size: int) -> None:
    assert subtree_root(TREE, 0, size) == ROOTS[size]


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_every_leaf_of_every_small_tree_is_proven(size: int) -> None:
    for index, leaf in enumerate(TREE.leaves[:size]):
        proof = inclusion_proof(TREE, index, size)
        assert verify_inclusion(leaf, index, size, proof, ROOTS[size])
        for other in range(size):
            assert verify_inclusion(leaf, other, size, proof, ROOTS[size]) == (other == index)
        for wrong in changed(proof):
            assert not verify_inclusion(leaf, index, size, wrong, ROOTS[size])
        assert not verify_inclusion(TREE.leaves[index - 1], index, size, proof, ROOTS[size]) or size == 1
        assert not verify_inclusion(leaf, index, size, proof, ROOTS[size - 1])


@pytest.mark.parametrize("new", range(MOST + 1))
def test_every_pair_of_small_sizes_is_consistent(new: int) -> None:
    for old in range(new + 1):
        proof = consistency_proof(TREE, old, new)
        assert verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)
        assert not verify_consistency(old, bytes(32), new, ROOTS[new], proof)
        assert not verify_consistency(new, ROOTS[new], old, ROOTS[old], proof) or new == old
        if old:
            assert not verify_consistency(old, ROOTS[old], new, bytes(32), proof)
        for wrong in changed(proof):
            assert not verify_consistency(old, ROOTS[old], new, ROOTS[new], wrong)


def test_a_proof_between_two_sizes_holds_for_no_other_roots() -> None:
    other = Leaves(MOST, b"other ")
    for old in range(1, MOST):
        proof = consistency_proof(TREE, old, MOST)
        assert not verify_consistency(old, other.root(old), MOST, ROOTS[MOST], proof)
        assert not verify_consistency(old, ROOTS[old], MOST, other.root(MOST), proof)


@given(SIZES, st.data())
def test_proofs_hold_at_any_size(size: int, data: st.DataObject) -> None:
    tree = Leaves(size)
    root = tree.root(size)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    assert verify_inclusion(tree.leaves[index], index, size, inclusion_proof(tree, index, size), root)
    proof = consistency_proof(tree, old, size)
    assert verify_consistency(old, tree.root(old), size, root, proof)
    assert len(proof) <= size.bit_length() + 1


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=12), st.integers(1, 1 << 62), st.data())
def test_made_up_hashes_prove_nothing(proof: list[bytes], size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    root, leaf = hashlib.sha256(b"root").digest(), hashlib.sha256(b"leaf").digest()
    assert not verify_inclusion(leaf, index, size, proof, root)
    assert not verify_consistency(old, leaf, size, root, proof)


def test_impossible_questions_are_refused() -> None:
    for index, size in ((0, 0), (5, 5), (-1, 5)):
        with pytest.raises(ValueError, match="has no leaf"):
            inclusion_proof(TREE, index, size)
        assert not verify_inclusion(TREE.leaves[0], index, size, [], ROOTS[1])
    for old, new in ((6, 5), (-1, 5)):
        with pytest.raises(ValueError, match="can't begin"):
            consistency_proof(TREE, old, new)
        assert not verify_consistency(old, ROOTS[5], new, ROOTS[5], [])


def test_every_tree_begins_with_the_empty_one() -> None:
    assert verify_consistency(0, EMPTY_ROOT, 9, ROOTS[9], [])
    assert not verify_consistency(0, ROOTS[1], 9, ROOTS[9], [])
    assert not verify_consistency(0, EMPTY_ROOT, 9, ROOTS[9], [bytes(32)])
