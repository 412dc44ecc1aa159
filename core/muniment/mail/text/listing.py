"""How a message is listed: its subject, people, date and Message-ID, by its headers alone.

No text part is opened and no HTML is read, so a message whose text can't be read is still listed.
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
from muniment.mail.model import Buffer, Leaf, Summary

SUMMARY_FIELDS = (b"subject", b"from", b"to", b"message-id", b"date", b"sender", b"received")
"""Names of the header fields that `summary_of` needs, in its order."""
_DATES = 8
"""Date fields that are looked at."""


def read_summary(buf: Buffer, found: Sequence[Leaf] | None = None) -> Summary:
    """What a list shows of a message. Never raises. `found` is what `mime.leaves` gave, if it was called.

    No file is looked into, so the files within are not counted (see mail.mime.parts).
    """
    known = leaves(buf) if found is None else found
    others = labels_of(buf, known)
    shown = [part.file for part in parts(buf, known, others, inside=False)]
    attached = sum(1 for file in shown if file is not None and not file[1])
    header = header_at(buf, 0, len(buf))
    return summary_of(gather(header, SUMMARY_FIELDS), attached, hidden_bytes(buf, header), others)


def summary_of(
    stated: Sequence[Sequence[bytes]], attached: int, hidden: int, others: Others = none_stated
) -> Summary:
    """The same from a header's fields; `stated` begins with the values of those that SUMMARY_FIELDS names.

    `hidden`: how many bytes its public form lacks. `others`: the charsets that the message states.
    """
    subject, sender, to, message_id, date, submitter, received, *_ = stated
    hops = received_dates(received)
    return Summary(
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
    """What the first Date field says that may be believed, else the first that says anything."""
    found = [date for value in stated[:_DATES] if (date := parse_date(value, hops)) is not None]
    return next((date for date in found if date >= EARLIEST), found[0] if found else None)


def _first(stated: Sequence[bytes], others: Others) -> str:
    return decode(stated[0], others) if stated else ""


def joined(stated: Sequence[bytes], others: Others = none_stated) -> str:
    """The decoded values of a field that a header has several times, as one text."""
    return ", ".join(decode(value, others) for value in stated if value)
