"""A vault carries out decisions to erase, also those that a crash has interrupted."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.erasure.apply import erase_frames
from muniment.archive.facts import ErasedFrame
from muniment.archive.ledger.check import check
from muniment.archive.ledger.erased.named import committed_redactions
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.scan import last_head
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.vault.layout import ERASED, segments_of
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import Erased, VaultError
from support.erasing import commit, commit_redaction, named, redaction_of, redaction_of_mail, whole
from support.reports import plain, report
from support.vaults import TestVault


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("erasure") / "vault"
    vault = TestVault(folder)
    vault.archive([report(plain(subject=f"No {number}", body=f"word{number} " * 90)) for number in range(4)])
    vault.client.close()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "vault")
    return tmp_path / "vault"


def last_copy(segments: SegmentStore) -> list[ErasedFrame]:
    """The records of the last message and its report."""
    return named(segments, lambda frame: frame.kind in (RecordKind.MESSAGE, RecordKind.ENVELOPE))[-2:]


def note(folder: Path) -> int:
    return int(json.loads((folder / ERASED).read_text())["tree_size"])


def test_a_vault_erases_what_a_decision_names(folder: Path) -> None:
    frames = last_copy(segments_of(folder))
    with closing(open_vault(folder, write=True)) as vault:
        before = vault.head.tree_size
        assert vault.erase([redaction_of_mail(frames)], 1_800_000_000, vault.head) == [before + 1]
        found = vault.catalog.erasure_of(frames[0].sha)
        assert found is not None
        assert (found.at, found.basis) == (1_790_000_000, "Art. 17")
        for frame in frames:
            with pytest.raises(Erased, match=r"on 2026-09-21, on this basis: Art\. 17"):
                vault.reader.content_bytes(frame.sha)
        assert vault.head.tree_size == note(folder)
    report = check(segments_of(folder), deep=True)
    assert (report.problems, report.notes, report.erased) == ([], [], 2)


def test_a_decision_in_several_records_is_one_batch(folder: Path) -> None:
    frames = last_copy(segments_of(folder))
    with closing(open_vault(folder, write=True)) as vault:
        before = vault.head.tree_size
        decisions = [redaction_of(frames[:1]), redaction_of(frames[1:])]
        assert vault.erase(decisions, 1_800_000_000, vault.head) == [before + 1, before + 2]
        assert vault.head.tree_size == before + 1 + 2
    assert check(segments_of(folder), deep=True).erased == 2


def test_a_decision_that_names_something_else_is_not_committed(folder: Path) -> None:
    frames = last_copy(segments_of(folder))
    before = whole(segments_of(folder), 1)
    with closing(open_vault(folder, write=True)) as vault:
        head = vault.head
        with pytest.raises(VaultError, match="is not there, so nothing was erased"):
            vault.erase([redaction_of([frames[0]._replace(sha=bytes(32))])], 1_800_000_000, vault.head)
        with pytest.raises(ValueError, match="order of the ledger"):
            vault.erase([redaction_of(frames[::-1])], 1_800_000_000, vault.head)
        assert vault.head == head
    assert whole(segments_of(folder), 1)[: len(before)] == before


@pytest.mark.parametrize("erased", [0, 1, 2])
@pytest.mark.parametrize("noted", [False, True])
def test_opening_for_writing_finishes_an_erasure(folder: Path, erased: int, noted: bool) -> None:
    """The program was killed after it had committed the decision, and before the catalog knew of it."""
    segments = segments_of(folder)
    frames = last_copy(segments)
    if not noted:
        (folder / ERASED).unlink()
    commit_redaction(segments, frames)
    erase_frames(segments, frames[:erased])
    with closing(open_vault(folder, write=True)) as vault:
        assert vault.head == last_head(segments)
        assert note(folder) == vault.head.tree_size
    report = check(segments, deep=True)
    assert (report.problems, report.notes, report.erased) == ([], [], 2)


def test_a_reader_is_refused_what_a_decision_has_erased(folder: Path) -> None:
    segments = segments_of(folder)
    frames = last_copy(segments)
    other = named(segments, lambda frame: frame.kind is RecordKind.MESSAGE)[0]
    commit(segments, redaction_of_mail(frames))
    with closing(open_vault(folder, write=False)) as vault:
        for frame in frames:
            with pytest.raises(Erased, match="on this basis: Art"):
                list(vault.reader.content(frame.sha))
        assert vault.reader.content_bytes(other.sha)
    assert check(segments, deep=True).notes


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"tree_size": "x"}', '{"tree_size": 1e999}', "\xff"])
def test_a_note_that_can_not_be_read_is_none(folder: Path, text: str) -> None:
    segments = segments_of(folder)
    frames = last_copy(segments)
    commit_redaction(segments, frames)
    (folder / ERASED).write_text(text, "latin-1")
    open_vault(folder, write=True).close()
    assert check(segments, deep=True).erased == 2


def test_a_note_of_another_ledger_is_none(folder: Path) -> None:
    segments = segments_of(folder)
    frames = last_copy(segments)
    commit_redaction(segments, frames)
    head = last_head(segments)
    assert head is not None
    wrong = {"tree_size": head.tree_size, "root": "00" * 32, "segment": head.segment, "offset": head.offset}
    (folder / ERASED).write_text(json.dumps(wrong))
    open_vault(folder, write=True).close()
    assert check(segments, deep=True).erased == 2


def test_a_rebuild_erases_again_even_what_is_noted_as_done(folder: Path) -> None:
    """Such as when old segments were copied back beside a newer note."""
    segments = segments_of(folder)
    with closing(open_vault(folder, write=True)) as vault:
        vault.erase([redaction_of_mail(last_copy(segments))], 1_800_000_000, vault.head)
    erased = whole(segments, 1)
    (one,) = committed_redactions(segments)
    old = bytearray(erased)
    for frame in one.redaction.frames:
        old[frame.offset + 80 : frame.offset + 85] = b"hello"
    segments.put(1, [bytes(old)])
    assert check(segments, deep=False).notes
    rebuild_catalog(folder)
    assert whole(segments, 1)[: len(erased)] == erased
