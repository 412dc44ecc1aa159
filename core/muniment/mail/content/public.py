"""The public form of a message: the part of its header that all of its readers may see.

Servers and programs write recipients into header fields of many names: `Bcc` and `Resent-Bcc`, but also
`X-Receiver`, `X-Gm-Original-To`, `Delivered-To`, and new ones every year. So the public form has the fields
of one table, and no others. The body is unchanged: everything that a sender attaches is content, also a
forwarded message with its own header.

Programs differ in where a field ends. So any CR or LF begins a new line here, and a line that begins with
white space, blank or not, belongs to the field before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from muniment.mail.content.fork import STORE_HEADERS, is_store, is_transport
from muniment.mail.headers.fields import BLOCK_LIMIT, header_end
from muniment.mail.mime.walker import header_at
from muniment.mail.model import MailBuffer
from muniment.mail.patterns import any_of, begins_any

PUBLIC_VERSION = 2
"""Version of the table below."""

PUBLIC_FIELDS = (
    # RFC 5322: who wrote what, when, to whom; Bcc and Resent-Bcc are for their sender.
    *("from", "sender", "reply-to", "to", "cc", "date", "subject", "comments", "keywords"),
    *("message-id", "in-reply-to", "references"),
    *("resent-from", "resent-sender", "resent-reply-to", "resent-to", "resent-cc", "resent-date"),
    "resent-message-id",
    # How the content is written: RFC 2045 and 3282.
    *("mime-version", "content-*", "accept-language"),
    # Mailing lists: RFC 2369, 2919, 8058. Threads: what Outlook writes.
    *("list-*", "mail-followup-to", "mail-reply-to", "newsgroups", "followup-to"),
    *("thread-topic", "thread-index", "archived-at"),
    # How important, secret or automatic it is: RFC 2156, 3834, and what programs write.
    *("importance", "priority", "x-priority", "x-msmail-priority", "sensitivity", "precedence"),
    *("auto-submitted", "x-auto-response-suppress", "expires", "expiry-date", "reply-by", "supersedes"),
    *("disposition-notification-to", "return-receipt-to"),
    # What it was written with, and by whom.
    *("user-agent", "x-mailer", "x-mimeole", "organization", "organisation", "autocrypt", "openpgp"),
    *("x-ms-has-attach", "x-ms-tnef-correlator"),
)
"""Names of the fields that are shown, in lower case. A name that ends in `*` means all names with this
prefix.

A store's own field is never shown (`mail.content.fork.STORE_HEADERS`): `Content-Length` is no field of the
message.
"""

_EXACT = frozenset(name.encode() for name in PUBLIC_FIELDS if not name.endswith("*"))
_PREFIXES = tuple(name[:-1].encode() for name in PUBLIC_FIELDS if name.endswith("*"))
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_NAME = re.compile(rb"(?:\xef\xbb\xbf)?([!-9;-~]{1,100})[ \t]*:")
_LONE_CR = re.compile(rb"\r(?!\n)")
_SEPARATOR = re.compile(rb">?From ")
_ADDRESSES = re.compile(
    rb"bcc|rcpt|recipient|receiver|apparently|deliver|envelope|(?:real|original|forwarded|x)-?to\b",
    re.IGNORECASE,
)
"""Matches names of fields that are known to name recipients."""
_UNUSUAL = re.compile(rb"\n(?:(?![!-9;-~]{1,100}[ \t]*:|[ \t]|\r?\n|\Z|>?From )|(?<=\A\n)[ \t])")
"""Matches in front of a line that is no field, no continuation, and no separator of an mbox file."""
_LOOK = 100
"""Bytes of a line in which a broken name is sought."""


def is_public(name: bytes) -> bool:
    """Whether every reader may see a field of this name, in lower case."""
    return name in _EXACT or (name.startswith(_PREFIXES) and not is_store(name))


def is_prose(name: bytes) -> bool:
    """Whether a line that looks like a field of this name may be text, where a header contains text."""
    return is_public(name) or not (b"-" in name or _ADDRESSES.search(name) or is_transport(name))


def names_recipients(name: bytes) -> bool:
    """Whether a field of this name is known to name recipients."""
    return _ADDRESSES.search(name) is not None


class _Lines:
    """Decides for each line of a header in turn whether it is shown."""

    def __init__(self) -> None:
        self.text = False
        """Whether some readers take the header for ended, so that text may follow."""
        self.shown = False
        """Whether the last line is shown."""
        self.name = b""
        """The name of the field to which the last line belongs; b"" for none."""
        self._secret = False
        """Whether that field is known to name recipients."""

    def take(self, line: bytes) -> None:
        if line[:1] in b" \t\r\n":
            return
        named = _NAME.match(line)
        self.name = named[1].lower() if named is not None else b""
        if self.name:
            self.shown = is_prose(self.name) if self.text else is_public(self.name)
            self._secret = not self.shown and _ADDRESSES.search(self.name) is not None
        elif _SEPARATOR.match(line):
            self.shown = self.text
        elif _is_broken_name(line[:_LOOK]):
            self.shown, self._secret = False, True
        else:
            # A list of recipients that was folded without white space continues here.
            self.shown = not (self._secret and b"@" in line)
            self.text = self.text or self.shown


def _is_broken_name(line: bytes) -> bool:
    """Whether a line would be a field that names recipients, if its name had no forbidden characters."""
    name, colon, _ = line.partition(b":")
    return len(name.split()) <= (2 if colon else 1) and _ADDRESSES.search(name) is not None


def _spans(block: bytes, lines: _Lines, start: int = 0) -> Iterator[tuple[int, int]]:
    """The spans of a block that are shown, from offset `start` on. Adjacent spans are joined.

    A blank line at the end of the block is always shown.
    """
    begun = done = start
    for match in _LINE.finditer(block, start):
        lines.take(match[0])
        last = match.end() == len(block) and not match[0].strip(b"\r\n")
        if not (lines.shown or last):
            continue
        if match.start() != done:
            if begun < done:
                yield begun, done
            begun = match.start()
        done = match.end()
    if begun < done:
        yield begun, done


def public_header(buf: MailBuffer) -> tuple[list[tuple[int, int]], int]:
    """Which bytes of a message's header are public.

    Returns:
        The spans that are shown, and the offset from which on everything is shown. There are no spans if the
        header is longer than BLOCK_LIMIT: then nothing of it can be shown.
    """
    end = header_end(buf)
    if end > BLOCK_LIMIT:
        return [], end
    block, head, lines = buf[:end], len(header_at(buf, 0, len(buf))), _Lines()
    spans = list(_spans(block[:head], lines))
    if head < end:  # some readers take the rest for text, others for fields
        lines.text = True
        spans += _spans(block, lines, head)
    return spans, end


def is_usual(header: bytes) -> bool:
    """Whether a header, as `header_at` returns it, has only well-formed fields and ends with a blank line.

    Then all programs agree on where the header ends, and no text is inside it.
    """
    ended = header.endswith((b"\n\n", b"\n\r\n")) and len(header) < BLOCK_LIMIT
    return ended and _LONE_CR.search(header) is None and _UNUSUAL.search(b"\n" + header) is None


@cache
def _shown() -> re.Pattern[bytes]:
    """Matches a line end and the public field behind it. It takes long to compile."""
    return re.compile(
        "\n{}(?!{}[ \t]*:)(?:{}|(?:{})[!-9;-~]*)[ \t]*:[^\n]*+(?:\n[ \t][^\n]*+)*+".format(
            begins_any(PUBLIC_FIELDS),
            any_of([name.decode() for name in STORE_HEADERS if name.startswith(_PREFIXES)]),
            any_of([name for name in PUBLIC_FIELDS if not name.endswith("*")]),
            any_of([name[:-1] for name in PUBLIC_FIELDS if name.endswith("*")]),
        ).encode()
    )


def hidden_bytes(buf: MailBuffer, header: bytes | None = None, usual: bool | None = None) -> int:
    """How many bytes the public form of a message leaves out.

    Args:
        buf: the message.
        header: the result of `header_at`, if it is there already.
        usual: the result of `is_usual`, if it is there already.
    """
    head = header_at(buf, 0, len(buf)) if header is None else header
    if is_usual(head) if usual is None else usual:
        blank = 2 if head.endswith(b"\r\n") else 1
        return len(head) - blank - sum(map(len, _shown().findall(b"\n" + head)))
    spans, end = public_header(buf)
    return end - sum(stop - start for start, stop in spans)


def public_pieces(buf: MailBuffer, step: int) -> Iterator[bytes]:
    """Yield the public form of a message: first its header, then pieces of at most `step` bytes.

    Raises:
        ValueError: the header is too long to find its fields.
    """
    spans, end = public_header(buf)
    if end > BLOCK_LIMIT:
        raise ValueError("the header is too long")
    yield b"".join(buf[start:stop] for start, stop in spans)
    for at in range(end, len(buf), step):
        yield buf[at : min(at + step, len(buf))]


def stray_text(header: bytes) -> Iterator[bytes]:
    """The lines of a header that are no fields, and what may be text behind them, without private fields."""
    lines = _Lines()
    for match in _LINE.finditer(header):
        lines.take(match[0])
        if lines.text and lines.shown and b"-" not in lines.name:
            yield match[0]


def body_text(header: bytes, body: bytes) -> bytes:
    """The text of a body whose header, the block before it, ended without a blank line.

    Other programs take its lines up to the first blank one for the header. So fields that may name recipients
    are removed there.
    """
    end = header_end(body)
    lines = _Lines()
    for match in _LINE.finditer(header):
        lines.take(match[0])
    lines.text = True
    return b"".join(body[start:stop] for start, stop in _spans(body[:end], lines)) + body[end:]
