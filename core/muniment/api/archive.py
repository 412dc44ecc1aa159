"""Requests about a vault as a whole: creation, status, verification, backup, audit trail, notifications."""

from __future__ import annotations

from typing import Any

from msgspec import field

from muniment.api.base import Request, WireWord
from muniment.api.users import LoginWord, MovedAddress, PersonChange

# --- vault and status ----------------------------------------------------------------------------


class Init(Request, frozen=True):
    """Create a vault in the folder that the client has connected to.

    Role: administrator; if the folder has no vault.toml yet, anybody who can write to the folder.
    Reply: Done.

    Raises:
        VaultError: the folder is not empty, has a vault already, or can't be written.
    """

    domains: tuple[str, ...] = ()
    """The organisation's own mail domains. Without any, all mail is filed in the catch-all."""
    name: str = ""
    """The organisation's name."""
    demo: bool = False
    """Whether it is the vault of `muniment demo`, with made-up mail."""
    sign: bool = False
    """Whether the service signs checkpoints of the ledger ([checkpoints] in vault.toml)."""


class Done(WireWord, frozen=True):
    """The request succeeded. It is the last reply of many streams."""

    message: str
    """A sentence that says what was done."""
    warnings: tuple[str, ...] = ()
    """A sentence for each thing that needs attention."""
    moved: tuple[MovedAddress, ...] = ()
    """After a change of users: the addresses that lead to another user now, or would after a dry run."""
    logins: tuple[LoginWord, ...] = ()
    """After a change of users or logins: the logins that read other mail, or none, in their new state."""
    people: tuple[PersonChange, ...] = ()
    """After a change of users: what changes for whom, or would after a dry run."""
    refiled: int = 0
    """After a change of users: messages that were filed again, or would be after a dry run."""


class GetStatus(Request, frozen=True):
    """Ask for the state of the vault.

    Role: user.
    Reply: Status. For a user, `messages` and `behind` count their own mail, `users` is 1, and all other
    counts are 0; profiles, checkpoint, warnings and logins are empty.
    """


class ProfileStatus(WireWord, frozen=True):
    """A profile and its last run. Part of Status."""

    name: str
    source: str
    """The kind of source, as in vault.toml: "gateway", "imap", "pop3", "ews", "graph", "spool", "maildir",
    "mbox" or "eml"."""
    enabled: bool
    """Whether the service runs it when it is due."""
    every: int
    """Seconds between the starts of two runs."""
    last: dict[str, Any] | None
    """The summary of the last run, with the keys of `run --json` and `ended`, the time when it ended; None
    before the first run. After a run that failed before it listed anything, `in_a_row` counts such runs."""
    tested: bool = True
    """As in ProfileWord."""
    running: bool = False
    """Whether a run of it is under way or waiting."""


class Status(WireWord, frozen=True):
    """The state of the vault."""

    vault: str
    """The vault's folder."""
    name: str
    """The organisation's name."""
    domains: tuple[str, ...]
    """The organisation's own mail domains."""
    owner: str
    """The process that holds the vault's lock, such as "process 4711, since 2026-01-31 02:00:00 +0100", in
    the engine's time zone; "" for none."""
    messages: int
    """Stored messages, each counted once."""
    envelopes: int
    """Stored copies: journal reports, and copies without a report."""
    records: int
    """Leaves of the ledger's Merkle tree."""
    quarantined: int
    """Items in quarantine."""
    behind: int
    """Messages that the index lacks, in whole or in part."""
    users: int
    """Users who have messages, the catch-all included."""
    bytes_raw: int
    """Bytes of all copies as they were fetched."""
    bytes_ledger: int
    bytes_catalog: int
    bytes_index: int
    """The last three: bytes on disk."""
    profiles: tuple[ProfileStatus, ...]
    checkpoint: str = ""
    """The ledger's checkpoint as `SIZE:ROOT`: number of records, colon, root in hex. Keep it elsewhere and
    pass it to Verify later. "" for an empty ledger."""
    warnings: tuple[str, ...] = ()
    """A sentence for each problem of the vault's folder and of the embedded gateway."""
    logins: tuple[LoginWord, ...] = ()
    """The logins of [access.users] that can't read any mail."""
    owner_pid: int = 0
    """The id of the process that holds the lock; 0 if there is none, or it is not known."""
    owner_since: int = 0
    """Since when it holds the lock, seconds since 1970 UTC; 0 as `owner_pid`."""
    demo: bool = False
    """Whether `muniment demo` made the vault, with made-up mail."""
    holds: int = 0
    """Open legal holds."""
    unread: int = 0
    """Messages with attachments whose text could not be read, or only in part."""
    waiting: int = 0
    """Messages with attachments that were not read yet, so that searches do not find the text in them."""
    approvals: int = 0
    """Approvals that an administrator must answer or try again."""


# --- verification and upkeep -----------------------------------------------------------------------


class Verify(Request, frozen=True):
    """Check the ledger, and compare catalog and index with it.

    Role: auditor.
    Stream: Step for each stage and, every second, its progress; then Verified. Problems are part of Verified
    and raise nothing. In a service, the verification goes on when the stream is closed (see StopWork);
    without one, it stops.

    A vault has one verification or backup at a time. A further one waits until that has ended. While one
    waits, the same request of the same user watches it, and begins no other one.

    Raises:
        UsageError: an entry of `was` is not a checkpoint.
    """

    deep: bool = False
    """Also decode every content and compare it with its hash."""
    was: tuple[str, ...] = ()
    """Earlier checkpoints, `SIZE:ROOT` each. The ledger must contain each of them unchanged."""


class Noted(WireWord, frozen=True):
    """The result for one earlier checkpoint. Part of Verified."""

    checkpoint: str
    """`SIZE:ROOT`, as it was given."""
    state: str
    """"unchanged"; "cut" (the ledger has fewer records); "rewritten" (its records are others); "unreadable"
    (records before the checkpoint are damaged)."""
    text: str
    """The same as a sentence, without a full stop."""
    time: int = 0
    """If unchanged: when the last record that the checkpoint covers was written, seconds since 1970 UTC; 0 if
    not known."""


class Verified(WireWord, frozen=True):
    """The result of a verification."""

    ok: bool
    """Whether there are no problems, and all earlier checkpoints are unchanged."""
    records: int
    """Intact frames of the ledger."""
    messages: int
    """Messages that were verified."""
    tree_size: int
    """Leaves of the Merkle tree that the last commit proves."""
    root: str
    """Root of that tree, in hex."""
    problems: tuple[str, ...]
    """A sentence for each problem."""
    checkpoint: str = ""
    """Tree size and root as `SIZE:ROOT`, to be kept elsewhere."""
    was: tuple[Noted, ...] = ()
    """A result for each checkpoint in `Verify.was`, without duplicates, in the same order."""
    notes: tuple[str, ...] = ()
    """A sentence for each remark that is not a problem."""
    erased: int = 0
    """Frames whose content is erased, by a decision that the ledger records."""


class Rebuild(Request, frozen=True):
    """Build catalog, index or both from the ledger.

    Role: administrator.
    Stream: Step for each stage and its progress, then Done. In a service it waits for the runs, retries and
    rebuilds before it, and goes on as Verify does. A rebuild that is stopped keeps the old data.
    Without `index`, the index only gets what it lacks.

    Raises:
        LedgerDamaged: without `accept_damage`: the ledger's end is damaged, or records are missing.
        VaultError: the rebuild was stopped.
    """

    catalog: bool = True
    index: bool = True
    accept_damage: bool = False
    """Continue a ledger whose end is damaged or missing, in a new segment. An administrator decides this; the
    ledger records it."""


class Backup(Request, frozen=True):
    """Copy the vault, consistently and incrementally.

    Role: administrator.
    Stream: Step for each stage and, every second, its progress; then Done. It waits for others, and goes on,
    as Verify does. If it is stopped, the next one continues it.
    """

    path: str
    """The folder of the backup. A later backup to the same folder copies only what is new."""


class QuarantineItem(WireWord, frozen=True):
    """An item that could not be unwrapped. Part of Quarantine."""

    id: str
    """SHA-256 of its bytes, in hex."""
    time: int
    """When it was archived, seconds since 1970 UTC."""
    size: int
    """Bytes."""
    reason: str
    """Why it could not be unwrapped."""
    profile: str
    """The profile that brought it first."""


class Quarantine(WireWord, frozen=True):
    """All items in quarantine."""

    items: tuple[QuarantineItem, ...]


class ListQuarantine(Request, frozen=True):
    """Ask for all items in quarantine.

    Role: auditor.
    Reply: Quarantine.
    """


class RetryQuarantine(Request, frozen=True):
    """Unwrap quarantined items again, and archive those that succeed.

    Role: administrator.
    Stream: Step for each item, then Done.

    Raises:
        NotFound: an id names no item.
    """

    ids: tuple[str, ...] = ()
    """Ids of the items, or prefixes of them; empty for all items."""


# --- audit trail -----------------------------------------------------------------------------------


AUDIT_KINDS = ("read", "list", "search", "export", "change", "refused")
"""The kinds of events in the audit trail. "read" is a message or a part of it."""


class GetAudit(Request, frozen=True):
    """Ask for a page of the audit trail, newest first: who read or changed what, and who was refused.

    Each field that is not empty leaves out the events that do not fit it.

    Role: auditor.
    Reply: Audit.

    Raises:
        NotFound: there is no such reader or person (similar names are suggested), or no event with this
            cursor.
        UsageError: a kind, a day or the time zone is unknown, or the cursor has another form.
    """

    limit: int = 100
    """Events of a page, from 1 to 10,000."""
    after: int = 0
    """`Audit.after` of the page before; 0 for the first page."""
    reader: str = ""
    """Login name of who read or changed something."""
    person: str = ""
    """Any address of the user whose mail was read, or whose login was changed, also if they were removed.
    Events that concern everybody, such as a search in all mail, are included."""
    kinds: tuple[str, ...] = ()
    """Kinds of events, of AUDIT_KINDS."""
    since: str = ""
    """The first day, month or year, as `after:` in a query takes it."""
    until: str = ""
    """The last day, month or year."""
    word: str = ""
    """Words that must all be in the event, in any case: in its query, folder, reason, names or ids."""
    zone: str = ""
    """The time zone of the days, as in Search."""
    oldest_first: bool = False
    """Ascending order; false is newest first."""
    check: bool = True
    """Whether the first page compares the catalog's number of events with the ledger's, which takes a second
    for a million events."""
    now: int = 0
    """`Audit.now` of the first page, so that days such as `today` and `7d` are the same for every page; 0 for
    the first page."""
    cursor: str = ""
    """`AuditEvent.cursor` of the last event that is known: only later events come, oldest first. "" for no
    such event."""


class AuditEvent(WireWord, frozen=True):
    """One event of the audit trail. Part of Audit."""

    sequence: int
    """The number of its record in the ledger."""
    time: int
    """When it happened, seconds since 1970 UTC."""
    event: str
    """"read", "refused", "login bound", "login released", "affirmed", "withdrawn", or another kind."""
    who: str
    """Login name of the caller."""
    uid: int
    """The caller's user id in the operating system; -1 if not recorded."""
    role: str
    """"administrator", "auditor", "user", or "" for a caller without a role."""
    word: str
    """The name of the request, such as "Show"."""
    detail: dict[str, Any] = field(default_factory=dict)
    """Further fields of the event, such as `messages` (ids), `query`, `user`, `folder`, `reason`, `refusal`
    and `count` (how many equal refusals this event counts)."""
    kind: str = ""
    """One of AUDIT_KINDS."""
    people: tuple[str, ...] = ()
    """Primary addresses of the users whose mail or login it concerns. For an event that was recorded without
    them, those who hold its messages now."""
    everybody: bool = False
    """Whether it concerns everybody: all mail, or more people than an event names."""
    cursor: str = ""
    """Names the event for `GetAudit.cursor`: its number, and the beginning of the hash of its record."""


class Audit(WireWord, frozen=True):
    """A page of the audit trail."""

    events: tuple[AuditEvent, ...]
    """Newest first."""
    after: int = 0
    """Value of `after` for the next page; 0 if this is the last page. A page may have fewer events than
    `limit`, although more follow."""
    before: int = 0
    """Value of `after` for the page before: send it with `oldest_first` inverted, and reverse the order of
    the events that come. 0 if this page is empty."""
    problems: tuple[str, ...] = ()
    """A sentence for each difference between the catalog, which finds the events, and the ledger, which
    holds them."""
    now: int = 0
    """The time from which days such as `today` were counted, seconds since 1970 UTC."""


# --- notifications ---------------------------------------------------------------------------------


class TestNotify(Request, frozen=True):
    """Send a test message by each way in [notify] of vault.toml.

    Role: administrator.
    Stream: Step for each way (not ok if it failed), then Done.

    Raises:
        ConfigError: [notify] names no way.
    """
