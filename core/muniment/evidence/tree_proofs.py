"""Inclusion and consistency proofs of RFC 9162, 2.1.3 and 2.1.4: how they are made and checked.

An inclusion proof shows that a leaf is at one place of a tree. A consistency proof shows that a tree is
an older tree with more leaves after it. Both are lists of hashes, at most two for each level of the tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from muniment.evidence.merkle import EMPTY_ROOT, node_hash


class SubtreeHashes(Protocol):
    """Knows the hashes of a tree's full subtrees, from which its proofs are made."""

    def full(self, start: int, width: int) -> bytes:
        """Return the hash over the leaves from `start`, `width` in number.

        Args:
            start: A multiple of `width`.
            width: A power of two. The tree has at least `start + width` leaves.
        """
        ...


def subtree_root(hashes: SubtreeHashes, start: int, end: int) -> bytes:
    """Return the Merkle tree hash (RFC 9162, 2.1.1) over the leaves from `start` up to `end`, excluding it.

    `start` is 0, or a multiple of a power of two that is at least as large as the number of leaves.
    """
    width = end - start
    if width == 0:
        return EMPTY_ROOT
    if width.bit_count() == 1:
        return hashes.full(start, width)
    half = _left_width(width)
    return node_hash(hashes.full(start, half), subtree_root(hashes, start + half, end))


def inclusion_proof(hashes: SubtreeHashes, index: int, size: int) -> list[bytes]:
    """Return the proof that the tree of the first `size` leaves has a leaf at `index` (2.1.3.1).

    Raises:
        ValueError: The tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _left_width(end - start)
        if index < middle:
            proof.append(subtree_root(hashes, middle, end))
            end = middle
        else:
            proof.append(subtree_root(hashes, start, middle))
            start = middle
    return proof[::-1]


def consistency_proof(hashes: SubtreeHashes, old_size: int, new_size: int) -> list[bytes]:
    """Return the proof that the tree of `new_size` leaves begins with that of `old_size` leaves (2.1.4.1).

    It is empty for equal sizes. It is also empty for an old size of 0, about which the RFC is silent.

    Raises:
        ValueError: The old tree is larger than the new one.
    """
    if not 0 <= old_size <= new_size:
        raise ValueError(f"a tree of {new_size} leaves can't begin with one of {old_size}")
    if old_size in (0, new_size):
        return []
    proof: list[bytes] = []
    start, end = 0, new_size
    while end != old_size:
        middle = start + _left_width(end - start)
        if old_size <= middle:
            proof.append(subtree_root(hashes, middle, end))
            end = middle
        else:
            proof.append(subtree_root(hashes, start, middle))
            start = middle
    if start:
        proof.append(subtree_root(hashes, start, end))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Return whether `proof` shows that `leaf` is at `index` in a tree of this size and root (2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, hashed = index, size - 1, leaf
    for beside in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            hashed = node_hash(beside, hashed)
            at, last = _up_to_right_child(at, last)
        else:
            hashed = node_hash(hashed, beside)
        at, last = at >> 1, last >> 1
    return last == 0 and hashed == root


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Return whether `proof` shows that the new tree is the old one with leaves appended (2.1.4.2).

    Every tree begins with the empty one; an old size of 0 needs its root and an empty proof.
    """
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old_size.bit_count() == 1:
        path.insert(0, old_root)
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    return bool(path) and _joins_to(path, at, last) == (old_root, new_root)


def _joins_to(path: Sequence[bytes], at: int, last: int) -> tuple[bytes, bytes] | None:
    """Return the old and the new root to which a consistency proof leads; None if it has another length."""
    old = new = path[0]
    for beside in path[1:]:
        if last == 0:
            return None
        if at & 1 or at == last:
            old, new = node_hash(beside, old), node_hash(beside, new)
            at, last = _up_to_right_child(at, last)
        else:
            new = node_hash(new, beside)
        at, last = at >> 1, last >> 1
    return (old, new) if last == 0 else None


def _up_to_right_child(at: int, last: int) -> tuple[int, int]:
    """Skip the levels on which a node at the tree's right edge has no node beside it."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _left_width(width: int) -> int:
    """Return the number of leaves in the left half of a tree: the largest power of two below `width`."""
    return 1 << (width - 1).bit_length() - 1
