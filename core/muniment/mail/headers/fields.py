"""Header blocks as bytes: their end, their fields, and what a value says (RFC 5322, 2047, 2231).

A line ends with CRLF or LF. CR alone ends lines only in a block without any LF, as some very old programs
wrote it. At most BLOCK_LIMIT bytes of a block are examined, however long a hostile one is.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache, wraps
from typing import Any, NamedTuple, TypeVar, cast

from muniment.mail.charsets.decode import Others, codec, none_stated, to_text
from muniment.mail.headers.quoted import unquoted
from muniment.mail.model import MailBuffer
from muniment.mail.patterns import any_case, begins_any

BLOCK_LIMIT = 1024 * 1024
"""Bytes of a header block that are examined."""
_SHORT = 256
"""Longest argument, in bytes or characters, whose result `remembered` caches."""
_WINDOW = 16 * 1024
_BLANK = re.compile(rb"\n\r?\n")
_FOLD = b" \t"
_NAME = re.compile(rb"[!-9;-~]+\Z")
NO_FIELD = re.compile(rb"\n(?![!-9;-~]+[ \t]*:|[ \t\r\n]|>?From )[^\n]")
"""Matches where a header has a line that is no field. From there on it may contain text for people."""
_ESCAPE = 0x1B
_WORD = re.compile(r"=\?[ \t]?([^?*\s]{1,80}+)(?:\*[^?\s]{0,80}+)?[ \t]?\?[ \t]?([A-Za-z0-9]?)[ \t]?\?")
"""The beginning of an encoded word."""
_SOUND_WORD = re.compile(r"=\?([^?*\s]+)(?:\*[^?]*)?\?([BbQq])\?([^?]*)\?=")
"""A complete encoded word. Nearly all are complete."""
_WORD_END = re.compile(r"\?[ \t]?=")
_SPACE = re.compile(r"\s")
_CUT_ESCAPE = re.compile(rb"=[0-9A-Fa-f]?\Z")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{4,}={0,2}")
_NOT_BASE64 = re.compile(rb"=[0-9A-F]{2}")
"""An escape of quoted-printable. In base64, `=` is padding: more padding or nothing follows it."""
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_WHITE = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="))
"""Bytes that are no digits of base64."""
_PARAMETER = re.compile(rb';\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*+)"|([^;\s]*))', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


Read = TypeVar("Read", bound=Callable[..., Any])


def remembered(read: Read) -> Read:
    """Decorate a function of a header block or of a field's value: cache its results for short arguments.

    Many parts have the same few headers, and one organisation has the same addresses again and again.
    """
    known = lru_cache(maxsize=1024)(read)

    @wraps(read)
    def look(stated: bytes | str, *args: Any) -> Any:
        return (known if len(stated) <= _SHORT else read)(stated, *args)

    return cast(Read, look)


class HeaderField(NamedTuple):
    """A field in its block: bytes [start, end), folding and line end included."""

    name: bytes
    """Lower case; b"" for a line that is no field: the blank one, an mbox `From `, garbage."""
    start: int
    end: int


def header_end(buf: MailBuffer, start: int = 0, end: int | None = None) -> int:
    """Offset behind the blank line that ends the header at `start`; `end` if there is no body."""
    stop = len(buf) if end is None else end
    if buf.startswith(b"\n", start, stop):
        return start + 1
    if buf.startswith(b"\r\n", start, stop):
        return start + 2
    at, bare = start, True
    while True:
        chunk = buf[at : min(at + _WINDOW, stop)]
        if bare:
            found, bare = _bare_blank(chunk, buf[at + len(chunk) : at + len(chunk) + 1])
            if found:
                return at + found
        match = _BLANK.search(chunk)
        if match is not None:
            return at + match.end()
        if at + len(chunk) >= stop:
            return stop
        at += len(chunk) - 2


def _bare_blank(chunk: bytes, following: bytes) -> tuple[int, bool]:
    """Offset behind a blank line of CRs alone before any LF, or 0; and whether the chunk has no LF."""
    first = chunk.find(b"\n")
    stop = max(first - 1, 0)
    if first < 0:
        stop = len(chunk) - (following == b"\n")
    at = chunk.find(b"\r\r", 0, stop)
    return (at + 2 if at >= 0 else 0), first < 0


def block(buf: MailBuffer, start: int = 0, end: int | None = None) -> bytes:
    """The header block at `start` with its blank line, at most BLOCK_LIMIT bytes of it."""
    return buf[start : min(header_end(buf, start, end), start + BLOCK_LIMIT)]


def _searchable(header: bytes) -> bytes:
    """The block in lower case, after a line end, with LF for every line end.

    Offsets are those of the block plus 1.
    """
    lower = b"\n" + header.lower()
    return lower if b"\n" in header else lower.replace(b"\r", b"\n")


def _find(lower: bytes, needle: bytes, at: int) -> tuple[int, int]:
    """The next field's value, as [start, end) of the searchable block; (-1, -1) if there is none."""
    at = lower.find(needle, at)
    while at >= 0:
        end = at + len(needle)
        colon = end if lower.startswith(b":", end) else _past_space(lower, end)
        if lower.startswith(b":", colon):
            return colon + 1, _field_end(lower, colon)
        at = lower.find(needle, end)
    return -1, -1


def _past_space(lower: bytes, at: int) -> int:
    while lower.startswith((b" ", b"\t"), at):
        at += 1
    return at


def _field_end(lower: bytes, at: int) -> int:
    """Offset behind the line end of the field that continues at `at`. Folded lines belong to it."""
    while True:
        at = lower.find(b"\n", at) + 1
        if not at:
            return len(lower)
        if not lower.startswith((b" ", b"\t"), at):
            return at


def unfold(value: bytes) -> bytes:
    """A field's value on one line, without white space around it."""
    value = value.strip()
    if b"\n" in value:
        return value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value


def field(header: bytes, name: bytes) -> bytes | None:
    """The first value of a field of that name, unfolded and stripped; None if there is no such field."""
    start, end = _find(_searchable(header), b"\n" + name.lower(), 0)
    return unfold(header[start - 1 : end - 1]) if start >= 0 else None


def pick(header: bytes, names: tuple[bytes, ...]) -> list[bytes | None]:
    """The first value of each of the names, as `field` returns it. One scan finds them all."""
    found: list[bytes | None] = [None] * len(names)
    for number, value in _scan(header, names):
        if found[number] is None:
            found[number] = unfold(value)
    return found


def gather(header: bytes, names: tuple[bytes, ...]) -> list[list[bytes]]:
    """All values of each of the names in order, as `field` returns them. One scan finds them all."""
    found: list[list[bytes]] = [[] for _ in names]
    for number, value in _scan(header, names):
        found[number].append(unfold(value))
    return found


def _scan(header: bytes, names: tuple[bytes, ...]) -> Iterator[tuple[int, bytes]]:
    """Yield the fields of these names in order: the position of the name, and the raw value."""
    lines = behind = b"\n" + header
    if b"\n" not in header:
        lines = behind.replace(b"\r", b"\n")
    for match in _pattern(names).finditer(lines):
        yield (match.lastindex or 0) - 1, behind[match.start() : match.end()].partition(b":")[2]


@lru_cache(maxsize=64)
def _pattern(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Matches a line end and the field behind it. The group number is that of the name."""
    words = [name.decode("ascii").lower() for name in names]
    groups = "|".join(f"({any_case(re.escape(word))})" for word in words)
    return re.compile(
        rf"\n{begins_any(words)}(?:{groups})[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+".encode("ascii")
    )


def fields(header: bytes) -> Iterator[HeaderField]:
    """Yield the fields in order. Their spans cover the block without gaps."""
    for start, end in spans(header):
        yield HeaderField(_name(header[start:end]), start, end)


def spans(header: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the fields lie, with their continuation lines. They cover the block without gaps."""
    eol = b"\n" if b"\n" in header else b"\r"
    start = 0
    while start < len(header):
        end = header.find(eol, start) + 1 or len(header)
        while header.startswith((b" ", b"\t"), end):
            end = header.find(eol, end) + 1 or len(header)
        yield start, end
        start = end


def _name(line: bytes) -> bytes:
    name, colon, _ = line.partition(b":")
    name = name.rstrip(_FOLD)
    return name.lower() if colon and _NAME.match(name) else b""


def decode(value: bytes, others: Others = none_stated) -> str:
    """The text of a value, with encoded words (RFC 2047) and raw 8-bit text decoded. Never raises.

    `others` gives the charsets that the message names elsewhere: raw text is normally in one of them.
    """
    if value.isascii():
        if b"=?" in value:
            return decode_words(value.decode("ascii"), others)
        if _ESCAPE not in value:
            return value.decode("ascii")
    if b"=?" not in value:
        return to_text(value, "", others)

    def raw_text(text: str) -> str:
        return to_text(text.encode("latin-1"), "", others)

    return _decoded(value.decode("latin-1"), raw_text, _as_latin_1, others)


def decode_words(text: str, others: Others = none_stated) -> str:
    """`text` with its encoded words decoded. Adjacent words are joined before they are decoded.

    `others` is for words that name no charset, such as `=?unknown-8bit?q?...?=`.
    """
    if "=?" not in text:
        return text
    if not text.isascii() or "\x1b" in text:
        return _decoded(text, _plain_text, _encoded_in, others)
    out: list[str] = []
    pending: list[bytes] = []
    charset = ""
    at = 0
    for word in _SOUND_WORD.finditer(text):
        raw = _word_bytes(word[2], word[3].encode("utf-8", "replace"), False)
        between = text[at : word.start()]
        if raw is None or "=?" in between:
            return _decoded(text, _plain_text, _encoded_in, others)
        apart = bool(between.strip()) or not at
        if pending and (apart or not _same(word[1], charset)):
            out.append(to_text(b"".join(pending), charset, others))
            pending.clear()
        if apart:
            out.append(between)
        pending.append(raw)
        charset = word[1]
        at = word.end()
    if "=?" in text[at:]:
        return _decoded(text, _plain_text, _encoded_in, others)
    if pending:
        out.append(to_text(b"".join(pending), charset, others))
    out.append(text[at:])
    return "".join(out)


def _plain_text(text: str) -> str:
    return to_text(text.encode("ascii")) if "\x1b" in text and text.isascii() else text


def _as_latin_1(content: str, charset: str) -> bytes:
    return content.encode("latin-1")


def _encoded_in(content: str, charset: str) -> bytes:
    """The bytes that the non-ASCII characters in an encoded word probably were."""
    if not content.isascii():
        with suppress(UnicodeEncodeError, LookupError):
            return content.encode(codec(charset) or "utf-8")
    return content.encode("utf-8", "replace")


class _Word(NamedTuple):
    """An encoded word in a text."""

    start: int
    end: int
    charset: str
    content: bytes


def _decoded(
    text: str, plain: Callable[[str], str], to_bytes: Callable[[str, str], bytes], others: Others
) -> str:
    """The text with its encoded words decoded; `plain` makes the rest readable."""
    out: list[str] = []
    pending: list[bytes] = []
    charset = ""
    at = 0
    for word in _words(text, to_bytes):
        between = text[at : word.start]
        apart = bool(between.strip()) or not at
        if pending and (apart or not _same(word.charset, charset)):
            out.append(to_text(b"".join(pending), charset, others))
            pending.clear()
        if apart:
            out.append(plain(between))
        pending.append(word.content)
        charset = word.charset
        at = word.end
    if pending:
        out.append(to_text(b"".join(pending), charset, others))
    out.append(plain(text[at:]))
    return "".join(out)


def _same(charset: str, other: str) -> bool:
    return charset.lower() == other.lower() or "" != codec(charset) == codec(other)


def _words(text: str, to_bytes: Callable[[str, str], bytes]) -> Iterator[_Word]:
    """Yield the encoded words that can be read. A word without an end goes up to the next white space."""
    begun = _WORD.search(text)
    while begun is not None:
        following = _WORD.search(text, begun.end())
        limit = following.start() if following is not None else len(text)
        ended = _WORD_END.search(text, begun.end(), limit + 2)
        while ended is not None and ended.start() >= limit:
            ended = None
        if ended is not None:
            stop, end = ended.span()
            if following is not None and following.start() < end:  # it began with the `=` of this word's `?=`
                following = _WORD.search(text, end)
        else:
            space = _SPACE.search(text, begun.end(), limit)
            stop = end = space.start() if space is not None else limit
        content = to_bytes(text[begun.end() : stop].removesuffix("?" if ended is None else ""), begun[1])
        raw = _word_bytes(begun[2], content, ended is None)
        sound = ended is not None and begun[2] and begun[2] in "BbQq"
        if raw is not None and (sound or codec(begun[1])):
            yield _Word(begun.start(), end, begun[1], raw)
        begun = following


def _word_bytes(encoding: str, content: bytes, cut: bool) -> bytes | None:
    """The bytes that an encoded word encodes; None if it can't be read.

    If the letter of the encoding is wrong or contradicts the content, the content decides.
    """
    if cut:
        content = _CUT_ESCAPE.sub(b"", content)
    letter = encoding.lower()
    if letter == "b":
        if b"=" in content[:-2] and _NOT_BASE64.search(content) is not None:
            letter = "q"
    elif letter != "q":
        letter = "b" if _BASE64.fullmatch(content) and len(content) % 4 == 0 else "q"
    elif content.endswith(b"=") and _BASE64.fullmatch(content) and len(content) % 4 == 0:
        letter = "b"
    if letter == "q":
        return unquoted(content, header=True)
    return _base64(content) if content else (None if cut else b"")


def _base64(content: bytes) -> bytes | None:
    """Base64 with white space, without padding, or in pieces with padding; None if it is too short."""
    if b"=" not in content[:-2] and b"-" not in content and b"_" not in content:
        with suppress(binascii.Error):
            return binascii.a2b_base64(content + b"==") or None
    found = b""
    for piece in content.translate(_URL_SAFE, _WHITE).split(b"="):
        if len(piece) % 4 == 1:
            piece = piece[:-1]
        found += binascii.a2b_base64(piece + b"=" * (-len(piece) % 4))
    return found or None


def parameters(value: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Split a structured value such as that of Content-Type.

    Parameters in pieces or with percent signs (RFC 2231) are joined and decoded. The first of several with
    one name counts.

    Returns:
        The value's main word in lower case, and the parameters by their names in lower case.
    """
    main = value.partition(b";")[0].strip().lower()
    found: dict[bytes, bytes] = {}
    pieces: dict[bytes, dict[int, bytes]] = {}
    for match in _PARAMETER.finditer(value):
        content = _ESCAPED.sub(rb"\1", match[2]) if match[2] is not None else match[3].lstrip(b'"')
        name, star, rest = match[1].lower().partition(b"*")
        if not star:
            found.setdefault(name, content)
        else:
            _add_piece(pieces.setdefault(name, {}), rest, content)
    for name, numbered in pieces.items():
        found.setdefault(name, b"".join(numbered[number] for number in sorted(numbered)))
    return main, found


def _add_piece(numbered: dict[int, bytes], rest: bytes, content: bytes) -> None:
    """Take one piece of a parameter. `rest` is the part of its name behind the star."""
    digits = rest.removesuffix(b"*")
    number = int(digits) if digits.isdigit() and len(digits) < 4 else 0
    if rest.endswith(b"*") or not rest:
        if number == 0 and content.count(b"'") >= 2:
            content = content.split(b"'", 2)[2]
        content = _PERCENT.sub(lambda match: bytes.fromhex(match[1].decode()), content)
    numbered.setdefault(number, content)
