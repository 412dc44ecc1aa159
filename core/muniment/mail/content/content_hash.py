r"""The content hash: equal for copies of one message that differ only in what transport or a store added.

Everything that a reader can see is content. So the hash takes a message apart as the reader does
(`mail.mime.walker`): the header ends where it ends for the reader, and each leaf counts with its type, its
encoding and its place. Three things are left out:

- Header fields that transport or a store adds. They must be in a table of `mail.content.fork`, well-formed,
  and before any line that is no field or only blanks, since a reader may see what follows such a line.
  Only the message's own header has such fields; in a nested message each field is content. A message without
  a Date and a Message-ID may repeat another's words, as a device sends them day after day. Its oldest
  Received field distinguishes the two: all copies of one message have it, and it dates the message.
- The difference between LF and CRLF where it has no meaning: in headers, between parts, in base64, and in
  text whose charset writes line ends as ASCII does. Each byte counts in a `binary` part, in a file that is
  not base64, and in RTF, which counts bytes itself (`\bin`). A CR alone counts everywhere. Broken base64 is
  also shown undecoded, so it is treated as text.
- Line ends at the very end of the message, since an mbox file, a POP3 server or an editor adds or drops one.
  They count where they may have a meaning: in a file that is not base64, in a `binary` part, in an unknown
  encoding, and where the text before them may be read differently without them (`_may_go`). A message that
  is only a header counts the same with and without the blank line that ends it.
"""

from __future__ import annotations

import hashlib
import re
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from muniment.mail.charsets.decode import codec, to_text, writes_lines
from muniment.mail.content.fork import ADDED_HEADERS, TRANSPORT_VERSION, is_added
from muniment.mail.headers.fields import BLOCK_LIMIT, NO_FIELD, fields, gather
from muniment.mail.mime.stated_charsets import charset_of_text, stated_charset
from muniment.mail.mime.walker import UUENCODED, decoded, file_of, header_at, is_text, is_uuencoded, leaves
from muniment.mail.model import MailBuffer, MimeLeaf
from muniment.mail.patterns import any_case, any_of, begins_any

CONTENT_VERSION = 3
"""Version of these rules. Only the catalog keeps hashes, and its schema version changes with this number."""
_BLOCK = 1024 * 1024
_BARE_LF = re.compile(rb"\n(?<!\r\n)")
_BLANKS = {b"\n": re.compile(rb"\n[ \t]+\r?\n"), b"\r": re.compile(rb"\r[ \t]+\r")}
"""By the header's line end: a line of blanks. One program takes it for a folded line, another for the
header's end."""
_DATE_OR_ID = re.compile(rf"\n{any_case('(?:date|message-id)')}[ \t]*:[ \t]*[^\s]".encode())
"""Matches a Date or Message-ID field with a value."""
_BEGIN = 16 * 1024
"""Bytes at its beginning in which a text may name its own charset."""
_LONE_CR = re.compile(rb"\r(?!\n)")
_LAST_LINE = 1000
"""Bytes of a last line that are examined."""
_PLAIN = frozenset({"", "ascii", "utf_8", "cp1252"})
_LINE = re.compile(rb"[\r\n]")
_END_KNOWN = frozenset({"", "7bit", "8bit", "base64", "quoted-printable"})
"""Encodings for which it is known what a line end at the end means."""
_END = struct.Struct("<Q")
_COUNTING = frozenset({"text/rtf", "text/richtext"})
"""Types of text in which a number may say how many of the next bytes are no text."""
_UNDECODED = 2 * _BLOCK
"""Bytes of broken base64 that are shown undecoded, at least (`mail.text.read_text.PART_LIMIT`)."""


def content_hash(buf: MailBuffer, found: Sequence[MimeLeaf] | None = None) -> bytes:
    """SHA-256 of what a message says.

    Reads in blocks, so memory does not grow with the message. Never raises.

    Args:
        buf: the message.
        found: the result of `mime.walker.leaves`, if it is there already.
    """
    digest = _Digest(repr((CONTENT_VERSION, TRANSPORT_VERSION)))
    head = header_at(buf, 0, len(buf))
    at, lines = 0, _crlf(head)
    if len(lines) < BLOCK_LIMIT:
        whole = _completed(lines) if len(head) == len(buf) else lines
        digest.add((content_header(whole), *_origin(lines)), "header")
        at = len(head)
    last = _text_end(buf)
    for leaf in leaves(buf) if found is None else found:
        digest.add(_lines(buf, at, leaf.body), "between")
        exact = _is_exact(buf, leaf)
        end = leaf.end
        if not exact and last < end and _may_go(buf, leaf, max(last, leaf.body)):
            end = max(last, leaf.body)
        pieces = _blocks(buf, leaf.body, end) if exact else _lines(buf, leaf.body, end)
        digest.add(pieces, f"{leaf.content_type} {leaf.encoding}")
        at = max(leaf.end, at)
    digest.add(_lines(buf, at, max(at, last)), "behind")
    return digest.sha256.digest()


def _origin(header: bytes) -> tuple[bytes, ...]:
    """The oldest dated Received field of a header without Date and Message-ID; empty for other headers."""
    if _DATE_OR_ID.search(b"\n" + header):
        return ()
    return tuple([value for value in gather(header, (b"received",))[0] if b";" in value][-1:])


def _text_end(buf: MailBuffer) -> int:
    """Offset of the line ends at the end of the message."""
    end = len(buf)
    while end:
        block = buf[max(end - _BLOCK, 0) : end]
        text = len(block.rstrip(b"\r\n"))
        end -= len(block) - text
        if text:
            break
    for block in _lines(buf, end, len(buf)):
        # A lone CR counts as text, so all line ends in front of it are inside the message.
        if _LONE_CR.search(block):
            return len(buf)
    return end


def _completed(header: bytes) -> bytes:
    """A header that is the whole message, with the blank line that ends it.

    An unclear header stays as it is.
    """
    whole = header.rstrip(b"\r\n") + b"\r\n\r\n"
    clear = not _LONE_CR.search(header) and NO_FIELD.search(whole) is None and not _is_unclear(whole, b"\n")
    return whole if clear and header.strip(b"\r\n") else header


def _may_go(buf: MailBuffer, leaf: MimeLeaf, end: int) -> bool:
    """Whether a leaf reads the same without the line ends from `end` on, which are its last bytes.

    They stay where an escape, a tag, a character or an encoded file may continue after them. Not for leaves
    whose every byte counts.
    """
    if leaf.encoding == "base64":
        return True
    if leaf.encoding not in _END_KNOWN or file_of(buf, leaf) is not None:
        return False
    line = buf[max(end - _LAST_LINE, leaf.body) : end]
    if leaf.encoding == "quoted-printable":
        if line.endswith((b"=", b" ", b"\t")):
            return False
        line = decoded(line, leaf.encoding)[0]
    cut = end - _LAST_LINE > leaf.body and _LINE.search(line) is None
    if leaf.content_type == "text/html":
        _, tag, behind = line.rpartition(b">")
        if b"<" in behind or b"&" in behind or (cut and not tag):
            return False
    return end == leaf.body or _ends_alike(_LINE.split(line)[-1], stated_charset(leaf.stated), cut)


def _ends_alike(line: bytes, charset: str, cut: bool) -> bool:
    """Whether a last line of text reads the same with and without a line end.

    `cut`: the line begins before `line` does.
    """
    if not line.strip(b" \t`") or line.strip().lower() == b"end":
        return False  # the last lines of a uuencoded file
    if cut and (not line.isascii() or b"\x1b" in line or codec(charset) not in _PLAIN):
        return False
    alone, ended = to_text(line, charset), to_text(line + b"\r\n", charset)
    return not alone.endswith("\ufffd") and ended == alone + "\r\n"


class _Digest:
    """A hash over pieces.

    The length and the name of each piece are hashed too, so that no piece passes for another.
    """

    def __init__(self, version: str) -> None:
        self.sha256 = hashlib.sha256(version.encode())

    def add(self, blocks: Iterable[bytes], what: str) -> None:
        """Add one piece, in blocks. `what` is its name."""
        size = 0
        for block in blocks:
            self.sha256.update(block)
            size += len(block)
        name = what.encode("utf-8", "surrogatepass")
        self.sha256.update(name + _END.pack(len(name)) + _END.pack(size))


def content_header(header: bytes) -> bytes:
    """A header block without the well-formed fields that transport or a store adds.

    A header that has only such fields stays as it is: otherwise the message would begin with a blank line,
    and readers would read it differently.
    """
    kept = _without_added(header)
    return kept if kept.strip(b"\r\n") else header


def _without_added(header: bytes) -> bytes:
    """The content fields of a header. Of an unclear header, more than these.

    From the field before the first unclear line on, everything stays: a reader may show text there, and that
    field decides how much.
    """
    eol = b"\n" if b"\n" in header else b"\r"
    ends = _ended(header)
    if ends and NO_FIELD.search(header) is None and not _is_unclear(header, eol):
        return _added_field(eol).sub(b"", eol + header)[1:]
    found = list(fields(header))
    clear = next(
        (n for n, one in enumerate(found) if not one.name or _is_unclear(header, eol, one.start, one.end)),
        len(found),
    )
    if not (ends and clear == len(found) - 1):
        clear -= 1
    kept = [one for n, one in enumerate(found) if n >= clear or not is_added(one.name)]
    return b"".join(header[one.start : one.end] for one in kept)


def _ended(header: bytes) -> bool:
    """Whether a header ends with a blank line, or is only one."""
    return header.endswith((b"\n\r\n", b"\n\n", b"\r\r")) or header in (b"\r\n", b"\n", b"\r")


def _is_unclear(header: bytes, eol: bytes, start: int = 0, end: int = sys.maxsize) -> bool:
    """Whether programs may read a line differently. Two patterns are five times as fast as one for both."""
    if _BLANKS[eol].search(header, start, end) is not None:
        return True
    return eol == b"\n" and _LONE_CR.search(header, start, end) is not None


@lru_cache(maxsize=2)
def _added_field(eol: bytes) -> re.Pattern[bytes]:
    """Matches a line end and the added field behind it, in a header with line ends `eol`.

    One scan takes half the time of testing field after field, of which Exchange writes many.
    """
    exact = [name.decode() for name in ADDED_HEADERS if not name.endswith(b"*")]
    begun = [name[:-1].decode() for name in ADDED_HEADERS if name.endswith(b"*")]
    name = f"(?:{any_of(exact)}|{any_of(begun, lambda _: '[!-9;-~]*+')})"
    pattern = rf"@{begins_any(exact + begun)}{name}[ \t]*+:[^@]*+(?:@[ \t][^@]*+)*+"
    return re.compile(pattern.replace("@", eol.decode()).encode())


def _is_exact(buf: MailBuffer, leaf: MimeLeaf) -> bool:
    """Whether each byte of a leaf's content counts, also in its line ends."""
    if leaf.encoding == "base64":
        return _undecoded_lines(buf, leaf)
    if leaf.encoding == "binary" or not is_text(leaf.content_type) or leaf.content_type in _COUNTING:
        return True
    if leaf.encoding in UUENCODED and not is_uuencoded(buf, leaf):
        return True  # it is read undecoded, and may contain files under the part's name
    begin, _ = decoded(buf[leaf.body : min(leaf.end, leaf.body + _BEGIN)], leaf.encoding)
    return not writes_lines(charset_of_text(leaf.stated, begin, leaf.content_type))


def _undecoded_lines(buf: MailBuffer, leaf: MimeLeaf) -> bool:
    """Whether broken base64 is read undecoded in a charset that writes line ends in its own way."""
    begin = buf[leaf.body : min(leaf.end, leaf.body + _BEGIN)]
    if writes_lines(charset_of_text(leaf.stated, begin, leaf.content_type)):
        return False
    return not decoded(buf[leaf.body : min(leaf.end, leaf.body + _UNDECODED)], leaf.encoding)[1]


def _lines(buf: MailBuffer, start: int, end: int) -> Iterator[bytes]:
    """The bytes [start, end) in blocks, with CRLF for every LF. No block ends between a CR and its LF."""
    while start < end:
        block = buf[start : min(start + _BLOCK, end)]
        if block.endswith(b"\r") and start + len(block) < end:
            block = block[:-1] or block
        start += len(block)
        yield _crlf(block)


def _blocks(buf: MailBuffer, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _BLOCK):
        yield buf[at : min(at + _BLOCK, end)]


def _crlf(block: bytes) -> bytes:
    if _BARE_LF.search(block) is None:
        return block
    return block.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
