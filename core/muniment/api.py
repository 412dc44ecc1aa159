"""The words that the engine and its clients speak.

A client calls with a request and gets one reply, or a stream of events that ends with one. All
are msgspec structs with a tag, so that the same words travel over a socket unchanged. Strings in
replies are as the mail has them: whoever shows them sanitises them.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Word(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Base of everything that is said."""


class Request(Word, frozen=True):
    """Base of what a client says."""


# --- vault and status -----------------------------------------------------------------------


class Init(Request, frozen=True):
    """Make a new vault for an organisation with these domains. Reply: Done."""

    domains: tuple[str, ...] = ()
    name: str = ""


class Done(Word, frozen=True):
    """It was done; `message` is a sentence that says what."""

    message: str
    warnings: tuple[str, ...] = ()


class GetStatus(Request, frozen=True):
    """Reply: Status."""


class ProfileStatus(Word, frozen=True):
    name: str
    source: str
    enabled: bool
    every: int
    last: dict[str, Any] | None
    """The last run's summary, with the keys of `run --json`; None if it never ran."""


class Status(Word, frozen=True):
    vault: str
    name: str
    domains: tuple[str, ...]
    owner: str
    """Who holds the vault now ("" for nobody but this call)."""
    messages: int
    envelopes: int
    records: int
    quarantined: int
    behind: int
    users: int
    bytes_raw: int
    bytes_ledger: int
    bytes_catalog: int
    bytes_index: int
    profiles: tuple[ProfileStatus, ...]


# --- users ------------------------------------------------------------------------------------


class UserWord(Word, frozen=True):
    user: str
    """Primary address; "catch-all" for the catch-all."""
    name: str
    aliases: tuple[str, ...] = ()
    automatic: bool = False
    messages: int = 0


class Users(Word, frozen=True):
    users: tuple[UserWord, ...]


class ListUsers(Request, frozen=True):
    """Reply: Users."""


class ShowUser(Request, frozen=True):
    """Reply: UserWord. `user` is any address of theirs."""

    user: str


class AddUser(Request, frozen=True):
    """A new user, or more aliases for one. Reply: Done.

    `since` (ISO date, "" for always) says from when an address taken over from another person is theirs.
    """

    name: str
    addresses: tuple[str, ...]
    since: str = ""


class RemoveUser(Request, frozen=True):
    """Forget a user, or with `alias` one address of theirs. Mail stays. Reply: Done."""

    user: str
    alias: str = ""


class ImportUsers(Request, frozen=True):
    """Users from CSV text: a header line, then name,address[,alias ...] a line. Reply: Done."""

    text: str
    filename: str = ""


# --- profiles ---------------------------------------------------------------------------------


class ProfileWord(Word, frozen=True):
    """A profile as vault.toml has it; never holds a password, only where it comes from."""

    name: str
    source: str
    fields: dict[str, Any]
    version: str = ""
    """Which text of vault.toml this was read from; said back with a change, it keeps others' changes."""


class Profiles(Word, frozen=True):
    profiles: tuple[ProfileWord, ...]
    version: str = ""
    """As in ProfileWord."""


class ListProfiles(Request, frozen=True):
    """Every profile, with the fields that are not at their defaults. Reply: Profiles."""


class ShowProfile(Request, frozen=True):
    """Reply: ProfileWord, with defaults filled in."""

    name: str


class _Discreet:
    """For words that may hold a password: shown, they say their name alone."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class PutProfile(_Discreet, Request, frozen=True):
    """Add a profile (`new`), or change the named fields of one (None removes). Reply: Done.

    With a `version` it is refused (SettingsChanged) where vault.toml is of another one. With a
    `password` the service keeps that where `keep` says, and sets the field "password" to that place.
    """

    name: str
    fields: dict[str, Any]
    new: bool = False
    version: str = ""
    password: str = ""
    keep: str = "file"
    """"file": in a file of the vault, for its owner alone; "keyring": in the owner's keyring."""


class RenameProfile(Request, frozen=True):
    """Give a profile another name. Nothing is fetched again: what is kept goes by mailbox. Reply: Done."""

    name: str
    to: str
    version: str = ""


class RemoveProfile(Request, frozen=True):
    """Reply: Done. What was archived stays, and so does a password that the service keeps."""

    name: str
    version: str = ""


class CheckProfile(Request, frozen=True):
    """Say what is wrong with a profile that is not saved; nothing is reached. Reply: Problems."""

    name: str
    fields: dict[str, Any]
    """Those of vault.toml, `source` among them."""
    new: bool = False


class Problems(Word, frozen=True):
    problems: dict[str, str] = {}
    """A sentence by field, "name" among them; empty when it can be saved."""


class SignIn(Request, frozen=True):
    """Let the person of a mailbox sign in by a code (auth = "device"). Stream of Step, then Done."""

    name: str


class TestProfile(_Discreet, Request, frozen=True):
    """Reach the mailbox and list it; fetches and deletes nothing.

    Stream of Step and Certificate, then Done; what fails is raised. With `fields` (`source` among
    them) it is a profile that is not saved, or not as it is saved; with `password`, with that.
    """

    name: str
    fields: dict[str, Any] | None = None
    password: str = ""


class Step(Word, frozen=True):
    """One step of a test: what was tried, and whether it worked."""

    text: str
    ok: bool = True


class Certificate(Word, frozen=True):
    """The certificate that a server shows. Its texts are the server's."""

    subject: str
    issuer: str
    expires: int
    """Seconds since 1970 UTC."""
    fingerprint: str
    """SHA-256 in hex: as the field `fingerprint`, it is trusted for itself."""
    self_signed: bool
    trusted: bool
    """Whether it passed; where it did not, the reason is raised next."""


# --- runs -------------------------------------------------------------------------------------


class Run(Request, frozen=True):
    """Run one profile now. Stream of ProgressWord, then RunSummary.

    A run of it that goes on or waits already is the one that is watched: there are never two at once. In
    a service the run goes on when the stream is closed (CancelRun stops it); an engine in the caller's own
    process stops it.
    """

    profile: str


class RunAll(Request, frozen=True):
    """Run every enabled profile, one after another. Stream of ProgressWord and RunSummary, a summary each.

    All are asked for at once, so that all are run whoever hangs up, as with Run.
    """


class ProgressWord(Word, frozen=True):
    """A running run at one instant: runs.progress.Progress as plain values."""

    profile: str
    stage: str
    """"waiting" (another run goes on), "starting", "listing", "fetching", "deleting", "indexing", "done"."""
    books: dict[str, int]
    stored: int
    indexed: int
    bytes: int
    seconds: float
    rates: dict[str, float]
    """Messages a second since the run began, by "fetch", "store", "index", "delete"."""
    expected: int = 0
    """How many will be listed in all, as far as is known: at least as many as are listed."""
    deletes: bool = False
    """Whether what is kept is deleted at the source."""
    arrived: int = 0
    """Copies that were fetched, committed or not."""
    decided: int = 0
    """Those of them that were compared with what is kept."""


class RunSummary(Word, frozen=True):
    """A run's end; its fields are the contract of `muniment run --json`."""

    profile: str
    state: str
    """"ok", "failed" or "cancelled"."""
    listed: int
    fetched: int
    already: int
    skipped: int
    pending: int
    new: int
    merged: int
    quarantined: int
    left: int
    failed: int
    deleted: int
    bytes: int
    seconds: float
    balanced: bool
    error: str = ""
    """A sentence that says what to do, for a run that is not ok."""
    exit_code: int = 0


class CancelRun(Request, frozen=True):
    """Stop the profile's run after the messages in hand, or all runs. Reply: Done, also where nothing runs.

    A run that only waits for its turn ends at once.
    """

    profile: str = ""
    """"" for all that run or wait."""


class WatchRuns(Request, frozen=True):
    """What runs, live. Stream of RunsState: at once, then whenever something changes, at most two a
    second, and the same again after a second without change, so that a lost line is noticed.

    A slow reader misses states, not the newest. Ends when it is closed, or with the service.
    """


class ProfileState(Word, frozen=True):
    """A profile as the service sees it now."""

    name: str
    source: str
    enabled: bool
    every: int
    """Seconds from the start of a run to the start of the next."""
    next_start: int = 0
    """Seconds since 1970 UTC; 0 where nothing is scheduled."""
    running: ProgressWord | None = None
    last: dict[str, Any] | None = None
    """The last run's summary, as in ProfileStatus, with `ended`: when that was, seconds since 1970 UTC."""


class LogLine(Word, frozen=True):
    """A line of the service's log; never mail content."""

    number: int
    """Counts up from 1 while a service lives."""
    time: int
    text: str
    level: str = "info"
    """"info", "warning" or "error"."""


class RunsState(Word, frozen=True):
    profiles: tuple[ProfileState, ...]
    log: tuple[LogLine, ...]
    """The newest 200 at most."""
    quarantined: int = 0


class GetHistory(Request, frozen=True):
    """Runs that have ended, newest first; "" means any. Reply: History."""

    profile: str = ""
    state: str = ""
    eventful: bool = False
    """Only those that brought or deleted something, or did not go well."""
    limit: int = 50
    after: int = 0
    """What the page before said; 0 for the first page."""


class RunRecord(Word, frozen=True):
    time: int
    """When it ended, seconds since 1970 UTC; 0 where that is not known."""
    summary: dict[str, Any]
    """With the keys of `run --json`, `error`, and for those in the ledger `started`, seconds since 1970."""
    sequence: int = 0
    """Its record's place in the ledger; 0 for a run that got nowhere, which the ledger does not keep."""
    count: int = 1
    """So many runs of the profile in a row got nowhere, this the last; only that one is kept."""
    since: int = 0
    """When the first of these ended."""


class History(Word, frozen=True):
    runs: tuple[RunRecord, ...]
    after: int = 0
    """Pass it as `after` for the next page; 0 at the end."""


# --- set-up -----------------------------------------------------------------------------------


class GetSetup(Request, frozen=True):
    """The checklist as it stands. Reply: Setup."""


class SetupField(Word, frozen=True):
    """A value that a step asks for."""

    name: str
    label: str
    value: str
    """As it stands in vault.toml, as text; lists with commas; "" for none."""
    choices: tuple[str, ...] = ()
    """All that it can be; empty where it is free text."""
    hint: str = ""


class SetupStep(Word, frozen=True):
    """One step of the checklist."""

    key: str
    """"organisation", "report-address", "undeliverable", "journal-rule", "users", "profile",
    "first-run", "service", "schedule" or "first-report"."""
    title: str
    state: str
    """"to do", "checking", "done" or "failed"."""
    guide: str
    """What to do and where, plain text with the vault's own values filled in; "- " begins an item."""
    command: str = ""
    """PowerShell or shell text, ready to be copied; "" for none."""
    language: str = ""
    """Of `command`: "powershell" or "shell"."""
    detail: str = ""
    """What was found last; for a failed one why, and what to do."""
    proven: int = 0
    """When it was last proven, seconds since 1970 UTC; 0 for never."""
    affirm: str = ""
    """What an administrator may say with AffirmSetup, since it can't be seen from here; "" for nothing."""
    affirmed: int = 0
    """When they said so, seconds since 1970 UTC; 0 for never."""
    affirmed_by: str = ""
    fields: tuple[SetupField, ...] = ()
    """What PutSetup takes for it."""


class SetupFinding(Word, frozen=True):
    """One thing that a check looked at."""

    text: str
    verdict: str
    """"fine", "note" (fine, but worth to know), "missing" (still to be done) or "wrong"."""


class Setup(Word, frozen=True):
    steps: tuple[SetupStep, ...]
    platform: str
    """"microsoft-365" or "exchange-server"."""
    health: tuple[str, ...] = ()
    """What needs care once reports arrive, a sentence each."""


class PutSetup(Request, frozen=True):
    """Set values of the checklist, by the names in `SetupStep.fields`; "" takes one out. Reply: Setup."""

    values: dict[str, str]


class AffirmSetup(Request, frozen=True):
    """Say that what `SetupStep.affirm` says is so, or take that back. Reply: Setup.

    Who said so, and when, is remembered; what is said of other values later on is void.
    """

    step: str
    done: bool = True


class CheckSetup(Request, frozen=True):
    """Test a step ("" for all) against the real thing.

    Stream of a SetupStep as each check begins ("checking") and ends, between them a SetupFinding for each
    thing looked at, then Setup.
    """

    step: str = ""


# --- being told -------------------------------------------------------------------------------


class TestNotify(Request, frozen=True):
    """Send a test message by every way in [notify]. Stream of Step, one a way, then Done."""


# --- reading ----------------------------------------------------------------------------------


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
    """Words of a query that a reader wants to see marked: one, a phrase's, or what begins so."""

    text: str
    field: str = ""
    """"from", "to", "cc", "bcc", "subject", "body" or "filename"; "" for anywhere."""
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


class ExportFile(Word, frozen=True):
    """A file of an export begins; the Chunks that follow are its content."""

    name: str
    """Relative to the folder that `Export.path` stands in: one name, or the export's folder and a name."""


# --- the audit trail --------------------------------------------------------------------------


class GetAudit(Request, frozen=True):
    """Who read what, and who was refused, newest first. Reply: Audit."""

    limit: int = 100
    after: int = 0
    """What the page before said; 0 for the first page."""


class AuditEvent(Word, frozen=True):
    sequence: int
    """Its record's place in the ledger."""
    time: int
    """Seconds since 1970 UTC."""
    event: str
    """"read", "refused", or another event that the ledger records."""
    who: str
    uid: int
    role: str
    """"administrator", "auditor", "user", or "" for nobody."""
    word: str
    """What was asked for, such as "Show"."""
    detail: dict[str, Any] = {}
    """What is known besides: `messages`, `query`, `user`, `folder`, `reason`, `count`, `refusal`."""


class Audit(Word, frozen=True):
    events: tuple[AuditEvent, ...]
    after: int = 0
    """Pass it as `after` for the next page; 0 at the end."""


# --- keeping ----------------------------------------------------------------------------------


class Verify(Request, frozen=True):
    """Stream of Step (how far), then Verified."""

    deep: bool = False


class Verified(Word, frozen=True):
    ok: bool
    records: int
    messages: int
    tree_size: int
    root: str
    problems: tuple[str, ...]


class Rebuild(Request, frozen=True):
    """Build catalog and index anew from the ledger. Stream of Step, then Done."""

    catalog: bool = True
    index: bool = True
    accept_damage: bool = False
    """An administrator's decision: a ledger whose end is damaged is written on, in a new segment."""


class Backup(Request, frozen=True):
    """A consistent, incremental copy of the vault in folder `path`. Stream of Step, then Done."""

    path: str


class QuarantineItem(Word, frozen=True):
    id: str
    time: int
    size: int
    reason: str
    profile: str


class Quarantine(Word, frozen=True):
    items: tuple[QuarantineItem, ...]


class ListQuarantine(Request, frozen=True):
    """Reply: Quarantine."""


class RetryQuarantine(Request, frozen=True):
    """Try quarantined items again: those named, or all. Stream of Step, then Done."""

    ids: tuple[str, ...] = ()
