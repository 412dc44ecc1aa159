"""Reads journal reports: their envelope, and where the original lies ([MS-XJRNL], RFC 2046).

Offsets are those of the raw bytes, since the original must come out byte for byte. Only direct children of
the report's own multipart count. Whatever the original contains belongs to the original, also lines that look
like a delimiter of the report.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from msgspec.structs import replace

from muniment.mail.charsets.decode import to_text
from muniment.mail.headers.addresses import mailboxes, normalise, usable
from muniment.mail.headers.dates import parse_date
from muniment.mail.headers.fields import BLOCK_LIMIT, block, header_end, parameters, pick, remembered
from muniment.mail.headers.routing import envelope_of
from muniment.mail.journal.envelope import EnvelopeText, looks_like_envelope, read_envelope
from muniment.mail.journal.placeholder import is_message, placeholder
from muniment.mail.mime.delimiters import content_end, delimiters, last_closing
from muniment.mail.mime.walker import decoded
from muniment.mail.model import (
    INBOX_ROLES,
    SENT_ROLES,
    Envelope,
    JournalReport,
    MailBuffer,
    OriginalSpan,
    UnwrapError,
)
from muniment.mail.notes import NO_ENVELOPE, PLACEHOLDER

ENVELOPE_LIMIT = 16 * 1024 * 1024
"""Bytes of an envelope's text part that are read. A note says when there were more."""
_ORIGINALS = 2
_CHILDREN = 64
"""Direct children that are examined."""
_PART_HEAD = 64 * 1024
_BEGIN = 200
_MESSAGE = frozenset({b"message/rfc822", b"message/global"})
_WANTED = (
    b"content-type",
    b"content-transfer-encoding",
    b"sender",
    b"date",
    b"x-ms-journal-report",
    b"x-ms-exchange-organization-journal-report",
    b"x-wm-journal-report",
    b"content-identifier",
    b"content-identifer",
    b"message-id",
)
_IDENTITY = frozenset({"", "7bit", "8bit", "binary", "identity"})
_OWN_FIELD = re.compile(rb"(?:\A|[\r\n])(?:from|received|date|message-id|sender)[ \t]*:", re.IGNORECASE)
_HEADER_LINE = re.compile(rb"[!-9;-~]+[ \t]*:")


class _Head(NamedTuple):
    """What matters here in the header of a message."""

    kind: bytes
    boundary: bytes
    encoding: str
    sender: bytes
    date: bytes
    marked: bool
    """Whether it claims to be a journal report: `X-MS-Journal-Report` or one of its older forms."""
    message_id: bytes


class _Part(NamedTuple):
    """A direct child: its header at [start, body), its content at [body, end)."""

    kind: bytes
    encoding: str
    charset: str
    start: int
    body: int
    end: int


class _Children(NamedTuple):
    """The children of a report that matter."""

    text: _Part | None
    originals: list[_Part]
    exact: bool
    """Whether there is nothing else: first text, then originals with a message type, then the closing
    delimiter."""
    notes: tuple[str, ...]


def read_report(buf: MailBuffer) -> JournalReport | None:
    """Read a journal report ([MS-XJRNL]).

    A report is recognised by its marker, in any form that Exchange and gateways have used. Where a service
    removed the marker, a message that is exactly an envelope and its original is one, too. A report that
    comes back inside a non-delivery report (RFC 3464) is found as well.

    Args:
        buf: the message as it was fetched.

    Returns:
        The report; None for mail that is none.

    Raises:
        UnwrapError: the message is marked as a report and has no original to take out.
    """
    return _read(buf, 0, len(buf), nested=False)


def _read(buf: MailBuffer, start: int, end: int, *, nested: bool) -> JournalReport | None:
    body = header_end(buf, start, end)
    head = _head(buf[start : min(body, start + BLOCK_LIMIT)])
    if head.kind == b"multipart/report" and head.boundary and not nested:
        returned = _returned(buf, head.boundary, body, end)
        if returned is not None or not head.marked:
            return returned
    if not head.marked and (head.kind != b"multipart/mixed" or not head.boundary):
        return None
    children = _children(buf, head, body, end)
    return None if children is None else _report(buf, head, children)


def _head(header: bytes) -> _Head:
    """Read a message's header. Any marker that was ever in use makes it a journal report."""
    content_type, encoding, sender, date, exchange, transport, gateway, *others = pick(header, _WANTED)
    *identifiers, message_id = others
    kind, stated = parameters(content_type or b"")
    marked = (
        exchange is not None
        or transport is not None
        or (gateway or b"").lower() == b"journal"
        or any((each or b"").lower() == b"exjournalreport" for each in identifiers)
    )
    boundary = stated.get(b"boundary", b"").rstrip()
    return _Head(kind, boundary, _encoding(encoding), sender or b"", date or b"", marked, message_id or b"")


def _returned(buf: MailBuffer, boundary: bytes, start: int, end: int) -> JournalReport | None:
    """The journal report that a non-delivery report (RFC 3464) returns as a part, if it does."""
    limit, _ = _closing(buf, boundary, start, end)
    for part in islice(_parts(buf, boundary, start, limit), _CHILDREN):
        if part.kind in _MESSAGE and part.encoding in _IDENTITY:
            report = _read(buf, part.body, part.end, nested=True)
            if report is not None:
                return replace(report, notes=("came back in a non-delivery report", *report.notes))
    return None


def _children(buf: MailBuffer, head: _Head, body: int, end: int) -> _Children | None:
    """The children of a report; None if an unmarked message turns out to be none."""
    if head.kind in _MESSAGE:
        original = _Part(head.kind, head.encoding, "", body, body, end)
        return _Children(None, [original], False, ("the report is its original alone",))
    if not head.boundary:
        raise UnwrapError("a journal report whose Content-Type names no boundary")
    if not head.marked and not _begins_with_envelope(buf, head.boundary, body, end):
        return None
    limit, closed = _closing(buf, head.boundary, body, end)
    parts = list(islice(_parts(buf, head.boundary, body, limit), _CHILDREN))
    return _sort_children(buf, parts, limit, closed)


def _begins_with_envelope(buf: MailBuffer, boundary: bytes, start: int, end: int) -> bool:
    """Whether the first child is text that begins like an envelope. Reads only its beginning."""
    first = next(_parts(buf, boundary, start, end), None)
    if first is None or first.kind != b"text/plain":
        return False
    begin, _ = decoded(buf[first.body : min(first.body + 400, first.end)], first.encoding)
    return looks_like_envelope(begin)


def _sort_children(buf: MailBuffer, parts: list[_Part], limit: int, closed: bool) -> _Children:
    """Separate the envelope from the originals, and find where each original really ends.

    A part with a message type is an original. If there is none, the second part is. A line inside an original
    may look like a delimiter, so each original ends where the next one begins, and the last at the report's
    last delimiter.
    """
    stated = [number for number, part in enumerate(parts) if part.kind in _MESSAGE][:_ORIGINALS]
    notes = [] if closed else ["the closing delimiter is missing"]
    chosen = stated
    if not stated and parts:
        only = len(parts) == 1
        chosen = [] if only and (parts[0].kind or _text(buf, parts[0]).complete()) else [0 if only else 1]
        if chosen:
            notes.append("the original's part does not say that it is a message")
    ends = [parts[number - 1].end for number in chosen[1:]] + [limit]
    originals = [_until(parts[number], end) for number, end in zip(chosen, ends, strict=False)]
    text = parts[0] if parts and (not chosen or chosen[0] > 0) else None
    exact = closed and bool(stated) and stated == list(range(1, len(parts)))
    return _Children(text, originals, exact, tuple(notes))


def _until(part: _Part, end: int) -> _Part:
    return part if part.end == end else part._replace(end=end)


def _report(buf: MailBuffer, head: _Head, children: _Children) -> JournalReport | None:
    if not head.marked and not children.exact:
        return None
    notes = list(children.notes)
    text = _text(buf, children.text) if children.text is not None else None
    if not head.marked and (text is None or not text.complete()):
        return None
    originals = tuple(_span(buf, part, notes) for part in children.originals if part.end > part.body)
    if not originals:
        raise UnwrapError("a journal report without the original message")
    if children.text is not None and children.text.end - children.text.body > ENVELOPE_LIMIT:
        notes.append(f"only the first {ENVELOPE_LIMIT} bytes of the envelope were read")
    envelope = _envelope(text, buf, originals[0], notes)
    if text is not None and len(originals) == 1:
        originals = (_placed(buf, head, children.originals[0], text.envelope(), notes) or originals[0],)
    return JournalReport(
        envelope=envelope,
        originals=originals,
        tenant=_tenant(head.sender),
        date=parse_date(head.date),
        notes=tuple(notes),
    )


def _placed(
    buf: MailBuffer, head: _Head, part: _Part, stated: Envelope, notes: list[str]
) -> OriginalSpan | None:
    """The span of a part that is no message and replaces an original; None for an original.

    A part with a message type is accepted, however poor its header, unless the envelope names a Message-ID
    that it lacks.
    """
    if part.kind in _MESSAGE and not stated.message_id.strip():
        return None
    if any(is_message(_begin(buf, part, size)) for size in (_PART_HEAD, BLOCK_LIMIT)):
        return None
    whole = buf[part.start : min(part.end, part.start + BLOCK_LIMIT)]
    made = placeholder(stated, to_text(head.message_id), whole, part.start != part.body)
    if made is None:
        return None
    notes.append(PLACEHOLDER)
    return OriginalSpan(part.start, part.end, placeholder=made)


def _begin(buf: MailBuffer, part: _Part, size: int) -> bytes:
    """The first bytes of a part's content, decoded unless they show that nothing was encoded."""
    begin = buf[part.body : min(part.end, part.body + size)]
    if part.encoding in _IDENTITY or _HEADER_LINE.match(begin[:_BEGIN].lstrip()):
        return begin
    return decoded(begin, part.encoding)[0]


@remembered
def _tenant(stated: bytes) -> str:
    """The address in the report's own Sender field: the tenant's journaling agent."""
    address = normalise(to_text(stated))
    if usable(address) and "=?" not in address and not {"<", ",", '"'} & set(address):
        return address
    return next(iter(mailboxes((stated,))), "")


def _envelope(
    text: EnvelopeText | None, buf: MailBuffer, original: OriginalSpan, notes: list[str]
) -> Envelope:
    """The envelope from the report. What it lacks is taken from the original's headers."""
    stated = text.envelope() if text is not None else Envelope(())
    if any(party.role in INBOX_ROLES for party in stated.parties):
        return stated
    lacking = "no recipients in the envelope: taken from the original's own headers"
    notes.append(lacking if stated.parties else NO_ENVELOPE)
    claimed = envelope_of(_head_of(buf, original))
    known = SENT_ROLES if stated.parties else frozenset()
    parties = tuple(party for party in claimed.parties if party.role not in known)
    return Envelope(
        parties=(*stated.parties, *parties),
        subject=stated.subject or claimed.subject,
        message_id=stated.message_id or claimed.message_id,
        notes=(*stated.notes, *claimed.notes),
    )


def _head_of(buf: MailBuffer, original: OriginalSpan) -> bytes:
    """The header block of an original, decoded if its part is encoded."""
    if original.encoding == "identity":
        return block(buf, original.start, original.end)
    encoded = buf[original.start : min(original.end, original.start + 2 * BLOCK_LIMIT)]
    return block(decoded(encoded, original.encoding)[0])


def _text(buf: MailBuffer, part: _Part) -> EnvelopeText:
    raw = buf[part.body : min(part.end, part.body + ENVELOPE_LIMIT)]
    if part.encoding not in _IDENTITY:
        raw, _ = decoded(raw, part.encoding)
    return read_envelope(raw, part.charset)


def _span(buf: MailBuffer, part: _Part, notes: list[str]) -> OriginalSpan:
    """Where an original lies. The stated encoding is ignored if it was not applied."""
    if part.encoding in _IDENTITY:
        return OriginalSpan(part.body, part.end)
    begin = buf[part.body : min(part.body + _BEGIN, part.end)].lstrip()
    if part.encoding == "quoted-printable" or (part.encoding == "base64" and not _HEADER_LINE.match(begin)):
        return OriginalSpan(part.body, part.end, part.encoding)
    notes.append(f"the original is not encoded as its part states: {part.encoding[:40]}")
    return OriginalSpan(part.body, part.end)


def _parts(buf: MailBuffer, boundary: bytes, start: int, end: int) -> Iterator[_Part]:
    """The direct children in [start, end), in order. If nothing closes the last one, it ends at `end`."""
    begun = -1
    for delimiter in delimiters(buf, boundary, start, end):
        if begun >= 0:
            yield _part(buf, begun, content_end(buf, begun, delimiter.at))
        if delimiter.closing:
            return
        begun = delimiter.end
    if begun >= 0:
        yield _part(buf, begun, end)


def _part(buf: MailBuffer, start: int, end: int) -> _Part:
    """The child in [start, end). A child without a header may begin with its content at once."""
    body = header_end(buf, start, min(end, start + _PART_HEAD))
    head = buf[start:body]
    own, kind, encoding, charset = _part_head(head)
    return _Part(kind, encoding, charset, start, body if own else start, end)


@remembered
def _part_head(head: bytes) -> tuple[bool, bytes, str, str]:
    """Whether these are a child's own headers, and the type, encoding and charset in them."""
    if b"content-" not in head.lower() or _OWN_FIELD.search(head):
        return not head.strip(b"\r\n"), b"", "", ""
    content_type, encoding = pick(head, _WANTED[:2])
    kind, stated = parameters(content_type or b"")
    return True, kind, _encoding(encoding), stated.get(b"charset", b"").decode("ascii", "replace")


def _encoding(stated: bytes | None) -> str:
    return (stated or b"").partition(b";")[0].strip(b" \t\"'").lower().decode("ascii", "replace")


def _closing(buf: MailBuffer, boundary: bytes, start: int, end: int) -> tuple[int, bool]:
    """Where the last child ends, and whether a closing delimiter is there. Without one, it ends at `end`."""
    found = last_closing(buf, boundary, start, end)
    return (end, False) if found is None else (content_end(buf, start, found.at), True)
