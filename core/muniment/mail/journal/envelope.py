"""Reads the text of a journal report's envelope: one field a line, one line a recipient ([MS-XJRNL] 2.1).

Lines are split as bytes, before the charset is applied: so no charset can turn a subject into further
recipients. Exchange 2003 wrote `Recipients:` and then one address a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from muniment.mail.charsets.decode import to_text
from muniment.mail.headers.addresses import mailboxes, normalise, usable
from muniment.mail.headers.fields import decode_words, remembered
from muniment.mail.model import AddressRole, Envelope, EnvelopeParty

PARTY_LIMIT = 100_000
"""Parties that are taken from one envelope. A note counts the lines that were left out."""
LINE_LIMIT = 4 * PARTY_LIMIT
"""Lines that are read of one envelope. A note says when there were more."""
_NOTE_LIMIT = 20
_NOTE_LENGTH = 200
_RECIPIENTS = {
    b"to": AddressRole.TO,
    b"cc": AddressRole.CC,
    b"bcc": AddressRole.BCC,
    b"recipient": AddressRole.RECIPIENT,
}
_SENDERS = {b"sender": AddressRole.SENDER, b"on-behalf-of": AddressRole.ON_BEHALF_OF}
_ABOUT = frozenset({b"subject", b"message-id"})
_IGNORED = frozenset({b"label", b"mailbox", b"sentutc", b"receivedutc"})
_BLOCK = b"recipients"
FIELDS = frozenset(_RECIPIENTS) | frozenset(_SENDERS) | _ABOUT | _IGNORED | {_BLOCK}
"""Names of an envelope's fields, in lower case ([MS-XJRNL] 2.1)."""
_LINE = re.compile(rb"^[ \t\r\f\v]*+[^\s][^\n]*+", re.MULTILINE)
"""A line that is not blank."""
_REACHED = re.compile(r",\s*(expanded|forwarded)\s*:", re.IGNORECASE)


@dataclass(slots=True)
class EnvelopeText:
    """What the lines of an envelope say, while they are read."""

    seen: set[bytes] = field(default_factory=set)
    """Names of the fields that occurred. `recipient` represents any kind of recipient."""
    senders: dict[EnvelopeParty, None] = field(default_factory=dict)
    recipients: dict[EnvelopeParty, None] = field(default_factory=dict)
    subject: str = ""
    message_id: str = ""
    notes: list[str] = field(default_factory=list)
    unread: int = 0
    """Lines that were not understood, beyond the _NOTE_LIMIT that notes quote."""
    left_out: int = 0
    """Recipient lines beyond PARTY_LIMIT."""

    def complete(self) -> bool:
        """Whether this can only be an envelope: it has a sender, a Message-Id and a recipient."""
        return {b"sender", b"message-id"} <= self.seen and bool(self.recipients)

    def envelope(self) -> Envelope:
        """The result as an immutable `Envelope`."""
        notes = list(self.notes)
        if self.unread:
            notes.append(f"{self.unread} more lines of the envelope were not understood")
        if self.left_out:
            notes.append(f"more than {PARTY_LIMIT} recipients: {self.left_out} lines were left out")
        return Envelope((*self.senders, *self.recipients), self.subject, self.message_id, tuple(notes))


def looks_like_envelope(begin: bytes) -> bool:
    """Whether text with this beginning can be an envelope.

    Cheap, for mail that does not claim to be a report.
    """
    return begin.lstrip()[:64].partition(b":")[0].strip().lower() in FIELDS


def read_envelope(raw: bytes, charset: str) -> EnvelopeText:
    """Read the text part of a report as an envelope ([MS-XJRNL] 2.1). Never raises.

    Args:
        raw: the part's content without its transfer encoding.
        charset: the label in the part's Content-Type; "" for none.

    Returns:
        Senders, recipients, subject and Message-ID. A line that is not understood becomes a note.
    """
    text = EnvelopeText()
    listing = False
    lines = _LINE.finditer(raw if b"\n" in raw else raw.replace(b"\r", b"\n"))
    for line in _logical_lines(found[0] for found in islice(lines, LINE_LIMIT)):
        name, colon, value = line.partition(b":")
        name = name.strip().lower() if colon else b""
        if name in FIELDS:
            listing = name == _BLOCK
            _take(text, name, value.strip(), charset)
        elif listing:
            _recipient(text, AddressRole.RECIPIENT, line.strip(), charset)
    if next(lines, None) is not None:
        text.notes.append(f"only the first {LINE_LIMIT} lines of the envelope were read")
    return text


def _logical_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Unfolded lines: an indented line continues the one before it, except in a list of recipients."""
    pending: list[bytes] = []
    listing = False
    for line in lines:
        content = line.rstrip()
        if pending and not listing and content.startswith((b" ", b"\t")):
            pending.append(content.lstrip())
            continue
        if pending:
            yield b" ".join(pending)
        pending = [content]
        name = content.partition(b":")[0].strip().lower()
        listing = name == _BLOCK or (listing and name not in FIELDS)
    if pending:
        yield b" ".join(pending)


def _take(text: EnvelopeText, name: bytes, value: bytes, charset: str) -> None:
    role = _RECIPIENTS.get(name)
    if role is not None:
        text.seen.add(b"recipient")
        _recipient(text, role, value, charset)
    elif name == _BLOCK:
        text.seen.add(b"recipient")
        if value:
            _recipient(text, AddressRole.RECIPIENT, value, charset)
    elif name in text.seen:
        if name not in _IGNORED:
            _note(text, f"a second {name.decode()} line", to_text(value, charset))
    else:
        text.seen.add(name)
        _about(text, name, value, charset)


def _about(text: EnvelopeText, name: bytes, value: bytes, charset: str) -> None:
    role = _SENDERS.get(name)
    if role is not None:
        _sender(text, role, to_text(value, charset))
    elif name == b"subject":
        text.subject = decode_words(to_text(value, charset))
    elif name == b"message-id":
        text.message_id = to_text(value, charset)


def _sender(text: EnvelopeText, role: AddressRole, written: str) -> None:
    """Take a sender.

    The empty reverse path `<>` of a bounce names none, which is correct (RFC 5321 4.5.5).
    """
    addresses = _addresses(written)
    for address in addresses:
        text.senders[EnvelopeParty(role, address)] = None
    if not addresses and written not in ("", "<>"):
        _note(text, "sender line not understood", written)


def _recipient(text: EnvelopeText, role: AddressRole, value: bytes, charset: str) -> None:
    """Take `address[, Expanded: list | , Forwarded: address]` ([MS-XJRNL] 2.1)."""
    if len(text.recipients) >= PARTY_LIMIT:
        text.left_out += 1
        return
    written = to_text(value, charset)
    address, *reached = _REACHED.split(written)
    addresses = _addresses(address)
    via = ""
    room = PARTY_LIMIT - len(text.recipients)
    for kind, original in islice(zip(reached[::2], reached[1::2], strict=True), room):
        role_of_via = AddressRole.EXPANDED if kind.lower() == "expanded" else AddressRole.FORWARDED
        for each in _addresses(original):
            via = via or each
            text.recipients[EnvelopeParty(role_of_via, each)] = None
    for each in addresses:
        text.recipients[EnvelopeParty(role, each, via)] = None
    if not addresses or (reached and not via):
        _note(text, "recipient line not understood", written)


@remembered
def _addresses(written: str) -> tuple[str, ...]:
    """Normalised usable addresses: normally one, more if a line wrongly holds several."""
    address = normalise(written)
    if usable(address) and "=?" not in address and not any(char in address for char in ",;<>"):
        return (address,)
    return mailboxes((written,))


def _note(text: EnvelopeText, what: str, line: str) -> None:
    if len(text.notes) < _NOTE_LIMIT:
        text.notes.append(f"{what}: {line[:_NOTE_LENGTH]}")
    else:
        text.unread += 1
