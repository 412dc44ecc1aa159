"""The recipients of a message without a journal report, from its own routing headers.

For copies made by always_bcc, copies for each recipient, and reports without an envelope. These headers are
only as reliable as the server that wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from muniment.mail.headers.addresses import COUNT_LIMIT, mailboxes, normalise, usable
from muniment.mail.headers.fields import block, decode, fields, gather, unfold
from muniment.mail.model import INBOX_ROLES, AddressRole, Envelope, EnvelopeParty, MailBuffer

PARTY_LIMIT = COUNT_LIMIT
"""Parties that are taken from one message. A note says when there were more."""

_ROLES = {
    b"to": AddressRole.TO,
    b"resent-to": AddressRole.TO,
    b"cc": AddressRole.CC,
    b"resent-cc": AddressRole.CC,
    b"bcc": AddressRole.BCC,
    b"resent-bcc": AddressRole.BCC,
    b"delivered-to": AddressRole.RECIPIENT,
    b"x-delivered-to": AddressRole.RECIPIENT,
    b"x-original-to": AddressRole.RECIPIENT,
    b"envelope-to": AddressRole.RECIPIENT,
    b"x-envelope-to": AddressRole.RECIPIENT,
}
"""Fields that name recipients, and their roles."""
_WANTED = (*_ROLES, b"from", b"sender", b"received", b"subject", b"message-id")
PEOPLE = (b"from", b"sender", b"to", b"cc", b"bcc")
"""Fields that name the people whom a search finds."""
_FOR = re.compile(rb"\sfor\s+(?:<([^<>\s]+)>|([^<>\s;]+@[^<>\s;]+))")
_LONGEST_TRACE = 4096


def read_routing(buf: MailBuffer) -> Envelope:
    """The envelope that the headers of a plain message describe. Never raises."""
    return envelope_of(block(buf))


def people_in(buf: MailBuffer) -> tuple[tuple[str, ...], ...]:
    """The addresses of From and Sender, of To, of Cc and of Bcc, normalised: what a search for people finds.

    Never raises.
    """
    return people_of(gather(block(buf), PEOPLE))


def people_of(stated: Sequence[Sequence[bytes]]) -> tuple[tuple[str, ...], ...]:
    """The same from the values of the fields in PEOPLE, as `fields.gather` returns them for a whole block."""
    author, agent, *others = stated
    return mailboxes((*author, *agent)), *map(mailboxes, others)


def envelope_of(header: bytes) -> Envelope:
    """The envelope that a header block describes. Never raises.

    `From` is the sender. If `Sender` names somebody else, that one is the sender, on behalf of `From` (RFC
    5322 3.6.2). An address in To, Cc or Bcc is not repeated as a mere recipient.
    """
    found = dict(zip(_WANTED, gather(header, _WANTED), strict=True))
    parties: dict[EnvelopeParty, None] = dict.fromkeys(_senders(found))
    named: set[str] = set()
    for name, role in _ROLES.items():
        _add(parties, named, role, mailboxes(found[name]))
    for value in found[b"received"]:
        match = _FOR.search(value, 0, _LONGEST_TRACE)
        if match is not None:
            reached = normalise((match[1] or match[2]).decode("utf-8", "replace"))
            _add(parties, named, AddressRole.RECIPIENT, filter(usable, (reached,)))
    notes = (
        () if len(parties) <= PARTY_LIMIT else (f"more than {PARTY_LIMIT} addresses: the rest was left out",)
    )
    return Envelope(
        parties=tuple(parties)[:PARTY_LIMIT],
        subject=decode(next(iter(found[b"subject"]), b"")),
        message_id=decode(next(iter(found[b"message-id"]), b"")),
        notes=notes,
    )


def enveloped(parties: tuple[EnvelopeParty, ...], addresses: Iterable[str]) -> tuple[EnvelopeParty, ...]:
    """The recipients that an SMTP envelope adds to `parties`, with the role RECIPIENT.

    Args:
        parties: the parties that are known already.
        addresses: the addresses of RCPT TO, in any form.

    Returns:
        At most as many as PARTY_LIMIT leaves room for.
    """
    named = {party.address for party in parties if party.role in INBOX_ROLES}
    found = (normalise(address) for address in addresses)
    fresh = dict.fromkeys(address for address in found if usable(address) and address not in named)
    return tuple(EnvelopeParty(AddressRole.RECIPIENT, address) for address in fresh)[
        : max(0, PARTY_LIMIT - len(parties))
    ]


def named_in(buf: MailBuffer, names: Iterable[str]) -> tuple[str, ...]:
    """The normalised addresses in header fields of these names, each once. Never raises."""
    wanted = frozenset(name.lower().encode("utf-8", "replace") for name in names)
    if not wanted:
        return ()
    header = block(buf)
    values = (header[start:end].partition(b":")[2] for name, start, end in fields(header) if name in wanted)
    return mailboxes(map(unfold, values))


def _senders(found: dict[bytes, list[bytes]]) -> list[EnvelopeParty]:
    written, sent = mailboxes(found[b"from"]), mailboxes(found[b"sender"])
    acting = set(sent)
    if acting <= set(written):
        return [EnvelopeParty(AddressRole.SENDER, address) for address in written]
    return [
        *(EnvelopeParty(AddressRole.SENDER, address) for address in sent),
        *(EnvelopeParty(AddressRole.ON_BEHALF_OF, address) for address in written if address not in acting),
    ]


def _add(
    parties: dict[EnvelopeParty, None], named: set[str], role: AddressRole, addresses: Iterable[str]
) -> None:
    for address in addresses:
        if len(parties) > PARTY_LIMIT:
            return
        if role is not AddressRole.RECIPIENT or address not in named:
            parties[EnvelopeParty(role, address)] = None
            named.add(address)
