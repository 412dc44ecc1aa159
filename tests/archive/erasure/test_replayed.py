"""A catalog that is built from a ledger with erasures: right ones are followed, others are damage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.catalog.replay import known_damage, replay
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.erasure.apply import erase_frames
from muniment.archive.facts import DAMAGED, ErasedFrame
from muniment.archive.ledger.check import LedgerCheck
from muniment.archive.ledger.erased.named import committed_redactions
from muniment.archive.ledger.frame import HEADER_SIZE, erased_header
from muniment.archive.ledger.model import LedgerHead, RecordKind
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.operations.verify import VerifyLimits, verify_vault
from muniment.archive.vault.layout import ERASED, segments_of
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import open_vault
from support.erased import erase
from support.erasing import commit, named, overwrite, redaction_of_mail, whole
from support.reports import plain, report
from support.vaults import TestVault


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    made = TestVault(tmp_path / "vault")
    made.archive([report(plain(subject=f"No {number}", body=f"word{number} " * 90)) for number in range(3)])
    made.archive([report(plain(subject="Last"))])
    yield made
    made.client.close()


def verified(folder: Path, deep: bool) -> LedgerCheck:
    with closing(open_vault(folder, write=False)) as opened:
        *_, found = verify_vault(opened, deep, limits=VerifyLimits(patience=0.5))
    assert isinstance(found, LedgerCheck)
    return found


def forge(folder: Path, frame: ErasedFrame) -> None:
    """Put zeros and the header of an erased frame where no decision allows it."""
    segments = segments_of(folder)
    data = erased_header(read_vault_id(segments), frame) + bytes(frame.length)
    overwrite(segments, frame.segment, frame.offset, data)


@pytest.mark.parametrize("kind", [RecordKind.MESSAGE, RecordKind.ENVELOPE])
def test_a_rebuild_takes_a_forged_erasure_for_damage(vault: TestVault, kind: RecordKind) -> None:
    """Another batch follows, so the end of the ledger is sound."""
    vault.client.close()
    frame = named(segments_of(vault.folder), lambda one: one.kind is kind)[0]
    forge(vault.folder, frame)
    damage = rebuild_catalog(vault.folder, accept_damage=True)
    expected = f"segment 1, offset {frame.offset}, {HEADER_SIZE + frame.length} bytes: {kind.name.lower()} "
    assert [one for one in damage if one.startswith(expected) and "no committed redaction" in one]
    for deep in (False, True):
        assert any("no committed redaction" in one for one in verified(vault.folder, deep).problems)
    with closing(open_vault(vault.folder, write=False)) as opened:
        row = opened.catalog.message_by_sha(frame.sha)
        assert (row is not None and DAMAGED in row.notes) == (kind is RecordKind.MESSAGE)
        assert opened.catalog.erasure_of(frame.sha) is None


@pytest.mark.parametrize("deep", [False, True])
def test_verification_tells_an_interrupted_erasure_from_damage(vault: TestVault, deep: bool) -> None:
    """The catalog has forgotten the mail. The ledger still has a record, half a record, and half a header."""
    segments = segments_of(vault.folder)
    before = whole(segments, 1)
    erase(vault, [hit.id for hit in vault.messages()[:3]])
    vault.client.close()
    (one,) = committed_redactions(segments)
    frames = one.redaction.frames
    assert len(frames) == 6
    for number, frame in enumerate(frames[:3]):
        end = frame.offset + HEADER_SIZE + frame.length
        old = before[frame.offset : end]
        part = (old, old[: len(old) // 2], old[:74])[number]
        overwrite(segments, frame.segment, frame.offset, part)
    report = verified(vault.folder, deep)
    assert report.problems == []
    assert any(note.startswith("3 records that a decision has erased") for note in report.notes)
    assert report.erased == 3
    (vault.folder / ERASED).unlink()
    open_vault(vault.folder, write=True).close()
    report = verified(vault.folder, deep)
    assert (report.problems, report.notes, report.erased) == ([], [], 6)


@pytest.mark.parametrize("erased", range(5))
def test_a_catalog_of_a_ledger_that_is_erased_in_part_is_the_same(vault: TestVault, erased: int) -> None:
    """A copy may still be there when its message is gone: it is no copy that lost its message by damage."""
    segments = segments_of(vault.folder)
    before = whole(segments, 1)
    erase(vault, [hit.id for hit in vault.messages()[:2]])
    vault.client.close()
    (one,) = committed_redactions(segments)
    frames = one.redaction.frames
    for frame in (*frames[:erased], *frames[erased + 1 :]):
        end = frame.offset + HEADER_SIZE + frame.length
        overwrite(segments, frame.segment, frame.offset, before[frame.offset : end])
    assert len(frames) == 4
    report = verified(vault.folder, True)
    assert (report.problems, report.erased) == ([], int(erased < 4))


def test_verification_names_a_forged_erasure_beside_right_ones(vault: TestVault) -> None:
    erase(vault, [vault.messages()[0].id])
    assert verified(vault.folder, True).problems == []
    vault.client.close()
    forged = named(segments_of(vault.folder), lambda one: one.kind is RecordKind.ENVELOPE)[0]
    forge(vault.folder, forged)
    problems = verified(vault.folder, True).problems
    assert [one for one in problems if forged.sha.hex() in one and "no committed redaction" in one]


def test_what_is_erased_during_a_replay_is_forgotten_by_the_next_one(
    vault: TestVault, tmp_path: Path
) -> None:
    """Its decision comes after the state that the replay ends at, so the first catalog can't know it."""
    vault.client.close()
    segments = segments_of(vault.folder)
    frames = named(segments, lambda one: one.kind in (RecordKind.MESSAGE, RecordKind.ENVELOPE))[-2:]
    met: list[LedgerHead] = []

    def erase_now(head: LedgerHead) -> bool:
        if not met:
            commit(segments, redaction_of_mail(frames))
            assert erase_frames(segments, frames) == 2
        met.append(head)
        return False

    made = []
    for number, stopped in enumerate((erase_now, lambda head: False)):
        work = tmp_path / f"work{number}"
        work.mkdir()
        catalog = SqliteCatalog.create(tmp_path / f"catalog{number}.db", read_vault_id(segments))
        replay(catalog, segments, None, work, stopped)
        replay(catalog, segments, catalog.head, work)
        made.append(catalog.dump())
        assert known_damage(catalog) == []
        catalog.close()
    assert len(met) > 2
    assert made[0] == made[1]
    assert made[0]["totals"].messages == 3
