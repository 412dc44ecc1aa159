"""Files with one mail each: whether there is a mail in a file, and where it begins and ends.

A container is removed, and the message inside is kept byte for byte. Containers are compression, a byte order
mark, blank lines before the header, the separator of an mbox file, the frame of Apple's .emlx (a line with
the mail's length before it, and a property list after it), and UTF-16. UTF-16, which PowerShell writes,
becomes UTF-8 if the conversion can be reversed; otherwise the text stays unchanged.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from muniment.sources.files.separator import LONGEST, separator
from muniment.sources.passing import APPLE_DOUBLE, BLANK, EMPTY, NO_MAIL, OUTLOOK, WEB_PAGE

HEAD = 64 * 1024
"""Number of bytes at the beginning of a file in which a mail's header is searched."""
_BLOCK = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_WIDE = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_WIDE_FIELD = re.compile(rb"(?:[!-9;-~]\0){1,100}(?:[ \t]\0)?:\0")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DOUBLE = b"\x00\x05\x16\x07"
_BANNER = b"Microsoft Mail Internet Headers Version 2.0"
"""A line that Exchange and Outlook write before a header that they display."""
_LENGTH = re.compile(rb"[ \t]{0,20}(\d{1,12})[ \t]{0,20}\r?\n")
_PLIST = 64 * 1024
"""Number of bytes of a property list that are read."""
_STATED_FLAGS = re.compile(rb"<key>flags</key>[ \t\r\n]{0,20}<integer>(\d{1,18})</integer>")
_FIELD = re.compile(
    rb"(?:\A|[\r\n])(?:from|to|cc|bcc|date|subject|sender|reply-to|received|return-path|message-id|references"
    rb"|in-reply-to|mime-version|content-[a-z-]{1,40}|delivered-to|resent-[a-z-]{1,40}|x-[!-9;-~]{1,90}"
    rb"|list-[a-z]{1,40}|dkim-signature|authentication-results|arc-[a-z-]{1,40}|user-agent|importance|newsgroups"
    rb"|path|thread-[a-z]{1,20}|status|comments|keywords)[ \t]*:",
    re.IGNORECASE,
)
"""A header field of mail. A text that begins with another word and a colon is no mail."""
_MARKUP = re.compile(rb"\s*+<(?:!doctype|!--|\?xml|html|head|body|meta|table|div|p\b)", re.IGNORECASE)
_HEADER_END = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")
_FLAGS = ((0, "S"), (1, "T"), (2, "R"), (4, "F"), (6, "D"))
"""Bits of Apple's flags, and the letters of a Maildir with the same meaning."""


class ContainedMail(NamedTuple):
    """The bytes [start, end) of an open file, which are a mail."""

    start: int
    end: int
    charset: str = ""
    """The encoding, if the file is UTF-16; otherwise ""."""
    flags: tuple[str, ...] = ()
    """Flags from Apple's property list, as letters of a Maildir."""

    def size(self) -> int | None:
        """Size in bytes; None if the mail must be decoded first."""
        return None if self.charset else self.end - self.start

    def is_all_of(self, size: int) -> bool:
        """Whether the mail is the whole content of a file of `size` bytes, without any container."""
        return not self.charset and (self.start, self.end) == (0, size)


def find_mail(file: BinaryIO, framed: bool, *, whole: bool = True) -> ContainedMail | str:
    """Find the mail in a file.

    Args: file: The file, open for reading. framed: Whether the file is an .emlx. whole: Read the whole file,
        to check that UTF-16 can be converted. Otherwise only the beginning is read, and a file can count as
        UTF-16 that is not valid.

    Returns:
        Where the mail is, or the reason why there is none.

    Raises:
        OSError: The file can't be read.
    """
    size = file.seek(0, 2)
    start, end = 0, size
    flags: tuple[str, ...] = ()
    if framed:
        file.seek(0)
        stated = _LENGTH.match(file.read(100))
        if stated is None or stated.end() + int(stated[1]) > size:
            return NO_MAIL if size else EMPTY
        start, end = stated.end(), stated.end() + int(stated[1])
        flags = _flags(file, end)
    file.seek(start)
    head = file.read(min(HEAD, end - start))
    charset, mark = _wide(head)
    text = head[mark:].decode(charset, "replace").encode() if charset else head
    skipped = 0 if charset else _before(text)
    reason = _no_mail(text[_before(text) :], head)
    if reason:
        return reason
    if charset and whole and not _is_reversible(file, start + mark, end, charset):
        return ContainedMail(start, end, "", flags)
    return ContainedMail(start + (mark if charset else skipped), end, charset, flags)


def pieces(file: BinaryIO, mail: ContainedMail) -> Iterator[bytes]:
    """The mail's bytes, in blocks. Raises OSError."""
    blocks = _blocks(file, mail.start, mail.end)
    if not mail.charset:
        yield from blocks
        return
    first = True
    for piece in _decoded(blocks, mail.charset):
        encoded = piece.encode()
        if first:
            encoded = encoded[_before(encoded) :]
        first = first and not encoded
        yield encoded


def _blocks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end and (block := file.read(min(_BLOCK, end - start))):
        yield block
        start += len(block)


def _decoded(blocks: Iterator[bytes], charset: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(charset)("strict")
    for block in blocks:
        yield decoder.decode(block)
    yield decoder.decode(b"", True)


def _is_reversible(file: BinaryIO, start: int, end: int, charset: str) -> bool:
    """Whether the bytes are valid UTF-16, so that the decoded text can be encoded to them again."""
    try:
        for _ in _decoded(_blocks(file, start, end), charset):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _wide(head: bytes) -> tuple[str, int]:
    """The kind of UTF-16 of a file, and the length of its byte order mark; "" and 0 for other files."""
    for mark, charset in _WIDE:
        if head.startswith(mark):
            return charset, len(mark)
    if _WIDE_FIELD.match(head):
        return "utf-16-le", 0
    return ("utf-16-be", 0) if head[:1] == b"\0" and _WIDE_FIELD.match(head, 1) else ("", 0)


def _before(head: bytes) -> int:
    """Number of bytes before the header: a byte order mark, blank lines, an mbox separator or a banner."""
    at = len(_BOM) if head.startswith(_BOM) else 0
    at += len(head[at:]) - len(head[at:].lstrip(b"\r\n"))
    line, end, _ = head[at : at + LONGEST + 2].partition(b"\n")
    begins = line.rstrip(b"\r \t")
    return at + len(line) + 1 if end and (begins == _BANNER or separator(begins) is not None) else at


def _no_mail(text: bytes, head: bytes) -> str:
    """Why a file is no mail, or "" if it is.

    Args:
        text: The beginning of the file, from the header on.
        head: The beginning of the file, unchanged.
    """
    if not head:
        return EMPTY
    if not head.strip(b" \t\r\n\0"):
        return BLANK
    if head.startswith(_OLE):
        return OUTLOOK
    if head.startswith(_DOUBLE):
        return APPLE_DOUBLE
    if _MARKUP.match(text):
        return WEB_PAGE
    blank = _HEADER_END.search(text)
    return "" if _FIELD.search(text, 0, blank.end() if blank else len(text)) else NO_MAIL


def _flags(file: BinaryIO, end: int) -> tuple[str, ...]:
    """The flags in Apple's property list after the mail: read, deleted, answered, flagged, draft."""
    file.seek(end)
    stated = _STATED_FLAGS.search(file.read(_PLIST))
    flags = int(stated[1]) if stated else 0
    return tuple(sorted(letter for bit, letter in _FLAGS if flags >> bit & 1))
