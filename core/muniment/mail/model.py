"""The values that reading mail yields: envelopes, parties, spans, text."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Protocol, overload

from msgspec import Struct


class MailBuffer(Protocol):
    """Mail to read: `bytes`, or an object with the same calls over a file or a range.

    All offsets are in bytes. The calls behave as those of `bytes`. A slice returns `bytes`, so callers keep
    slices small where the buffer may be large.

    Raises:
        OSError: from any call, when the buffer reads a file and that fails.
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
    """The message claims to be a journal report, but no original can be taken out of it.

    `str(error)` says why. It is kept with the quarantined item.
    """


class AddressRole(IntEnum):
    """What an address is to a message. The catalog stores these numbers: never renumber."""

    SENDER = 1
    ON_BEHALF_OF = 2
    TO = 3
    CC = 4
    BCC = 5
    RECIPIENT = 6
    """A recipient whose kind is unknown (`Recipient:` in a report, or an SMTP envelope)."""
    EXPANDED = 7
    """A distribution list that was expanded to reach a recipient. Never routed."""
    FORWARDED = 8
    """The address from which a recipient's mail was forwarded. Never routed."""


SENT_ROLES = frozenset({AddressRole.SENDER, AddressRole.ON_BEHALF_OF})
INBOX_ROLES = frozenset({AddressRole.TO, AddressRole.CC, AddressRole.BCC, AddressRole.RECIPIENT})


class EnvelopeParty(Struct, frozen=True, array_like=True):
    """One address on an envelope.

    `address` is normalised (`mail.headers.addresses.normalise`).
    """

    role: AddressRole
    address: str
    via: str = ""
    """For a recipient: the list or forwarding address through which the mail came. Else ""."""


def senders_of(parties: Iterable[EnvelopeParty]) -> tuple[str, ...]:
    """The addresses of all senders among `parties`, each once, in order."""
    return tuple(dict.fromkeys(party.address for party in parties if party.role in SENT_ROLES))


class Envelope(Struct, frozen=True):
    """Who sent and received a message, as a journal report or the message's own headers say."""

    parties: tuple[EnvelopeParty, ...]
    subject: str = ""
    message_id: str = ""
    notes: tuple[str, ...] = ()


class Placeholder(Struct, frozen=True):
    """How to build a message from a part that replaces an original (see `mail.journal.placeholder`)."""

    before: bytes
    """The bytes in front of the part."""
    after: bytes
    """The bytes behind the part."""
    key: bytes
    """A hash of the envelope's Message-ID, subject and sender: equal for two reports of one mail. Empty if
    the envelope has no Message-ID."""


class OriginalSpan(Struct, frozen=True):
    """Where an original lies in its report: bytes [start, end), in a transfer encoding."""

    start: int
    end: int
    encoding: str = "identity"
    """"identity", "base64" or "quoted-printable"."""
    placeholder: Placeholder | None = None
    """Given if these bytes are no original, but a part that replaces it."""


class JournalReport(Struct, frozen=True):
    """A journal report that was read: its envelope and where its originals lie."""

    envelope: Envelope
    originals: tuple[OriginalSpan, ...]
    """One. Two when an IRM-protected message comes with its decrypted copy."""
    tenant: str
    """The normalised address of the report's own `Sender` field; "" if it has none."""
    date: int | None
    """The report's own `Date` in seconds since 1970 UTC; None if it is missing or not plausible."""
    notes: tuple[str, ...] = ()


class NestedMessage(Struct, frozen=True):
    """A message inside another one, as an undecoded part.

    The part's header lies at [head, body), the message at [body, end).
    """

    head: int
    body: int
    end: int
    content_type: str
    """Lower-case: message/rfc822, message/global or the like."""
    stated: bytes
    """The value of the part's Content-Type field, unfolded."""
    outer: NestedMessage | None = None
    """The nested message around this one; None if it lies in the outermost message."""


class MimeLeaf(Struct, frozen=True):
    """A MIME part without children: its header at [head, body) of a buffer, its content at [body, end)."""

    head: int
    body: int
    end: int
    content_type: str
    """`type/subtype` in lower case; "" if none is given."""
    encoding: str
    """Content-Transfer-Encoding in lower case; "" if none is given."""
    message: int = 0
    """Where the header of the message begins to which the leaf belongs; 0 for the outermost message."""
    stated: bytes = b""
    """The value of its Content-Type field, unfolded; empty if there is none."""
    within: NestedMessage | None = None
    """The nested message to which it belongs; None for the outermost message."""
    choice: tuple[int, int] | None = None
    """Where the innermost multipart/alternative around it begins, and where its branch of that begins; None
    outside of one. Only leaves of one such multipart, in different branches, can say the same."""


class MessageCut(Struct, frozen=True):
    """One piece of a message as `mail.mime.split` cuts it. The cuts cover the buffer without gaps.

    `encoding` says how the piece is kept:

    - "": its bytes stay with the message.
    - "identity": its bytes are a part, which is stored once for all messages.
    - "base64": its decoded content is such a part. `width` (characters a line) and `eol` rebuild the exact
      bytes.

    `inline` means: decode, but keep with the message, since text compresses well there.
    """

    start: int
    end: int
    encoding: str = ""
    width: int = 76
    eol: bytes = b"\r\n"
    inline: bool = False
    data: bytes | None = None
    """The decoded content; None if it is too large to hold. Then read it with `split.decode_chunks`."""


class MessageSummary(Struct, frozen=True, array_like=True):
    """What a list shows of a message. The texts are decoded, but not yet sanitised for a terminal."""

    subject: str
    sender: str
    to: str
    message_id: str
    date: int | None
    """The `Date` field in seconds since 1970 UTC; None if it is missing or not plausible."""
    attachments: int
    """Number of files, inline ones not counted."""
    hidden: int = -1
    """Bytes that the public form of the message leaves out; -1 if this was not measured."""
    hops: tuple[int, ...] = ()
    """The times in its `Received` fields, newest first, in seconds since 1970 UTC."""


class MessageText(Struct, frozen=True, array_like=True):
    """What can be searched in a message. Every field is decoded text."""

    subject: str
    sender: str
    to: str
    cc: str
    bcc: str
    body: str
    filenames: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What went wrong while it was read: unknown charset, broken base64, no readable MIME."""
    links: tuple[str, ...] = ()
    """The targets of the links in its HTML."""
    message_id: str = ""
    """Its Message-ID in the form of `mail.headers.message_ids.bare_id`."""
    references: tuple[str, ...] = ()
    """The ids in its References and In-Reply-To fields, in the same form."""
    people: tuple[tuple[str, ...], ...] = ()
    """The addresses of From and Sender, of To, of Cc and of Bcc, normalised
    (`mail.headers.routing.people_in`)."""


class Likeness(Struct, frozen=True, array_like=True):
    """Two hashes that compare messages (see `mail.text.likeness`)."""

    message: bytes = b""
    """SHA-256 of what an original shares with its rewritten copy. Empty for a message that is never linked:
    it has no Message-ID, or a text too long to compare as a whole."""
    item: bytes = b""
    """SHA-256 of what two reads of one item in a mailbox share: the same as `message`, and all header fields
    except those of transport. Empty only if a text is too long."""
    senders: tuple[str, ...] = ()
    """The normalised addresses of its From field, sorted."""
