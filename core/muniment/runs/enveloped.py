"""What the SMTP envelope of a delivery adds to a copy, and how its receipt has it."""

from __future__ import annotations

from typing import Any

from muniment.mail.model import Party
from muniment.mail.routing import enveloped
from muniment.runs.copy import PreparedCopy
from muniment.sources.base import Item, SmtpEnvelope


def people_of(item: Item, copy: PreparedCopy) -> tuple[Party, ...]:
    """Whom the SMTP envelope of a delivery names besides the copy's own header.

    A journal report's own envelope says whom it concerns, and nothing else does.
    """
    if copy.report or item.envelope is None:
        return ()
    return enveloped(copy.parties, item.envelope.people)


def envelope_value(envelope: SmtpEnvelope | None) -> dict[str, Any]:
    """An SMTP envelope as the receipt has it."""
    if envelope is None:
        return {}
    told: dict[str, Any] = {"from": envelope.sender, "to": list(envelope.recipients)}
    if envelope.originals:
        told["original"] = dict(envelope.originals)
    if envelope.people:
        told["people"] = list(envelope.people)
    return told
