"""What the catalog is told: one value a ledger record, whether it was just written or is read back.

The live pipeline and a rebuild make these values by the same functions, so a rebuilt catalog
equals the one it replaces. `sequence` is the record's place in the ledger's Merkle tree (its leaf
index); it is also the message's row id, so ids survive a rebuild.
"""

from __future__ import annotations

from enum import IntFlag

from msgspec import Struct

from muniment.mail.model import Party

DAMAGED = "its bytes in the ledger are damaged: restore the vault from a backup, or fetch it again"
"""The note of a message that could not be read back whole when the catalog was built."""


class Position(Struct, frozen=True):
    """Where a frame begins: segment number (from 1) and byte offset."""

    segment: int
    offset: int


class Route(IntFlag):
    """Why a copy may be seen by whom. Kept in the ledger and the catalog: never renumber."""

    JOURNAL = 1
    """A trusted journal report: its envelope says whose it is."""
    HEADERS = 2
    """No report; its routing headers say whose it is."""
    CATCH_ALL = 4
    """Not trusted, or nobody's: the catch-all alone."""
    OWNER = 8
    """From an ordinary mailbox: the mailbox's owner and folder, whatever the headers claim."""


class MessageFact(Struct, frozen=True):
    """A message that is kept."""

    sequence: int
    position: Position
    sha: bytes
    """SHA-256 of its very bytes: its id."""
    content: bytes
    """Content hash without transport headers (mail.fingerprint), to find forks."""
    date: int
    """Sort date, clamped, seconds since 1970 UTC."""
    size: int
    sender: str
    to: str
    subject: str
    attachments: int
    notes: tuple[str, ...] = ()
    name: bytes = b""
    """Its Message-ID as it is looked up (mail.likeness.name_of), to find what it may be a copy of."""


class PartFact(Struct, frozen=True):
    """A MIME part, a chunk, or a chunk list that stands for a large part."""

    sequence: int
    position: Position
    sha: bytes


class EnvelopeFact(Struct, frozen=True):
    """One copy as it was fetched: a journal report, or a plain message's own copy."""

    sequence: int
    position: Position
    sha: bytes
    """SHA-256 of the copy's bytes as fetched."""
    messages: tuple[bytes, ...]
    """SHA-256 of the message, or messages, that it brought."""
    parties: tuple[Party, ...]
    time: int
    """When it was journaled or received, seconds since 1970 UTC; decides transfers of addresses."""
    report: bool
    """True for a journal report, False for a plain copy."""


class ReceiptFact(Struct, frozen=True):
    """That a copy was fetched from a place under a key, and how it is routed."""

    sequence: int
    host: str
    mailbox: str
    folder: str
    key: str
    size: int
    """Bytes as fetched."""
    sha: bytes
    """SHA-256 as fetched: of an envelope, or of a quarantined item."""
    route: Route
    profile: str
    owner: str = ""
    """For Route.OWNER: the address of the mailbox's owner."""
    owner_folder: str = ""
    """For Route.OWNER: the folder's name as the owner knows it."""
    flags: tuple[str, ...] = ()
    """Why a copy was not trusted, and the like."""
    time: int = 0
    """When it was fetched, seconds since 1970 UTC."""
    report: bool = False
    """Whether the copy was unwrapped as a journal report: that and its hash tell which envelope is meant."""


class DeletionFact(Struct, frozen=True):
    """That keys were deleted at a place, after they were safely kept."""

    sequence: int
    host: str
    mailbox: str
    folder: str
    keys: tuple[str, ...]


class QuarantineFact(Struct, frozen=True):
    """An item kept byte for byte because it could not be unwrapped; or, with `resolved`, its end."""

    sequence: int
    position: Position
    sha: bytes
    size: int
    reason: str
    time: int
    resolved: bool = False
    """True when a retry archived it: then `sha` names the item and the rest is void."""


class RunFact(Struct, frozen=True):
    """A run's summary, as JSON with the keys of `muniment run --json` and `started`, `error`."""

    sequence: int
    time: int
    summary: str


class DirectoryFact(Struct, frozen=True):
    """A change to the directory of users, as JSON (see people.directory)."""

    sequence: int
    time: int
    change: str


class AuditFact(Struct, frozen=True):
    """That somebody read, or was refused, something: as JSON (see service.audit)."""

    sequence: int
    time: int
    event: str


Fact = (
    MessageFact
    | PartFact
    | EnvelopeFact
    | ReceiptFact
    | DeletionFact
    | QuarantineFact
    | RunFact
    | DirectoryFact
    | AuditFact
)
