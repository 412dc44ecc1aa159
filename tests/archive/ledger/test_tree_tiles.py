"""The file of tiles: where its entries are, and that damage and another vault's file are noticed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.facts import FramePosition
from muniment.archive.ledger.tree_tiles import (
    SIZE,
    TILE,
    TilesWrong,
    TreeTiles,
    entries_of,
    joined,
    number_of,
    tiles_in,
)
from muniment.evidence.merkle import MerkleFrontier

VAULT = b"vault id"
COUNT = 2 * TILE + 3
"""Tiles of the lowest level, so that there are two of the next one."""


def leaf(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


@cache
def leaves(tile: int) -> list[bytes]:
    """Leaves that are quickly made: those of one tile are all equal."""
    return [leaf(tile)] * TILE


def end(tile: int) -> FramePosition:
    return FramePosition(1 + tile // 7, 1_000_003 * tile)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of a file with COUNT tiles."""
    path = tmp_path_factory.mktemp("tiles") / "tree.tiles"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    tiles = TreeTiles(descriptor, VAULT)
    for number in range(COUNT):
        tiles.append(leaves(number), end(number))
    os.close(descriptor)
    return path.read_bytes()


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    made = os.open(tmp_path / "tree.tiles", os.O_RDWR | os.O_CREAT, 0o600)
    yield made
    os.close(made)


def opened(descriptor: int, content: bytes, vault: bytes = VAULT) -> TreeTiles:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)
    return TreeTiles(descriptor, vault)


def test_every_tile_has_its_hash_and_its_end(whole: bytes, descriptor: int) -> None:
    tiles = opened(descriptor, whole)
    assert tiles.tiles == COUNT
    assert len(whole) == SIZE * (1 + COUNT + 2)
    lowest = [joined(leaves(number)) for number in range(COUNT)]
    assert [tiles.hash(0, number) for number in range(COUNT)] == lowest
    assert [tiles.end(number + 1) for number in range(COUNT)] == [end(number) for number in range(COUNT)]
    assert [tiles.hash(1, number) for number in range(2)] == [
        joined(lowest[:TILE]),
        joined(lowest[TILE : 2 * TILE]),
    ]


def test_subtrees_are_those_of_the_frontier(whole: bytes, descriptor: int) -> None:
    tiles, tree = opened(descriptor, whole), MerkleFrontier()
    for number in range(COUNT):
        for one in leaves(number):
            tree.add(one)
    peaks, start = [], 0
    for bit in range(tree.size.bit_length(), -1, -1):
        if tree.size >> bit & 1:
            peaks.append(tiles.subtree(start, 1 << bit))
            start += 1 << bit
    assert peaks == tree.peaks
    with pytest.raises(TilesWrong, match="only"):
        tiles.subtree(start, TILE)


def test_a_file_goes_on_wherever_it_was_cut(whole: bytes, descriptor: int) -> None:
    for last in (1, 2, TILE, TILE + 1, TILE + 2, COUNT + 2):
        for size in range((last - 1) * SIZE, (last + 1) * SIZE):
            tiles = opened(descriptor, whole[:size])
            assert tiles.tiles == tiles_in(size // SIZE - 1)
            for number in range(tiles.tiles, min(tiles.tiles + 3, COUNT)):
                tiles.append(leaves(number), end(number))
            kept = os.pread(descriptor, len(whole) + 1, 0)
            assert kept == whole[: (entries_of(tiles.tiles) + 1) * SIZE]


@pytest.mark.parametrize("place", [0, 1, TILE, TILE + 1, TILE + 2, COUNT + 1])
def test_a_flipped_bit_is_noticed_and_cut_off(whole: bytes, descriptor: int, place: int) -> None:
    for byte in range(SIZE):
        damaged = bytearray(whole)
        damaged[(place + 1) * SIZE + byte] ^= 1 << byte % 8
        tiles = opened(descriptor, bytes(damaged))
        assert tiles.cut_damage()
        assert tiles.tiles == tiles_in(place)
        assert not tiles.cut_damage()
        tiles.append(leaves(tiles.tiles), end(tiles.tiles))
        kept = os.pread(descriptor, len(whole) + 1, 0)
        assert kept == whole[: len(kept)]
        assert TreeTiles(descriptor, VAULT).tiles == tiles.tiles == tiles_in(place) + 1


def test_a_damaged_header_begins_the_file_again(whole: bytes, descriptor: int) -> None:
    for byte in range(SIZE):
        damaged = bytearray(whole)
        damaged[byte] ^= 0x40
        tiles = opened(descriptor, bytes(damaged))
        assert tiles.tiles == 0
        tiles.append(leaves(0), end(0))
        assert os.pread(descriptor, len(whole), 0) == whole[: 2 * SIZE]


def test_another_vaults_file_and_entries_elsewhere_are_noticed(whole: bytes, descriptor: int) -> None:
    assert opened(descriptor, whole, b"other id").tiles == 0
    swapped = whole[:SIZE] + whole[2 * SIZE : 3 * SIZE] + whole[SIZE : 2 * SIZE] + whole[3 * SIZE :]
    tiles = opened(descriptor, swapped)
    for number in range(2):
        with pytest.raises(TilesWrong):
            tiles.hash(0, number)


def test_a_copy_is_equal(whole: bytes, descriptor: int, tmp_path: Path) -> None:
    copied = os.open(tmp_path / "copy", os.O_RDWR | os.O_CREAT, 0o600)
    assert opened(descriptor, whole + b"more").copy_to(copied).tiles == COUNT
    assert (tmp_path / "copy").read_bytes() == whole
    os.ftruncate(copied, 0)
    assert opened(descriptor, b"").copy_to(copied).tiles == 0
    os.close(copied)


@given(st.integers(0, 1 << 40))
def test_entries_are_counted_both_ways(tiles: int) -> None:
    entries = entries_of(tiles)
    assert tiles_in(entries) == tiles
    assert tiles_in(entries - 1) == max(0, tiles - 1)
    assert tiles_in(entries + 1) == tiles + (entries_of(tiles + 1) == entries + 1)


def test_each_entry_has_a_place_of_its_own() -> None:
    tiles = 3 * TILE**2 + 5
    places = [number_of(level, one) for level in range(3) for one in range(tiles // TILE**level)]
    assert sorted(places) == list(range(entries_of(tiles)))
