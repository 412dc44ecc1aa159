"""What the SMTP envelope of a delivery adds to a copy, and how its receipt has it."""

from __future__ import annotations

from typing import Any

from muniment.mail.headers.routing import enveloped
from muniment.mail.model import Party
from muniment.runs.prepare.prepared_copy import PreparedCopy
from muniment.sources.base import Item, SmtpEnvelope


def people_of(item: Item, copy: PreparedCopy) -> tuple[Party, ...]:
    """Whom the SMTP envelope of a delivery names besides the copy's own header.

    A journal report's own envelope says whom it concerns, and nothing else does.
    """
    if copy.report or item.envelope is None:
        return ()
    return enveloped(copy.parties, (*item.envelope.people, *copy.named))


def headers_of(item: Item) -> tuple[str, ...]:
    """The header fields by which the sender of an item may name recipients."""
    return item.envelope.headers if item.envelope is not None else ()


def weight(item: Item, copy: PreparedCopy) -> int:
    """About how many bytes the envelope takes in a receipt, at most."""
    if item.envelope is None:
        return 0
    value = (*item.envelope.recipients, *item.envelope.people, *copy.named)
    originals = (part for pair in item.envelope.originals for part in pair)
    return sum(len(text) + 8 for text in (*value, *originals)) * 4


def envelope_value(envelope: SmtpEnvelope | None, named: tuple[str, ...] = ()) -> dict[str, Any]:
    """An SMTP envelope as the receipt has it; `named` are the people whom trusted header fields give."""
    if envelope is None:
        return {}
    people = [*dict.fromkeys((*envelope.people, *named))]
    value: dict[str, Any] = {"from": envelope.sender, "to": list(envelope.recipients)}
    if envelope.originals:
        value["original"] = dict(envelope.originals)
    if people:
        value["people"] = people
    return value
