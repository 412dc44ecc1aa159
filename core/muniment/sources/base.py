"""The protocol that every source implements, and the values that it takes and returns.

A **place** is one folder of a source. An **item** is one message in a place, as it was listed. A **key** is
the name of an item in its place, which stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

SPOOL_ABOVE = 8 * 1024 * 1024
"""Messages larger than this many bytes are passed on as a file, never as bytes."""


@dataclass(frozen=True, slots=True)
class MailPlace:
    """One folder of a source, identified by host, mailbox and folder, but not by a profile's name."""

    host: str
    """Host and port, or `file:` and the absolute path for local sources."""
    mailbox: str
    folder: str = ""
    """Its name in the mailbox, or an id that renaming does not change."""
    title: str = field(default="", compare=False)
    """The folder's name in the archive (see sources.folders); "" for a source without folders."""
    owner: str = field(default="", compare=False)
    """The address of the mailbox's owner if the source reads several mailboxes; otherwise ""."""
    others: bool = field(default=False, compare=False)
    """Whether it is another person's folder, or a public one: nothing is ever deleted there."""


@dataclass(frozen=True, slots=True)
class SmtpEnvelope:
    """The SMTP envelope of a message that was delivered to the embedded gateway (RFC 5321)."""

    sender: str
    """MAIL FROM; "" for the empty reverse path."""
    recipients: tuple[str, ...]
    """The addresses of all RCPT TO commands, as the client wrote them."""
    people: tuple[str, ...] = ()
    """The addresses of people to whom the recipients belong, according to the gateway."""
    headers: tuple[str, ...] = ()
    """Names of header fields in which the sender can name further people."""
    originals: tuple[tuple[str, str], ...] = ()
    """Pairs of a recipient and its ORCPT parameter (RFC 3461), for recipients that had one."""


@dataclass(frozen=True, slots=True)
class MailItem:
    """One message at a source, as it was listed."""

    place: MailPlace
    key: str
    """Stable across sessions: POP3 UIDL, IMAP `UIDVALIDITY:UID`, a maildir's unique name, ..."""
    size: int | None = None
    """Size in bytes, as the source states it; None if the listing does not have it."""
    flags: tuple[str, ...] = ()
    """Flags at the source, such as `\\Seen` in IMAP."""
    date: int | None = None
    """When the source received it, in seconds since 1970 UTC; None if it does not say."""
    delivered: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    """Who delivered it, as pairs of name and value; only the embedded gateway knows this."""
    envelope: SmtpEnvelope | None = field(default=None, compare=False)
    """Its SMTP envelope; only the embedded gateway knows it."""
    stays: bool = field(default=False, compare=False)
    """Whether it must never be deleted: the archive does not keep all bytes of its file, or the profile's
    setting to delete does not apply to its folder."""
    stamp: tuple[int, ...] = field(default=(), compare=False)
    """State of its file when it was read. The file is deleted only if this is unchanged. () if not known."""


@dataclass(frozen=True, slots=True)
class FetchedItem:
    """The exact bytes of an item: in memory, or above SPOOL_ABOVE in a file of the work folder.

    The caller removes the file.
    """

    item: MailItem
    content: bytes | Path


@dataclass(frozen=True, slots=True)
class UnfetchedItem:
    """An item that could not be fetched."""

    item: MailItem
    reason: str
    """Why, as a clause without a full stop."""
    gone: bool = False
    """Whether someone else has removed it since it was listed."""


@dataclass(frozen=True, slots=True)
class SourceRefusal:
    """A mailbox or folder that could not be read or emptied, while others could."""

    where: str
    """The mailbox's address, or `mailbox/folder`, in the form that people know."""
    reason: str
    """One sentence that names it and says what to do."""
    deleting: bool = False
    """Whether it could be read, and only deleting failed."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What a source passes over for one reason: it was listed and is no mail."""

    reason: str
    """What each of them is, such as "an empty file"."""
    count: int
    examples: tuple[str, ...]
    """The first few names. They are not sanitised: a stranger can have chosen them."""


class Source(Protocol):
    """A mailbox, or a set of mailboxes: it is listed, fetched in batches, and emptied by key.

    All calls must come from one thread. A source connects again by itself when a connection breaks, with
    growing waits. The network timeout is `ServerEndpoint.timeout`, in seconds for each operation.

    Every method can raise `muniment.errors.SourceError`, or its subclasses LoginRefused and
    CertificateRefused. The message is one sentence that says what to do. An error ends the run, so it is
    raised only if the source as a whole has a problem. If one of several mailboxes or one folder can't be
    read, the others still are (see PartialSource); a message that can't be read is answered with
    UnfetchedItem.
    """

    session: int
    """Largest number of items to fetch before deleting the ones that are safe (POP3 deletes at QUIT)."""
    vouches: bool
    """Whether an unchanged key and size prove unchanged content (they do for IMAP, not for POP3)."""
    expected: int | None
    """Number of messages that `listing` will yield, once it has begun; None if it is not known beforehand."""

    def connect(self) -> None:
        """Reach the mailbox and log in.

        Raises:
            LoginRefused: The server refuses the name, the password or the token.
            CertificateRefused: The connection can't be secured.
            SourceError: There is no such server or mailbox, or it can't be used.
        """

    def listing(self) -> Iterator[MailItem]:
        """List every message that is there now, or with a mark what changed since (see ResumableSource).

        Memory does not grow with the number of messages.

        Yields:
            Each message once.

        Raises:
            SourceError: The list can't be read to its end.
        """

    def fetch(self, items: Sequence[MailItem]) -> Iterator[FetchedItem | UnfetchedItem]:
        """Fetch the bytes of listed items, with as few round trips as the protocol allows.

        Read the result to its end before the next call.

        Args:
            items: Items from `listing`, at most `session` of them between two calls of `delete`.

        Yields:
            One answer for each item, in any order.

        Raises:
            SourceError: The server fails at everything that it is asked for.
        """

    def delete(self, items: Iterable[MailItem]) -> list[MailItem]:
        """Delete items at the source for good.

        Args:
            items: Items whose bytes are safely archived.

        Returns:
            The items whose deletion the source has confirmed. An item that was no longer there is left out,
            since it may have been moved to a place that the source does not list.

        Raises:
            SourceError: Nothing can be deleted, or a deletion can't be confirmed.
        """

    def close(self) -> None:
        """Close the connection. It never deletes anything, and can be called twice."""


@runtime_checkable
class PartialSource(Protocol):
    """A source of which one part can fail while the others are still read.

    A part is a mailbox or a folder. If it fails, `listing` continues with the next one, `fetch` answers its
    items with UnfetchedItem, and `delete` does not return them. `refusals` names each part once in a run.
    """

    def refusals(self) -> list[SourceRefusal]:
        """The parts that have failed since the last call."""


@runtime_checkable
class DeletingSource(Protocol):
    """A source that finds out before a run whether its server can delete messages for good."""

    def undeletable(self) -> str:
        """Why nothing can be deleted at the source, and what to do.

        Call it after `connect`.

        Returns:
            One sentence, or "" if deleting works.
        """


@runtime_checkable
class SkippingSource(Protocol):
    """A source that passes over what is no mail, such as other files in a folder.

    What it passes over counts as listed and skipped.
    """

    def passed_over(self) -> list[PassedOver]:
        """What the current or latest listing has passed over so far, by reason."""


@runtime_checkable
class ResumableSource(Protocol):
    """A source that can list only what has changed since a **mark**.

    A mark is an opaque text for a place. The caller stores a mark when everything up to it is archived. Marks
    only save time: without one, or with one that the server no longer knows, the source lists everything.
    """

    def resume(self, mark: Callable[[MailPlace], str]) -> None:
        """Set the marks of the last run.

        Call it before `listing`.

        Args:
            mark: Returns the mark of a place, or "" if there is none.
        """

    def marks(self) -> dict[MailPlace, str]:
        """The new marks, for the places that were listed to their end.

        Call it after `listing` has ended.
        """


@runtime_checkable
class RemarkingSource(Protocol):
    """A source that can say something about its server that an administrator should know."""

    def remarks(self) -> list[str]:
        """Clauses without a full stop, none of which is an error.

        Call it after `listing`.
        """
