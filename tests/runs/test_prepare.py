"""How a worker prepares a batch, and how requests and replies pass through the pipes."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest

from muniment.archive.ledger.codec import PayloadDecoder, RecordEncoder
from muniment.archive.ledger.model import LedgerRecord, PayloadCodec, RecordKind
from muniment.mail.mime.split import split
from muniment.mail.mime.walker import leaves
from muniment.parsing.pipe_frames import KEPT, PipeReader, send
from muniment.runs.prepare import prepare as module
from muniment.runs.prepare.prepare import CopyPreparer
from muniment.runs.prepare.prepared_copy import CopyJob, PreparedCopy
from support.corpus import malformed
from support.reports import plain, report

BROKEN = b"A mail over which a reader breaks"


def batch() -> list[CopyJob]:
    """Reports and plain copies, some with attachments, and one that can't be unwrapped."""
    logo = bytes(range(256)) * 20
    mails = [
        plain(subject=f"Number {n}", attachments=[("logo.png", logo)] if n % 3 == 0 else [])
        for n in range(12)
    ]
    jobs = [CopyJob(report(mail, recipients=["bob@example.com"]), "", True) for mail in mails]
    jobs += [CopyJob(mail, "", False) for mail in mails[:4]]
    return [*jobs, CopyJob(b"X-MS-Journal-Report:\r\n\r\nnothing in it", "", True)]


def prepared(jobs: list[CopyJob]) -> list[PreparedCopy]:
    made = CopyPreparer({}).prepare(jobs)
    assert all(isinstance(copy, PreparedCopy) for copy in made)
    return [copy for copy in made if isinstance(copy, PreparedCopy)]


def records(copy: PreparedCopy) -> Iterator[LedgerRecord]:
    yield copy.envelope
    for message in copy.messages:
        yield message.record
        yield from message.parts


def test_a_batch_gives_the_results_of_its_single_mails() -> None:
    jobs = batch()
    together = prepared(jobs)
    assert together == [prepared([job])[0] for job in jobs]
    assert [bool(copy.problem) for copy in together] == [False] * 16 + [True]
    assert {record.codec & 0xF for copy in together for record in records(copy)} == {
        PayloadCodec.RAW,
        PayloadCodec.ZSTD,
    }


@pytest.mark.slow
def test_batches_of_malformed_mail_give_the_results_of_single_mails() -> None:
    mails = [mail for _, mail in malformed()][:200]
    for journal in (False, True):
        jobs = [CopyJob(report(mail) if journal else mail, "", journal) for mail in mails]
        assert prepared(jobs) == [prepared([job])[0] for job in jobs]


@pytest.mark.parametrize("stage", ["read_report", "split", "leaves", "read_message", "content_hash"])
def test_a_mail_that_breaks_a_stage_harms_no_other(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    real = getattr(module, stage)

    def breaking(data: bytes, *more: Any) -> Any:
        if BROKEN in data:
            raise RecursionError
        return real(data, *more)

    jobs = batch()
    sound = prepared(jobs)
    monkeypatch.setattr(module, stage, breaking)
    bad = CopyJob(report(plain(body=BROKEN)), "", True)
    made = CopyPreparer({}).prepare([*jobs[:5], bad, *jobs[5:]])
    assert made.pop(5) == "RecursionError"
    assert made == sound


def test_memory_of_a_failed_stage_is_freed_before_the_next_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise one mail that fills a worker's memory would leave none for the next ones."""
    held: list[weakref.ref[Any]] = []

    class Heap(bytearray):
        pass

    def breaking(data: bytes, *_: Any) -> Any:
        assert not [one for one in held if one() is not None]
        heap = Heap(1000)
        held.append(weakref.ref(heap))
        raise MemoryError

    monkeypatch.setattr(module, "leaves", breaking)
    assert CopyPreparer({}).prepare(batch()[:5]) == ["MemoryError"] * 5
    assert len(held) == 5


def test_packed_records_and_chunk_lists_are_not_packed_again() -> None:
    encoder = RecordEncoder()
    recipe = LedgerRecord(
        RecordKind.MESSAGE, bytes(32), 5000, PayloadCodec.RAW | PayloadCodec.RECIPE, bytes(5000)
    )
    packed = encoder.pack(recipe)
    assert packed.codec == PayloadCodec.ZSTD | PayloadCodec.RECIPE
    chunked = LedgerRecord(
        RecordKind.CHUNKS, bytes(32), 5000, PayloadCodec.RAW | PayloadCodec.CHUNK_LIST, bytes(3200)
    )
    assert (encoder.pack(packed), encoder.pack(chunked)) == (packed, chunked)


def test_a_fault_of_the_machine_is_not_blamed_on_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "read_message", full)
    with pytest.raises(OSError, match="No space"):
        CopyPreparer({}).prepare(batch())


def test_a_payload_that_does_not_come_back_is_stored_uncompressed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = RecordEncoder.pack

    def corrupting(self: RecordEncoder, record: LedgerRecord) -> LedgerRecord:
        other = msgspec.structs.replace(record, payload=bytes(len(record.payload)))
        return real(self, other if record.kind is RecordKind.MESSAGE else record)

    sound = prepared(batch())
    monkeypatch.setattr(RecordEncoder, "pack", corrupting)
    decoder = PayloadDecoder()
    for before, after in zip(sound, prepared(batch()), strict=True):
        for one, other in zip(records(before), records(after), strict=True):
            assert decoder.payload(one) == decoder.payload(other)
            assert other.kind is not RecordKind.MESSAGE or other.codec & 0xF == PayloadCodec.RAW


def test_a_message_that_its_pieces_do_not_rebuild_is_stored_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    mail = plain(attachments=[("data.bin", bytes(5000))])
    monkeypatch.setattr(module, "leaves", lambda data: leaves(data.replace(b"data.bin", b"atad.nib")))
    assert prepared([CopyJob(mail, "", False)])[0].messages[0].parts

    monkeypatch.setattr(module, "split", lambda data, found: split(data, found)[:-1])
    (message,) = prepared([CopyJob(mail, "", False)])[0].messages
    assert not message.parts
    assert PayloadDecoder().payload(message.record) == mail


# --- pipes --------------------------------------------------------------------------------------


class Letter(msgspec.Struct):
    """A value to send."""

    sizes: list[int]
    text: str


LETTERS = msgspec.msgpack.Decoder(Letter)


def test_frames_and_their_payloads_pass_through_a_pipe() -> None:
    pieces = [b"", b"x", os.urandom(3_000_000), *(bytes([n % 256]) * n for n in range(1500))]
    letters = [Letter([len(piece) for piece in pieces], "a" * size) for size in (0, 10, KEPT + 1, 7)]
    source, target = os.pipe()

    def write() -> None:
        for letter in letters:
            send(target, letter, pieces)
        os.close(target)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(source, "rb") as pipe:
        reader = PipeReader(pipe, LETTERS)
        for letter in letters:
            assert reader.receive() == letter
            assert [reader.behind(size) for size in letter.sizes] == pieces
        assert reader.receive() is None
    writer.join()


@pytest.mark.parametrize("cut", [3, 8, 12, 40])
def test_a_stream_that_ends_early_gives_no_value(cut: int) -> None:
    source, target = os.pipe()
    send(target, Letter([20], "text"), [b"y" * 20])
    whole = os.read(source, 1000)
    os.write(target, whole[:cut])
    os.close(target)
    with closing(os.fdopen(source, "rb")) as pipe:
        reader = PipeReader(pipe, LETTERS)
        if cut < 40:
            assert reader.receive() is None
        else:
            assert reader.receive() == Letter([20], "text")
            with pytest.raises(EOFError):
                reader.behind(20)


def test_a_pipe_without_a_reader_is_an_error() -> None:
    source, target = os.pipe()
    os.close(source)
    with pytest.raises(BrokenPipeError):
        send(target, Letter([], ""))
    os.close(target)
