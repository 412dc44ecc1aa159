"""The one protocol every source speaks, and the values that pass over it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

SPOOL_ABOVE = 8 * 1024 * 1024
"""Messages larger than this many bytes are handed on as a file, never as bytes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key belongs: host + mailbox + folder, never a profile's name."""

    host: str
    """Host and port, or `file:` and the absolute path for local sources."""
    mailbox: str
    folder: str = ""
    """What tells the folder from all others there: its name, or an id that outlives renaming."""
    title: str = field(default="", compare=False)
    """How the archive names the folder (see sources.folders); "" for sources that have none."""
    owner: str = field(default="", compare=False)
    """The address of whoever the mailbox belongs to, where one source reads several; else ""."""
    others: bool = field(default=False, compare=False)
    """Whether it is a folder of others, or a public one: nothing is ever deleted there."""


@dataclass(frozen=True, slots=True)
class SmtpEnvelope:
    """With which SMTP envelope a message was delivered to the embedded gateway."""

    sender: str
    """MAIL FROM; "" for the empty reverse path."""
    recipients: tuple[str, ...]
    """RCPT TO, each as the client wrote it."""
    people: tuple[str, ...] = ()
    """The addresses of people whom these name, as the gateway reads them."""
    headers: tuple[str, ...] = ()
    """Header fields by which its sender may name further people."""
    originals: tuple[tuple[str, str], ...] = ()
    """The ORCPT parameters that there were, each behind its recipient."""


@dataclass(frozen=True, slots=True)
class Item:
    """One message at a source, as listed."""

    place: Place
    key: str
    """Stable across sessions: POP3 UIDL, IMAP `UIDVALIDITY:UID`, a maildir's unique name, ..."""
    size: int | None = None
    """Bytes, as the source states them; None where listing does not tell."""
    flags: tuple[str, ...] = ()
    date: int | None = None
    """When the source received it, seconds since 1970 UTC; None where it does not tell."""
    delivered: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    """Who delivered it, as names and values, where the source knows: the embedded gateway does."""
    envelope: SmtpEnvelope | None = field(default=None, compare=False)
    """Its SMTP envelope, where the source knows it."""
    stays: bool = field(default=False, compare=False)
    """Whether it is never deleted: what is kept is not all that its file has, or it lies where the profile's
    setting to delete does not reach."""
    stamp: tuple[int, ...] = field(default=(), compare=False)
    """How its file was when it was read: it is deleted only while it is so. () where that is not known."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An item's very bytes: in memory, or in a file of the work folder when above SPOOL_ABOVE.

    Whoever takes a file removes it when done.
    """

    item: Item
    content: bytes | Path


@dataclass(frozen=True, slots=True)
class Unfetched:
    """An item that could not be had. `gone`: it was removed by someone else since it was listed."""

    item: Item
    reason: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A mailbox or folder that could not be read, or not be emptied, while others could."""

    where: str
    """The mailbox's address, or `mailbox/folder`, as people know it."""
    reason: str
    """One sentence that names it and says what to do."""
    deleting: bool = False
    """Whether it was read, and only its mail could not be deleted."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What a source passes over for one reason."""

    reason: str
    """What each of them is, such as "an empty file"."""
    count: int
    examples: tuple[str, ...]
    """The first few names. They are as a stranger may have chosen them: not yet sanitised."""


class Source(Protocol):
    """A mailbox that is listed, fetched in batches, and emptied by key.

    All calls come from one thread. A lost connection is mended inside a call, with backoff; what
    can't be mended is a `muniment.errors.SourceError` (LoginRefused, CertificateRefused), whose
    message is one sentence that says what to do. `timeout` is per network operation, in seconds.

    An error ends the run: it is raised only for trouble with the source as a whole. One mailbox of
    several, one folder or one message that can't be read stops nothing but itself: see Partial for the
    first two, Unfetched for the last.
    """

    session: int
    """The most items that may be fetched before what is safe is deleted (POP3 deletes at QUIT)."""
    vouches: bool
    """Whether an unchanged key and size prove unchanged content (IMAP does, POP3 does not)."""
    expected: int | None
    """How many messages `listing` will bring, once it has begun; None where only listing them tells."""

    def connect(self) -> None:
        """Reach the mailbox and log in."""

    def listing(self) -> Iterator[Item]:
        """Every message there now. Memory does not grow with their number."""

    def fetch(self, items: Sequence[Item]) -> Iterator[Fetched | Unfetched]:
        """The bytes of listed items, pipelined; one answer an item, in any order."""

    def delete(self, items: Iterable[Item]) -> list[Item]:
        """Delete at the source; returns those whose deletion the source has confirmed for good.

        What was not there any more is left out: it may have been moved to where the source does not look.
        """

    def close(self) -> None:
        """Hang up; never deletes anything. Safe to call twice."""


@runtime_checkable
class Partial(Protocol):
    """A source of which one part may fail while the others are read.

    `listing` goes on with the next mailbox or folder. `fetch` answers the items of a part that fails with
    Unfetched. `delete` leaves them out of what it returns. Each part is named once a run by `refusals`.
    """

    def refusals(self) -> list[Refusal]:
        """What has been refused since the last call."""


@runtime_checkable
class Deleting(Protocol):
    """A source that can tell before a run whether its server is able to delete for good at all."""

    def undeletable(self) -> str:
        """After `connect`: why nothing can be deleted there, and what to do; "" where it can."""


@runtime_checkable
class Choosing(Protocol):
    """A source that meets what is no mail, such as other files in a folder, and passes it over.

    It counts as listed and skipped.
    """

    def passed_over(self) -> list[PassedOver]:
        """What the listing that goes on, or went on last, has passed over so far."""


@runtime_checkable
class Resumable(Protocol):
    """A source that can list only what changed since a **mark**, an opaque text for a place.

    Marks are kept once everything listed up to them is archived, and are only a short cut: a source that
    is given none, or one gone stale, lists all.
    """

    def resume(self, mark: Callable[[Place], str]) -> None:
        """Before `listing`: where the last run came to, for each place ("" for nowhere)."""

    def marks(self) -> dict[Place, str]:
        """After `listing` has ended: where it came to, for places that were listed to their end."""


@runtime_checkable
class Remarking(Protocol):
    """A source that knows of its server what an administrator should know."""

    def remarks(self) -> list[str]:
        """After `listing`: clauses without a full stop; none of them is an error."""
