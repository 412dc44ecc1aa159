"""Header blocks as bytes: where they end, what fields they hold, what a value says (RFC 5322, 2047, 2231).

A line ends with CRLF or LF. CR alone ends lines only in a block that holds no LF at all, as some very
old programs wrote it. A block is looked at up to BLOCK_LIMIT bytes, however long a hostile one is.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from typing import Any, NamedTuple, TypeVar, cast

from muniment.mail.charsets import to_text
from muniment.mail.model import Buffer
from muniment.mail.patterns import any_case
from muniment.mail.quoted import unquoted

BLOCK_LIMIT = 1024 * 1024
"""Bytes of a header block that are looked at."""
_SHORT = 256
_WINDOW = 16 * 1024
_BLANK = re.compile(rb"\n\r?\n")
_FOLD = b" \t"
_NAME = re.compile(rb"[!-9;-~]+\Z")
NO_FIELD = re.compile(rb"\n(?![!-9;-~]+[ \t]*:|[ \t\r\n]|>?From )[^\n]")
"""Where a header has a line that is no field: what it holds from there on may be text for people."""
_WORD = re.compile(r"=\?([^?*\s]+)(?:\*[^?]*)?\?([BbQq])\?([^?]*)\?=")
_PARAMETER = re.compile(rb';\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*+)"|([^;\s]*))', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


Read = TypeVar("Read", bound=Callable[..., Any])


def remembered(read: Read) -> Read:
    """For a function of a header block or of a field's value: remembers what it made of short ones.

    The parts of mail after mail have the same few headers, and an organisation the same addresses.
    """
    known = lru_cache(maxsize=1024)(read)

    @wraps(read)
    def look(stated: bytes | str, *args: Any) -> Any:
        return (known if len(stated) <= _SHORT else read)(stated, *args)

    return cast(Read, look)


class Field(NamedTuple):
    """A field in its block, folding and line end included: bytes [start, end)."""

    name: bytes
    """Lower case; b"" for a line that is no field: the blank one, an mbox `From `, rubbish."""
    start: int
    end: int


def header_end(buf: Buffer, start: int = 0, end: int | None = None) -> int:
    """Offset just past the blank line that ends the header begun at `start`; `end` if there is no body."""
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
    """Offset past a blank line made of CRs alone before any LF, or 0; and whether no LF was seen."""
    first = chunk.find(b"\n")
    stop = max(first - 1, 0)
    if first < 0:
        stop = len(chunk) - (following == b"\n")
    at = chunk.find(b"\r\r", 0, stop)
    return (at + 2 if at >= 0 else 0), first < 0


def block(buf: Buffer, start: int = 0, end: int | None = None) -> bytes:
    """The header block begun at `start`, its blank line included, of at most BLOCK_LIMIT bytes."""
    return buf[start : min(header_end(buf, start, end), start + BLOCK_LIMIT)]


def _searchable(header: bytes) -> bytes:
    """The block in lower case behind a line end, every line ending in LF: offsets are the block's plus 1."""
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
    """Offset past the line end of the field that goes on at `at`; folded lines belong to it."""
    while True:
        at = lower.find(b"\n", at) + 1
        if not at:
            return len(lower)
        if not lower.startswith((b" ", b"\t"), at):
            return at


def unfold(value: bytes) -> bytes:
    """A field's value on one line, without the white space around it."""
    value = value.strip()
    if b"\n" in value:
        return value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value


def field(header: bytes, name: bytes) -> bytes | None:
    """The first value of that name, unfolded and stripped; None if there is no such field."""
    start, end = _find(_searchable(header), b"\n" + name.lower(), 0)
    return unfold(header[start - 1 : end - 1]) if start >= 0 else None


def pick(header: bytes, names: tuple[bytes, ...]) -> list[bytes | None]:
    """The first value of each of the names, as `field` gives it, found in one scan."""
    found: list[bytes | None] = [None] * len(names)
    for number, value in _scan(header, names):
        if found[number] is None:
            found[number] = unfold(value)
    return found


def gather(header: bytes, names: tuple[bytes, ...]) -> list[list[bytes]]:
    """All values of each of the names in order, as `field` gives them, found in one scan."""
    found: list[list[bytes]] = [[] for _ in names]
    for number, value in _scan(header, names):
        found[number].append(unfold(value))
    return found


def _scan(header: bytes, names: tuple[bytes, ...]) -> Iterator[tuple[int, bytes]]:
    """The fields of these names in order: which name it is, and the value as it stands."""
    lines = behind = b"\n" + header
    if b"\n" not in header:
        lines = behind.replace(b"\r", b"\n")
    for match in _pattern(names).finditer(lines):
        yield (match.lastindex or 0) - 1, behind[match.start() : match.end()].partition(b":")[2]


@lru_cache(maxsize=64)
def _pattern(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Matches a line end and the field behind it; the number of the group is that of the name."""
    groups = "|".join(f"({any_case(re.escape(name.decode('ascii').lower()))})" for name in names)
    return re.compile(rf"\n(?:{groups})[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+".encode("ascii"))


def fields(header: bytes) -> Iterator[Field]:
    """The fields in order; their spans cover the block without gaps."""
    for start, end in spans(header):
        yield Field(_name(header[start:end]), start, end)


def spans(header: bytes) -> Iterator[tuple[int, int]]:
    """Where the fields lie, continuation lines included; they cover the block without gaps."""
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


def decode(value: bytes) -> str:
    """The text of a value: encoded words (RFC 2047) and raw 8-bit text alike. Never raises."""
    if value.isascii() and b"=?" not in value:
        return value.decode("ascii")
    return decode_words(to_text(value))


def decode_words(text: str) -> str:
    """`text` with its encoded words decoded; neighbours are joined before they are decoded."""
    if "=?" not in text:
        return text
    out: list[str] = []
    pending: list[bytes] = []
    charset = ""
    at = 0
    for word in _WORD.finditer(text):
        raw = _word_bytes(word[2], word[3])
        if raw is None:
            continue
        between = text[at : word.start()]
        if pending and (between.strip() or word[1].lower() != charset):
            out.append(to_text(b"".join(pending), charset))
            pending.clear()
        if between.strip() or not at:
            out.append(between)
        pending.append(raw)
        charset = word[1].lower()
        at = word.end()
    if pending:
        out.append(to_text(b"".join(pending), charset))
    out.append(text[at:])
    return "".join(out)


def _word_bytes(encoding: str, content: str) -> bytes | None:
    """What an encoded word encodes; None for one that is broken beyond reading."""
    raw = content.encode("utf-8", "replace")
    if encoding in "Qq":
        return unquoted(raw, header=True)
    for digits in (raw, raw[:-1]):
        try:
            found = binascii.a2b_base64(digits + b"==")
        except binascii.Error:
            continue
        return found if found or not raw else None
    return None


def parameters(value: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """A structured value such as Content-Type's: its main word, lower-case, and its parameters.

    Parameters in pieces or with percent signs (RFC 2231) are put together; of repeated ones the first counts.
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
    """Take one piece of a parameter, whose name went on with `rest` behind the star."""
    digits = rest.removesuffix(b"*")
    number = int(digits) if digits.isdigit() and len(digits) < 4 else 0
    if rest.endswith(b"*") or not rest:
        if number == 0 and content.count(b"'") >= 2:
            content = content.split(b"'", 2)[2]
        content = _PERCENT.sub(lambda match: bytes.fromhex(match[1].decode()), content)
    numbered.setdefault(number, content)
