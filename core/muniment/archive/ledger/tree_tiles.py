"""The hashes of full subtrees of a ledger's tree, in a file, so that a proof need not read the whole ledger.

A tile is 256 leaves; the next level's tile is 256 tiles. The file has one entry for each full tile of each
level: its hash, and where the ledger continues after it. `docs/ledger-format.md`, section "Tree tiles",
specifies the file.

The file is a projection that may be deleted. It is appended to without a sync, so after a crash its end may
be anything. Each entry has a checksum over its content, its place and the vault's id: that shows damage and
other vaults' files, but no intent. So nothing that is read here is trusted until it leads to a root that is
known otherwise (see ledger_tree.py).
"""

from __future__ import annotations

import os
import struct
from zlib import crc32

from muniment.archive.facts import FramePosition
from muniment.evidence.merkle import node_hash

TILE = 256
"""Leaves of a tile, and tiles of a tile of the next level."""
_BITS = 8
"""TILE is 2 ** _BITS."""
MAGIC = b"MUNTREE1"
_ENTRY = struct.Struct("<32sIQ")
_CRC = struct.Struct("<I")
_SALT = struct.Struct("<8sQ")
SIZE = _ENTRY.size + _CRC.size
"""Bytes of an entry, and of the file's header."""
_AT_ONCE = 4096
"""Entries that are read at a time where many are checked."""


class TilesWrong(Exception):
    """The file can't be used as it is; the text says why."""


class TreeTiles:
    """The file of tiles, by its descriptor, which the caller opens and closes. One thread at a time."""

    def __init__(self, descriptor: int, vault_id: bytes) -> None:
        """Take a file, which may be empty or damaged.

        Args:
            descriptor: The file, open for reading; for `append` and `cut` also for writing.
            vault_id: The vault's id, 8 bytes.

        Raises:
            OSError: The file can't be read.
        """
        self._descriptor = descriptor
        self._vault_id = vault_id
        size = os.fstat(descriptor).st_size
        known = self._sealed(_HEAD, 0)
        begun = os.pread(descriptor, SIZE, 0) == known
        self.tiles = tiles_in(size // SIZE - 1) if begun else 0
        """Number of tiles of the lowest level."""

    def hash(self, level: int, index: int) -> bytes:
        """Return the hash of a tile; there are `tiles // 256 ** level` of a level.

        Raises:
            TilesWrong: Its entry is damaged.
            OSError: The file can't be read.
        """
        return self._entry(number_of(level, index))[0]

    def subtree(self, start: int, width: int) -> bytes:
        """Return the hash over the leaves from `start`, `width` in number, from the fewest tiles.

        Args:
            start: A multiple of `width`.
            width: A power of two, at least TILE. There are tiles for all of these leaves.

        Raises:
            TilesWrong: An entry is damaged, or there are too few.
            OSError: The file can't be read.
        """
        if start + width > self.tiles * TILE:
            raise TilesWrong(f"it has only {self.tiles} tiles")
        level = (width.bit_length() - 1) // _BITS - 1
        each = TILE ** (level + 1)
        return joined([self.hash(level, one) for one in range(start // each, (start + width) // each)])

    def end(self, tiles: int) -> FramePosition:
        """Return where the ledger continues after the first `tiles` tiles of the lowest level.

        Raises:
            TilesWrong: The entry is damaged.
            OSError: The file can't be read.
        """
        if not tiles:
            return FramePosition(0, 0)
        _, segment, offset = self._entry(number_of(0, tiles - 1))
        return FramePosition(segment, offset)

    def append(self, leaves: list[bytes], end: FramePosition) -> None:
        """Add the next tile of the lowest level, and the tiles of higher levels that become full with it.

        Args:
            leaves: The hashes of its leaves, TILE in number.
            end: Where the ledger continues after the last of them.

        Raises:
            TilesWrong: An earlier entry is damaged.
            OSError: The file can't be written.
        """
        if not self.tiles:
            os.ftruncate(self._descriptor, 0)
            self._write(0, self._sealed(_HEAD, 0))
        level, index, hashed = 0, self.tiles, joined(leaves)
        while True:
            number = number_of(level, index)
            self._write(number + 1, self._sealed(_ENTRY.pack(hashed, end.segment, end.offset), number + 1))
            index += 1
            if index % TILE:
                break
            hashed = joined([self.hash(level, one) for one in range(index - TILE, index)])
            level, index = level + 1, index // TILE - 1
        self.tiles += 1

    def cut_damage(self) -> bool:
        """Cut off the file at its first damaged entry; returns whether there was one.

        Raises:
            OSError: The file can't be read or written.
        """
        for number in range(entries_of(self.tiles)):
            if not self._intact(number):
                self.cut(tiles_in(number))
                return True
        return False

    def cut(self, tiles: int) -> None:
        """Keep only the first `tiles` tiles of the lowest level, and the full tiles above them.

        Raises:
            OSError: The file can't be written.
        """
        if tiles < self.tiles:
            self.tiles = tiles
            os.ftruncate(self._descriptor, (entries_of(tiles) + 1) * SIZE)

    def copy_to(self, descriptor: int) -> TreeTiles:
        """Copy the file into an empty one, and return that.

        Raises:
            OSError: The copy can't be made.
        """
        at, end = 0, (entries_of(self.tiles) + 1) * SIZE if self.tiles else 0
        while at < end:
            data = os.pread(self._descriptor, min(_AT_ONCE * SIZE, end - at), at)
            if not data:
                break
            at += os.pwrite(descriptor, data, at)
        return TreeTiles(descriptor, self._vault_id)

    def _intact(self, number: int) -> bool:
        try:
            self._entry(number)
        except TilesWrong:
            return False
        return True

    def _entry(self, number: int) -> tuple[bytes, int, int]:
        """Read hash, segment and offset of an entry."""
        data = os.pread(self._descriptor, SIZE, (number + 1) * SIZE)
        fields = data[: _ENTRY.size]
        if len(data) < SIZE or data != self._sealed(fields, number + 1):
            raise TilesWrong(f"entry {number} is damaged")
        hashed, segment, offset = _ENTRY.unpack(fields)
        return hashed, segment, offset

    def _sealed(self, fields: bytes, place: int) -> bytes:
        """Return fields with their checksum at a place of the file."""
        return fields + _CRC.pack(crc32(fields, crc32(_SALT.pack(self._vault_id, place))))

    def _write(self, place: int, data: bytes) -> None:
        view, at = memoryview(data), place * SIZE
        while view:
            written = os.pwrite(self._descriptor, view, at)
            view, at = view[written:], at + written


_HEAD = MAGIC.ljust(_ENTRY.size, b"\0")


def joined(hashes: list[bytes]) -> bytes:
    """Return the root over hashes of equally high subtrees, a power of two in number."""
    while len(hashes) > 1:
        hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def number_of(level: int, index: int) -> int:
    """Return the number of a tile's entry. A tile of a higher level follows the last one that it covers."""
    last = (index + 1) * TILE**level - 1
    return entries_of(last) + level


def entries_of(tiles: int) -> int:
    """Return the number of entries of a tree with this number of tiles at the lowest level."""
    total = 0
    while tiles:
        total += tiles
        tiles //= TILE
    return total


def tiles_in(entries: int) -> int:
    """Return how many tiles of the lowest level have all their entries among the first `entries`."""
    tiles = max(0, entries - entries // TILE)
    while entries_of(tiles) > max(0, entries):
        tiles -= 1
    while entries_of(tiles + 1) <= entries:
        tiles += 1
    return tiles
