"""How a message is listed: its people, subject, date and Message-ID, by its headers alone.

No text part is opened, no HTML is parsed and no library in native code is asked but for base64, so a message
whose text can't be read still has its people and its place in a list.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from muniment.mail.dates import parse_date
from muniment.mail.headers import BLOCK_LIMIT, decode, gather
from muniment.mail.journal import read_report
from muniment.mail.mime import decoded, file_of, header_at, leaves
from muniment.mail.model import Buffer, Envelope, Leaf, Report, Span, Summary, UnwrapError
from muniment.mail.routing import envelope_of

SUMMARY_FIELDS = (b"subject", b"from", b"to", b"message-id", b"date", b"sender")
"""Names of the header fields that `summary_of` needs, in its order."""


class Listing(Struct, frozen=True):
    """What the headers of a fetched copy say, and its journal report if it is one."""

    envelope: Envelope
    """Whom it concerns: by its report, or by its own headers where it is none."""
    report: Report | None
    """The journal report that the copy is; None for a plain message."""
    summaries: tuple[Summary, ...]
    """One for each original of the report in its order, or the message's own. Attachments are not counted."""
    problem: str = ""
    """Why a copy that claims to be a journal report can't be unwrapped; "" where it can."""


def read_listing(buf: Buffer, *, journal: bool) -> Listing:
    """List a copy without reading its text. Never raises; linear in time, whatever the copy holds.

    `journal`: whether a journal report is unwrapped.
    """
    problem = ""
    try:
        report = read_report(buf) if journal else None
    except UnwrapError as error:
        report, problem = None, str(error)
    if report is None:
        header = header_at(buf, 0, len(buf))
        return Listing(envelope_of(header), None, (header_summary(header),), problem)
    summaries = tuple(header_summary(_original_header(buf, span)) for span in report.originals)
    return Listing(report.envelope, report, summaries)


def _original_header(buf: Buffer, span: Span) -> bytes:
    """The header block of an original; of one that its report encodes, no more than that is decoded."""
    if span.encoding == "identity":
        return header_at(buf, span.start, span.end)
    encoded = buf[span.start : min(span.end, span.start + 2 * BLOCK_LIMIT)]
    inner, _ = decoded(encoded, span.encoding)
    return header_at(inner, 0, len(inner))


def read_summary(buf: Buffer, found: Sequence[Leaf] | None = None) -> Summary:
    """What a list shows of a message. Never raises. `found` is what `mime.leaves` gave, if it was called."""
    files = [file_of(buf, leaf) for leaf in (leaves(buf) if found is None else found)]
    attached = sum(1 for file in files if file is not None and not file[1])
    return header_summary(header_at(buf, 0, len(buf)), attached)


def header_summary(header: bytes, attached: int = 0) -> Summary:
    """What a list shows of the message with that header block and so many attachments. Never raises."""
    return summary_of(gather(header, SUMMARY_FIELDS), attached)


def summary_of(stated: Sequence[Sequence[bytes]], attached: int) -> Summary:
    """The same; `stated` begins with the values of the fields that SUMMARY_FIELDS names."""
    subject, sender, to, message_id, date, submitter, *_ = stated
    return Summary(
        subject=_first(subject),
        sender=_first(sender) or _first(submitter),
        to=joined(to),
        message_id=_first(message_id),
        date=parse_date(date[0] if date else b""),
        attachments=attached,
    )


def _first(stated: Sequence[bytes]) -> str:
    return decode(stated[0]) if stated else ""


def joined(stated: Sequence[bytes]) -> str:
    """The decoded values of a field that a header has several times, as one text."""
    return ", ".join(decode(value) for value in stated if value)
