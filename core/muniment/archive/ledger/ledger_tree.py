"""Proofs about a ledger's Merkle tree, in milliseconds for a ledger of any size.

The hashes of full subtrees come from the file of tiles, the others from at most 512 headers of frames. What
the file lacks is read from the ledger. A proof is given out only if it leads to the root that the caller
names, so a file that is damaged, old, of another vault or a forgery can't make a wrong one: then it is made
again from the ledger.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from muniment.archive.facts import FramePosition
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.frame import FrameHeader, leaf_hash
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.tree_tiles import TILE, TilesWrong, TreeTiles, joined
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.ledger.walk import FoundFrame, commit_of, walk
from muniment.errors import LedgerDamaged
from muniment.evidence.tree_proofs import (
    consistency_proof,
    inclusion_proof,
    subtree_root,
    verify_consistency,
    verify_inclusion,
)
from muniment.system.atomic_files import PRIVATE

log = logging.getLogger("muniment.ledger")

STEP = 64
"""Tiles that are read from the ledger at a time; others wait meanwhile."""
HELD = 16
"""Most tiles whose leaves are kept in memory."""
Made = TypeVar("Made")


class InclusionProof(NamedTuple):
    """Shows that a record is at one place of a ledger's tree."""

    sequence: int
    header: FrameHeader
    """What the record's leaf is made of."""
    path: tuple[bytes, ...]
    """The nodes beside the way from the leaf up to the root."""


class ConsistencyProof(NamedTuple):
    """Shows that a ledger's tree has grown from an earlier one."""

    old_root: bytes
    path: tuple[bytes, ...]


class _Leaves(NamedTuple):
    headers: list[FrameHeader]
    hashes: list[bytes]


class LedgerTree:
    """The Merkle tree of a ledger. Thread-safe, and safe while a writer appends to the ledger."""

    def __init__(
        self, segments: SegmentStore, path: Path, work: Callable[[], Path], *, writes: bool, step: int = STEP
    ) -> None:
        """Name the files; nothing is opened.

        Args:
            segments: The ledger's segments.
            path: The file of tiles, which need not exist.
            work: Makes, and returns, a folder for temporary files.
            writes: Whether this is the one process that writes the file. Others make a copy for themselves
                where it lacks something.
            step: Tiles that are read at a time.
        """
        self._segments = segments
        self._path = path
        self._work = work
        self._writes = writes
        self._step = step
        self._lock = threading.RLock()
        self._tiles: TreeTiles | None = None
        self._descriptor = -1
        self._own = False
        """Whether the open file may be written."""
        self._tag = b""
        self._built = False
        """Whether all of the tiles come from the ledger, as this process has read it."""
        self._held: OrderedDict[int, _Leaves] = OrderedDict()

    # --- proofs -------------------------------------------------------------------------------

    def inclusion(self, sequence: int, of: Checkpoint) -> InclusionProof:
        """Prove that a record is in the tree of a checkpoint.

        Args:
            sequence: The leaf index of the record.
            of: Size and root of a tree, which must have that leaf.

        Raises:
            ValueError: The tree has no such leaf.
            LedgerDamaged: The ledger can't prove it: headers are damaged, or the root is another ledger's.
            VaultError: A newer program wrote the ledger.
            OSError: The ledger can't be read, or the tiles can't be written anywhere.
        """

        def make(tiles: TreeTiles) -> InclusionProof | None:
            hashes = _Hashes(self, tiles, of.tree_size)
            path = inclusion_proof(hashes, sequence, of.tree_size)
            leaves = hashes.leaves(sequence // TILE)
            leaf = leaves.hashes[sequence % TILE]
            if not verify_inclusion(leaf, sequence, of.tree_size, path, of.root):
                return None
            return InclusionProof(sequence, leaves.headers[sequence % TILE], tuple(path))

        return self._proven(make, of)

    def consistency(self, old_size: int, of: Checkpoint) -> ConsistencyProof:
        """Prove that the tree of a checkpoint has grown from that of its first `old_size` leaves.

        Raises:
            ValueError: The tree has fewer leaves.
            LedgerDamaged, VaultError, OSError: As `inclusion`.
        """

        def make(tiles: TreeTiles) -> ConsistencyProof | None:
            hashes = _Hashes(self, tiles, of.tree_size)
            path = consistency_proof(hashes, old_size, of.tree_size)
            old_root = subtree_root(hashes, 0, old_size)
            right = verify_consistency(old_size, old_root, of.tree_size, of.root, path)
            return ConsistencyProof(old_root, tuple(path)) if right else None

        return self._proven(make, of)

    def _proven(self, make: Callable[[TreeTiles], Made | None], of: Checkpoint) -> Made:
        """Make a proof, and mend the tiles while none leads to the right root."""
        with self._lock:
            for mend in (self._cut_damage, self._build_again, None):
                try:
                    for _ in self.grow(of.tree_size):
                        pass
                    made = make(self._opened())
                    if made is not None:
                        return made
                    problem = f"the first {of.tree_size} records are not those of the checkpoint {of}"
                except (TilesWrong, LedgerDamaged) as error:
                    problem = str(error)
                self._held.clear()
                if mend is None or not mend(of.tree_size):
                    break
        raise LedgerDamaged(f"{self._segments.place}: {problem}; run `muniment verify`")

    # --- the tiles ----------------------------------------------------------------------------

    def grow(self, size: int) -> Iterator[int]:
        """Read from the ledger what the tiles lack of the first `size` leaves.

        Args:
            size: Number of leaves, all of which are committed.

        Yields:
            After each step, for how many leaves there are tiles.

        Raises:
            LedgerDamaged, VaultError, OSError: As `inclusion`.
        """
        while True:
            with self._lock:
                tiles = self._opened()
                if tiles.tiles >= size // TILE:
                    return
                tiles = self._writable()
                try:
                    self._read_on(tiles, min(size // TILE, tiles.tiles + self._step))
                except TilesWrong:
                    tiles.cut_damage()
                done = tiles.tiles * TILE
            yield done

    def close(self) -> None:
        """Close the file. It may be called twice; the next call of another method opens it again."""
        with self._lock:
            self._use(None, -1)
            self._held.clear()

    def _opened(self) -> TreeTiles:
        """Return the tiles; those of an empty file if there are none."""
        if self._tiles is None:
            self._tag = read_vault_id(self._segments)
            try:
                descriptor = self._open_file()
                self._use(TreeTiles(descriptor, self._tag), descriptor, own=self._writes)
            except OSError:
                descriptor = self._temporary()
                self._use(TreeTiles(descriptor, self._tag), descriptor, own=True)
        assert self._tiles is not None
        return self._tiles

    def _open_file(self) -> int:
        """Open the file, and return its descriptor. The writer makes it, also in place of another user's."""
        how = os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_RDWR | os.O_CREAT if self._writes else os.O_RDONLY)
        try:
            return os.open(self._path, how, PRIVATE)
        except OSError:
            if not self._writes:
                raise
            self._path.unlink()
            return os.open(self._path, how, PRIVATE)

    def _use(self, tiles: TreeTiles | None, descriptor: int, *, own: bool = False) -> None:
        if self._tiles is not None:
            os.close(self._descriptor)
        self._tiles, self._descriptor, self._own = tiles, descriptor, own
        self._built = False

    def _writable(self) -> TreeTiles:
        """Return tiles that may be added to: those of the file, or of a copy that no one else sees."""
        tiles = self._opened()
        if not self._own:
            descriptor = self._temporary()
            tiles = tiles.copy_to(descriptor)
            self._use(tiles, descriptor, own=True)
        return tiles

    def _temporary(self) -> int:
        """Make a temporary file without a name, and return its descriptor."""
        descriptor, name = tempfile.mkstemp(dir=self._work())
        with suppress(FileNotFoundError):
            Path(name).unlink()
        return descriptor

    def _read_on(self, tiles: TreeTiles, count: int) -> None:
        """Read the ledger until there are `count` tiles."""
        leaves: list[bytes] = []
        for header, end in self._frames(tiles.end(tiles.tiles), tiles.tiles * TILE):
            leaves.append(leaf_hash(header.kind, header.time, header.size, header.sha))
            if len(leaves) == TILE:
                tiles.append(leaves, end)
                leaves = []
                if tiles.tiles >= count:
                    return
        raise LedgerDamaged("the ledger ends before records that it must have")

    def _frames(self, start: FramePosition, sequence: int) -> Iterator[tuple[FrameHeader, FramePosition]]:
        """Yield the headers of frames, and where each frame ends.

        Args:
            start: Where the first frame begins, or the one before it ends.
            sequence: The leaf index of the first frame, with which each commit frame must agree.
        """
        for number in self._segments.numbers():
            if number < start.segment:
                continue
            offset = start.offset if number == start.segment else 0
            for item in walk(self._segments, number, self._tag, offset, payloads=False):
                if item.header is None:
                    raise self._damaged(number, item.offset, "a header is damaged")
                commit = commit_of(item) if isinstance(item, FoundFrame) else None
                if commit is not None and commit.tree.size != sequence:
                    raise self._damaged(number, item.offset, "records before this commit frame are missing")
                end = item.end if isinstance(item, FoundFrame) else item.offset + item.length
                yield item.header, FramePosition(number, end)
                sequence += 1

    def _damaged(self, number: int, offset: int, what: str) -> LedgerDamaged:
        return LedgerDamaged(f"segment {number}, offset {offset}: {what}")

    def _leaves(self, tiles: TreeTiles, tile: int, size: int) -> _Leaves:
        """Return the leaves of a tile, as far as a tree of `size` leaves has them."""
        wanted = min(TILE, size - tile * TILE)
        held = self._held.get(tile)
        if held is not None and len(held.headers) >= wanted:
            self._held.move_to_end(tile)
            return held
        found = _Leaves([], [])
        for header, _ in self._frames(tiles.end(tile), tile * TILE):
            found.headers.append(header)
            found.hashes.append(leaf_hash(header.kind, header.time, header.size, header.sha))
            if len(found.headers) == wanted:
                break
        else:
            raise LedgerDamaged("the ledger ends before records that it must have")
        if wanted == TILE and joined(found.hashes) != tiles.hash(0, tile):
            raise TilesWrong(f"the leaves of tile {tile} have another hash")
        self._held[tile] = found
        if len(self._held) > HELD:
            self._held.popitem(last=False)
        return found

    # --- mending ------------------------------------------------------------------------------

    def _cut_damage(self, size: int) -> bool:
        """Cut off the tiles from the first damaged entry on; returns that it is worth another try."""
        if self._writable().cut_damage():
            log.info("the end of %s was damaged and is made again", self._path.name)
        return True

    def _build_again(self, size: int) -> bool:
        """Make all tiles of the first `size` leaves from the ledger; returns whether that was possible.

        The present file stays if it is not: it may know hashes of leaves that are damaged by now.
        """
        if self._built:
            return False
        descriptor, name = tempfile.mkstemp(dir=self._work())
        path = Path(name)
        try:
            tiles = TreeTiles(descriptor, self._tag)
            while tiles.tiles < size // TILE:
                self._read_on(tiles, min(size // TILE, tiles.tiles + self._step))
            if self._writes:
                path.replace(self._path)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, LedgerDamaged):
                self._built = True  # what the ledger lacks now, it will lack later
                return False
            raise
        finally:
            path.unlink(missing_ok=True)
        self._use(tiles, descriptor, own=True)
        self._built = True
        log.info("%s did not fit the ledger and was made again", self._path.name)
        return True


class _Hashes:
    """The subtrees of the tree of a ledger's first leaves, for `evidence.tree_proofs`."""

    def __init__(self, tree: LedgerTree, tiles: TreeTiles, size: int) -> None:
        self._tree = tree
        self._tiles = tiles
        self._size = size

    def full(self, start: int, width: int) -> bytes:
        if width >= TILE:
            return self._tiles.subtree(start, width)
        first = start % TILE
        return joined(self.leaves(start // TILE).hashes[first : first + width])

    def leaves(self, tile: int) -> _Leaves:
        """Return the leaves of a tile."""
        return self._tree._leaves(self._tiles, tile, self._size)
