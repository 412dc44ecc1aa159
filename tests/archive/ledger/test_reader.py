"""The reader: content comes back byte for byte in bounded memory, or an error is raised."""

from __future__ import annotations

import hashlib
import threading
import tracemalloc
from pathlib import Path

import pytest

from muniment.archive.facts import FramePosition
from muniment.archive.ledger import recipe
from muniment.archive.ledger.local_segments import LocalSegments, segment_path
from muniment.archive.ledger.model import CHUNK, LedgerHead, LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.ledger.reader import LedgerReader, scan
from muniment.archive.ledger.recipe import ContentSlice, LiteralBytes, PartBase64, Piece
from muniment.archive.ledger.writer import Ledger
from muniment.errors import LedgerDamaged, VaultError
from support.ledgers import Writing, sha256, text, written


def test_everything_comes_back(tmp_path: Path) -> None:
    writing = written(tmp_path / "ledger", segment=2000, batches=8)
    reader = LedgerReader(LocalSegments(tmp_path / "ledger"), writing.places.get)
    for sha, content in writing.contents.items():
        assert reader.content_bytes(sha) == content
        assert b"".join(reader.content(sha)) == content
        assert b"".join(reader.content_at(writing.places[sha])) == content
        assert reader.size(sha) == len(content)
        assert reader.read_frame(writing.places[sha]).sha == sha
    reader.close()
    assert reader.content_bytes(sha) == content


def test_a_scan_can_begin_at_any_frame(tmp_path: Path) -> None:
    writing = written(tmp_path / "ledger", segment=2000, batches=8)
    frames = list(scan(LocalSegments(tmp_path / "ledger")))
    for index, frame in enumerate(frames):
        assert list(scan(LocalSegments(tmp_path / "ledger"), frame.position)) == frames[index:]
    reader = LedgerReader(LocalSegments(tmp_path / "ledger"), writing.places.get)
    for head in writing.heads:
        rest = [frame for frame in frames if frame.sequence > head.tree_size]
        assert list(reader.scan_from(head)) == list(scan(LocalSegments(tmp_path / "ledger"), head)) == rest
    heads = [reader.head(frame) for frame in frames if frame.kind is RecordKind.COMMIT]
    assert [head for head in heads if head in writing.heads] == writing.heads
    assert list(scan(LocalSegments(tmp_path / "ledger"), LedgerHead(0, sha256(b""), 1, 0))) == frames
    with pytest.raises(LedgerDamaged):
        reader.head(next(frame for frame in frames if frame.kind is RecordKind.PART))


def test_references_are_listed(tmp_path: Path) -> None:
    writing = Writing(Ledger.create(LocalSegments(tmp_path / "ledger")))
    message = writing.copy(1)
    chunked = writing.chunks(RecordKind.MESSAGE, b"a" * 100, b"b" * 100, b"a" * 100)
    writing.commit()
    reader = LedgerReader(LocalSegments(tmp_path / "ledger"), writing.places.get)
    (part,) = reader.references(reader.read_frame(writing.places[message]))
    assert writing.contents[part].endswith(text(1, 20))
    assert reader.references(reader.read_frame(writing.places[part])) == []
    frame = reader.read_frame(writing.places[chunked])
    assert reader.references(frame) == [sha256(b"a" * 100), sha256(b"b" * 100)]


def test_reading_goes_on_while_a_writer_appends(tmp_path: Path) -> None:
    writing = Writing(Ledger.create(LocalSegments(tmp_path / "ledger"), segment=20_000))
    reader = LedgerReader(LocalSegments(tmp_path / "ledger"), writing.places.get)
    stop = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                frames = list(scan(LocalSegments(tmp_path / "ledger")))
                assert [frame.sequence for frame in frames] == list(range(len(frames)))
                assert not frames or frames[-1].kind is RecordKind.COMMIT
                for frame in frames[-20:]:
                    b"".join(reader.content_of(frame))
        except BaseException as error:  # noqa: BLE001 - the test thread looks at it
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    writing.copy(0)
    writing.commit()
    writing.use_dictionary()
    for seed in range(1, 120):
        writing.copy(seed)
        if seed % 5 == 0:
            writing.commit()
        if seed % 31 == 0:
            writing.ledger.rollback()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_missing_content_is_damage(tmp_path: Path) -> None:
    writing = Writing(Ledger.create(LocalSegments(tmp_path / "ledger")))
    message = writing.copy(1)
    other = writing.copy(2)
    writing.commit()
    reader = LedgerReader(LocalSegments(tmp_path / "ledger"), {message: writing.places[other]}.get)
    for sha in (message, other):
        with pytest.raises(LedgerDamaged, match="rebuild --catalog"):
            reader.content_bytes(sha)
    for position in (FramePosition(1, 5), FramePosition(1, 10**9), FramePosition(9, 0)):
        with pytest.raises(LedgerDamaged, match=f"segment {position.segment}, offset {position.offset}"):
            reader.read_frame(position)


@pytest.mark.parametrize(
    "pieces",
    [
        [ContentSlice(sha256(b"itself"), 0, 6)],
        [ContentSlice(sha256(b"part"), 0, 5)],
        [LiteralBytes(b"other!")],
        [LiteralBytes(b"too long")],
        [LiteralBytes(b"short")],
        [PartBase64(sha256(b"part"))],
        [PartBase64(sha256(b"missing"))],
    ],
)
def test_a_recipe_that_does_not_make_the_content_is_damage(
    tmp_path: Path, pieces: list[recipe.Piece]
) -> None:
    writing = Writing(Ledger.create(LocalSegments(tmp_path / "ledger")))
    writing.content(RecordKind.PART, b"part")
    sha = sha256(b"itself")
    place = writing.append(
        writing.encoder.encode_recipe(RecordKind.MESSAGE, recipe.encode(pieces), sha, 6)
    ).position
    writing.commit()
    reader = LedgerReader(LocalSegments(tmp_path / "ledger"), writing.places.get)
    with pytest.raises(LedgerDamaged):
        reader.content_bytes(sha)
    with pytest.raises(LedgerDamaged):
        list(reader.content_at(place))


def test_an_invalid_recipe_is_damage(tmp_path: Path) -> None:
    writing = Writing(Ledger.create(LocalSegments(tmp_path / "ledger")))
    sha = sha256(b"x")
    writing.append(
        LedgerRecord(RecordKind.MESSAGE, sha, 1, PayloadCodec.RAW | PayloadCodec.RECIPE, b"\x01\xff")
    )
    writing.append(LedgerRecord(RecordKind.PART, sha256(b"y"), 1, PayloadCodec.ZSTD, b"no zstd"))
    writing.commit()
    reader = LedgerReader(LocalSegments(tmp_path / "ledger"), writing.places.get)
    for bad in (sha, sha256(b"y")):
        with pytest.raises(LedgerDamaged, match="segment 1, offset"):
            reader.content_bytes(bad)
    with pytest.raises(LedgerDamaged, match="number in the recipe"):
        reader.references(reader.read_frame(writing.places[sha]))


def test_content_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    writing = Writing(Ledger.create(LocalSegments(tmp_path / "ledger")))
    sha = writing.content(RecordKind.PART, b"x" * 1000)
    writing.commit()
    reader = LedgerReader(LocalSegments(tmp_path / "ledger"), writing.places.get)
    assert len(reader.content_bytes(sha, 1000)) == 1000
    with pytest.raises(VaultError, match="export it"):
        reader.content_bytes(sha, 999)


def read_large(tmp_path: Path, count: int) -> None:
    """Read a message with an attachment of `count` chunks, and a report that quotes it."""
    ledger = Ledger.create(LocalSegments(tmp_path / "ledger"), segment=3 * CHUNK)
    writing = Writing(ledger)
    chunk = hashlib.shake_256(b"seed").digest(4096) * (CHUNK // 4096)
    part, shas = hashlib.sha256(), []
    tracemalloc.start()
    try:
        for number in range(count):
            data = number.to_bytes(8, "big") + chunk[8:]
            part.update(data)
            shas.append(sha256(data))
            writing.append(LedgerRecord(RecordKind.PART, shas[-1], CHUNK, PayloadCodec.RAW, data))
        writing.append(
            LedgerRecord(
                RecordKind.CHUNKS,
                part.digest(),
                count * CHUNK,
                PayloadCodec.RAW | PayloadCodec.CHUNK_LIST,
                b"".join(shas),
            )
        )
        reader = LedgerReader(LocalSegments(tmp_path / "ledger"), writing.places.get)
        inner: list[Piece] = [LiteralBytes(b"Subject: large\r\n\r\n"), PartBase64(part.digest())]
        writing.commit()
        message = append_recipe(writing, reader, RecordKind.MESSAGE, inner)
        size = reader.size(message)
        report: list[Piece] = [
            LiteralBytes(b"report\r\n"),
            ContentSlice(message, 0, size - 5000),
            ContentSlice(message, size - 4000, 4000),
        ]
        envelope = append_recipe(writing, reader, RecordKind.ENVELOPE, report)
        assert sum(map(len, reader.content_at(writing.places[envelope]))) == size - 1000 + 8
        assert tracemalloc.get_traced_memory()[1] < 8 * CHUNK
    finally:
        tracemalloc.stop()
        ledger.close()


def append_recipe(
    writing: Writing, reader: LedgerReader, kind: RecordKind, pieces: list[recipe.Piece]
) -> bytes:
    """Append and commit a recipe, without holding its content in memory; returns the content's hash."""
    digest, size = hashlib.sha256(), 0
    for made in recipe.rebuild(pieces, reader.content):
        digest.update(made)
        size += len(made)
    writing.append(writing.encoder.encode_recipe(kind, recipe.encode(pieces), digest.digest(), size))
    writing.commit()
    return digest.digest()


def test_large_content_takes_a_few_chunks_of_memory(tmp_path: Path) -> None:
    read_large(tmp_path, 3)


@pytest.mark.soak
def test_very_large_content_takes_no_more_memory(tmp_path: Path) -> None:
    read_large(tmp_path, 10)


def test_many_slices_of_one_message_are_quick(tmp_path: Path) -> None:
    """Reading the message again for each slice would take quadratic time."""
    writing = Writing(Ledger.create(LocalSegments(tmp_path / "ledger")))
    content = text(1, 100_000)
    message = writing.content(RecordKind.MESSAGE, content)
    slices = [ContentSlice(message, start, 40) for start in range(len(content) - 41, 0, -41)]
    made = b"".join(content[piece.offset : piece.offset + 40] for piece in slices)
    encoded = recipe.encode(slices)
    writing.append(writing.encoder.encode_recipe(RecordKind.ENVELOPE, encoded, sha256(made), len(made)))
    writing.commit()
    opened: list[bytes] = []

    def locate(sha: bytes) -> FramePosition | None:
        opened.append(sha)
        return writing.places.get(sha)

    reader = LedgerReader(LocalSegments(tmp_path / "ledger"), locate)
    assert b"".join(reader.content_at(writing.places[sha256(made)])) == made
    assert opened == [message]


def test_a_frame_that_is_cut_off_is_damage(tmp_path: Path) -> None:
    writing = written(tmp_path / "ledger")
    sha = max(writing.contents, key=lambda sha: writing.places[sha].offset)
    path = segment_path(tmp_path / "ledger", 1)
    path.write_bytes(path.read_bytes()[: writing.places[sha].offset + 90])
    reader = LedgerReader(LocalSegments(tmp_path / "ledger"), writing.places.get)
    with pytest.raises(LedgerDamaged, match="damaged"):
        reader.content_bytes(sha)
