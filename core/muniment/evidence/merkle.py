"""The Merkle tree of RFC 9162, 2.1, kept as its frontier: at most 64 hashes for any number of leaves.

`frame.leaf_hash` makes the hashes of leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleFrontier:
    """A Merkle tree, kept as the roots of its full subtrees, the largest first."""

    __slots__ = ("peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        """Number of leaves."""
        self.peaks: list[bytes] = []

    @classmethod
    def from_frontier(cls, size: int, peaks: Sequence[bytes]) -> MerkleFrontier:
        """Make the tree of `size` leaves that has this frontier.

        Raises:
            ValueError: No tree of that size has such a frontier.
        """
        if size < 0 or len(peaks) != size.bit_count() or any(len(peak) != 32 for peak in peaks):
            raise ValueError(f"a tree of {size} leaves does not have this frontier")
        tree = cls()
        tree.size, tree.peaks = size, list(peaks)
        return tree

    def copy(self) -> MerkleFrontier:
        """Return an independent tree with the same leaves."""
        return MerkleFrontier.from_frontier(self.size, self.peaks)

    def add(self, leaf: bytes) -> None:
        """Append a leaf, given its hash."""
        size, peaks = self.size, self.peaks
        while size & 1:
            leaf = node_hash(peaks.pop(), leaf)
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the Merkle tree hash over all leaves (RFC 9162, 2.1.1)."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root
