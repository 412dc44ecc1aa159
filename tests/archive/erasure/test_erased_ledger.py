"""A ledger of which something is erased: its proofs hold, and anything else that looks erased is damage."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from muniment.archive.erasure.apply import erase_frames
from muniment.archive.facts import ErasedFrame
from muniment.archive.ledger.check import LedgerCheck, check
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.codec import RecordEncoder
from muniment.archive.ledger.frame import HEADER_SIZE, erased_header, pack_header
from muniment.archive.ledger.local_segments import LocalSegments
from muniment.archive.ledger.model import PayloadCodec, RecordKind
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.recipe import PartBase64
from muniment.archive.ledger.records import json_record
from muniment.archive.ledger.recovery import examine
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.ledger.writer import Ledger
from muniment.errors import Erased, LedgerDamaged
from support.erasing import commit_redaction, erase, named, overwrite, redaction_of, whole
from support.ledgers import NOON, Writing, filled, sha256

TOOL = Path(__file__).parents[3] / "tools" / "verify_ledger.py"


@pytest.fixture
def segments(tmp_path: Path) -> LocalSegments:
    return LocalSegments(tmp_path / "ledger")


@pytest.fixture
def writing(segments: LocalSegments) -> Writing:
    return filled(segments, segment=2500, batches=6)


def unneeded(segments: LocalSegments) -> list[ErasedFrame]:
    """The frames of mail that nothing else refers to: the last copy, and the last list with its chunks."""
    return named(segments)[-6:]


def deep(segments: LocalSegments) -> LedgerCheck:
    return check(segments, deep=True)


def by_the_tool(segments: LocalSegments, *options: str) -> tuple[int, str]:
    command = [sys.executable, str(TOOL), segments.place, *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout


# --- what is right ------------------------------------------------------------------------


def test_all_earlier_proofs_hold(segments: LocalSegments, writing: Writing) -> None:
    before = deep(segments)
    leaves = [(f.kind, f.time, f.size, f.sha, f.position) for f in scan(segments)]
    frames = unneeded(segments)
    erase(segments, frames)
    report = check(segments, deep=True, checkpoints=[Checkpoint(h.tree_size, h.root) for h in writing.heads])
    assert (report.problems, report.notes, report.erased) == ([], [], len(frames))
    assert [proof.state for proof in report.proofs] == ["unchanged"] * len(writing.heads)
    after = [(f.kind, f.time, f.size, f.sha, f.position) for f in scan(segments)]
    assert after[: len(leaves)] == leaves
    assert (report.messages, report.envelopes) == (before.messages, before.envelopes)
    was = [f"--was={head.tree_size}:{head.root.hex()}" for head in writing.heads]
    code, said = by_the_tool(segments, *was)
    assert code == 0, said
    assert f"{len(frames)} records are erased" in said


def test_nothing_of_the_payload_is_left_and_all_else_is_byte_for_byte_the_same(
    segments: LocalSegments, writing: Writing
) -> None:
    frames = unneeded(segments)
    head = commit_redaction(segments, frames)
    before = {number: bytearray(whole(segments, number)) for number in segments.numbers()}
    assert erase_frames(segments, frames) == len(frames)
    for frame in frames:
        end = frame.offset + HEADER_SIZE + frame.length
        expected = erased_header(read_vault_id(segments), frame) + bytes(frame.length)
        before[frame.segment][frame.offset : end] = expected
    assert {number: bytearray(whole(segments, number)) for number in segments.numbers()} == before
    assert deep(segments).root == head.root


def test_reading_says_when_and_why_it_was_erased(segments: LocalSegments, writing: Writing) -> None:
    frames = unneeded(segments)
    erase(segments, frames)
    decision = redaction_of(frames, "Art. 17\x1b[31m GDPR")
    reader = LedgerReader(segments, writing.places.get, lambda sha: decision)
    with pytest.raises(Erased, match=r"was erased on 2026-09-21, on this basis: Art\. 17.*GDPR") as caught:
        list(reader.content(frames[-1].sha))
    assert "\x1b" not in str(caught.value)
    assert caught.value.exit_code == 16
    unknown = LedgerReader(segments, lambda sha: None, {frames[-1].sha: decision}.get)
    with pytest.raises(Erased, match="was erased on 2026-09-21"):
        unknown.content_bytes(frames[-1].sha)
    for sha, content in writing.contents.items():
        if sha not in {frame.sha for frame in frames}:
            assert reader.content_bytes(sha) == content


def test_content_that_refers_to_erased_content_is_damaged(segments: LocalSegments, writing: Writing) -> None:
    message = next(frame for frame in scan(segments) if frame.kind is RecordKind.MESSAGE)
    part = named(segments, lambda frame: frame.kind is RecordKind.PART)[0]
    erase(segments, [part])
    reader = LedgerReader(segments, writing.places.get)
    with pytest.raises(LedgerDamaged, match="erased, but other content refers to it"):
        list(reader.content_of(message))
    assert any("erased, but other content refers to it" in one for one in deep(segments).problems)
    code, said = by_the_tool(segments)
    assert code == 1
    assert "refers to it" in said


def test_content_that_another_record_holds_as_well_is_no_erased_content(segments: LocalSegments) -> None:
    writing = Writing(Ledger.create(segments, segment=2500))
    writing.content(RecordKind.PART, b"the same bytes twice" * 9)
    writing.commit()
    writing.content(RecordKind.PART, b"the same bytes twice" * 9)
    writing.commit()
    writing.recipe(RecordKind.MESSAGE, PartBase64(sha256(b"the same bytes twice" * 9), 60, b"\n"))
    writing.commit()
    writing.ledger.close()
    for which in (0, 1):
        erase(segments, [named(segments)[which]])
        report = deep(segments)
        assert (report.erased, bool(report.problems)) == (which + 1, bool(which))
        assert by_the_tool(segments)[0] == which


def test_a_ledger_with_erasures_is_written_further(segments: LocalSegments, writing: Writing) -> None:
    frames = unneeded(segments)
    erase(segments, frames)
    assert examine(segments).damage == []
    ledger = Ledger.open(segments)
    again = Writing(ledger, RecordEncoder(ledger.dictionaries))
    again.copy(77)
    again.commit()
    ledger.close()
    report = deep(segments)
    assert (report.problems, report.erased) == ([], len(frames))


def test_a_writer_erases_while_a_check_reads(segments: LocalSegments, writing: Writing) -> None:
    """What is erased after the state that is checked is neither damage nor unfinished."""
    head, frames = writing.heads[-1], unneeded(segments)
    erase(segments, frames)
    report = check(segments, deep=True, until=head)
    assert (report.problems, report.notes, report.erased) == ([], [], len(frames))
    overwrite(segments, frames[0].segment, frames[0].offset, b"\0" * HEADER_SIZE)
    assert check(segments, deep=False, until=head).problems


# --- what is damage -----------------------------------------------------------------------


def rewrite(segments: LocalSegments, frame: ErasedFrame, payload: bytes, **changed: int) -> None:
    """Put another frame of the same length at a frame's place."""
    fields = {"kind": frame.kind, "codec": PayloadCodec.ERASED, "time": frame.time, "size": frame.size}
    header = pack_header(read_vault_id(segments), **fields | changed, sha=frame.sha, payload=payload)
    overwrite(segments, frame.segment, frame.offset, header + payload)


def unnamed(segments: LocalSegments, frame: ErasedFrame) -> None:
    rewrite(segments, frame, bytes(frame.length))


def uncommitted(segments: LocalSegments, frame: ErasedFrame) -> None:
    size = len(whole(segments, max(segments.numbers())))
    commit_redaction(segments, [frame])
    erase_frames(segments, [frame])
    number = max(segments.numbers())
    data = whole(segments, number)
    tail = data.rfind(b"MUNF")
    assert tail > size
    segments.put(number, [data[:tail]])


def not_zeros(segments: LocalSegments, frame: ErasedFrame) -> None:
    erase(segments, [frame])
    rewrite(segments, frame, bytes(frame.length - 1) + b"x")


def with_dictionary(segments: LocalSegments, frame: ErasedFrame) -> None:
    erase(segments, [frame])
    rewrite(segments, frame, bytes(frame.length), dictionary=1)


def with_more_bits(segments: LocalSegments, frame: ErasedFrame) -> None:
    erase(segments, [frame])
    rewrite(segments, frame, bytes(frame.length), codec=PayloadCodec.ERASED | PayloadCodec.RECIPE)


def named_otherwise(segments: LocalSegments, frame: ErasedFrame, **changed: int) -> None:
    fields = frame._asdict() | changed
    commit_redaction(segments, [ErasedFrame(**fields)])
    unnamed(segments, frame)


def stale_header(segments: LocalSegments, frame: ErasedFrame) -> None:
    """Zeros under the old header, and no redaction: this is no erasure, but damage."""
    overwrite(segments, frame.segment, frame.offset + HEADER_SIZE, bytes(frame.length))


def with_other_time(segments: LocalSegments, frame: ErasedFrame) -> None:
    erase(segments, [frame])
    rewrite(segments, frame, bytes(frame.length), time=frame.time + 1)


def named_with_another_hash(segments: LocalSegments, frame: ErasedFrame) -> None:
    commit_redaction(segments, [frame._replace(sha=bytes(32))])
    unnamed(segments, frame)


def unreadable_redaction(segments: LocalSegments, frame: ErasedFrame) -> None:
    ledger = Ledger.open(segments)
    ledger.append(json_record(RecordEncoder(), RecordKind.REDACTION, {"v": 1, "frames": [[1]]}), NOON)
    ledger.commit()
    ledger.close()


def redaction_of_a_later_frame(segments: LocalSegments, frame: ErasedFrame) -> None:
    last = max(segments.numbers())
    commit_redaction(segments, [frame._replace(sequence=10**6, segment=last + 9)])


FORGED: dict[str, tuple[Callable[[LocalSegments, ErasedFrame], None], str]] = {
    "no redaction": (unnamed, "no committed redaction"),
    "redaction not committed": (uncommitted, "no committed redaction"),
    "payload not zeros": (not_zeros, "not zeros"),
    "a dictionary": (with_dictionary, "dictionary|not zeros"),
    "more bits of the codec": (with_more_bits, "codec"),
    "another length": (partial(named_otherwise, length=7), "other values|names it so"),
    "another kind": (partial(named_otherwise, kind=RecordKind.QUARANTINE), "other values|names it so"),
    "another time": (partial(named_otherwise, time=5), "other values|names it so"),
    "another size": (partial(named_otherwise, size=5), "other values|names it so"),
    "another sequence": (partial(named_otherwise, sequence=3), "other values|names it so"),
    "another offset": (partial(named_otherwise, offset=17), "no committed redaction|not there"),
    "another hash": (named_with_another_hash, "other values|names it so"),
    "another time in the frame": (with_other_time, "proves"),
    "zeros without a redaction": (stale_header, "damaged"),
    "a redaction without its form": (unreadable_redaction, "redaction.*(can't be read|not readable)"),
    "a redaction of a later frame": (redaction_of_a_later_frame, "not come before it"),
}


UNSEEN = {"a redaction without its form", "a redaction of a later frame"}
"""What only a check finds, since opening a ledger for writing reads no more than it must."""


@pytest.mark.parametrize("name", sorted(set(FORGED) - UNSEEN))
def test_a_ledger_that_ends_with_a_forged_erasure_is_not_opened(segments: LocalSegments, name: str) -> None:
    filled(segments, batches=4)
    FORGED[name][0](segments, unneeded(segments)[-1])
    assert examine(segments).damage
    with pytest.raises(LedgerDamaged, match="damaged in segment 1, offset"):
        Ledger.open(segments)


@pytest.mark.parametrize("name", FORGED)
def test_every_other_form_of_an_erased_frame_is_damage(
    segments: LocalSegments, writing: Writing, name: str
) -> None:
    forge, expected = FORGED[name]
    frame = unneeded(segments)[-1]
    forge(segments, frame)
    problems = "\n".join(deep(segments).problems)
    assert problems
    code, said = by_the_tool(segments)
    assert code == 1, said
    for found in (problems, said):
        assert re.search(expected, found), found
