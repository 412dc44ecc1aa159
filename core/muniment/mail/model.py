"""The values that reading mail yields: envelopes, parties, spans, text."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Protocol, overload

from msgspec import Struct


class Buffer(Protocol):
    """What mail is read from: `bytes`, or a file that answers the same calls.

    A slice yields `bytes`, so slices are kept small where the buffer may be large.
    """

    def __len__(self) -> int: ...
    def find(self, sub: bytes, start: int = 0, end: int = ..., /) -> int: ...
    def rfind(self, sub: bytes, start: int = 0, end: int = ..., /) -> int: ...
    def startswith(self, prefix: bytes, start: int = 0, end: int = ..., /) -> bool: ...
    @overload
    def __getitem__(self, index: int, /) -> int: ...
    @overload
    def __getitem__(self, index: slice, /) -> bytes: ...


class UnwrapError(ValueError):
    """Claims to be a journal report but can't be unwrapped; the text says why."""


class Role(IntEnum):
    """What an address is to a message. Kept in the catalog: never renumber."""

    SENDER = 1
    ON_BEHALF_OF = 2
    TO = 3
    CC = 4
    BCC = 5
    RECIPIENT = 6
    """A recipient whose kind the report does not tell (`Recipient:`)."""
    EXPANDED = 7
    """A distribution list that was expanded to reach a recipient; never routed."""
    FORWARDED = 8
    """The address that a recipient's mail was forwarded from; never routed."""


SENT_ROLES = frozenset({Role.SENDER, Role.ON_BEHALF_OF})
INBOX_ROLES = frozenset({Role.TO, Role.CC, Role.BCC, Role.RECIPIENT})


class Party(Struct, frozen=True, array_like=True):
    """One address on an envelope; `address` is normalised (see mail.addresses)."""

    role: Role
    address: str
    via: str = ""
    """For a recipient: the list or the forwarding address it was reached through."""


def senders_of(parties: Iterable[Party]) -> tuple[str, ...]:
    """The addresses that sent what an envelope with these parties is about."""
    return tuple(dict.fromkeys(party.address for party in parties if party.role in SENT_ROLES))


class Envelope(Struct, frozen=True):
    """Whom a message concerned, as a journal report or routing headers say it."""

    parties: tuple[Party, ...]
    subject: str = ""
    message_id: str = ""
    notes: tuple[str, ...] = ()


class Placeholder(Struct, frozen=True):
    """What makes a message of a part that stands in an original's place (see mail.placeholder)."""

    before: bytes
    """What stands before the part's bytes in the message."""
    after: bytes
    key: bytes
    """A hash of the envelope's Message-ID, subject and sender: equal for two reports of one mail. Empty where
    the envelope has no Message-ID."""


class Span(Struct, frozen=True):
    """Where an original lies in its report: bytes [start, end), and how they are encoded."""

    start: int
    end: int
    encoding: str = "identity"
    """"identity", "base64" or "quoted-printable"."""
    placeholder: Placeholder | None = None
    """Given where these bytes are no original, but a part that stands in its place."""


class Report(Struct, frozen=True):
    """A journal report, read: its envelope and where the originals lie."""

    envelope: Envelope
    originals: tuple[Span, ...]
    """One, or two when an IRM-protected mail comes with its clear copy."""
    tenant: str
    """Address of the report's own `Sender` header, normalised; "" if it has none."""
    date: int | None
    """The report's own `Date`, seconds since 1970 UTC; None if missing or mad."""
    notes: tuple[str, ...] = ()


class Nested(Struct, frozen=True):
    """A message that a part holds as it is: the part's header at [head, body), the message at [body, end)."""

    head: int
    body: int
    end: int
    content_type: str
    """Lower-case: message/rfc822, message/global or the like."""
    stated: bytes
    """The value of the part's Content-Type, unfolded."""
    outer: Nested | None = None
    """The nested message that it lies in; None if that is the outermost."""


class Leaf(Struct, frozen=True):
    """A MIME leaf in a buffer: headers at [head, body), content at [body, end)."""

    head: int
    body: int
    end: int
    content_type: str
    """Lower-case `type/subtype`; "" where none is stated."""
    encoding: str
    """Lower-case Content-Transfer-Encoding; "" where none is stated."""
    message: int = 0
    """Where the header of the message begins that the leaf belongs to; 0 for the outermost."""
    stated: bytes = b""
    """The value of its Content-Type, unfolded; empty where none is stated."""
    within: Nested | None = None
    """The nested message that it belongs to; None for the outermost."""


class Cut(Struct, frozen=True):
    """One piece of a message as the splitter sees it; cuts cover the buffer without gaps.

    Without `encoding` the bytes stay with the message. With "identity" they are a part to be
    kept once; with "base64" their decoded content is, and `width` and `eol` give these very
    bytes back. `inline` means: decode, but keep with the message (text compresses there).
    """

    start: int
    end: int
    encoding: str = ""
    width: int = 76
    eol: bytes = b"\r\n"
    inline: bool = False
    data: bytes | None = None
    """The decoded content, or None where it is too large to hold: read it chunk by chunk."""


class Summary(Struct, frozen=True, array_like=True):
    """What a list of messages shows; decoded, not yet sanitised for a terminal."""

    subject: str
    sender: str
    to: str
    message_id: str
    date: int | None
    """`Date` in seconds since 1970 UTC; None if missing or not to be believed."""
    attachments: int
    hidden: int = -1
    """Bytes that the public form of the message lacks; -1 where that was not looked at."""
    hops: tuple[int, ...] = ()
    """When it was received, by its `Received` fields, the newest first; seconds since 1970 UTC."""


class MessageText(Struct, frozen=True, array_like=True):
    """What can be searched in a message; every field is decoded text."""

    subject: str
    sender: str
    to: str
    cc: str
    bcc: str
    body: str
    filenames: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What went wrong in reading it: unknown charset, broken base64, no parsable MIME."""
    links: tuple[str, ...] = ()
    """Where the links of its HTML lead."""
    message_id: str = ""
    """Its Message-ID, as mail.ids compares it."""
    references: tuple[str, ...] = ()
    """The ids that it names in References and In-Reply-To."""
    people: tuple[tuple[str, ...], ...] = ()
    """The addresses of From and Sender, of To, of Cc and of Bcc, as routing reads them (mail.addresses)."""


class Likeness(Struct, frozen=True, array_like=True):
    """What a message is compared by (see mail.likeness)."""

    message: bytes = b""
    """SHA-256 of what an original and its rewritten copy have in common; empty for what is never linked: a
    message without a Message-ID, or one with a text too long to be compared as a whole."""
    item: bytes = b""
    """SHA-256 of what two reads of one item of a mailbox have in common: the same, and all header fields but
    those of transport. Empty only where a text is too long."""
    senders: tuple[str, ...] = ()
    """The normalised addresses of its From field, sorted."""
