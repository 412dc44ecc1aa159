"""Content to records and back: zstd, with dictionaries of the vault's own mail where there are any.

A dictionary says itself for which kind of record it was trained: the low byte of the id in its zstd
header is the kind. zstd contexts are dear to make and belong to one thread each, so every thread
keeps its own.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

import zstandard

from muniment.archive.ledger.model import CHUNK, Codec, Kind, Record

LEVEL = 3
PART_LEVEL = 1
PART_GAIN = 0.97
"""A part is stored raw unless compression leaves less than this share of it."""
MAX_CONTENT = 4 * CHUNK
"""Nothing is decoded to more bytes than this at once; larger content is a chunk list."""
DICTIONARY_SIZE = 110 * 1024
_PIECES, _MATCHES = 1024, 8
"""Bytes of the pieces that a dictionary is put together from, and of the matches by which they are chosen.

What zstd's own search over several sizes ends with on mail of 4 KB and more; it takes four times as long.
"""

_BASE = 0x0F
_PURPOSE = 0x4D554E00
"""The ids of our dictionaries in their zstd headers: this, and the kind of record they are for."""
_STANDS_IN = {Kind.ENVELOPE: Kind.MESSAGE, Kind.QUARANTINE: Kind.MESSAGE}
"""Whose dictionary serves a kind that has none of its own."""


class DecodeError(ValueError):
    """A payload can't be decoded to what its record states."""


class Stored(Protocol):
    """What the decoder needs of a record or a frame."""

    @property
    def codec(self) -> int: ...
    @property
    def dictionary(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def payload(self) -> bytes: ...


def train(
    samples: Sequence[bytes], size: int = DICTIONARY_SIZE, kind: Kind = Kind.MESSAGE, level: int = LEVEL
) -> bytes:
    """A zstd dictionary for records of `kind`, trained on decoded payloads (`Decoder.payload`).

    Takes about 0.1 s for 500 samples of a few KB each.

    Raises:
        ValueError: there are too few samples, or they are too much alike, to train on.
    """
    try:
        trained = zstandard.train_dictionary(
            size, list(samples), k=_PIECES, d=_MATCHES, level=level, dict_id=_PURPOSE | kind
        )
    except zstandard.ZstdError as error:
        raise ValueError(f"no dictionary can be trained on {len(samples)} samples: {error}") from error
    return trained.as_bytes()


def purpose(dictionary: bytes) -> Kind:
    """The kind of record that a dictionary was trained for; a foreign one counts as for messages."""
    stated = int.from_bytes(dictionary[4:8], "little")
    try:
        return Kind(stated & 0xFF) if stated & ~0xFF == _PURPOSE else Kind.MESSAGE
    except ValueError:
        return Kind.MESSAGE


class Encoder:
    """Makes records; usable from any number of threads.

    `dictionaries` are the ledger's, by id; of each purpose the latest is used. They must be
    committed to the ledger before a record that this makes is appended.
    """

    def __init__(self, dictionaries: Mapping[int, bytes] | None = None, level: int = LEVEL) -> None:
        self._level = level
        self._current: dict[Kind, tuple[int, zstandard.ZstdCompressionDict]] = {}
        for number, data in sorted((dictionaries or {}).items()):
            prepared = zstandard.ZstdCompressionDict(data)
            prepared.precompute_compress(level=level)
            self._current[purpose(data)] = number, prepared
        for kind, other in _STANDS_IN.items():
            if kind not in self._current and other in self._current:
                self._current[kind] = self._current[other]
        self._local = threading.local()

    def encode(self, kind: Kind, content: bytes, sha: bytes | None = None) -> Record:
        """The record of content as it is; `sha` is its SHA-256 where the caller knows it.

        Raises:
            ValueError: it has more than MAX_CONTENT bytes and must be a chunk list.
        """
        if len(content) > MAX_CONTENT:
            raise ValueError(f"content of {len(content)} bytes must be kept as a list of chunks")
        if sha is None:
            sha = hashlib.sha256(content).digest()
        codec, dictionary, payload = self._compress(kind, content)
        return Record(kind, sha, len(content), codec, payload, dictionary)

    def encode_recipe(self, kind: Kind, recipe: bytes, sha: bytes, size: int) -> Record:
        """The record of content that `recipe` makes; `sha` and `size` are the content's.

        Raises:
            ValueError: the recipe has more than MAX_CONTENT bytes.
        """
        if len(recipe) > MAX_CONTENT:
            raise ValueError(f"a recipe of {len(recipe)} bytes is too large: refer to parts instead")
        codec, dictionary, payload = self._compress(kind, recipe)
        return Record(kind, sha, size, codec | Codec.RECIPE, payload, dictionary)

    def pack(self, record: Record) -> Record:
        """A record with its payload compressed where that gains; what is packed or a list of chunks stays."""
        if record.codec & ~Codec.RECIPE:
            return record
        codec, dictionary, payload = self._compress(record.kind, record.payload)
        return Record(record.kind, record.sha, record.size, record.codec | codec, payload, dictionary)

    def _compress(self, kind: Kind, data: bytes) -> tuple[int, int, bytes]:
        dictionary, compressor = self._compressor(kind)
        payload = compressor.compress(data)
        worth = len(data) * PART_GAIN if kind is Kind.PART else len(data)
        if len(payload) >= worth:
            return Codec.RAW, 0, data
        return (Codec.ZSTD_DICT if dictionary else Codec.ZSTD), dictionary, payload

    def _compressor(self, kind: Kind) -> tuple[int, zstandard.ZstdCompressor]:
        compressors: dict[Kind, tuple[int, zstandard.ZstdCompressor]] | None
        compressors = getattr(self._local, "compressors", None)
        if compressors is None:
            compressors = self._local.compressors = {}
        found = compressors.get(kind)
        if found is None:
            found = compressors[kind] = self._new_compressor(kind)
        return found

    def _new_compressor(self, kind: Kind) -> tuple[int, zstandard.ZstdCompressor]:
        if kind is Kind.PART:
            return 0, zstandard.ZstdCompressor(level=PART_LEVEL)
        if kind not in self._current:
            return 0, zstandard.ZstdCompressor(level=self._level)
        number, prepared = self._current[kind]
        return number, zstandard.ZstdCompressor(level=self._level, dict_data=prepared, write_dict_id=False)


class Decoder:
    """Decodes payloads; usable from any number of threads.

    `dictionaries` are the ledger's, by id; the mapping is asked when one is first needed.
    """

    def __init__(self, dictionaries: Mapping[int, bytes] | None = None) -> None:
        self._dictionaries: Mapping[int, bytes] = {} if dictionaries is None else dictionaries
        self._local = threading.local()

    def payload(self, stored: Stored) -> bytes:
        """What the payload decodes to: the content, or its recipe, or its list of chunks.

        Raises:
            DecodeError: it can't be decoded, or to another size or more bytes than are due.
        """
        codec = stored.codec
        if codec & ~_BASE not in (0, Codec.RECIPE, Codec.CHUNK_LIST):
            raise DecodeError(f"codec {codec:#x} is not known to this program")
        data = self._decompress(codec & _BASE, stored)
        if codec & Codec.CHUNK_LIST:
            if len(data) % 32:
                raise DecodeError("its list of chunks is cut short")
        elif not codec & Codec.RECIPE and len(data) != stored.size:
            raise DecodeError(f"it decodes to {len(data)} bytes instead of {stored.size}")
        return data

    def _decompress(self, codec: int, stored: Stored) -> bytes:
        if codec == Codec.RAW:
            return stored.payload
        if codec == Codec.ZSTD:
            return self._inflate(0, stored.payload)
        if codec == Codec.ZSTD_DICT:
            return self._inflate(stored.dictionary, stored.payload)
        raise DecodeError(f"codec {codec:#x} is not known to this program")

    def _inflate(self, dictionary: int, payload: bytes) -> bytes:
        try:
            stated = zstandard.frame_content_size(payload)
            if not 0 <= stated <= MAX_CONTENT:
                raise DecodeError(f"it claims to decode to {stated} bytes")
            return self._decompressor(dictionary).decompress(payload, max_output_size=stated)
        except zstandard.ZstdError as error:
            raise DecodeError(f"it can't be decompressed: {error}") from error

    def _decompressor(self, dictionary: int) -> zstandard.ZstdDecompressor:
        decompressors: dict[int, zstandard.ZstdDecompressor] | None
        decompressors = getattr(self._local, "decompressors", None)
        if decompressors is None:
            decompressors = self._local.decompressors = {}
        found = decompressors.get(dictionary)
        if found is None:
            found = decompressors[dictionary] = self._new_decompressor(dictionary)
        return found

    def _new_decompressor(self, dictionary: int) -> zstandard.ZstdDecompressor:
        if not dictionary:
            return zstandard.ZstdDecompressor()
        try:
            data = self._dictionaries[dictionary]
        except KeyError:
            raise DecodeError(f"compression dictionary {dictionary} is missing") from None
        return zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(data))
