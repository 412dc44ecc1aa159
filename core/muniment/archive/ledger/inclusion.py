"""Inclusion proofs of RFC 9162, 2.1.3: they prove that a record is in the ledger of a checkpoint.

The hashes of leaves come from the headers of frames, so only these are read. Memory grows with the number of
proofs and the height of the tree, not with the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from muniment.archive.ledger.frame import FrameHeader, leaf_hash
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.ledger.walk import walk
from muniment.errors import LedgerDamaged
from muniment.evidence.merkle import node_hash

Peak = tuple[bytes, list[int]]
"""The root of a full subtree, and the wanted leaves in it."""


class InclusionProofs:
    """Builds the proofs of some leaves while all leaves are added in order."""

    def __init__(self, wanted: Collection[int]) -> None:
        """`wanted` are the positions of the leaves to prove, from 0."""
        self._wanted = frozenset(wanted)
        self._peaks: list[Peak] = []
        self.size = 0
        """Number of leaves."""
        self.headers: dict[int, FrameHeader] = {}
        """The headers of the wanted leaves."""
        self.paths: dict[int, list[bytes]] = {position: [] for position in self._wanted}
        """The nodes beside the way from each wanted leaf up to the root. Complete after `finish`."""

    def add(self, header: FrameHeader) -> None:
        """Append the leaf of a frame."""
        peak: Peak = leaf_hash(header.kind, header.time, header.size, header.sha), []
        if self.size in self._wanted:
            self.headers[self.size] = header
            peak[1].append(self.size)
        size = self.size
        while size & 1:
            peak = self._joined(self._peaks.pop(), peak)
            size >>= 1
        self._peaks.append(peak)
        self.size += 1

    def _joined(self, left: Peak, right: Peak) -> Peak:
        for position in left[1]:
            self.paths[position].append(right[0])
        for position in right[1]:
            self.paths[position].append(left[0])
        return node_hash(left[0], right[0]), left[1] + right[1]

    def finish(self) -> bytes:
        """Complete the proofs, and return the root. There must be a leaf."""
        peak = self._peaks.pop()
        while self._peaks:
            peak = self._joined(self._peaks.pop(), peak)
        return peak[0]


def ledger_headers(segments: SegmentStore, size: int) -> Iterator[FrameHeader]:
    """Yield the headers of the first `size` frames of a ledger.

    Raises:
        LedgerDamaged: A header is damaged.
        VaultError: There is no ledger, or a newer program wrote it.
    """
    tag, left = read_vault_id(segments), size
    for number in segments.numbers():
        for item in walk(segments, number, tag, payloads=False):
            if left == 0:
                return
            header = item.header
            if header is None:
                raise LedgerDamaged(f"{segments.name(number)}, offset {item.offset}: a header is damaged")
            yield header
            left -= 1
