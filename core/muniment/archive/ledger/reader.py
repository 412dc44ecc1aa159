"""Reading content back, at random, beside a running writer.

Content is followed through recipes, lists of chunks and dictionaries, and compared with its hash
before the last of it counts as read. Memory is bounded by a few chunks, however large the content.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from muniment.archive.facts import Position
from muniment.archive.ledger import recipe
from muniment.archive.ledger.codec import DecodeError, Decoder
from muniment.archive.ledger.commits import read_commit
from muniment.archive.ledger.files import read_vault_id
from muniment.archive.ledger.model import Codec, Frame, Head
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.stored import Dictionaries, Files, named, place
from muniment.errors import LedgerDamaged, VaultError

__all__ = ["Held", "Locate", "Reader", "chunks", "scan"]

CONTENT_LIMIT = 64 * 1024 * 1024
SMALL = 8 * 1024 * 1024
"""Referenced content of at most this many bytes is held while what refers to it is read."""
HELD = 2 * SMALL
BLANKS = b" " * 64 * 1024
DEPTH = 8
"""How deep references may nest: an envelope, its message, a part, its chunks, and some."""

Locate = Callable[[bytes], Position | None]


class Reader:
    """Content by hash or position; usable from any thread, beside a running writer.

    `locate` says where a message, a part or a list of chunks stands, given its SHA-256.
    """

    def __init__(self, folder: Path, locate: Locate) -> None:
        self._folder = folder
        self._files = Files(folder, read_vault_id(folder))
        self._locate = locate
        self._dictionaries = Dictionaries(self._files)
        self._decoder = Decoder(self._dictionaries)

    @property
    def dictionaries(self) -> dict[int, bytes]:
        """The compression dictionaries of the last committed state, by id."""
        return self._dictionaries.committed()

    def close(self) -> None:
        """Close the files; they are opened again when needed."""
        self._files.close()

    def scan_from(self, head: Head) -> Iterator[Frame]:
        """All committed frames after the commit frame of `head`, in order (see `scan`)."""
        return scan(self._folder, head)

    def read_frame(self, position: Position) -> Frame:
        """The frame at `position`; its sequence is UNKNOWN.

        Raises:
            LedgerDamaged: there is no intact frame.
        """
        return self._files.frame(position)

    def head(self, frame: Frame) -> Head:
        """The state that a commit frame proves.

        Raises:
            LedgerDamaged: it is no commit frame, or one that disagrees with itself.
        """
        try:
            commit = read_commit(frame.payload)
        except ValueError as error:
            raise LedgerDamaged(f"{place(frame.position)}: {error}") from error
        return Head(commit.tree.size, commit.root, frame.position.segment, frame.next_offset)

    def payload(self, frame: Frame) -> bytes:
        """What a frame's payload decodes to: the content, its recipe, or its list of chunks.

        Raises:
            LedgerDamaged: it can't be decoded.
        """
        self._dictionaries.hint(frame.position.segment)
        try:
            return self._decoder.payload(frame)
        except DecodeError as error:
            raise _damaged(frame, str(error)) from error

    def references(self, frame: Frame) -> list[bytes]:
        """SHA-256 of the records that a frame's content is put together from.

        Raises:
            LedgerDamaged: it can't be decoded.
        """
        if frame.codec & Codec.RECIPE:
            try:
                return recipe.references(self.payload(frame))
            except recipe.RecipeError as error:
                raise _damaged(frame, str(error)) from error
        return list(dict.fromkeys(chunks(self.payload(frame)))) if frame.codec & Codec.CHUNK_LIST else []

    def size(self, sha: bytes) -> int:
        """Bytes of the content with this hash.

        Raises:
            LedgerDamaged: the ledger does not hold it.
        """
        return self._found(sha).size

    def content(self, sha: bytes) -> Iterator[bytes]:
        """The content with this hash, in chunks; whoever reads to the end has read the very bytes.

        Raises:
            LedgerDamaged: the ledger does not give these bytes; says where.
        """
        return self.content_of(self._found(sha))

    def content_at(self, position: Position) -> Iterator[bytes]:
        """The content of the record at `position`, as `content` gives it.

        Raises:
            LedgerDamaged: the ledger does not give its bytes; says where.
        """
        return self.content_of(self.read_frame(position))

    def content_bytes(self, sha: bytes, limit: int = CONTENT_LIMIT) -> bytes:
        """The content with this hash, at once.

        Raises:
            VaultError: it has more than `limit` bytes.
            LedgerDamaged: the ledger does not give these bytes; says where.
        """
        frame = self._found(sha)
        if frame.size > limit:
            raise VaultError(
                f"{named(frame.kind, sha)} has {frame.size} bytes, more than is read at once: export it"
            )
        return b"".join(self.content_of(frame))

    def content_of(self, frame: Frame, held: Held | None = None) -> Iterator[bytes]:
        """The content of a frame, as `content` gives it; `held` carries over from one to the next.

        Raises:
            LedgerDamaged: the ledger does not give its bytes; says where.
        """
        return _checked(frame, _Reading(self, Held() if held is None else held).chunks(frame, DEPTH))

    def salvaged(self, position: Position) -> Iterator[bytes]:
        """What is left of the content of the record at `position`, with blanks for what it refers to
        and can't be read, as far as its size is known. It is not compared with its hash.

        Raises:
            LedgerDamaged: nothing is left.
        """
        return _Salvaging(self, Held()).chunks(self.read_frame(position), DEPTH)

    def _found(self, sha: bytes) -> Frame:
        position = self._locate(sha)
        if position is None:
            raise LedgerDamaged(
                f"the ledger does not hold content {sha.hex()}: run `muniment rebuild --catalog`"
            )
        frame = self.read_frame(position)
        if frame.sha != sha:
            raise _damaged(frame, f"content {sha.hex()} was expected here: run `muniment rebuild --catalog`")
        return frame


class Held:
    """Referenced content, kept as long as it is likely to be referred to again; bounded."""

    def __init__(self) -> None:
        self._contents: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0

    def get(self, sha: bytes) -> bytes | None:
        """The content, if it is held."""
        return self._contents.get(sha)

    def put(self, sha: bytes, content: bytes) -> None:
        """Hold content; what was held longest gives way."""
        if sha not in self._contents:
            self._contents[sha] = content
            self._size += len(content)
        while self._size > HELD:
            self._size -= len(self._contents.popitem(last=False)[1])


class _Reading:
    """Puts one content together."""

    def __init__(self, reader: Reader, held: Held) -> None:
        self._reader = reader
        self._held = held

    def chunks(self, frame: Frame, depth: int) -> Iterator[bytes]:
        """The content of a frame, which may refer to others `depth` times over."""
        if not depth:
            raise _damaged(frame, "records refer to each other without end")
        payload = self._reader.payload(frame)
        if frame.codec & Codec.CHUNK_LIST:
            for sha in chunks(payload):
                yield from self._referenced(sha, depth - 1)
        elif frame.codec & Codec.RECIPE:
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
        frame = self._reader._found(sha)
        stream = _bounded(frame, self.chunks(frame, depth))
        if frame.size > SMALL:
            return stream
        content = b"".join(stream)
        self._held.put(sha, content)
        return (content,)


class _Salvaging(_Reading):
    """Puts together what is left of a content."""

    def _rebuilt(self, frame: Frame, payload: bytes, depth: int) -> Iterator[bytes]:
        try:
            pieces = recipe.decode(payload)
        except recipe.RecipeError as error:
            raise _damaged(frame, str(error)) from error
        needed: dict[bytes, int] = {}
        for piece in pieces:
            if isinstance(piece, recipe.Slice):
                needed[piece.sha] = max(needed.get(piece.sha, 0), piece.offset + piece.length)
        return recipe.rebuild(pieces, lambda sha: self._filled(sha, depth - 1, needed.get(sha, 0)))

    def _referenced(self, sha: bytes, depth: int) -> Iterator[bytes]:
        return self._filled(sha, depth, 0)

    def _filled(self, sha: bytes, depth: int, size: int) -> Iterator[bytes]:
        """What is left of a content; of at least `size` bytes."""
        try:
            for chunk in self.chunks(self._reader._found(sha), depth):
                size -= len(chunk)
                yield chunk
        except LedgerDamaged:
            pass
        while size > 0:
            yield BLANKS[:size]
            size -= len(BLANKS)


def chunks(payload: bytes) -> list[bytes]:
    """The hashes in a list of chunks."""
    return [payload[start : start + 32] for start in range(0, len(payload), 32)]


def _bounded(frame: Frame, stream: Iterable[bytes]) -> Iterator[bytes]:
    """The same chunks, if they add up to the size that the frame states."""
    size = 0
    for chunk in stream:
        size += len(chunk)
        if size > frame.size:
            break
        yield chunk
    if size != frame.size:
        raise _damaged(frame, f"it does not come to the {frame.size} bytes that it should")


def _checked(frame: Frame, stream: Iterable[bytes]) -> Iterator[bytes]:
    """The same chunks, if they are the very content that the frame states."""
    digest = hashlib.sha256()
    for chunk in _bounded(frame, stream):
        digest.update(chunk)
        yield chunk
    if digest.digest() != frame.sha:
        raise _damaged(frame, "its bytes do not have the hash that they should")


def _damaged(frame: Frame, reason: str) -> LedgerDamaged:
    return LedgerDamaged(f"{place(frame.position)}: {named(frame.kind, frame.sha)}: {reason}")
