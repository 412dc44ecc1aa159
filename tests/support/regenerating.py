"""Writes a message anew as Exchange and Graph do: other bytes that say the same."""

from __future__ import annotations

import email.policy
from email import message_from_bytes
from email.message import EmailMessage


def regenerated(raw: bytes, encoding: str = "base64") -> bytes:
    """The message in other headers' order, boundaries and encodings, `encoding` that of its text."""
    old = message_from_bytes(raw, policy=email.policy.default)
    new = EmailMessage(policy=email.policy.SMTP.clone(max_line_length=60))
    new["X-MS-Exchange-Organization-SCL"] = "-1"
    for name in ("Date", "Message-ID", "Subject", "To", "From"):
        new[name] = old[name]
    text = old.get_body()
    assert text is not None
    new.set_content(text.get_content(), charset="iso-8859-1", cte=encoding)
    for part in reversed(list(old.iter_attachments())):
        new.add_attachment(
            part.get_content(), maintype="application", subtype="x-other", filename=part.get_filename()
        )
    return new.as_bytes()
