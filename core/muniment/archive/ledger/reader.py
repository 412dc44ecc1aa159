"""Reads content by hash or position. This is safe while a writer appends to the ledger.

Content is put together from recipes, lists of chunks and dictionaries, and compared with its hash. Memory is
bounded by a few chunks of CHUNK bytes, however large the content is.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping

from muniment.archive.facts import FramePosition
from muniment.archive.ledger import recipe
from muniment.archive.ledger.codec import DecodeError, PayloadDecoder
from muniment.archive.ledger.commits import read_commit
from muniment.archive.ledger.model import Frame, LedgerHead, PayloadCodec
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.stored import (
    Dictionaries,
    ErasureDecision,
    FrameReader,
    describe_position,
    describe_record,
    erased,
)
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.errors import Erased, LedgerDamaged, VaultError

__all__ = ["ContentCache", "LedgerReader", "Locate", "chunks", "scan"]

CONTENT_LIMIT = 64 * 1024 * 1024
"""Most bytes of content that are returned as one string by default."""
SMALL = 8 * 1024 * 1024
"""Largest referenced content, in bytes, that is held in memory for further references to it."""
HELD = 2 * SMALL
"""Most bytes of referenced content that are held at a time."""
BLANKS = b" " * 64 * 1024
DEPTH = 8
"""Deepest nesting of references. Four are needed: an envelope, its message, a part, its chunks."""

Decided = Callable[[bytes], ErasureDecision | None]
"""Takes the SHA-256 of content, and returns the decision by which it was erased; None if there is none."""
Locate = Callable[[bytes], FramePosition | None]
"""Takes the SHA-256 of a message, a part or a list of chunks, and returns its position; None if unknown."""


class LedgerReader:
    """Reads a ledger's content by hash or position. Thread-safe, and safe while a writer appends.

    Errors name segment, offset and hash of what could not be read. `docs/ledger-format.md` specifies the
    format.
    """

    def __init__(self, segments: SegmentStore, locate: Locate, decided: Decided = lambda sha: None) -> None:
        """Open a ledger for reading.

        Args:
            segments: The ledger's segments.
            locate: Finds the position of content by its SHA-256; usually the catalog's `locate`.
            decided: Finds the decision by which content was erased, for errors; usually the catalog's
                `erasure_of`.

        Raises:
            VaultError: There is no ledger.
            LedgerDamaged: The text with the vault's id is damaged.
        """
        self._segments = segments
        self._frames = FrameReader(segments, read_vault_id(segments))
        self._locate = locate
        self._decided = decided
        self._refused: Mapping[bytes, ErasureDecision] = {}
        self._dictionaries = Dictionaries(self._frames)
        self._decoder = PayloadDecoder(self._dictionaries)

    @property
    def dictionaries(self) -> dict[int, bytes]:
        """The compression dictionaries of the last committed state, by number."""
        return self._dictionaries.committed()

    def refuse(self, decisions: Mapping[bytes, ErasureDecision]) -> None:
        """Refuse content that a decision has erased, although it may still be there, by its SHA-256."""
        self._refused = decisions

    def close(self) -> None:
        """Close the segments; the next read opens them again."""
        self._frames.close()

    def scan_from(self, head: LedgerHead) -> Iterator[Frame]:
        """Yield all committed frames after the commit frame of `head`, in order (see `scan`).

        Raises:
            VaultError: A newer program wrote a frame.
            LedgerDamaged: A frame is damaged.
        """
        return scan(self._segments, head)

    def read_frame(self, position: FramePosition) -> Frame:
        """Read the frame at `position`; its sequence is UNKNOWN.

        Raises:
            LedgerDamaged: There is no intact frame at that position.
        """
        return self._frames.frame(position)

    def head(self, frame: Frame) -> LedgerHead:
        """Return the state that a commit frame proves.

        Raises:
            LedgerDamaged: The frame is not a commit frame, or its content is not valid.
        """
        try:
            commit = read_commit(frame.payload)
        except ValueError as error:
            raise LedgerDamaged(f"{describe_position(frame.position)}: {error}") from error
        return LedgerHead(commit.tree.size, commit.root, frame.position.segment, frame.next_offset)

    def payload(self, frame: Frame) -> bytes:
        """Decode a frame's payload into the content, its recipe, or its list of chunks.

        Raises:
            Erased: The content is erased.
            LedgerDamaged: The payload can't be decoded.
        """
        if frame.codec == PayloadCodec.ERASED:
            raise erased(describe_record(frame.kind, frame.sha), self._decided(frame.sha))
        self._dictionaries.prefer_segment(frame.position.segment)
        try:
            return self._decoder.payload(frame)
        except DecodeError as error:
            raise _damaged(frame, str(error)) from error

    def references(self, frame: Frame) -> list[bytes]:
        """Return the SHA-256 of each record that a frame's content is put together from.

        Raises:
            LedgerDamaged: The payload can't be decoded.
        """
        if frame.codec & PayloadCodec.RECIPE:
            try:
                return recipe.references(self.payload(frame))
            except recipe.RecipeError as error:
                raise _damaged(frame, str(error)) from error
        return (
            list(dict.fromkeys(chunks(self.payload(frame)))) if frame.codec & PayloadCodec.CHUNK_LIST else []
        )

    def references_at(self, position: FramePosition) -> list[bytes]:
        """Return the references of the frame at `position`; content that has none is not read.

        Raises:
            LedgerDamaged: There is no intact frame at that position, or its payload can't be decoded.
        """
        if not self._frames.header(position).codec & (PayloadCodec.RECIPE | PayloadCodec.CHUNK_LIST):
            return []
        return self.references(self.read_frame(position))

    def size(self, sha: bytes) -> int:
        """Return the size in bytes of the content with this SHA-256.

        Raises:
            LedgerDamaged: The ledger does not hold the content.
        """
        return self._found(sha).size

    def content(self, sha: bytes) -> Iterator[bytes]:
        """Yield the content with this SHA-256 in chunks.

        The hash is compared after the last chunk. So the bytes are proven only once the iterator has ended
        without an error.

        Args:
            sha: SHA-256 of the content, 32 bytes.

        Raises:
            Erased: The content is erased.
            LedgerDamaged: The ledger does not hold the content, or what it holds is damaged.
        """
        return self.content_of(self._found(sha))

    def content_at(self, position: FramePosition) -> Iterator[bytes]:
        """Yield the content of the record at `position`, like `content`.

        Raises:
            Erased: The content is erased.
            LedgerDamaged: There is no intact frame at that position, or its content is damaged.
        """
        return self.content_of(self.read_frame(position))

    def content_bytes(self, sha: bytes, limit: int = CONTENT_LIMIT) -> bytes:
        """Return the whole content with this SHA-256.

        Args:
            sha: SHA-256 of the content, 32 bytes.
            limit: Most bytes to return.

        Raises:
            VaultError: The content is larger than `limit`.
            Erased: The content is erased.
            LedgerDamaged: The ledger does not hold the content, or what it holds is damaged.
        """
        frame = self._found(sha)
        if frame.size > limit:
            what = describe_record(frame.kind, sha)
            raise VaultError(f"{what} has {frame.size} bytes, too many to show at once: export it")
        return b"".join(self.content_of(frame))

    def content_of(self, frame: Frame, held: ContentCache | None = None) -> Iterator[bytes]:
        """Yield the content of a frame, like `content`.

        Args:
            frame: The frame.
            held: Referenced content to reuse; pass the same object for frames that share references.

        Raises:
            Erased: The content is erased.
            LedgerDamaged: The content is damaged, or something that it refers to is missing.
        """
        if frame.sha in self._refused:
            raise erased(describe_record(frame.kind, frame.sha), self._refused[frame.sha])
        return _checked(frame, _Reading(self, ContentCache() if held is None else held).chunks(frame, DEPTH))

    def salvage(self, position: FramePosition) -> Iterator[bytes]:
        """Yield what can still be read of the content of the record at `position`.

        Referenced content that can't be read is replaced by blanks, as far as its size is known. The result
        is not compared with its hash.

        Raises:
            Erased: The content is erased.
            LedgerDamaged: The frame itself can't be read.
        """
        return _Salvaging(self, ContentCache()).chunks(self.read_frame(position), DEPTH)

    def _found(self, sha: bytes) -> Frame:
        position = self._locate(sha)
        if position is None:
            decision = self._decided(sha)
            if decision is not None:
                raise erased(f"content {sha.hex()}", decision)
            raise LedgerDamaged(
                f"the ledger does not hold content {sha.hex()}: run `muniment rebuild --catalog`"
            )
        frame = self.read_frame(position)
        if frame.sha != sha:
            raise _damaged(frame, f"content {sha.hex()} was expected here: run `muniment rebuild --catalog`")
        return frame


class ContentCache:
    """A cache of referenced content, at most HELD bytes."""

    def __init__(self) -> None:
        self._contents: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0

    def get(self, sha: bytes) -> bytes | None:
        """Return the content with this SHA-256; None if it is not held."""
        return self._contents.get(sha)

    def put(self, sha: bytes, content: bytes) -> None:
        """Hold content, and drop the oldest content while there is too much."""
        if sha not in self._contents:
            self._contents[sha] = content
            self._size += len(content)
        while self._size > HELD:
            self._size -= len(self._contents.popitem(last=False)[1])


class _Reading:
    """Puts the content of one frame together."""

    def __init__(self, reader: LedgerReader, held: ContentCache) -> None:
        self._reader = reader
        self._held = held

    def chunks(self, frame: Frame, depth: int) -> Iterator[bytes]:
        """Yield the content of a frame, following references at most `depth` levels down."""
        if not depth:
            raise _damaged(frame, "records refer to each other without end")
        payload = self._reader.payload(frame)
        if frame.codec & PayloadCodec.CHUNK_LIST:
            for sha in chunks(payload):
                yield from self._referenced(sha, depth - 1)
        elif frame.codec & PayloadCodec.RECIPE:
            yield from self._rebuilt(frame, payload, depth)
        else:
            yield payload

    def _rebuilt(self, frame: Frame, payload: bytes, depth: int) -> Iterator[bytes]:
        try:
            yield from recipe.rebuild(recipe.decode(payload), lambda sha: self._referenced(sha, depth - 1))
        except recipe.RecipeError as error:
            raise _damaged(frame, str(error)) from error

    def _referenced(self, sha: bytes, depth: int) -> Iterable[bytes]:
        content = self._held.get(sha)
        if content is not None:
            return (content,)
        try:
            frame = self._reader._found(sha)
        except Erased as error:
            raise LedgerDamaged(f"it refers to erased content: {error}") from error
        if frame.codec == PayloadCodec.ERASED:
            raise _damaged(frame, "it is erased, but other content refers to it")
        stream = _bounded(frame, self.chunks(frame, depth))
        if frame.size > SMALL:
            return stream
        content = b"".join(stream)
        self._held.put(sha, content)
        return (content,)


class _Salvaging(_Reading):
    """Puts together what can still be read of a frame's content."""

    def _rebuilt(self, frame: Frame, payload: bytes, depth: int) -> Iterator[bytes]:
        try:
            pieces = recipe.decode(payload)
        except recipe.RecipeError as error:
            raise _damaged(frame, str(error)) from error
        needed: dict[bytes, int] = {}
        for piece in pieces:
            if isinstance(piece, recipe.ContentSlice):
                needed[piece.sha] = max(needed.get(piece.sha, 0), piece.offset + piece.length)
        return recipe.rebuild(pieces, lambda sha: self._filled(sha, depth - 1, needed.get(sha, 0)))

    def _referenced(self, sha: bytes, depth: int) -> Iterator[bytes]:
        return self._filled(sha, depth, 0)

    def _filled(self, sha: bytes, depth: int, size: int) -> Iterator[bytes]:
        """Yield what can be read of a content, filled up with blanks to at least `size` bytes."""
        try:
            for chunk in self.chunks(self._reader._found(sha), depth):
                size -= len(chunk)
                yield chunk
        except (LedgerDamaged, Erased):
            pass
        while size > 0:
            yield BLANKS[:size]
            size -= len(BLANKS)


def chunks(payload: bytes) -> list[bytes]:
    """Split a list of chunks into its SHA-256 hashes."""
    return [payload[start : start + 32] for start in range(0, len(payload), 32)]


def _bounded(frame: Frame, stream: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same chunks, and raise if they do not add up to the size that the frame states."""
    size = 0
    for chunk in stream:
        size += len(chunk)
        if size > frame.size:
            break
        yield chunk
    if size != frame.size:
        raise _damaged(frame, f"it does not have the {frame.size} bytes that its header states")


def _checked(frame: Frame, stream: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same chunks, and raise if their size or hash is not what the frame states."""
    digest = hashlib.sha256()
    for chunk in _bounded(frame, stream):
        digest.update(chunk)
        yield chunk
    if digest.digest() != frame.sha:
        raise _damaged(frame, "its bytes do not match its hash")


def _damaged(frame: Frame, reason: str) -> LedgerDamaged:
    return LedgerDamaged(
        f"{describe_position(frame.position)}: {describe_record(frame.kind, frame.sha)}: {reason}"
    )
