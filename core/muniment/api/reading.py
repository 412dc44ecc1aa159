"""About reading: the tree, lists, searches, messages, exports."""

from __future__ import annotations

from muniment.api.base import Request, Word


class GetTree(Request, frozen=True):
    """Reply: Tree."""


class Folder(Word, frozen=True):
    name: str
    count: int


class UserFolders(Word, frozen=True):
    user: str
    folders: tuple[Folder, ...]
    name: str = ""


class Tree(Word, frozen=True):
    users: tuple[UserFolders, ...]


class Hit(Word, frozen=True):
    id: str
    """The message's SHA-256 in hex."""
    date: int
    """Sort date, seconds since 1970 UTC."""
    sender: str
    to: str
    subject: str
    size: int
    attachments: int
    folders: tuple[str, ...]
    """"user/folder" of each place where the message stands."""


class Mark(Word, frozen=True):
    """Words of a query that a reader wants to see marked: one or a phrase's, wildcards included, or what
    begins so."""

    text: str
    field: str = ""
    """"from", "to", "cc", "bcc", "subject", "body", "filename" or "link"; "" for anywhere."""
    prefix: bool = False


class Hits(Word, frozen=True):
    """A page of a list. `after` and `before` are places between messages, so that a page stays where it is
    while new mail arrives."""

    total: int
    behind: int
    hits: tuple[Hit, ...]
    after: str = ""
    """Pass it as `after` for the next page; "" at the end."""
    before: str = ""
    """Pass it as `after`, and the other `oldest_first`, for the page before, which comes from its end to its
    beginning; "" where there is none to be had."""
    first: int = -1
    """How many come before the first of `hits`; -1 for a page that was asked for by `after`."""
    exact: bool = True
    """False where `total` or `first` is an estimate."""
    seconds: float = 0.0
    """How long a search took."""
    marks: tuple[Mark, ...] = ()
    """What a search's query looks for in text."""


class ListMessages(Request, frozen=True):
    """A folder, newest first. Reply: Hits.

    With `around` (seconds since 1970 UTC) the page begins at that date, wherever in the folder it is:
    with the newest message that is no later or, with `oldest_first`, the oldest that is no earlier.
    """

    user: str
    folder: str
    limit: int = 50
    after: str = ""
    reason: str = ""
    oldest_first: bool = False
    around: int | None = None


class Search(Request, frozen=True):
    """What a query finds; by date, as ListMessages, or the most relevant first. Reply: Hits."""

    query: str
    user: str = ""
    limit: int = 50
    after: str = ""
    by_relevance: bool = False
    reason: str = ""
    oldest_first: bool = False
    around: int | None = None
    zone: str = ""
    """Whose days the query means: a time zone as muniment.system.time_zones has it; "" for UTC."""


class Show(Request, frozen=True):
    """One message, to read. Reply: Message. `id` is a prefix of at least 8 hex digits.

    `reason`, here as elsewhere, is why another's mail is read; it stands in the audit trail.
    """

    id: str
    reason: str = ""


class Attachment(Word, frozen=True):
    filename: str
    content_type: str
    size: int
    within: int = 0
    """The number of the attachment that it lies in, as a file in `winmail.dat` does; 0 for none."""


class EnvelopeWord(Word, frozen=True):
    """One copy that brought the message."""

    number: int
    """From 1: the N of `show --report N`."""
    report: bool
    sha256: str
    size: int
    time: int
    parties: tuple[tuple[str, str, str], ...]
    """(role, address, via) each; role is "sender", "on-behalf-of", "to", "cc", "bcc", "recipient",
    "expanded" or "forwarded"."""
    profile: str
    flags: tuple[str, ...] = ()


class Message(Word, frozen=True):
    id: str
    date: int
    size: int
    headers: tuple[tuple[str, str], ...]
    """Decoded, in order: From, To, Cc, Bcc, Date, Subject, Message-ID, as far as present."""
    text: str
    attachments: tuple[Attachment, ...]
    envelopes: tuple[EnvelopeWord, ...]
    folders: tuple[str, ...]
    notes: tuple[str, ...] = ()


class ReadRaw(Request, frozen=True):
    """Exact bytes, as a stream of Chunk. `what` is "message", "headers", "report" or "quarantine"."""

    id: str
    what: str = "message"
    report: int = 0
    reason: str = ""


class Chunk(Word, frozen=True):
    data: bytes


class ReadAttachment(Request, frozen=True):
    """One attachment, decoded. Stream of Attachment (its size an estimate where its encoding is broken) and
    Chunks, and a Step for each thing that did not go well.

    With `text`, what a person reads of it: UTF-8, HTML as text, at most the first MiB.
    """

    id: str
    number: int
    """From 1, in the order of `Message.attachments`."""
    text: bool = False
    reason: str = ""


class Export(Request, frozen=True):
    """Write what a query finds to `path`: a folder of .eml, an .mbox or a .zip by its ending.

    Instead of a query, `ids` (10,000 at most) names messages, or `user` and `folder` a folder.

    Stream of Step (how far), then Done. For a caller who is not the service's own user, the service
    can't write it: each file is sent as ExportFile and the Chunks that follow it, and the client
    writes them (see client.receive).
    """

    query: str
    path: str
    user: str = ""
    reason: str = ""
    ids: tuple[str, ...] = ()
    folder: str = ""
    zone: str = ""
    """As in Search."""


class ExportFile(Word, frozen=True):
    """A file of an export begins; the Chunks that follow are its content."""

    name: str
    """Relative to the folder that `Export.path` stands in: one name, or the export's folder and a name."""
