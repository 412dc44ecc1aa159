"""The writer: committed records stay and uncommitted ones never count, even when the disk fails."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from muniment.archive.facts import FramePosition
from muniment.archive.ledger import writer
from muniment.archive.ledger.check import check
from muniment.archive.ledger.codec import RecordEncoder
from muniment.archive.ledger.local_segments import LocalSegments, segment_path
from muniment.archive.ledger.model import LedgerHead, LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.ledger.reader import LedgerReader, scan
from muniment.archive.ledger.stored import Dictionaries, FrameReader
from muniment.archive.ledger.writer import Ledger
from muniment.errors import LedgerDamaged, VaultError
from muniment.evidence.merkle import EMPTY_ROOT
from support.ledgers import NOON, Writing, sha256, text, written


def raw(seed: int, size: int = 500) -> LedgerRecord:
    content = seed.to_bytes(4, "big") * (size // 4)
    return LedgerRecord(RecordKind.PART, sha256(content), len(content), PayloadCodec.RAW, content)


def shas(folder: Path, *, committed_only: bool = True) -> list[bytes]:
    return [
        frame.sha
        for frame in scan(LocalSegments(folder), committed_only=committed_only)
        if frame.kind is RecordKind.PART
    ]


def test_a_new_ledger_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    ledger = Ledger.create(LocalSegments(folder))
    assert ledger.head == ledger.commit() == LedgerHead(0, EMPTY_ROOT, 1, 0)
    assert ledger.knows(ledger.head)
    ledger.close()
    assert list(scan(LocalSegments(folder))) == []
    assert check(LocalSegments(folder), deep=True).problems == []
    with pytest.raises(VaultError, match="already"):
        Ledger.create(LocalSegments(folder))
    with pytest.raises(VaultError, match="no ledger"):
        Ledger.open(LocalSegments(tmp_path))


def test_only_what_is_committed_counts(tmp_path: Path) -> None:
    ledger = Ledger.create(LocalSegments(tmp_path / "ledger"))
    first = ledger.append(raw(1), NOON)
    assert shas(tmp_path / "ledger") == []
    ledger.commit()
    second = ledger.append(raw(2), NOON)
    assert shas(tmp_path / "ledger") == [raw(1).sha]
    head = ledger.commit()
    assert (first.sequence, second.sequence, head.tree_size) == (1, 3, 4)
    ledger.append(raw(3), NOON)
    ledger.close()
    assert shas(tmp_path / "ledger", committed_only=False) == [raw(1).sha, raw(2).sha]
    reopened = Ledger.open(LocalSegments(tmp_path / "ledger"))
    assert reopened.head == head
    assert reopened.recovery.torn == []
    assert reopened.append(raw(4), NOON).sequence == 5
    reopened.commit()
    reopened.close()
    assert shas(tmp_path / "ledger") == [raw(1).sha, raw(2).sha, raw(4).sha]
    assert check(LocalSegments(tmp_path / "ledger"), deep=True).problems == []


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    written(tmp_path / "ledger")
    assert stat.S_IMODE((tmp_path / "ledger").stat().st_mode) == 0o700
    for path in (tmp_path / "ledger").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_clock_that_goes_back_does_no_harm(tmp_path: Path) -> None:
    ledger = Ledger.create(LocalSegments(tmp_path / "ledger"))
    for seed, time in enumerate((NOON, NOON - 10**12, 0, -5, NOON)):
        ledger.append(raw(seed), time)
        ledger.commit()
    ledger.close()
    times = [
        frame.time for frame in scan(LocalSegments(tmp_path / "ledger")) if frame.kind is RecordKind.PART
    ]
    assert times == [NOON, NOON - 10**12, 0, -5, NOON]
    assert check(LocalSegments(tmp_path / "ledger"), deep=True).problems == []
    Ledger.open(LocalSegments(tmp_path / "ledger")).close()


def test_only_committed_states_are_known(tmp_path: Path) -> None:
    writing = written(tmp_path / "ledger", segment=2000, batches=6)
    ledger = Ledger.open(LocalSegments(tmp_path / "ledger"))
    assert all(ledger.knows(head) for head in writing.heads)
    for head in writing.heads:
        assert not ledger.knows(LedgerHead(head.tree_size, sha256(b"other"), head.segment, head.offset))
        assert not ledger.knows(LedgerHead(head.tree_size + 1, head.root, head.segment, head.offset))
        assert not ledger.knows(LedgerHead(head.tree_size, head.root, head.segment, head.offset + 1))
        assert not ledger.knows(LedgerHead(head.tree_size, head.root, head.segment + 50, head.offset))
    ledger.close()


def test_each_segment_has_a_copy_of_the_dictionaries_that_it_uses(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    writing = written(folder, segment=2500, batches=12)
    assert len(LocalSegments(folder).numbers()) >= 4
    assert all(
        segment_path(folder, number).stat().st_size >= 2500 for number in LocalSegments(folder).numbers()[:-1]
    )
    frames = list(scan(LocalSegments(folder)))
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    present: set[int] = set()
    for frame in frames:
        if frame.position.offset == 0:
            present = set()
            assert frame.kind is RecordKind.COMMIT
            assert b'"about"' in frame.payload
        if frame.kind is RecordKind.DICTIONARY:
            present.add(frame.dictionary)
        assert not frame.dictionary or frame.dictionary in present
    assert sum(frame.kind is RecordKind.DICTIONARY for frame in frames) >= 3
    assert check(LocalSegments(folder), deep=True).problems == []
    for number in LocalSegments(folder).numbers()[2:]:
        only_this = Dictionaries(FrameReader(LocalSegments(folder), writing.ledger.vault_id))
        only_this.prefer_segment(number)
        if any(f.dictionary == 1 and f.position.segment == number for f in frames):
            assert only_this[1] == writing.ledger.dictionaries[1]


def test_a_dictionary_can_be_used_only_after_its_commit(tmp_path: Path) -> None:
    ledger = Ledger.create(LocalSegments(tmp_path / "ledger"))
    record = LedgerRecord(RecordKind.MESSAGE, bytes(32), 5, PayloadCodec.ZSTD_DICT, b"xxxxx", 1)
    with pytest.raises(ValueError, match="not committed"):
        ledger.append(record, NOON)
    assert ledger.add_dictionary(b"first" * 20) == 1
    assert ledger.add_dictionary(b"second" * 20) == 2
    with pytest.raises(ValueError, match="not committed"):
        ledger.append(record, NOON)
    ledger.rollback()
    assert ledger.add_dictionary(b"third" * 20) == 1
    ledger.commit()
    assert ledger.dictionaries == {1: b"third" * 20}
    ledger.append(record, NOON)
    ledger.close()
    reopened = Ledger.open(LocalSegments(tmp_path / "ledger"))
    assert reopened.dictionaries == {1: b"third" * 20}
    assert reopened.add_dictionary(b"fourth" * 20) == 2
    reopened.commit()
    reader = LedgerReader(LocalSegments(tmp_path / "ledger"), lambda sha: None)
    assert reader.dictionaries == reopened.dictionaries == {1: b"third" * 20, 2: b"fourth" * 20}
    reopened.close()


def test_a_rollback_leaves_no_trace(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    ledger = Ledger.create(LocalSegments(folder), segment=3000)
    for seed in range(4):
        ledger.append(raw(seed), NOON)
        ledger.commit()
        before = {path.name: path.read_bytes() for path in folder.glob("*.seg")}
        for other in range(100, 110):
            ledger.append(raw(other, writer.LARGE), NOON)
        ledger.rollback()
        ledger.rollback()
        after = {path.name: path.read_bytes() for path in folder.glob("*.seg") if path.stat().st_size}
        assert after == before
    ledger.close()
    assert shas(folder) == [raw(seed).sha for seed in range(4)]
    assert check(LocalSegments(folder), deep=True).problems == []


def test_large_batches_are_written_before_the_commit(tmp_path: Path) -> None:
    ledger = Ledger.create(LocalSegments(tmp_path / "ledger"))
    position = None
    for seed in range(40):
        position = ledger.append(raw(seed, 900_000 if seed % 3 else 3_000_000), NOON).position
    path = segment_path(tmp_path / "ledger", 1)
    assert path.stat().st_size > 30_000_000
    ledger.commit()
    ledger.close()
    reader = LedgerReader(LocalSegments(tmp_path / "ledger"), lambda sha: position)
    assert reader.content_bytes(raw(39, 3_000_000).sha) == raw(39, 3_000_000).payload
    assert check(LocalSegments(tmp_path / "ledger"), deep=False).problems == []


# --- disks that fail ----------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Mount a file system of `size` bytes on `folder`; without root rights, limit the size of files."""
    folder.mkdir()
    mounted = os.geteuid() == 0 and (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
        ).returncode
        == 0
    )
    if mounted:
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def commit_four(ledger: Ledger, size: int) -> None:
    for seed in range(2, 6):
        ledger.append(raw(seed, size), NOON)
    ledger.commit()


@pytest.mark.parametrize("size", [1_500_000, 700_000])
def test_a_full_disk_voids_only_the_current_batch(tmp_path: Path, size: int) -> None:
    """Large records fail in `append`, small ones in `commit`."""
    with small_disk(tmp_path / "disk", 2_000_000):
        folder = tmp_path / "disk" / "ledger"
        ledger = Ledger.create(LocalSegments(folder))
        ledger.append(raw(1), NOON)
        head = ledger.commit()
        with pytest.raises(OSError) as failure:
            commit_four(ledger, size)
        assert failure.value.errno in (errno.ENOSPC, errno.EFBIG)
        for call in (ledger.commit, lambda: ledger.append(raw(9), NOON)):
            with pytest.raises(VaultError, match="rolled back"):
                call()
        assert shas(folder) == [raw(1).sha]
        ledger.rollback()
        assert ledger.head == head
        assert segment_path(folder, 1).stat().st_size == head.offset
        ledger.append(raw(7), NOON)
        ledger.commit()
        ledger.close()
        assert shas(folder) == [raw(1).sha, raw(7).sha]
        assert check(LocalSegments(folder), deep=True).problems == []


@pytest.mark.parametrize("call", ["fdatasync", "fsync"])
def test_a_failed_sync_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """`fdatasync` is called for the segment, `fsync` for the folder if the segment is new."""
    folder = tmp_path / "ledger"
    ledger = Ledger.create(LocalSegments(folder))
    ledger.append(raw(1), NOON)
    attempts = []

    def fail(descriptor: int) -> None:
        attempts.append(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(VaultError, match="could not store"):
        ledger.commit()
    monkeypatch.undo()
    for later in (
        ledger.commit,
        ledger.rollback,
        lambda: ledger.append(raw(2), NOON),
        lambda: ledger.add_dictionary(b"d"),
    ):
        with pytest.raises(VaultError, match="open the vault again"):
            later()
    assert len(attempts) == 1
    ledger.close()


def test_a_rollback_that_fails_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.create(LocalSegments(tmp_path / "ledger"))
    ledger.append(raw(1, writer.LARGE), NOON)

    def fail(descriptor: int, length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "ftruncate", fail)
    with pytest.raises(VaultError, match="rolled back"):
        ledger.rollback()
    with pytest.raises(VaultError, match="open the vault again"):
        ledger.commit()
    ledger.close()


def test_a_ledger_with_a_damaged_vault_id_is_not_opened(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    written(folder)
    before = segment_path(folder, 1).read_bytes()
    good = (folder / "vault-id").read_text()
    (folder / "vault-id").write_text("00" * 8 + "\n")
    with pytest.raises(LedgerDamaged, match=good.strip()):
        Ledger.open(LocalSegments(folder))
    assert any("vault-id" in problem for problem in check(LocalSegments(folder), deep=True).problems)
    assert segment_path(folder, 1).read_bytes() == before
    (folder / "vault-id").unlink()
    ledger = Ledger.open(LocalSegments(folder))
    assert ledger.vault_id.hex() == good.strip()
    ledger.close()


def test_append_returns_sequence_and_position_of_the_frame(tmp_path: Path) -> None:
    writing = Writing(Ledger.create(LocalSegments(tmp_path / "ledger"), segment=1500), RecordEncoder())
    appended = []
    for seed in range(30):
        content = text(seed, 50)
        appended.append(writing.append(writing.encoder.encode(RecordKind.PART, content)))
        if seed % 4 == 3:
            writing.commit()
    writing.commit()
    writing.ledger.close()
    found = {frame.sequence: frame.position for frame in scan(LocalSegments(tmp_path / "ledger"))}
    assert all(found[one.sequence] == one.position for one in appended)
    assert FramePosition(1, 0) in found.values()


def test_opening_writes_and_syncs_the_last_batch_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger.create(LocalSegments(tmp_path))
    ledger.append(raw(1), NOON)
    first = ledger.commit()
    ledger.append(raw(2, 3_000_000), NOON)
    last = ledger.commit()
    ledger.close()
    before = segment_path(tmp_path, 1).read_bytes()
    calls: list[tuple[int, int]] = []
    pwrite, fdatasync = os.pwrite, os.fdatasync

    def recording_pwrite(file: int, data: bytes, offset: int) -> int:
        calls.append((offset, offset + len(data)))
        return pwrite(file, data, offset)

    def recording_fdatasync(file: int) -> None:
        calls.append((-1, -1))
        fdatasync(file)

    monkeypatch.setattr(os, "pwrite", recording_pwrite)
    monkeypatch.setattr(os, "fdatasync", recording_fdatasync)
    Ledger.open(LocalSegments(tmp_path)).close()
    *written, sync = calls
    assert sync == (-1, -1)
    assert (written[0][0], written[-1][1]) == (first.offset, last.offset)
    assert [end for _, end in written[:-1]] == [start for start, _ in written[1:]]
    assert segment_path(tmp_path, 1).read_bytes() == before


def test_a_ledger_is_not_opened_while_its_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.create(LocalSegments(tmp_path))
    ledger.append(raw(1), NOON)
    ledger.commit()
    ledger.close()

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="Input/output"):
        Ledger.open(LocalSegments(tmp_path))
