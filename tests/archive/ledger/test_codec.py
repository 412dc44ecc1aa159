"""The codec: content survives a round trip, records are small, and compression bombs are refused."""

from __future__ import annotations

import os
import threading

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.ledger import recipe
from muniment.archive.ledger.codec import (
    MAX_CONTENT,
    DecodeError,
    PayloadDecoder,
    RecordEncoder,
    purpose,
    train,
)
from muniment.archive.ledger.model import LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.ledger.recipe import LiteralBytes
from support.ledgers import dictionary, sha256, text


@given(st.sampled_from(RecordKind), st.binary(max_size=2000), st.integers(1, 30))
def test_content_comes_back(kind: RecordKind, data: bytes, repeat: int) -> None:
    content = data * repeat
    record = RecordEncoder().encode(kind, content)
    assert (record.kind, record.sha, record.size) == (kind, sha256(content), len(content))
    assert PayloadDecoder().payload(record) == content
    assert len(record.payload) <= len(content)


@pytest.fixture(scope="module")
def dictionaries() -> dict[int, bytes]:
    return {1: dictionary(), 2: dictionary(RecordKind.ENVELOPE), 3: dictionary()}


def test_the_latest_dictionary_of_its_kind_is_used(dictionaries: dict[int, bytes]) -> None:
    encoder, decoder = RecordEncoder(dictionaries), PayloadDecoder(dictionaries)
    expected = {
        RecordKind.MESSAGE: 3,
        RecordKind.ENVELOPE: 2,
        RecordKind.QUARANTINE: 3,
        RecordKind.RECEIPT: 0,
        RecordKind.PART: 0,
    }
    for kind, number in expected.items():
        content = recipe.encode([LiteralBytes(text(7, 120))])
        record = encoder.encode_recipe(kind, content, sha256(b"x"), 999)
        assert record.dictionary == number
        assert (record.codec & 0xF == PayloadCodec.ZSTD_DICT) == bool(number)
        assert record.codec & PayloadCodec.RECIPE
        assert decoder.payload(record) == content


def test_a_dictionary_makes_records_smaller(dictionaries: dict[int, bytes]) -> None:
    content = text(9, 60)
    plain, trained = (
        RecordEncoder().encode(RecordKind.MESSAGE, content),
        RecordEncoder(dictionaries).encode(RecordKind.MESSAGE, content),
    )
    assert len(trained.payload) < 0.7 * len(plain.payload)


def test_the_kind_of_a_dictionary_can_be_read_from_it(dictionaries: dict[int, bytes]) -> None:
    assert [purpose(data) for data in dictionaries.values()] == [
        RecordKind.MESSAGE,
        RecordKind.ENVELOPE,
        RecordKind.MESSAGE,
    ]
    assert purpose(b"a foreign one") == RecordKind.MESSAGE


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="no dictionary"):
        train([b"one"], 4096)


def test_a_part_that_hardly_shrinks_stays_raw() -> None:
    content = os.urandom(50_000)
    assert RecordEncoder().encode(RecordKind.PART, content + bytes(500)).codec == PayloadCodec.RAW
    assert RecordEncoder().encode(RecordKind.PART, content + bytes(50_000)).codec == PayloadCodec.ZSTD


def test_content_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="chunks"):
        RecordEncoder().encode(RecordKind.PART, bytes(MAX_CONTENT + 1))
    with pytest.raises(ValueError, match="too large"):
        RecordEncoder().encode_recipe(RecordKind.MESSAGE, bytes(MAX_CONTENT + 1), bytes(32), 1)


def record(codec: int, payload: bytes, size: int = 10, number: int = 0) -> LedgerRecord:
    return LedgerRecord(RecordKind.MESSAGE, bytes(32), size, codec, payload, number)


def test_bombs_and_invalid_payloads_are_refused() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(MAX_CONTENT + 1))
    stream = zstandard.ZstdCompressor().compressobj()
    unstated = stream.compress(bytes(1000)) + stream.flush()
    lying = zstandard.ZstdCompressor().compress(bytes(11))
    for bad in (
        record(PayloadCodec.ZSTD, bomb),
        record(PayloadCodec.ZSTD | PayloadCodec.RECIPE, bomb),
        record(PayloadCodec.ZSTD, unstated, 1000),
        record(PayloadCodec.ZSTD, lying),
        record(PayloadCodec.ZSTD, lying[:-3], 11),
        record(PayloadCodec.ZSTD, b"nonsense"),
        record(PayloadCodec.RAW, b"short"),
        record(PayloadCodec.RAW | PayloadCodec.CHUNK_LIST, bytes(33)),
        record(PayloadCodec.ZSTD_DICT, lying, 11, 4),
        record(3, b"0123456789"),
        record(0x80, b"0123456789"),
        record(PayloadCodec.RECIPE | PayloadCodec.CHUNK_LIST, bytes(32)),
    ):
        with pytest.raises(DecodeError):
            PayloadDecoder().payload(bad)


def test_threads_can_share_encoder_and_decoder(dictionaries: dict[int, bytes]) -> None:
    encoder, decoder = RecordEncoder(dictionaries), PayloadDecoder(dictionaries)
    failures: list[int] = []

    def work(number: int) -> None:
        for seed in range(number * 1000, number * 1000 + 200):
            content = text(seed, 80)
            if decoder.payload(encoder.encode(RecordKind.MESSAGE, content)) != content:
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
