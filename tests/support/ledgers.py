"""Small ledgers with records of every encoding, for tests that tear and damage them."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from pathlib import Path

from muniment.archive.facts import FramePosition
from muniment.archive.ledger import recipe
from muniment.archive.ledger.codec import RecordEncoder, train
from muniment.archive.ledger.local_segments import LocalSegments
from muniment.archive.ledger.model import AppendedRecord, LedgerHead, LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.ledger.recipe import ContentSlice, InlineBase64, LiteralBytes, PartBase64, Piece
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.writer import Ledger

NOON = 1_790_000_000_000_000
"""A time, microseconds since 1970 UTC."""
WORDS = ("ledger", "letter", "harbour", "invoice", "autumn", "meeting", "signed", "cargo", "answer", "seal")


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 of the data."""
    return hashlib.sha256(data).digest()


def text(seed: int, words: int = 200) -> bytes:
    """Return an invented mail that depends on the seed."""
    chosen = random.Random(seed).choices(WORDS, k=words)
    head = f"From: clerk{seed}@example.com\r\nSubject: {' '.join(chosen[:4])}\r\n\r\n"
    return (head + " ".join(chosen)).encode()


def dictionary(kind: RecordKind = RecordKind.MESSAGE) -> bytes:
    """Return a small dictionary, trained on mails of `text`."""
    samples = [recipe.encode([LiteralBytes(text(seed, 60 + seed % 90))]) for seed in range(400)]
    return train(samples, 1024, kind)


@dataclass
class Writing:
    """Fills a ledger, and knows what was put into it."""

    ledger: Ledger
    encoder: RecordEncoder = field(default_factory=RecordEncoder)
    contents: dict[bytes, bytes] = field(default_factory=dict)
    places: dict[bytes, FramePosition] = field(default_factory=dict)
    heads: list[LedgerHead] = field(default_factory=list)
    time: int = NOON

    def append(self, record: LedgerRecord) -> AppendedRecord:
        """Append a record, and note its position."""
        self.time += 1
        appended = self.ledger.append(record, self.time)
        self.places[record.sha] = appended.position
        return appended

    def content(self, kind: RecordKind, data: bytes) -> bytes:
        """Append content itself; returns its hash."""
        sha = sha256(data)
        self.contents[sha] = data
        self.append(self.encoder.encode(kind, data, sha))
        return sha

    def recipe(self, kind: RecordKind, *pieces: Piece) -> bytes:
        """Append a recipe of these pieces; returns the hash of its content."""
        data = b"".join(recipe.rebuild(pieces, lambda sha: (self.contents[sha],)))
        sha = sha256(data)
        self.contents[sha] = data
        self.append(self.encoder.encode_recipe(kind, recipe.encode(pieces), sha, len(data)))
        return sha

    def chunks(self, kind: RecordKind, *chunks: bytes) -> bytes:
        """Append content as a list of chunks; returns its hash."""
        shas = [self.content(RecordKind.PART, chunk) for chunk in chunks]
        data = b"".join(chunks)
        sha = sha256(data)
        self.contents[sha] = data
        self.append(
            LedgerRecord(kind, sha, len(data), PayloadCodec.RAW | PayloadCodec.CHUNK_LIST, b"".join(shas))
        )
        return sha

    def copy(self, seed: int) -> bytes:
        """Append a message with an attachment and its envelope; returns the message's hash."""
        part = self.content(RecordKind.PART, random.Random(seed).randbytes(150) + text(seed, 20))
        inline = InlineBase64(text(seed, 15), 76, b"\r\n")
        message = self.recipe(
            RecordKind.MESSAGE,
            LiteralBytes(text(seed, 40)),
            inline,
            LiteralBytes(b"\r\n--b\r\n"),
            PartBase64(part, 60, b"\n"),
        )
        size = len(self.contents[message])
        self.recipe(
            RecordKind.ENVELOPE,
            LiteralBytes(b"Sender: journal@example.com\r\n"),
            ContentSlice(message, 0, size),
            LiteralBytes(b"--"),
        )
        return message

    def use_dictionary(self, kind: RecordKind = RecordKind.MESSAGE) -> int:
        """Train, commit and use a dictionary; returns its number."""
        number = self.ledger.add_dictionary(dictionary(kind), self.time)
        self.commit()
        self.encoder = RecordEncoder(self.ledger.dictionaries)
        return number

    def commit(self) -> LedgerHead:
        """Commit the batch."""
        self.heads.append(self.ledger.commit())
        return self.heads[-1]


def written(folder: Path, *, segment: int = 1 << 20, batches: int = 3) -> Writing:
    """Write a ledger of some batches in a folder, and close it."""
    return filled(LocalSegments(folder), segment=segment, batches=batches)


def filled(segments: SegmentStore, *, segment: int = 1 << 20, batches: int = 3) -> Writing:
    """Write a ledger of some batches with records of every encoding, and close it."""
    writing = Writing(Ledger.create(segments, segment=segment))
    writing.copy(0)
    writing.commit()
    writing.use_dictionary()
    for batch in range(1, batches):
        writing.copy(batch)
        writing.content(RecordKind.RECEIPT, b'{"v":1,"receipts":[%d]}' % batch)
        writing.chunks(
            RecordKind.MESSAGE if batch % 2 else RecordKind.CHUNKS, text(100 + batch), text(200 + batch, 50)
        )
        writing.commit()
    writing.ledger.close()
    return writing
