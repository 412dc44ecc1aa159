"""Requests that read mail: folder tree, lists, searches, messages, attachments, exports.

The audit trail records each of these requests that concerns mail of others. In a vault whose [access] has
`require_reason`, such a request without a `reason` raises ReasonNeeded. Show, ReadRaw, ReadAttachment and
Export are recorded before they are answered, ListMessages and Search within a second.
"""

from __future__ import annotations

from muniment.api.base import Request, WireWord
from muniment.api.holds import HeldByWord


class GetTree(Request, frozen=True):
    """Ask for all users and their folders.

    Role: user, who gets their own folders only.
    Reply: Tree.
    """


class Folder(WireWord, frozen=True):
    """A folder. Part of UserFolders."""

    name: str
    """Path with `/` between its parts."""
    count: int
    """Messages in it, those of folders below it not included."""


class UserFolders(WireWord, frozen=True):
    """The folders of one user. Part of Tree."""

    user: str
    """Primary address; "catch-all" for the catch-all."""
    folders: tuple[Folder, ...]
    name: str = ""
    """The user's name; "" if they have none."""


class Tree(WireWord, frozen=True):
    """Users who have messages, with their folders; the catch-all comes last."""

    users: tuple[UserFolders, ...]


class Hit(WireWord, frozen=True):
    """A message in a list. Part of Hits."""

    id: str
    """SHA-256 of the message in hex; for a user, its public id."""
    date: int
    """The date that the list is sorted by, seconds since 1970 UTC."""
    sender: str
    """From, decoded."""
    to: str
    """To, decoded."""
    subject: str
    """Subject, decoded."""
    size: int
    """Bytes of the message; for a user, of its public form (0 if not known)."""
    attachments: int
    """Number of attachments."""
    folders: tuple[str, ...]
    """Where the message is filed, "user/folder" each; for a user, their own folders only."""
    answers: str = ""
    """The id of the message on this page that it answers, by its headers. Only where the query is one
    `thread:`; "" if none is known."""
    files: tuple[str, ...] = ()
    """Names of attachments that have words of the query, with those of the files around them, such as
    "reports.zip/may.pdf". Only for a search, and for those that were read already."""


class Mark(WireWord, frozen=True):
    """Text that a search looked for, so that a client can highlight it. Part of Hits."""

    text: str
    """A word or a phrase, which may contain the wildcards `*` and `?`."""
    field: str = ""
    """"from", "to", "cc", "bcc", "subject", "body", "filename", "attachment" or "link"; "" for any
    field."""
    prefix: bool = False
    """Whether words that begin with the text match, too."""


class Hits(WireWord, frozen=True):
    """A page of a list.

    Pages are addressed by positions between messages (`after`, `before`), so a page stays where it is while
    new mail arrives. A position is valid only for the same request by the same user.
    """

    total: int
    """Messages in the whole list."""
    behind: int
    """Messages that the index lacks, in whole or in part; a search may miss them."""
    hits: tuple[Hit, ...]
    """The messages of this page. A page of a search may have fewer than `limit`, although more follow."""
    after: str = ""
    """Value of `after` for the next page; "" if this is the last page."""
    before: str = ""
    """Value of `after` for the page before; send it with `oldest_first` inverted, and reverse the order of
    the messages that come. "" if this is not possible."""
    first: int = -1
    """Messages in the list before the first of `hits`; -1 if the request had `after`."""
    exact: bool = True
    """Whether `total` and `first` were counted. If not, they are estimates."""
    seconds: float = 0.0
    """Duration of the search; always 0 for a user and for ListMessages."""
    marks: tuple[Mark, ...] = ()
    """What the query looks for in text; empty for ListMessages."""
    waiting: int = 0
    """Messages whose attachments were not read yet; a search may miss the text in them. Always 0 for a user
    and for ListMessages."""


class ListMessages(Request, frozen=True):
    """Ask for a page of a folder, by date.

    Role: user, for their own folders.
    Reply: Hits.

    Raises:
        NotFound: there is no such user or folder.
        ReasonNeeded: see the module.
        UsageError: `after` is not a position in this list.
    """

    user: str
    """Any address of the user; "catch-all" for the catch-all."""
    folder: str
    """Path of the folder, in any case."""
    limit: int = 50
    """Messages of a page, at most 10,000."""
    after: str = ""
    """`Hits.after` of the page before; "" for the first page."""
    reason: str = ""
    """Why mail of others is read, for the audit trail."""
    oldest_first: bool = False
    """Ascending order of date; false is newest first."""
    around: int | None = None
    """Begin the page at this date, seconds since 1970 UTC: at the newest message that is not later, or with
    `oldest_first` at the oldest that is not earlier. None begins at the start. Ignored with `after`."""


class Search(Request, frozen=True):
    """Ask for a page of what a query finds.

    Role: user, in their own mail.
    Reply: Hits.

    Raises:
        NotFound: a user or folder that is named does not exist.
        QueryError: the query can't be parsed; says where.
        ReasonNeeded: see the module.
        UsageError: `after` is not a position in this list, or `zone` is unknown.
    """

    query: str
    """A query in the language of docs/reading-mail.md."""
    user: str = ""
    """Any address of a user whose mail is searched; "" for all mail that the caller may read."""
    limit: int = 50
    """Messages of a page, from 1 to 10,000."""
    after: str = ""
    """`Hits.after` of the page before; "" for the first page."""
    by_relevance: bool = False
    """Most relevant first; false orders by date."""
    reason: str = ""
    """As in ListMessages."""
    oldest_first: bool = False
    """As in ListMessages; ignored with `by_relevance`."""
    around: int | None = None
    """As in ListMessages; ignored with `by_relevance`."""
    zone: str = ""
    """The time zone of days in the query: a name, a POSIX rule or an offset (see system.time_zones); "" for
    UTC."""
    without: tuple[str, ...] = ()
    """Ids of people in the directory whose mail is left out. The service adds those whose mail is sealed
    against the caller."""


class Show(Request, frozen=True):
    """Ask for one message, decoded to be read.

    Role: user, for their own mail.
    Reply: Message.

    Raises:
        NotFound: no message, or more than one, has this id.
        ReasonNeeded: see the module.
    """

    id: str
    """The message's id, or a prefix of at least 8 hex digits."""
    reason: str = ""
    """As in ListMessages."""
    width: int = 0
    """Cells that a table of `Message.drawn` may take, at most 200; 0 to draw nothing."""


class Attachment(WireWord, frozen=True):
    """An attachment. Part of Message, and the first reply to ReadAttachment."""

    filename: str
    """Decoded; "" if none is stated. The sender chose it: never use it as a path."""
    content_type: str
    """MIME type."""
    size: int
    """Bytes of the decoded content; an estimate if its encoding is quoted-printable or broken."""
    within: int = 0
    """The number of the attachment that contains it, such as `winmail.dat`; 0 if none does."""
    unread: str = ""
    """Why searches do not find all of its text, such as "encrypted"; "" if they do, or if it has none, or if
    it was not read yet. Only in a Message."""


class EnvelopeWord(WireWord, frozen=True):
    """One copy that brought the message. Part of Message.

    A user gets the copies that name them, with only their own lines; of copies that they sent, all lines.
    `sha256`, `size`, `profile` and `flags` are then empty.
    """

    number: int
    """Counted from 1: the N of `show --report N`."""
    report: bool
    """Whether the copy is a journal report."""
    sha256: str
    """SHA-256 of the copy as it was fetched, in hex."""
    size: int
    """Bytes of the copy as it was fetched."""
    time: int
    """When it was journaled, seconds since 1970 UTC."""
    parties: tuple[tuple[str, str, str], ...]
    """(role, address, via) of each line. The role is "sender", "on-behalf-of", "to", "cc", "bcc",
    "recipient", "expanded" or "forwarded". `via` is the distribution list or the forwarding address through
    which a recipient was reached; "" for none."""
    profile: str
    """The profile that brought the copy first."""
    flags: tuple[str, ...] = ()
    """Remarks on the copy, such as that its report failed the tenant pin."""


class SignatureWord(WireWord, frozen=True):
    """What one signature of a message gave when it was judged. It never says that a message is authentic."""

    kind: str
    """"dkim" or "arc"."""
    state: str
    """"valid", "body intact, key unknown", "broken" or "none"."""
    domain: str
    """Who signed; "" if that can't be read."""
    selector: str
    """The name of the key."""
    algorithm: str = ""
    instance: int = 0
    """For "arc": how many relays have sealed the message."""
    signed: int | None = None
    """When it was signed, by its own account, in seconds since 1970 UTC."""
    expires: int | None = None
    """Until when the signer meant it to be used."""
    asked: int | None = None
    """When DNS was asked for the key."""
    authentic: bool = False
    """Whether the DNS server said that it had checked the key's record by DNSSEC."""
    reason: str = ""
    """Why it is not valid."""


class Message(WireWord, frozen=True):
    """One message, decoded to be read. A user gets no Bcc, unless they sent the message."""

    id: str
    """SHA-256 of the message in hex; for a user, its public id."""
    date: int
    """The date that lists are sorted by, seconds since 1970 UTC."""
    size: int
    """Bytes of the message; for a user, of its public form."""
    headers: tuple[tuple[str, str], ...]
    """(name, value) pairs, decoded, in this order if present: From, To, Cc, Bcc, Date, Subject,
    Message-ID."""
    text: str
    """The text, HTML converted to plain text. May be cut; `notes` then says so."""
    attachments: tuple[Attachment, ...]
    """In the order of their numbers, which count from 1."""
    envelopes: tuple[EnvelopeWord, ...]
    """The copies that brought the message."""
    folders: tuple[str, ...]
    """Where the message is filed, "user/folder" each; for a user, their own folders only."""
    notes: tuple[str, ...] = ()
    """Remarks on the message, such as "charset unknown"."""
    drawn: str = ""
    """The text with its HTML drawn for a screen: headings, lists, tables, and the targets of links. It has
    all words of `text`. "" if `Show.width` is 0, or if the message is too long; show `text` then."""
    styles: tuple[tuple[int, int, str], ...] = ()
    """(start, end, kind) of spans of `drawn`, in order. The kind is "heading", "target" (of a link),
    "quote1", "quote2", "quote3" or "signature"; ignore any other."""
    holds: tuple[HeldByWord, ...] = ()
    """The legal holds that cover the message, and those that did until they were released, oldest first. A
    user gets none: a hold may be secret."""
    judged: int = 0
    """When the message's signatures were judged, in seconds since 1970 UTC; 0 if they were not. For auditors
    and administrators, as `signatures`."""
    signatures: tuple[SignatureWord, ...] = ()
    """What its signatures gave; empty if it has none."""


class ReadRaw(Request, frozen=True):
    """Ask for exact bytes.

    Role: user, for "message" and "headers" of their own mail, in the public form; auditor for the rest.
    Stream: Chunk replies. For a user, a Step follows that says what was left out.

    Raises:
        NotFound: no message or item, or more than one, has this id; or the message has no such report.
        ReasonNeeded: see the module.
    """

    id: str
    """The id of the message or of the quarantined item, or a prefix of at least 8 hex digits."""
    what: str = "message"
    """"message"; "headers" (the header block only); "report" (the copy with number `report`); "quarantine"
    (the item in quarantine with this id)."""
    report: int = 0
    """Number of the copy, as in EnvelopeWord; for "report" only."""
    reason: str = ""
    """As in ListMessages."""


class Chunk(WireWord, frozen=True):
    """A part of the bytes that a stream carries. The parts follow each other without gaps."""

    data: bytes


class ReadAttachment(Request, frozen=True):
    """Ask for one attachment, decoded.

    Role: user, for their own mail.
    Stream: Attachment, then Chunk replies, then a Step that is not ok for each problem.

    Raises:
        MailUnreadable: the parser failed on the message.
        NotFound: no message, or more than one, has this id; or it has no such attachment.
        ReasonNeeded: see the module.
        UsageError: `text` is set, and the attachment is not text.
    """

    id: str
    """As in Show."""
    number: int
    """Counted from 1, in the order of `Message.attachments`."""
    text: bool = False
    """Ask for readable text instead: UTF-8, HTML converted to plain text, at most the first MiB."""
    reason: str = ""
    """As in ListMessages."""


class Export(Request, frozen=True):
    """Write messages and a manifest to a folder of .eml files, to an mbox or to a .zip.

    With `form`, write a production for a court or a tax office instead: numbered documents with load files
    (docs/productions.md), in a folder or a .zip.

    Exactly one of `query`, `ids` and `folder` selects the messages. If none is given, all messages of `user`,
    or all messages, are exported.

    Role: user, for their own mail in its public form; auditor with `form`.
    Stream: Step with the total, the percentage and the time left now and then, then Done. A file or folder
    gets its name only when it is complete. If the caller is not the service's own user, the service can't
    write for them. It then sends each file as ExportFile and Chunk replies, and the client
    writes them (see client.receiving).

    Raises:
        NotFound: a message, user or folder that is named does not exist.
        QueryError: the query can't be parsed; says where.
        ReasonNeeded: see the module.
        UsageError: more than one selection, more than 10,000 ids, ids with a user, or `path`, `form` or
            `bates` can't be used.
        VaultError: a user has another export under way, or another production has the same prefix, or the
            disk has too little space.
        VaultLocked: another process writes the vault, so it can't record the numbers of a production.
    """

    query: str
    """A query, as in Search."""
    path: str
    """A file that does not exist yet, or a new or empty folder. The ending selects the format: `.mbox`,
    `.zip`, any other for a folder."""
    user: str = ""
    """Any address of the user whose mail is exported, or who has `folder`; "" for all."""
    reason: str = ""
    """As in ListMessages."""
    ids: tuple[str, ...] = ()
    """Ids of at most 10,000 messages. They go without `user`."""
    folder: str = ""
    """A folder of `user`."""
    zone: str = ""
    """As in Search."""
    form: str = ""
    """The form of a production: "dat", "csv", "edrm" or "gobd"; "" for an export."""
    bates: str = ""
    """The prefix of a production's Bates numbers; "" for that of its form."""
    without: tuple[str, ...] = ()
    """As in Search."""


class ExportFile(WireWord, frozen=True):
    """The start of a file of an export. The Chunk replies that follow are its content."""

    name: str
    """Path relative to the folder that contains `Export.path`: a name, or the export's folder and a path in
    it."""
