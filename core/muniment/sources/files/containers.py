"""Files of one mail each: what is in them, and where the mail begins and ends.

The rule for what is kept: a container is undone, and what it holds is the message, byte for byte. Containers
are compression, a byte order mark, blank lines before the header, the separator of an mbox file, the frame of
Apple's .emlx (a line with the mail's length before it, a property list behind it), and UTF-16. Text in
UTF-16, as PowerShell writes it, becomes UTF-8 where the one can be made of the other again; else it is handed
on as it is.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from muniment.sources.files.separator import LONGEST, separator
from muniment.sources.passing import APPLE_DOUBLE, BLANK, EMPTY, NO_MAIL, OUTLOOK, WEB_PAGE

HEAD = 64 * 1024
"""Bytes of a file in which the mail's header is sought."""
_BLOCK = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_WIDE = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_WIDE_FIELD = re.compile(rb"(?:[!-9;-~]\0){1,100}(?:[ \t]\0)?:\0")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DOUBLE = b"\x00\x05\x16\x07"
_BANNER = b"Microsoft Mail Internet Headers Version 2.0"
"""What Exchange and Outlook write before a header that they show."""
_LENGTH = re.compile(rb"[ \t]{0,20}(\d{1,12})[ \t]{0,20}\r?\n")
_PLIST = 64 * 1024
"""Bytes of a property list that are looked at."""
_STATED_FLAGS = re.compile(rb"<key>flags</key>[ \t\r\n]{0,20}<integer>(\d{1,18})</integer>")
_FIELD = re.compile(
    rb"(?:\A|[\r\n])(?:from|to|cc|bcc|date|subject|sender|reply-to|received|return-path|message-id|references"
    rb"|in-reply-to|mime-version|content-[a-z-]{1,40}|delivered-to|resent-[a-z-]{1,40}|x-[!-9;-~]{1,90}"
    rb"|list-[a-z]{1,40}|dkim-signature|authentication-results|arc-[a-z-]{1,40}|user-agent|importance|newsgroups"
    rb"|path|thread-[a-z]{1,20}|status|comments|keywords)[ \t]*:",
    re.IGNORECASE,
)
"""A field that mail has. Text that begins with another word and a colon is no mail."""
_MARKUP = re.compile(rb"\s*+<(?:!doctype|!--|\?xml|html|head|body|meta|table|div|p\b)", re.IGNORECASE)
_HEADER_END = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")
_FLAGS = ((0, "S"), (1, "T"), (2, "R"), (4, "F"), (6, "D"))
"""Bits of Apple's flags, and the letters that a Maildir has for the same."""


class Mail(NamedTuple):
    """A mail in an open file."""

    start: int
    end: int
    charset: str = ""
    """The encoding of a file that is UTF-16."""
    flags: tuple[str, ...] = ()

    def size(self) -> int | None:
        """Its bytes; None where only decoding them tells."""
        return None if self.charset else self.end - self.start

    def is_all_of(self, size: int) -> bool:
        """Whether it is, byte for byte, all that a file of so many bytes has."""
        return not self.charset and (self.start, self.end) == (0, size)


def find_mail(file: BinaryIO, framed: bool, *, whole: bool = True) -> Mail | str:
    """Where the mail is in a file, or why there is none; `framed`: the file is an .emlx. Raises OSError.

    Unless it is asked for the `whole`, it reads the beginning alone: then UTF-16 may turn out to be none.
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
    if charset and whole and not _comes_back(file, start + mark, end, charset):
        return Mail(start, end, "", flags)
    return Mail(start + (mark if charset else skipped), end, charset, flags)


def pieces(file: BinaryIO, mail: Mail) -> Iterator[bytes]:
    """The mail's bytes, block by block. Raises OSError."""
    blocks = _blocks(file, mail.start, mail.end)
    if not mail.charset:
        yield from blocks
        return
    first = True
    for piece in _decoded(blocks, mail.charset):
        told = piece.encode()
        if first:
            told = told[_before(told) :]
        first = first and not told
        yield told


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


def _comes_back(file: BinaryIO, start: int, end: int, charset: str) -> bool:
    """Whether UTF-16 can be made of the decoded text again; what is no true UTF-16 can't."""
    try:
        for _ in _decoded(_blocks(file, start, end), charset):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _wide(head: bytes) -> tuple[str, int]:
    """The kind of UTF-16 that a file is, and the bytes of its mark; "" and 0 for none."""
    for mark, charset in _WIDE:
        if head.startswith(mark):
            return charset, len(mark)
    if _WIDE_FIELD.match(head):
        return "utf-16-le", 0
    return ("utf-16-be", 0) if head[:1] == b"\0" and _WIDE_FIELD.match(head, 1) else ("", 0)


def _before(head: bytes) -> int:
    """Bytes before the header: a byte order mark, blank lines, an mbox file's separator or a banner."""
    at = len(_BOM) if head.startswith(_BOM) else 0
    at += len(head[at:]) - len(head[at:].lstrip(b"\r\n"))
    line, end, _ = head[at : at + LONGEST + 2].partition(b"\n")
    begins = line.rstrip(b"\r \t")
    return at + len(line) + 1 if end and (begins == _BANNER or separator(begins) is not None) else at


def _no_mail(text: bytes, head: bytes) -> str:
    """Why a file that begins so is no mail; "" where it is. `text` is without what stands before a header."""
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
    """What Apple's property list says of a mail: read, deleted, answered, flagged, a draft."""
    file.seek(end)
    told = _STATED_FLAGS.search(file.read(_PLIST))
    flags = int(told[1]) if told else 0
    return tuple(sorted(letter for bit, letter in _FLAGS if flags >> bit & 1))
