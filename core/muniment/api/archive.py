"""About a vault as a whole: making it, how it stands, keeping it sound, its audit trail, telling people."""

from __future__ import annotations

from typing import Any

from msgspec import field

from muniment.api.base import Request, Word
from muniment.api.users import LoginWord, MovedAddress

# --- vault and status ----------------------------------------------------------------------------


class Init(Request, frozen=True):
    """Make a new vault for an organisation with these domains. Reply: Done."""

    domains: tuple[str, ...] = ()
    name: str = ""


class Done(Word, frozen=True):
    """It was done; `message` is a sentence that says what."""

    message: str
    warnings: tuple[str, ...] = ()
    moved: tuple[MovedAddress, ...] = ()
    """Addresses that a change of users moved from one to another, or would."""
    logins: tuple[LoginWord, ...] = ()
    """Logins that read other mail by it, or none, as they are after it."""


class GetStatus(Request, frozen=True):
    """Reply: Status."""


class ProfileStatus(Word, frozen=True):
    name: str
    source: str
    enabled: bool
    every: int
    last: dict[str, Any] | None
    """The last run's summary, with the keys of `run --json`; None if it never ran."""
    tested: bool = True
    """As in ProfileWord."""
    running: bool = False
    """Whether a run of it goes on, or waits its turn, now."""


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
    checkpoint: str = ""
    """The ledger's tree size and root as `SIZE:ROOT`, to be noted elsewhere."""
    warnings: tuple[str, ...] = ()
    """What is wrong with the vault's folder, and with the embedded gateway."""
    logins: tuple[LoginWord, ...] = ()
    """Logins of [access.users] that read nothing."""


# --- keeping -------------------------------------------------------------------------------------


class Verify(Request, frozen=True):
    """Stream of Step (how far), then Verified."""

    deep: bool = False
    was: tuple[str, ...] = ()
    """Checkpoints that were noted earlier, `SIZE:ROOT` each: the ledger must have grown from them."""


class Noted(Word, frozen=True):
    """What the ledger makes of a checkpoint that was noted earlier."""

    checkpoint: str
    """`SIZE:ROOT`."""
    state: str
    """"unchanged", "cut", "rewritten", or "unreadable" where records before it are damaged."""
    text: str
    """The same as a sentence."""


class Verified(Word, frozen=True):
    ok: bool
    records: int
    messages: int
    tree_size: int
    root: str
    problems: tuple[str, ...]
    checkpoint: str = ""
    """Tree size and root as `SIZE:ROOT`, to be noted elsewhere."""
    was: tuple[Noted, ...] = ()
    """The answer to `Verify.was`, in its order."""
    notes: tuple[str, ...] = ()
    """What is worth knowing and no fault of the archive."""


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


# --- the audit trail -----------------------------------------------------------------------------


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
    detail: dict[str, Any] = field(default_factory=dict)
    """What is known besides: `messages`, `query`, `user`, `folder`, `reason`, `count`, `refusal`."""


class Audit(Word, frozen=True):
    events: tuple[AuditEvent, ...]
    after: int = 0
    """Pass it as `after` for the next page; 0 at the end."""
    problems: tuple[str, ...] = ()
    """How the catalog, by which events are found, differs from the ledger, from which they are read."""


# --- being told ----------------------------------------------------------------------------------


class TestNotify(Request, frozen=True):
    """Send a test message by every way in [notify]. Stream of Step, one a way, then Done."""
