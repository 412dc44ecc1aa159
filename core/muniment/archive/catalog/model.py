"""What the catalog answers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from muniment.archive.facts import Position, Route, public_size
from muniment.errors import VaultError
from muniment.mail.model import Party, Role


class CatalogOutdated(VaultError):
    """The catalog is missing, unreadable or of another schema version: rebuild it from the ledger."""


class CatalogDamaged(CatalogOutdated):
    """The catalog contradicts itself or can't be decoded: rebuild it from the ledger."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message, as lists and look-ups need it."""

    sequence: int
    sha: bytes
    position: Position
    date: int
    """Sort date, seconds since 1970 UTC."""
    size: int
    sender: str
    to: str
    subject: str
    attachments: int
    notes: tuple[str, ...]
    hidden: int = -1
    """Bytes that its public form lacks; -1 where it could not be read."""

    @property
    def public_size(self) -> int:
        """Bytes of its public form, which say nothing of Bcc; 0 where that is not known."""
        return public_size(self.size, self.hidden)


@dataclass(frozen=True, slots=True)
class EnvelopeRow:
    """One copy of one or more messages."""

    sequence: int
    sha: bytes
    """SHA-256 of the copy's bytes as fetched."""
    position: Position
    messages: tuple[bytes, ...]
    """SHA-256 of what it brought, in the order of the ledger."""
    parties: tuple[Party, ...]
    time: int
    report: bool
    route: Route
    """All reasons that its receipts gave, together; no bit before the first receipt."""
    size: int
    """Bytes as fetched."""
    profile: str
    """The profile that brought it first."""
    flags: tuple[str, ...]


class Named(NamedTuple):
    """A message that has a certain Message-ID."""

    sequence: int
    sha: bytes
    sender: str
    """Its From, decoded, as lists keep it."""


class Voucher(NamedTuple):
    """What a trusted journal report of a message says."""

    time: int
    """When it was journaled, seconds since 1970 UTC."""
    parties: tuple[Party, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """An item that could not be unwrapped."""

    sequence: int
    sha: bytes
    position: Position
    size: int
    reason: str
    time: int
    profile: str
    """The profile that brought it first; the place and the key under which it did follow."""
    host: str
    mailbox: str
    folder: str
    key: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """A finished run; `summary` is JSON with the keys of `muniment run --json`."""

    sequence: int
    profile: str
    time: int
    summary: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An event of the audit trail; `event` is its JSON."""

    sequence: int
    position: Position
    time: int
    event: str


@dataclass(frozen=True, slots=True)
class Known:
    """A key that was fetched before."""

    size: int
    """Bytes as fetched."""
    sha: bytes
    """SHA-256 as fetched."""
    kept: bool
    """Whether the ledger holds the copy, as an envelope or in quarantine; as far as is known undamaged."""
    route: Route
    """All ways in which the copy has been routed; none for a quarantined item."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a folder, in its order."""

    rows: list[MessageRow]
    after: str
    """Where the next page begins; "" at the end."""
    total: int
    """Messages in the folder."""
    before: str = ""
    """Where this one begins, for going back from; "" where it is empty."""
    first: int = -1
    """How many rows come before it; -1 for a page that was asked for by its place."""
    exact: bool = True
    """Whether `first` was counted, not estimated."""

    @property
    def sequences(self) -> list[int]:
        """The rows' messages."""
        return [row.sequence for row in self.rows]


class Mention(NamedTuple):
    """One address on one copy of a message."""

    role: Role
    address: str
    time: int
    """When the copy was journaled or received, seconds since 1970 UTC."""
    trusted: bool
    """Whether the copy is filed by this address."""
    owner_folder: str = ""
    """For the owner of an ordinary mailbox (then a RECIPIENT): the folder as the owner knows it."""
    senders: tuple[str, ...] = ()
    """Who sent this copy, if it is trusted."""


class Change(NamedTuple):
    """A message that the index must take in anew."""

    message: int
    upto: int
    """Once this and all before it are taken in, the index's watermark may be this."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over the whole vault."""

    messages: int
    envelopes: int
    records: int
    """Leaves of the ledger's tree."""
    quarantined: int
    """Items whose quarantine has not ended."""
    bytes: int
    """Bytes of all copies as they were fetched."""
    message_bytes: int
    """Bytes of all messages, each once."""
    moved_messages: int = 0
    """Records of messages that are none of their own: they were kept before, and appended anew since the old
    record is damaged; or they gave way to their originals."""
    moved_envelopes: int = 0
