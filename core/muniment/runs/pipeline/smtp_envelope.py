"""What the SMTP envelope of a delivery adds to a copy, and its form in the receipt."""

from __future__ import annotations

from typing import Any

from muniment.mail.headers.routing import enveloped
from muniment.mail.model import EnvelopeParty
from muniment.runs.prepare.prepared_copy import PreparedCopy
from muniment.sources.base import MailItem, SmtpEnvelope


def people_of(item: MailItem, copy: PreparedCopy) -> tuple[EnvelopeParty, ...]:
    """The people whom the SMTP envelope of a delivery names in addition to the copy's own header.

    For a journal report there are none: only its own envelope says whom it concerns.
    """
    if copy.report or item.envelope is None:
        return ()
    return enveloped(copy.parties, (*item.envelope.people, *copy.named))


def headers_of(item: MailItem) -> tuple[str, ...]:
    """The header fields in which the sender of an item may name recipients."""
    return item.envelope.headers if item.envelope is not None else ()


def weight(item: MailItem, copy: PreparedCopy) -> int:
    """An upper estimate of the bytes that the envelope takes in a receipt."""
    if item.envelope is None:
        return 0
    value = (*item.envelope.recipients, *item.envelope.people, *copy.named)
    originals = (part for pair in item.envelope.originals for part in pair)
    return sum(len(text) + 8 for text in (*value, *originals)) * 4


def envelope_value(envelope: SmtpEnvelope | None, named: tuple[str, ...] = ()) -> dict[str, Any]:
    """An SMTP envelope in the form of the receipt.

    `named` are the people in trusted header fields.
    """
    if envelope is None:
        return {}
    people = [*dict.fromkeys((*envelope.people, *named))]
    value: dict[str, Any] = {"from": envelope.sender, "to": list(envelope.recipients)}
    if envelope.originals:
        value["original"] = dict(envelope.originals)
    if people:
        value["people"] = people
    return value
