"""What goes into an index, and what a search takes and returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from muniment.contents.model import ReadFile
from muniment.mail.model import AddressRole, MessageText


class IndexMention(Struct, frozen=True):
    """An address on a copy of a message."""

    role: AddressRole
    address: str
    """Normalised, in lower case."""
    time: int
    """When the copy was journaled or received, in seconds since 1970 UTC."""
    trusted: bool
    """Whether the copy is filed with this address; an address that is not trusted is found only by from: and
    to:."""
    owner_folder: str = ""
    """The folder of the owner of an ordinary mailbox, in any role; `address` is then the owner's."""
    senders: tuple[str, ...] = ()
    """The normalised senders of this copy, if it is trusted: they know every address on it."""


class IndexDocument(Struct, frozen=True):
    """A message as input of the index."""

    id: int
    """The message's number: the sequence of its record."""
    date: int
    """The date that lists are sorted by, in seconds since 1970 UTC."""
    size: int
    """Size of the message, in bytes."""
    attachments: int
    """Number of attachments."""
    sha: bytes
    """SHA-256 of the message's bytes."""
    text: MessageText
    mentions: tuple[IndexMention, ...] = ()
    formers: tuple[bytes, ...] = ()
    """SHA-256 of each message that it has displaced: their ids find it, too."""
    public_size: int = 0
    """Size of the public form, in bytes; 0 if it is not known."""
    contents: tuple[ReadFile, ...] | None = None
    """What was read in its attachments; None if they were not read yet."""


ContentsState = Literal["waiting", "read", "unread"]
"""How far the attachments of a message were read. "unread" means that some could not be read, or only in
part."""


class AttachmentState(Struct, frozen=True, array_like=True):
    """What the index knows of an attachment that was read, or of a file inside one."""

    name: str
    """Its name, with those of the files around it. It is not sanitised."""
    why: str = ""
    """Why it could not be read, or only in part; "" if all of it was read."""
    has_text: bool = False
    """Whether it has any words."""
    number: int = 0
    """The number of the attachment, from 1; 0 if that is not known."""


@dataclass(frozen=True, slots=True)
class UserAddress:
    """An address of a person, with the time in which it was theirs."""

    address: str
    valid_from: int | None = None
    """The first second, since 1970 UTC; None from the beginning."""
    valid_to: int | None = None
    """The second at which it ended, since 1970 UTC; None if it has not ended."""
    tagged: bool = False
    """Whether mail to the address with a `+tag` is theirs, too, as in the organisation's own domains."""


@dataclass(frozen=True, slots=True)
class UserAddresses:
    """A person in the terms of the index: by addresses."""

    addresses: tuple[UserAddress, ...]
    everything: bool = False
    """Whether any message may be theirs, as for the catch-all, which has no addresses."""


Users = Callable[[str], UserAddresses]
"""Takes the name or address after `user:`, and returns the person; raises MunimentError if there is none."""


@dataclass(frozen=True, slots=True)
class SearchScope:
    """The person whose mail is searched."""

    user: UserAddresses
    verify: Callable[[Sequence[int]], Collection[int]]
    """Takes ids that the index found, and returns the subset that the person may see by the catalog."""
    name: str = ""
    """The person's name, as `placed` takes it."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of results."""

    total: int
    """Number of matches. If `exact` is false, an estimate: the index's count minus the candidates that were
    found to belong to others."""
    exact: bool
    """Whether `total` is exact."""
    ids: tuple[int, ...]
    """Numbers of the messages on this page, in order."""
    dates: tuple[int, ...]
    """The date of each message that lists are sorted by, in seconds since 1970 UTC."""
    after: str = ""
    """The position after this page, to request the next one; "" at the end. A page may be short although
    there is a next one."""
    before: str = ""
    """The position before this page, to request the previous one with the opposite `oldest_first`; "" for an
    empty page and for a search by relevance."""
    first: int = -1
    """Number of matches before this page; -1 if the page was requested by `after`."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """How far an index is."""

    watermark: int = 0
    """Everything in records below this sequence is in the index."""
    binding: str = ""
    """The text that says which ledger the index is of."""


Verify = Callable[[Sequence[int]], Collection[int]]
"""Takes numbers of messages, and returns the subset that passes a check."""
Placed = Callable[[str, Iterable[int], str], Collection[int]]
"""Takes a person's name, numbers of messages, and the name of a folder ("" for any); returns the subset of
messages that are in the person's folder."""


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """Documents that are stored in the same files."""

    first: int
    """The lowest id that belongs to the span."""
    end: int
    """The lowest id after the span."""
    files: frozenset[str]
    """Names that say which files they are in."""
