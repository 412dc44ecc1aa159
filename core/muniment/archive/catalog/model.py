"""Results and errors of the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from muniment.archive.facts import FramePosition, RoutingReason, public_size
from muniment.errors import VaultError
from muniment.mail.model import AddressRole, EnvelopeParty


class CatalogOutdated(VaultError):
    """The catalog is missing, damaged or of an older schema: rebuild it from the ledger."""


class CatalogDamaged(CatalogOutdated):
    """The catalog contradicts itself or can't be decoded: rebuild it from the ledger."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message in lists and look-ups."""

    sequence: int
    """The message's number: the sequence of its record."""
    sha: bytes
    """SHA-256 of the message's bytes: its id."""
    position: FramePosition
    date: int
    """The date that lists are sorted by, in seconds since 1970 UTC."""
    size: int
    """Size of the message, in bytes."""
    sender: str
    to: str
    subject: str
    attachments: int
    notes: tuple[str, ...]
    hidden: int = -1
    """Bytes that the public form leaves out; -1 if the message could not be read."""
    received: int = 0
    """When the first record of the message, or of one that it displaced, was written, in seconds since 1970
    UTC. A later receipt does not change it."""

    @property
    def public_size(self) -> int:
        """Size of the public form, in bytes, which reveals nothing of Bcc; 0 if it is not known."""
        return public_size(self.size, self.hidden)


@dataclass(frozen=True, slots=True)
class EnvelopeRow:
    """A copy of one or more messages."""

    sequence: int
    sha: bytes
    """SHA-256 of the copy's bytes as fetched."""
    position: FramePosition
    messages: tuple[bytes, ...]
    """SHA-256 of each message in the copy, in the order of the ledger."""
    parties: tuple[EnvelopeParty, ...]
    time: int
    """When it was journaled or received, in seconds since 1970 UTC."""
    report: bool
    """Whether it was unwrapped as a journal report."""
    route: RoutingReason
    """The routes of all its receipts; 0 before the first receipt."""
    size: int
    """Size as fetched, in bytes."""
    profile: str
    """The profile that fetched it first."""
    flags: tuple[str, ...]
    """Notes on the copy, such as why it was not trusted."""


class CopyOwner(NamedTuple):
    """The owner of an ordinary mailbox from which a copy was fetched."""

    address: str
    folder: str
    """The folder as the owner knows it."""
    flags: tuple[str, ...]
    """The copy's flags there, in the words of its source: `\\Seen` of IMAP, `S` of a Maildir."""


class NamedMessage(NamedTuple):
    """A message that was looked up by its Message-ID."""

    sequence: int
    sha: bytes
    sender: str
    """The decoded From field, cut to the length that lists show."""


class TrustedReport(NamedTuple):
    """What a trusted journal report states about a message."""

    time: int
    """When it was journaled, in seconds since 1970 UTC."""
    parties: tuple[EnvelopeParty, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A quarantined item."""

    sequence: int
    sha: bytes
    """SHA-256 of the item's bytes: its id."""
    position: FramePosition
    size: int
    """Size as fetched, in bytes."""
    reason: str
    """Why it could not be unwrapped."""
    time: int
    """When it was fetched, in seconds since 1970 UTC."""
    profile: str
    """The profile that fetched it first, from the host, mailbox, folder and key below."""
    host: str
    mailbox: str
    folder: str
    key: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """A finished run."""

    sequence: int
    profile: str
    time: int
    """When it ended, in seconds since 1970 UTC."""
    summary: str
    """JSON with the keys of `muniment run --json`."""


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision: a hold, a retention rule, a grant, an approval or a subject request, or a change of one."""

    sequence: int
    time: int
    """When it was recorded, in seconds since 1970 UTC."""
    content: str
    """The record's content, as JSON."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An event of the audit trail."""

    sequence: int
    position: FramePosition
    time: int
    """When it was recorded, in seconds since 1970 UTC."""
    event: str
    """The record's JSON (docs/ledger-format.md, "JSON records", audit)."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """An item that was fetched before under a certain key."""

    size: int
    """Size as fetched, in bytes."""
    sha: bytes
    """SHA-256 of the bytes as fetched."""
    kept: bool
    """Whether the ledger holds the copy, in an envelope or in quarantine, and no damage of it is known."""
    route: RoutingReason
    """The routes of all its receipts; 0 for a quarantined item."""
    erased: bool = False
    """Whether it was erased. Then it must not be archived again, and the ledger need not hold it."""


@dataclass(frozen=True, slots=True)
class FolderPage:
    """A page of a folder's messages."""

    rows: list[MessageRow]
    after: str
    """The position after the last row, where the next page begins; "" if this is the last page."""
    total: int
    """Number of messages in the folder."""
    before: str = ""
    """The position before the first row, to page backwards from; "" if the page is empty."""
    first: int = -1
    """Number of the folder's rows before this page; -1 if the page was requested by `after`."""
    exact: bool = True
    """Whether `first` was counted; otherwise it is estimated."""

    @property
    def sequences(self) -> list[int]:
        """The numbers of the messages."""
        return [row.sequence for row in self.rows]


class CatalogMention(NamedTuple):
    """An address on a copy of a message."""

    role: AddressRole
    address: str
    time: int
    """When the copy was journaled or received, in seconds since 1970 UTC."""
    trusted: bool
    """Whether the copy is filed by this address."""
    owner_folder: str = ""
    """For the owner of an ordinary mailbox (with the role RECIPIENT): the folder as the owner knows it."""
    senders: tuple[str, ...] = ()
    """Who sent the copy, if it is trusted."""


class IndexChange(NamedTuple):
    """A message that the index must take in, for the first time or again."""

    message: int
    upto: int
    """The index's watermark once this change and all changes before it are taken in."""


class ArrivalCount(NamedTuple):
    """How many copies were journaled or received in a quarter of an hour."""

    start: int
    """The beginning of the quarter, in seconds since 1970 UTC."""
    reports: int
    """Number of journal reports."""
    others: int
    """Number of other copies."""


@dataclass(frozen=True, slots=True)
class VaultTotals:
    """Counts over the whole vault."""

    messages: int
    """Number of messages."""
    envelopes: int
    """Number of copies."""
    records: int
    """Number of leaves of the ledger's tree."""
    quarantined: int
    """Number of items in quarantine."""
    bytes: int
    """Size of all copies as they were fetched, in bytes."""
    message_bytes: int
    """Size of all messages, each counted once, in bytes."""
    moved_messages: int = 0
    """Number of message records that add no message: the message was appended again since its old record is
    damaged, its original displaced it, or it is erased."""
    moved_envelopes: int = 0
    """Number of envelope records that add no copy, since the copy's old record is damaged or it is erased."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """The decision by which something was erased."""

    record: int
    """Sequence of its record."""
    at: int
    """When it was decided, in seconds since 1970 UTC."""
    basis: str
    """Why, such as the article of a law."""


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A record of what the signatures of some messages gave."""

    record: int
    """Sequence of the record."""
    position: FramePosition
    time: int
    """When it was written, in seconds since 1970 UTC."""
