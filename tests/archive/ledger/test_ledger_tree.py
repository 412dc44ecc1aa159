"""Proofs of a ledger's tree: they agree with its commits and all of its headers, whatever the file holds."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.frame import HEADER_SIZE, leaf_hash
from muniment.archive.ledger.inclusion import InclusionProofs, ledger_headers
from muniment.archive.ledger.ledger_tree import LedgerTree
from muniment.archive.ledger.local_segments import LocalSegments, segment_path
from muniment.archive.ledger.model import LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.ledger.tree_tiles import SIZE, TILE, TreeTiles
from muniment.archive.ledger.writer import Ledger
from muniment.errors import LedgerDamaged
from muniment.evidence.merkle import MerkleFrontier
from muniment.evidence.tree_proofs import verify_consistency, verify_inclusion
from support.ledgers import NOON, sha256

SEGMENT = 60_000


@dataclass(frozen=True)
class Made:
    """A ledger and the roots of all its trees."""

    folder: Path
    heads: list[Checkpoint]
    """Its committed states, the oldest first."""
    roots: list[bytes]
    """The root of each size."""
    leaves: list[bytes]

    @property
    def last(self) -> Checkpoint:
        return self.heads[-1]

    @property
    def segments(self) -> LocalSegments:
        return LocalSegments(self.folder)

    def tree(self, path: Path, *, writes: bool = True, step: int = 2) -> LedgerTree:
        return LedgerTree(self.segments, path, lambda: path.parent, writes=writes, step=step)

    def check(self, tree: LedgerTree, sequence: int, of: Checkpoint) -> None:
        """Assert that a proof is right."""
        proof = tree.inclusion(sequence, of)
        assert proof.sequence == sequence
        header = proof.header
        leaf = leaf_hash(header.kind, header.time, header.size, header.sha)
        assert leaf == self.leaves[sequence]
        assert verify_inclusion(leaf, sequence, of.tree_size, proof.path, self.roots[of.tree_size])


def record(number: int) -> LedgerRecord:
    content = number.to_bytes(4, "big") * (1 + number % 5)
    return LedgerRecord(RecordKind.PART, sha256(content), len(content), PayloadCodec.RAW, content)


def append(folder: Path, first: int, batches: int, each: int) -> list[Checkpoint]:
    """Append batches of records to a ledger, and return the states after them."""
    begin = Ledger.open if (folder / "vault-id").exists() else Ledger.create
    ledger = begin(LocalSegments(folder), segment=SEGMENT)
    heads = []
    for batch in range(batches):
        for number in range(each):
            ledger.append(record(first + batch * each + number), NOON + number)
        head = ledger.commit()
        heads.append(Checkpoint(head.tree_size, head.root))
    ledger.close()
    return heads


def described(folder: Path, heads: list[Checkpoint]) -> Made:
    tree, roots, leaves = MerkleFrontier(), [MerkleFrontier().root()], []
    for header in ledger_headers(LocalSegments(folder), heads[-1].tree_size):
        leaves.append(leaf_hash(header.kind, header.time, header.size, header.sha))
        tree.add(leaves[-1])
        roots.append(tree.root())
    return Made(folder, heads, roots, leaves)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A ledger of some 2,300 leaves in several segments."""
    folder = tmp_path_factory.mktemp("ledger") / "ledger"
    found = described(folder, append(folder, 0, 30, 76))
    assert len(found.segments.numbers()) > 3
    assert found.last.tree_size > 8 * TILE
    assert all(found.roots[head.tree_size] == head.root for head in found.heads)
    return found


@pytest.fixture(scope="module")
def tiles(made: Made, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of its file of tiles."""
    path = tmp_path_factory.mktemp("tiles") / "tree.tiles"
    tree = made.tree(path)
    made.check(tree, 0, made.last)
    tree.close()
    return path.read_bytes()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, bytes]:
    """A ledger of two tiles and a part of one, and the content of its file."""
    folder = tmp_path_factory.mktemp("small")
    found = described(folder / "ledger", append(folder / "ledger", 0, 6, 90))
    tree = found.tree(folder / "tree.tiles")
    found.check(tree, 0, found.last)
    tree.close()
    return found, (folder / "tree.tiles").read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tree.tiles"


def test_records_are_proven_in_the_last_state(made: Made, path: Path) -> None:
    tree = made.tree(path)
    for sequence in range(0, made.last.tree_size, 3):
        made.check(tree, sequence, made.last)
    assert path.stat().st_mode & 0o777 == 0o600


def test_proofs_are_those_of_reading_the_whole_ledger(made: Made, path: Path) -> None:
    wanted = range(0, made.last.tree_size, 97)
    read = InclusionProofs(wanted)
    for header in ledger_headers(made.segments, made.last.tree_size):
        read.add(header)
    assert read.finish() == made.last.root
    tree = made.tree(path)
    for sequence in wanted:
        proof = tree.inclusion(sequence, made.last)
        assert (proof.header, list(proof.path)) == (read.headers[sequence], read.paths[sequence])


def test_every_state_is_proven_from_every_earlier_one(made: Made, path: Path) -> None:
    tree = made.tree(path)
    sizes = [0, *(head.tree_size for head in made.heads)]
    for of in made.heads:
        for old in sizes:
            if old <= of.tree_size:
                proof = tree.consistency(old, of)
                assert proof.old_root == made.roots[old]
                assert verify_consistency(old, made.roots[old], of.tree_size, of.root, proof.path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_record_is_proven_in_any_tree(made: Made, path: Path, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, made.last.tree_size))
    of = Checkpoint(size, made.roots[size])
    tree = made.tree(path, step=data.draw(st.integers(1, 9)))
    made.check(tree, data.draw(st.integers(0, size - 1)), of)
    old = data.draw(st.integers(0, size))
    assert tree.consistency(old, of).old_root == made.roots[old]
    tree.close()


def test_impossible_questions_are_refused(made: Made, path: Path) -> None:
    tree = made.tree(path)
    with pytest.raises(ValueError, match="no leaf"):
        tree.inclusion(made.last.tree_size, made.last)
    with pytest.raises(ValueError, match="can't begin"):
        tree.consistency(made.last.tree_size + 1, made.last)
    for wrong in (
        Checkpoint(made.last.tree_size, bytes(32)),
        Checkpoint(made.last.tree_size - 1, made.last.root),
    ):
        with pytest.raises(LedgerDamaged, match="not those of the checkpoint"):
            tree.inclusion(5, wrong)
        with pytest.raises(LedgerDamaged, match="not those of the checkpoint"):
            tree.consistency(5, wrong)
    with pytest.raises(LedgerDamaged, match="ends before"):
        tree.inclusion(5, Checkpoint(2 * made.last.tree_size, made.last.root))
    made.check(tree, 5, made.last)


# --- the file -------------------------------------------------------------------------------------


def flipped(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def forged(made: Made, content: bytes, path: Path, change: Callable[[TreeTiles, int], None]) -> None:
    """Write a file whose checksums are right and whose entries are not."""
    path.write_bytes(b"")
    descriptor = os.open(path, os.O_RDWR)
    tree = TreeTiles(descriptor, bytes.fromhex((made.folder / "vault-id").read_text()))
    for number in range(len(content) // SIZE - 1):
        change(tree, number)
    os.close(descriptor)


def rewritten(made: Made, tree: LedgerTree, path: Path, tiles: bytes) -> None:
    """Assert that proofs are right, and that the file was mended."""
    for sequence in (0, 300, 700, 1500, made.last.tree_size - 1):
        made.check(tree, sequence, made.last)
    tree.close()
    assert path.read_bytes() == tiles


def test_a_file_cut_at_each_byte_is_completed(small: tuple[Made, bytes], path: Path) -> None:
    made, tiles = small
    assert len(tiles) == 3 * SIZE
    for size in range(len(tiles)):
        path.write_bytes(tiles[:size])
        tree = made.tree(path)
        made.check(tree, size % made.last.tree_size, made.last)
        tree.close()
        assert path.read_bytes() == tiles


def test_a_file_with_a_flipped_bit_never_gives_a_wrong_proof(small: tuple[Made, bytes], path: Path) -> None:
    made, tiles = small
    for at in range(len(tiles)):
        path.write_bytes(flipped(tiles, at, at % 8))
        tree = made.tree(path)
        made.check(tree, at * 7 % made.last.tree_size, made.last)
        made.check(tree, at * 11 % made.last.tree_size, made.last)
        tree.close()


@pytest.mark.parametrize("content", [b"", b"x", bytes(5000), b"MUNTREE1" * 600, os.urandom(7000)])
def test_a_file_of_anything_else_is_made_again(made: Made, path: Path, tiles: bytes, content: bytes) -> None:
    path.write_bytes(content)
    rewritten(made, made.tree(path), path, tiles)


def test_the_end_of_a_file_that_a_crash_left_is_made_again(made: Made, path: Path, tiles: bytes) -> None:
    for kept in range(0, len(tiles), SIZE):
        path.write_bytes(tiles[:kept].ljust(len(tiles), b"\0"))
        rewritten(made, made.tree(path), path, tiles)
        path.write_bytes(tiles[:kept].ljust(2 * len(tiles), b"\0"))
        made.check(made.tree(path), 5, made.last)


def test_a_forged_file_with_right_checksums_is_made_again(made: Made, path: Path, tiles: bytes) -> None:
    reader = made.tree(path)
    reader.inclusion(0, made.last)
    assert reader._tiles is not None
    places = [reader._tiles.end(number + 1) for number in range(made.last.tree_size // TILE)]
    reader.close()
    for wrong in range(len(places)):

        def other_leaves(tree: TreeTiles, number: int, wrong: int = wrong) -> None:
            leaves = made.leaves[number * TILE : (number + 1) * TILE]
            tree.append(leaves if number != wrong else leaves[::-1], places[number])

        def other_place(tree: TreeTiles, number: int, wrong: int = wrong) -> None:
            place = places[number] if number != wrong else places[number - 1]
            tree.append(made.leaves[number * TILE : (number + 1) * TILE], place)

        for change in (other_leaves, other_place):
            forged(made, tiles, path, change)
            tree = made.tree(path)
            for sequence in range(3, made.last.tree_size, TILE):
                made.check(tree, sequence, made.last)
            tree.close()
        assert path.read_bytes() == tiles


def test_an_older_file_is_completed_and_a_newer_one_used(made: Made, path: Path, tiles: bytes) -> None:
    older = made.heads[12]
    tree = made.tree(path)
    made.check(tree, 3, older)
    tree.close()
    assert len(path.read_bytes()) < len(tiles)
    assert tiles.startswith(path.read_bytes())
    rewritten(made, made.tree(path), path, tiles)
    for head in made.heads:
        made.check(made.tree(path), head.tree_size // 2, head)
    assert path.read_bytes() == tiles


def test_another_vaults_file_is_made_again(made: Made, path: Path, tiles: bytes, tmp_path: Path) -> None:
    other = described(tmp_path / "other", append(tmp_path / "other", 500, 30, 76))
    tree = other.tree(path)
    other.check(tree, 5, other.last)
    tree.close()
    assert len(path.read_bytes()) == len(tiles)
    rewritten(made, made.tree(path), path, tiles)


def test_a_ledger_that_went_another_way_after_it_was_set_back_is_proven(
    made: Made, path: Path, tiles: bytes, tmp_path: Path
) -> None:
    """The file still has tiles of the records that were lost."""
    copy = Path(shutil.copytree(made.folder, tmp_path / "copy"))
    numbers = LocalSegments(copy).numbers()
    for number in numbers[len(numbers) // 2 :]:
        segment_path(copy, number).unlink()
    back = described(copy, append(copy, 90_000, 20, 76))
    path.write_bytes(tiles)
    tree = back.tree(path)
    for sequence in range(0, back.last.tree_size, 61):
        back.check(tree, sequence, back.last)


# --- readers and writers --------------------------------------------------------------------------


def test_a_reader_changes_no_file(made: Made, path: Path, tiles: bytes) -> None:
    for content in (None, tiles, tiles[:700], flipped(tiles, 5 * SIZE, 0), b"x" * 900):
        if content is not None:
            path.write_bytes(content)
        tree = made.tree(path, writes=False)
        for sequence in (0, 1300, made.last.tree_size - 1):
            made.check(tree, sequence, made.last)
        tree.close()
        assert sorted(path.parent.iterdir()) == ([] if content is None else [path])
        assert content is None or path.read_bytes() == content


def test_a_file_that_can_not_be_opened_is_done_without(made: Made, path: Path) -> None:
    path.mkdir()
    for writes in (True, False):
        made.check(made.tree(path, writes=writes), 1000, made.last)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("writes", [True, False])
def test_no_link_is_followed(made: Made, path: Path, tiles: bytes, writes: bool) -> None:
    elsewhere = path.parent / "elsewhere"
    for content in (None, b"important"):
        if content is not None:
            elsewhere.write_bytes(content)
        path.unlink(missing_ok=True)
        path.symlink_to(elsewhere)
        made.check(made.tree(path, writes=writes), 1000, made.last)
        assert (elsewhere.read_bytes() if elsewhere.exists() else None) == content
        assert path.is_symlink() != writes
        assert not writes or path.read_bytes() == tiles


def test_tiles_grow_in_steps_while_proofs_are_made(made: Made, path: Path) -> None:
    tree = made.tree(path, step=1)
    steps = tree.grow(made.last.tree_size)
    assert next(steps) == TILE
    made.check(tree, 2000, made.last)
    assert list(steps) == []
    assert list(tree.grow(made.last.tree_size)) == []


def test_many_threads_prove_at_the_same_time(made: Made, path: Path) -> None:
    tree, wrong = made.tree(path), list[BaseException]()

    def prove(seed: int) -> None:
        chosen = random.Random(seed)
        try:
            for _ in range(60):
                of = chosen.choice(made.heads)
                made.check(tree, chosen.randrange(of.tree_size), of)
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            wrong.append(error)

    threads = [threading.Thread(target=prove, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- damage of the ledger -------------------------------------------------------------------------


@pytest.fixture
def harmed(made: Made, tmp_path: Path) -> Made:
    """A copy of the ledger whose second segment has a damaged header in its middle."""
    folder = Path(shutil.copytree(made.folder, tmp_path / "harmed"))
    whole = segment_path(folder, 2).read_bytes()
    tag = bytes.fromhex((folder / "vault-id").read_text())
    at = whole.index(tag, len(whole) // 2) - 8
    segment_path(folder, 2).write_bytes(flipped(whole, at + HEADER_SIZE - 1, 3))
    return Made(folder, made.heads, made.roots, made.leaves)


def test_tiles_prove_records_far_from_a_damaged_header(harmed: Made, path: Path, tiles: bytes) -> None:
    path.write_bytes(tiles)
    tree = harmed.tree(path)
    refused = []
    for sequence in range(0, harmed.last.tree_size, TILE):
        try:
            harmed.check(tree, sequence, harmed.last)
        except LedgerDamaged as error:
            refused.append(str(error))
    assert len(refused) == 1
    assert "a header is damaged" in refused[0]
    assert path.read_bytes() == tiles, "the file knows more than the ledger, and stays"


def test_without_tiles_a_damaged_header_leaves_only_earlier_states(harmed: Made, path: Path) -> None:
    tree = harmed.tree(path)
    with pytest.raises(LedgerDamaged, match="a header is damaged"):
        harmed.check(tree, 0, harmed.last)
    early = [head for head in harmed.heads if head.tree_size < 400]
    assert early
    for head in early:
        harmed.check(tree, head.tree_size - 1, head)


def test_a_damaged_payload_does_not_matter(made: Made, tmp_path: Path, path: Path, tiles: bytes) -> None:
    folder = Path(shutil.copytree(made.folder, tmp_path / "worn"))
    whole = segment_path(folder, 2).read_bytes()
    tag = bytes.fromhex((folder / "vault-id").read_text())
    at = whole.index(tag, len(whole) // 2) - 8
    segment_path(folder, 2).write_bytes(flipped(whole, at + HEADER_SIZE, 3))
    worn = Made(folder, made.heads, made.roots, made.leaves)
    rewritten(worn, worn.tree(path), path, tiles)
