"""Recovery: a torn tail is moved aside; damage is reported and left in place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from muniment.archive.ledger.check import check
from muniment.archive.ledger.codec import RecordEncoder
from muniment.archive.ledger.frame import pack_header
from muniment.archive.ledger.local_segments import LocalSegments, segment_path
from muniment.archive.ledger.model import Frame, LedgerHead, LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.ledger.reader import scan
from muniment.archive.ledger.recovery import Damage, examine, recover
from muniment.archive.ledger.writer import Ledger
from muniment.errors import LedgerDamaged
from support.ledgers import NOON, Writing, sha256, text, written
from support.soak import in_soak


def state(folder: Path) -> tuple[list[Frame], dict[str, bytes]]:
    """Return all committed frames, and the bytes of all segments that are not empty."""
    files = {path.name: path.read_bytes() for path in folder.glob("*.seg") if path.stat().st_size}
    return list(scan(LocalSegments(folder))), files


def torn_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((folder / "torn").glob("*")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("segment", "batches", "every"), [(1500, 4, 7), *in_soak((1500, 4, 1), (1 << 20, 2, 1))]
)
def test_a_ledger_torn_at_any_byte_goes_back_to_its_last_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segment: int, batches: int, every: int
) -> None:
    """`every` is the number of bytes between two cuts. It is also cut around each commit."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    folder = tmp_path / "ledger"
    writing = written(folder, segment=segment, batches=batches)
    last = LocalSegments(folder).numbers()[-1]
    path = segment_path(folder, last)
    whole = path.read_bytes()
    commits = {head.offset: head for head in writing.heads if head.segment == last}
    before = [head for head in writing.heads if head.segment < last]
    head = before[-1] if before else LedgerHead(0, sha256(b""), 1, 0)
    start = 0
    near = {end + n for end in commits for n in (-1, 0, 1)}
    for end in sorted({*range(0, len(whole) + 1, every), *near}.intersection(range(len(whole) + 1))):
        if end in commits:
            head, start = commits[end], end
        path.write_bytes(whole[:end])
        ledger = Ledger.open(LocalSegments(folder), segment=segment)
        assert ledger.head == head
        assert path.read_bytes() == whole[:start]
        assert torn_bytes(folder) == whole[start:end]
        assert [(t.segment, t.offset, t.length) for t in ledger.recovery.torn] == (
            [(last, start, end - start)] if end > start else []
        )
        ledger.close()
        shutil.rmtree(folder / "torn", ignore_errors=True)


def test_a_torn_ledger_can_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    for segment, cut in ((1 << 20, 700), (1500, 30), (1500, 0)):
        writing = written(folder, segment=segment, batches=4)
        path = segment_path(folder, LocalSegments(folder).numbers()[-1])
        path.write_bytes(path.read_bytes()[:cut])
        ledger = Ledger.open(LocalSegments(folder), segment=segment)
        kept = ledger.head.tree_size
        again = Writing(ledger, RecordEncoder(ledger.dictionaries), dict(writing.contents))
        again.copy(50)
        again.commit()
        ledger.close()
        report = check(LocalSegments(folder), deep=True)
        assert report.problems == []
        assert report.tree_size > kept
        shutil.rmtree(folder)


def test_zeros_after_the_last_commit_are_a_torn_tail(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    writing = written(folder)
    with segment_path(folder, 1).open("ab") as file:
        file.write(bytes(3_000_000))
    recovery = recover(LocalSegments(folder))
    assert recovery.head == writing.heads[-1]
    assert [torn.length for torn in recovery.torn] == [3_000_000]
    assert recovery.damage == []
    assert Path(recovery.torn[0].moved_to).stat().st_mode & 0o777 == 0o600


def test_complete_frames_without_a_commit_are_a_torn_tail(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    writing = written(folder)
    frame = pack_header(writing.ledger.vault_id, RecordKind.PART, 0, NOON, 3, sha256(b"abc"), b"abc") + b"abc"
    with segment_path(folder, 1).open("ab") as file:
        file.write(frame)
    assert recover(LocalSegments(folder)).head == writing.heads[-1]
    assert torn_bytes(folder) == frame


def test_examining_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    written(folder)
    with segment_path(folder, 1).open("ab") as file:
        file.write(b"torn")
    before = sorted((path, path.read_bytes()) for path in folder.iterdir())
    assert examine(LocalSegments(folder)).torn[0].length == 4
    assert sorted((path, path.read_bytes()) for path in folder.iterdir()) == before


def damaged(folder: Path, offset: int, number: int = 1) -> bytes:
    """Flip a byte of a segment; returns the segment's new bytes."""
    path = segment_path(folder, number)
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)
    return bytes(data)


@pytest.mark.slow
def test_any_flipped_byte_before_a_commit_is_damage(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    writing = written(folder)
    good = segment_path(folder, 1).read_bytes()
    last = list(scan(LocalSegments(folder)))[-1]
    frames = {frame.position.offset: frame for frame in scan(LocalSegments(folder))}
    starts = sorted(frames)
    for offset in range(0, last.position.offset, 13):
        data = damaged(folder, offset)
        with pytest.raises(LedgerDamaged, match=r"segment 1, offset \d+.*nothing was changed"):
            Ledger.open(LocalSegments(folder))
        recovery = recover(LocalSegments(folder))
        start = max(start for start in starts if start <= offset)
        assert [(d.segment, d.offset, d.length) for d in recovery.damage] == [
            (1, start, frames[start].next_offset - start)
        ]
        assert recovery.head == writing.heads[-1]
        assert segment_path(folder, 1).read_bytes() == data
        assert not (folder / "torn").exists()
        segment_path(folder, 1).write_bytes(good)


def test_a_ledger_with_accepted_damage_goes_on_in_a_new_segment(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    written(folder)
    victim = next(frame for frame in scan(LocalSegments(folder)) if frame.kind is RecordKind.MESSAGE)
    data = damaged(folder, victim.position.offset + 3)
    with segment_path(folder, 1).open("ab") as file:
        file.write(b"a torn tail besides")
    ledger = Ledger.open(LocalSegments(folder), accept_damage=True)
    assert len(ledger.recovery.damage) == 1
    assert torn_bytes(folder) == b"a torn tail besides"
    again = Writing(ledger)
    again.content(RecordKind.MESSAGE, text(70))
    again.commit()
    ledger.close()
    assert segment_path(folder, 1).read_bytes() == data
    Ledger.open(LocalSegments(folder)).close()
    reported: list[Damage] = []
    frames = list(scan(LocalSegments(folder), on_damage=reported.append))
    assert [(d.segment, d.offset) for d in reported] == [(1, victim.position.offset)]
    assert [frame.sequence for frame in frames][-1] == frames[-1].sequence
    assert victim.sequence not in {frame.sequence for frame in frames}
    assert sorted({frame.sequence for frame in frames} | {victim.sequence}) == list(range(len(frames) + 1))


def test_the_root_shows_a_lost_frame(tmp_path: Path) -> None:
    """Exactly one frame is cut out, so that every checksum is right."""
    folder = tmp_path / "ledger"
    written(folder)
    victim = next(frame for frame in scan(LocalSegments(folder)) if frame.kind is RecordKind.RECEIPT)
    path = segment_path(folder, 1)
    data = path.read_bytes()
    path.write_bytes(data[: victim.position.offset] + data[victim.next_offset :])
    with pytest.raises(LedgerDamaged, match="not those that it proves"):
        Ledger.open(LocalSegments(folder))
    with pytest.raises(LedgerDamaged, match="missing"):
        list(scan(LocalSegments(folder)))
    assert any("it proves" in problem for problem in check(LocalSegments(folder), deep=False).problems)


def hostile(vault_id: bytes) -> bytes:
    """A frame and a commit frame, as an attacker may send them by mail."""
    frame = pack_header(vault_id, RecordKind.MESSAGE, 0, NOON, 4, sha256(b"evil"), b"evil") + b"evil"
    commit = b'{"v":1,"count":1,"tree_size":9,"root":"","frontier":[],"dictionaries":{}}'
    return (
        frame
        + pack_header(vault_id, RecordKind.COMMIT, 0, NOON, len(commit), sha256(commit), commit)
        + commit
    )


def test_frames_inside_mail_are_not_taken_for_frames(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    writing = Writing(Ledger.create(LocalSegments(folder)))
    content = b"hello " + hostile(bytes(8)) * 3 + b" bye"
    victim = writing.append(
        LedgerRecord(RecordKind.MESSAGE, sha256(content), len(content), PayloadCodec.RAW, content)
    )
    writing.content(RecordKind.MESSAGE, text(1))
    head = writing.commit()
    writing.ledger.close()
    good = segment_path(folder, 1).read_bytes()
    for offset in (victim.position.offset + 1, victim.position.offset + 85, victim.position.offset + 44):
        damaged(folder, offset)
        recovery = examine(LocalSegments(folder))
        assert [(d.offset, d.length) for d in recovery.damage] == [
            (victim.position.offset, 80 + len(content))
        ]
        assert recovery.head == head
        segment_path(folder, 1).write_bytes(good)
    segment_path(folder, 1).write_bytes(good[: victim.position.offset + 80 + len(content) - 2])
    assert examine(LocalSegments(folder)).damage == []
    assert examine(LocalSegments(folder)).head.tree_size == 0


def test_a_ledger_with_only_torn_segments_starts_empty(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    written(folder)
    segment_path(folder, 1).write_bytes(b"\0" * 1000)
    ledger = Ledger.open(LocalSegments(folder))
    assert ledger.head.tree_size == 0
    writing = Writing(ledger)
    writing.copy(1)
    writing.commit()
    ledger.close()
    assert check(LocalSegments(folder), deep=True).problems == []
