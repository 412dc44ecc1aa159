"""How a message appears in a list: subject, people, date and Message-ID, from its headers alone.

No text part and no HTML is read, so a message whose text can't be read still appears.
"""

from __future__ import annotations

from collections.abc import Sequence

from muniment.mail.charsets.decode import Others, none_stated
from muniment.mail.content.public import hidden_bytes
from muniment.mail.headers.dates import EARLIEST, parse_date, received_dates
from muniment.mail.headers.domains import readable
from muniment.mail.headers.fields import decode, gather
from muniment.mail.mime.parts import parts
from muniment.mail.mime.stated_charsets import labels_of
from muniment.mail.mime.walker import header_at, leaves
from muniment.mail.model import MailBuffer, MessageSummary, MimeLeaf

SUMMARY_FIELDS = (b"subject", b"from", b"to", b"message-id", b"date", b"sender", b"received")
"""Names of the header fields that `summary_of` needs, in its order."""
_DATES = 8
"""Date fields that are examined."""


def read_summary(buf: MailBuffer, found: Sequence[MimeLeaf] | None = None) -> MessageSummary:
    """What a list shows of a message. Never raises.

    Files inside files are not counted, since no file is opened (see `mail.mime.parts`).

    Args:
        buf: the message.
        found: the result of `mime.walker.leaves`, if it is there already.
    """
    known = leaves(buf) if found is None else found
    others = labels_of(buf, known)
    shown = [part.file for part in parts(buf, known, others, inside=False)]
    attached = sum(1 for file in shown if file is not None and not file[1])
    header = header_at(buf, 0, len(buf))
    return summary_of(gather(header, SUMMARY_FIELDS), attached, hidden_bytes(buf, header), others)


def summary_of(
    stated: Sequence[Sequence[bytes]], attached: int, hidden: int, others: Others = none_stated
) -> MessageSummary:
    """The summary from the values of a header's fields. Never raises.

    Args:
        stated: the values of each field in SUMMARY_FIELDS, in that order; more may follow.
        attached: number of files that are not inline.
        hidden: bytes that the public form leaves out.
        others: gives the charsets that the message names.
    """
    subject, sender, to, message_id, date, submitter, received, *_ = stated
    hops = received_dates(received)
    return MessageSummary(
        subject=_first(subject, others),
        sender=readable(_first(sender, others) or _first(submitter, others)),
        to=readable(joined(to, others)),
        message_id=_first(message_id, others),
        date=_date(date, hops),
        attachments=attached,
        hidden=hidden,
        hops=hops,
    )


def _date(stated: Sequence[bytes], hops: Sequence[int]) -> int | None:
    """The first Date field with a plausible date, otherwise the first that can be read."""
    found = [date for value in stated[:_DATES] if (date := parse_date(value, hops)) is not None]
    return next((date for date in found if date >= EARLIEST), found[0] if found else None)


def _first(stated: Sequence[bytes], others: Others) -> str:
    return decode(stated[0], others) if stated else ""


def joined(stated: Sequence[bytes], others: Others = none_stated) -> str:
    """The decoded values of a repeated field as one text."""
    return ", ".join(decode(value, others) for value in stated if value)
