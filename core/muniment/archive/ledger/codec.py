"""Encodes content as records and decodes it, with zstd.

Where the vault has compression dictionaries, trained on its own mail, they are used. The low byte of the id
in a dictionary's zstd header is the kind of record that it was trained for. zstd contexts are slow to make
and not thread-safe, so every thread keeps its own.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import zstandard

from muniment.archive.ledger.model import CHUNK, LedgerRecord, PayloadCodec, RecordKind

LEVEL = 3
PART_LEVEL = 1
PART_GAIN = 0.97
"""A part is stored compressed only if the result is smaller than this share of it."""
MAX_CONTENT = 4 * CHUNK
"""Most bytes that one payload may decode to; larger content is a list of chunks."""
DICTIONARY_SIZE = 110 * 1024
_PIECES, _MATCHES = 1024, 8
"""Parameters `k` and `d` of zstd's training, in bytes: sizes of the pieces that a dictionary is made of, and
of the matches by which they are chosen.

zstd's own search finds these values for mail of 4 KB and more, but takes four times as long.
"""

_BASE = 0x0F
_WHOLE, _SHARED = 0x4D554E00, 0x4D555300
"""The ids in the zstd header of our dictionaries, plus the kind of record that they are for: trained on whole
samples, as vaults had them first, or filtered."""
_HEADER_END = (1).to_bytes(4, "little") + (4).to_bytes(4, "little") + (8).to_bytes(4, "little")
"""The last bytes before a dictionary's content: repeated offsets, which zstd's training always sets so."""
_LEAST = 256
"""A dictionary with less content than this is of no use."""
_FALLBACKS = {RecordKind.ENVELOPE: RecordKind.MESSAGE, RecordKind.QUARANTINE: RecordKind.MESSAGE}
"""The kind whose dictionary is used for a kind that has no dictionary of its own."""


class DecodeError(ValueError):
    """A payload can't be decoded, or not to the size that its record states."""


class StoredPayload(Protocol):
    """The fields of a record or frame that a decoder reads.

    They are those of docs/ledger-format.md, sections "Frames" and "From payload to content".
    """

    @property
    def codec(self) -> int:
        """How the payload is encoded: a sum of `PayloadCodec` numbers."""

    @property
    def dictionary(self) -> int:
        """Number of the compression dictionary; 0 for none."""

    @property
    def size(self) -> int:
        """Size of the decoded content, in bytes."""

    @property
    def payload(self) -> bytes:
        """The encoded content."""


def train(
    samples: Sequence[bytes],
    size: int = DICTIONARY_SIZE,
    kind: RecordKind = RecordKind.MESSAGE,
    level: int = LEVEL,
    keep: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """Train a zstd dictionary. It takes about 0.1 s for 500 samples of a few KB each.

    Args:
        samples: Decoded payloads, as `PayloadDecoder.payload` returns them.
        size: Largest size of the dictionary, in bytes.
        kind: The kind of record that the dictionary is for.
        level: The compression level that it is tuned for.
        keep: Returns what may stay of the dictionary's content, for `is_filtered`.

    Returns:
        The dictionary in zstd's format; `purpose` reads its kind back.

    Raises:
        ValueError: There are too few samples, or they are too similar, or almost nothing may stay.
    """
    try:
        trained = zstandard.train_dictionary(
            size,
            list(samples),
            k=_PIECES,
            d=_MATCHES,
            level=level,
            dict_id=(_SHARED if keep else _WHOLE) | kind,
        ).as_bytes()
    except zstandard.ZstdError as error:
        raise ValueError(f"no dictionary can be trained on {len(samples)} samples: {error}") from error
    if keep is None:
        return trained
    content = keep(dictionary_content(trained))
    if len(content) < _LEAST:
        raise ValueError(f"the {len(samples)} samples share too little for a dictionary")
    return trained.removesuffix(dictionary_content(trained)) + content


def dictionary_content(dictionary: bytes) -> bytes:
    """Return the strings that a dictionary made by `train` holds: what follows its header.

    The header has statistics of zstd's codes, no strings.
    """
    return dictionary[dictionary.index(_HEADER_END, 8) + len(_HEADER_END) :]


def purpose(dictionary: bytes) -> RecordKind:
    """Return the kind of record that a dictionary was trained for; MESSAGE if it was not made by `train`."""
    stated = _stated_id(dictionary)
    try:
        return RecordKind(stated & 0xFF) if stated & ~0xFF in (_WHOLE, _SHARED) else RecordKind.MESSAGE
    except ValueError:
        return RecordKind.MESSAGE


def is_filtered(dictionary: bytes) -> bool:
    """Return whether `train` was given `keep` when it made a dictionary."""
    return _stated_id(dictionary) & ~0xFF == _SHARED


def _stated_id(dictionary: bytes) -> int:
    return int.from_bytes(dictionary[4:8], "little")


class RecordEncoder:
    """Makes records from content. Thread-safe."""

    def __init__(self, dictionaries: Mapping[int, bytes] | None = None, level: int = LEVEL) -> None:
        """Prepare the dictionaries.

        Args:
            dictionaries: The ledger's dictionaries by number. For each kind of record, the one with the
                highest number is used; once one `is_filtered`, only such. Records that use one can be
                appended only after it is committed.
            level: The zstd compression level.
        """
        self._level = level
        self._current: dict[RecordKind, tuple[int, zstandard.ZstdCompressionDict]] = {}
        known = dictionaries or {}
        usable = {number: data for number, data in known.items() if is_filtered(data)} or known
        for number, data in sorted(usable.items()):
            prepared = zstandard.ZstdCompressionDict(data)
            prepared.precompute_compress(level=level)
            self._current[purpose(data)] = number, prepared
        for kind, other in _FALLBACKS.items():
            if kind not in self._current and other in self._current:
                self._current[kind] = self._current[other]
        self._local = threading.local()

    def encode(self, kind: RecordKind, content: bytes, sha: bytes | None = None) -> LedgerRecord:
        """Make a record that holds the content itself.

        Args:
            kind: The kind of the record.
            content: The content, at most MAX_CONTENT bytes.
            sha: Its SHA-256, if the caller knows it already.

        Raises:
            ValueError: The content is larger than MAX_CONTENT; it must become a list of chunks.
        """
        if len(content) > MAX_CONTENT:
            raise ValueError(f"content of {len(content)} bytes must be stored as a list of chunks")
        if sha is None:
            sha = hashlib.sha256(content).digest()
        codec, dictionary, payload = self._compress(kind, content)
        return LedgerRecord(kind, sha, len(content), codec, payload, dictionary)

    def encode_recipe(self, kind: RecordKind, recipe: bytes, sha: bytes, size: int) -> LedgerRecord:
        """Make a record that holds a recipe for the content.

        Args:
            kind: The kind of the record.
            recipe: The encoded recipe (`recipe.encode`).
            sha: SHA-256 of the content that the recipe makes.
            size: Size of that content, in bytes.

        Raises:
            ValueError: The recipe is larger than MAX_CONTENT.
        """
        if len(recipe) > MAX_CONTENT:
            raise ValueError(f"a recipe of {len(recipe)} bytes is too large: refer to parts instead")
        codec, dictionary, payload = self._compress(kind, recipe)
        return LedgerRecord(kind, sha, size, codec | PayloadCodec.RECIPE, payload, dictionary)

    def pack(self, record: LedgerRecord) -> LedgerRecord:
        """Return the record with its payload compressed, if that makes it smaller.

        A record that is compressed already, or is a list of chunks, is returned unchanged.
        """
        if record.codec & ~PayloadCodec.RECIPE:
            return record
        codec, dictionary, payload = self._compress(record.kind, record.payload)
        return LedgerRecord(record.kind, record.sha, record.size, record.codec | codec, payload, dictionary)

    def _compress(self, kind: RecordKind, data: bytes) -> tuple[int, int, bytes]:
        dictionary, compressor = self._compressor(kind)
        payload = compressor.compress(data)
        worth = len(data) * PART_GAIN if kind is RecordKind.PART else len(data)
        if len(payload) >= worth:
            return PayloadCodec.RAW, 0, data
        return (PayloadCodec.ZSTD_DICT if dictionary else PayloadCodec.ZSTD), dictionary, payload

    def _compressor(self, kind: RecordKind) -> tuple[int, zstandard.ZstdCompressor]:
        compressors: dict[RecordKind, tuple[int, zstandard.ZstdCompressor]] | None
        compressors = getattr(self._local, "compressors", None)
        if compressors is None:
            compressors = self._local.compressors = {}
        found = compressors.get(kind)
        if found is None:
            found = compressors[kind] = self._new_compressor(kind)
        return found

    def _new_compressor(self, kind: RecordKind) -> tuple[int, zstandard.ZstdCompressor]:
        if kind is RecordKind.PART:
            return 0, zstandard.ZstdCompressor(level=PART_LEVEL)
        if kind not in self._current:
            return 0, zstandard.ZstdCompressor(level=self._level)
        number, prepared = self._current[kind]
        return number, zstandard.ZstdCompressor(level=self._level, dict_data=prepared, write_dict_id=False)


class PayloadDecoder:
    """Decodes payloads. Thread-safe."""

    def __init__(self, dictionaries: Mapping[int, bytes] | None = None) -> None:
        """Keep the mapping of dictionaries.

        Args:
            dictionaries: The ledger's dictionaries by number; each is looked up when it is first needed.
        """
        self._dictionaries: Mapping[int, bytes] = {} if dictionaries is None else dictionaries
        self._local = threading.local()

    def payload(self, stored: StoredPayload) -> bytes:
        """Decode the payload of a record or frame.

        Returns:
            The content itself, its recipe, or its list of chunks (32-byte hashes, joined), depending on
            the codec.

        Raises:
            DecodeError: The payload can't be decoded, or decodes to more than MAX_CONTENT bytes or to
                another size than the record states.
        """
        codec = stored.codec
        if codec == PayloadCodec.ERASED:
            raise DecodeError("it is erased")
        if codec & ~_BASE not in (0, PayloadCodec.RECIPE, PayloadCodec.CHUNK_LIST):
            raise DecodeError(f"codec {codec:#x} is not known to this program")
        data = self._decompress(codec & _BASE, stored)
        if codec & PayloadCodec.CHUNK_LIST:
            if len(data) % 32:
                raise DecodeError("its list of chunks is cut short")
        elif not codec & PayloadCodec.RECIPE and len(data) != stored.size:
            raise DecodeError(f"it decodes to {len(data)} bytes instead of {stored.size}")
        return data

    def _decompress(self, codec: int, stored: StoredPayload) -> bytes:
        if codec == PayloadCodec.RAW:
            return stored.payload
        if codec == PayloadCodec.ZSTD:
            return self._inflate(0, stored.payload)
        if codec == PayloadCodec.ZSTD_DICT:
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
