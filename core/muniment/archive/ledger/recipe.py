"""Recipes: how content is put together from literal bytes and from other records.

`docs/ledger-format.md`, section "Recipes", specifies the encoding. All literal bytes are in one area, since
that compresses well. The pieces are:

    1 literal          length
    2 inline base64    decoded length, width      the decoded bytes are in the literal area
    3 slice            reference, offset, length
    4 part as base64   reference, width
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from muniment.mail.mime.split import encode as encode_base64
from muniment.mail.mime.split import encode_chunks

VERSION = 1
EOLS = (b"\r\n", b"\n", b"\r", b"")
"""The possible line ends of base64 pieces; the index of each is its number in a recipe."""

_LITERAL, _INLINE, _SLICE, _PART = 1, 2, 3, 4
_LIMIT = 1 << 63
MAX_PIECES = 1 << 20
"""Most pieces of a recipe. It bounds the memory that reading a damaged recipe can take."""
_BLOCK = 1024 * 1024
"""Most bytes that are encoded as base64 at a time."""


class RecipeError(ValueError):
    """The bytes are not a valid recipe, or a record that it refers to is shorter than the recipe needs."""


class LiteralBytes(Struct, frozen=True):
    """Bytes that are in the recipe itself."""

    data: bytes


class InlineBase64(Struct, frozen=True):
    """`data` encoded as base64, in lines of `width` characters (a multiple of 4) joined by `eol`."""

    data: bytes
    width: int = 76
    eol: bytes = b"\r\n"


class ContentSlice(Struct, frozen=True):
    """`length` bytes of another record's content, from `offset`."""

    sha: bytes
    offset: int
    length: int


class PartBase64(Struct, frozen=True):
    """The whole content of another record, encoded like `InlineBase64`."""

    sha: bytes
    width: int = 76
    eol: bytes = b"\r\n"


Piece = LiteralBytes | InlineBase64 | ContentSlice | PartBase64
Read = Callable[[bytes], Iterable[bytes]]
"""Takes the SHA-256 of a record's content and returns that content in chunks of any size."""


# --- the bytes of a recipe ----------------------------------------------------------------


def encode(pieces: Sequence[Piece]) -> bytes:
    """Encode a recipe.

    Raises:
        ValueError: There are too many pieces, or a piece has a line end, a width or a number that recipes
            can't express.
    """
    if len(pieces) > MAX_PIECES:
        raise ValueError(f"a recipe can't have {len(pieces)} pieces")
    references: dict[bytes, int] = {}
    table = bytearray()
    literals: list[bytes] = []
    for piece in pieces:
        _encode_piece(piece, table, literals, references)
    out = bytearray((VERSION,))
    for number in (len(references), len(pieces), sum(map(len, literals))):
        _put(out, number)
    return b"".join((bytes(out), *references, bytes(table), *literals))


def _encode_piece(
    piece: Piece, table: bytearray, literals: list[bytes], references: dict[bytes, int]
) -> None:
    match piece:
        case LiteralBytes(data):
            _row(table, _LITERAL, len(data))
            literals.append(data)
        case InlineBase64(data, width, eol):
            _row(table, _INLINE | _eol_bits(width, eol), len(data), width)
            literals.append(data)
        case ContentSlice(sha, offset, length):
            _row(table, _SLICE, _reference(sha, references), offset, length)
        case PartBase64(sha, width, eol):
            _row(table, _PART | _eol_bits(width, eol), _reference(sha, references), width)


def _row(table: bytearray, operation: int, *numbers: int) -> None:
    table.append(operation)
    for number in numbers:
        _put(table, number)


def _statable(width: int, eol: bytes) -> bool:
    return width > 0 and width % 4 == 0 and eol in EOLS


def _eol_bits(width: int, eol: bytes) -> int:
    if not _statable(width, eol):
        raise ValueError(f"a recipe can't express lines of {width} characters that end in {eol!r}")
    return EOLS.index(eol) << 4


def _reference(sha: bytes, references: dict[bytes, int]) -> int:
    if len(sha) != 32:
        raise ValueError("a reference is not a SHA-256")
    return references.setdefault(sha, len(references))


def _put(out: bytearray, number: int) -> None:
    if 0 <= number < 0x80:  # a fast path for most numbers
        out.append(number)
        return
    if not 0 <= number < _LIMIT:
        raise ValueError(f"a recipe can't express the number {number}")
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def decode(data: bytes) -> list[Piece]:
    """Decode a recipe into its pieces.

    Raises:
        RecipeError: The bytes are not a valid recipe.
    """
    return _Parser(data).pieces()


def references(data: bytes) -> list[bytes]:
    """Return the SHA-256 of every record that an encoded recipe refers to, once each.

    Raises:
        RecipeError: The bytes are not a valid recipe.
    """
    return _Parser(data).references


class _Parser:
    """Decodes a recipe from front to end. The literals it makes are never larger than the recipe."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 1
        if data[:1] != bytes((VERSION,)):
            raise RecipeError("not a recipe of a version that this program knows")
        count = self._number()
        self._pieces = self._number()
        self._literal = len(data) - self._number()
        if self._at + 32 * count > self._literal or self._pieces > min(self._literal, MAX_PIECES):
            raise RecipeError("the recipe is shorter than it says")
        starts = range(self._at, self._at + 32 * count, 32)
        self.references = [data[start : start + 32] for start in starts]
        self._at += 32 * count
        self._table_end = self._literal

    def pieces(self) -> list[Piece]:
        """Decode all pieces."""
        pieces = [self._piece() for _ in range(self._pieces)]
        if self._at != self._table_end or self._literal != len(self._data):
            raise RecipeError("the recipe is longer than its pieces")
        return pieces

    def _piece(self) -> Piece:
        if self._at >= self._table_end:
            raise RecipeError("the recipe's table ends early")
        byte = self._data[self._at]
        self._at += 1
        operation, eol = byte & 0xF, byte >> 4
        if eol >= len(EOLS):
            raise RecipeError("a piece has an unknown line end")
        if operation == _LITERAL:
            return LiteralBytes(self._bytes(self._number()))
        if operation == _INLINE:
            length = self._number()
            return InlineBase64(self._bytes(length), self._width(), EOLS[eol])
        if operation == _SLICE:
            return ContentSlice(self._sha(), self._number(), self._number())
        if operation == _PART:
            return PartBase64(self._sha(), self._width(), EOLS[eol])
        raise RecipeError("a piece is of an unknown kind")

    def _number(self) -> int:
        number = shift = 0
        data, at = self._data, self._at
        if at < len(data) and data[at] < 0x80:  # a fast path for most numbers
            self._at = at + 1
            return data[at]
        while shift < 63 and at < len(data):
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                self._at = at
                return number
            shift += 7
        raise RecipeError("a number in the recipe has no end")

    def _width(self) -> int:
        width = self._number()
        if not width or width % 4:
            raise RecipeError("a piece has lines of an impossible width")
        return width

    def _bytes(self, length: int) -> bytes:
        start = self._literal
        self._literal += length
        if self._literal > len(self._data):
            raise RecipeError("the recipe's literals end early")
        return self._data[start : self._literal]

    def _sha(self) -> bytes:
        index = self._number()
        if index >= len(self.references):
            raise RecipeError("a piece refers to a record that the recipe does not list")
        return self.references[index]


# --- the content that a recipe makes ------------------------------------------------------


def rebuild(pieces: Iterable[Piece], read: Read) -> Iterator[bytes]:
    """The content, in chunks; memory is bounded by the chunks that `read` yields.

    Slices of one record that follow each other in it are cut from one reading of it.

    Raises:
        RecipeError: a slice reaches beyond the content it is cut from.
    """
    cursor: _Cursor | None = None
    for piece in pieces:
        match piece:
            case LiteralBytes(data):
                yield data
            case InlineBase64(data, width, eol):
                yield encode_base64(data, width, eol)
            case PartBase64(sha, width, eol):
                yield from encode_chunks(_blocks(read(sha)), width, eol)
            case ContentSlice(sha, offset, length):
                if cursor is None or cursor.sha != sha or cursor.position > offset:
                    cursor = _Cursor(sha, read)
                yield from cursor.cut(offset, length)


class _Cursor:
    """Reads a record's content once, to cut slices from it in ascending order."""

    def __init__(self, sha: bytes, read: Read) -> None:
        self.sha = sha
        self.position = 0
        self._chunks = iter(read(sha))
        self._chunk = b""
        self._start = 0
        """Offset in the content where the current chunk begins."""

    def cut(self, offset: int, length: int) -> Iterator[bytes]:
        """Yield `length` bytes from `offset`."""
        end = offset + length
        while offset < end:
            while offset >= self._start + len(self._chunk):
                self._next()
            piece = self._chunk[offset - self._start : end - self._start]
            offset += len(piece)
            self.position = offset
            yield piece

    def _next(self) -> None:
        self._start += len(self._chunk)
        chunk = next(self._chunks, None)
        if chunk is None:
            raise RecipeError("a slice reaches beyond the end of the content that it refers to")
        self._chunk = chunk


def encoded_length(piece: PartBase64 | InlineBase64, size: int) -> int:
    """Return how many bytes `piece` makes of `size` decoded bytes; -1 if recipes can't express its lines."""
    if not _statable(piece.width, piece.eol):
        return -1
    text = (size + 2) // 3 * 4
    breaks = max(0, -(-text // piece.width) - 1)
    return text + breaks * len(piece.eol)


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in chunks of at most _BLOCK bytes."""
    for chunk in chunks:
        for start in range(0, len(chunk), _BLOCK):
            yield chunk[start : start + _BLOCK]
