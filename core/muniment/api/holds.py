"""Requests about legal holds: what must not be erased, why, and what that covers."""

from __future__ import annotations

from typing import Any

from msgspec import field

from muniment.api.base import Request, WireWord
from muniment.api.retention import MailCriteria


class HoldWord(WireWord, frozen=True):
    """A legal hold. Part of Holds and of the counts."""

    number: int
    """The sequence of the record that placed it; -1 in a dry run. Holds of one name differ by it."""
    name: str
    case: str
    """The case number; "" if there is none."""
    reason: str
    mail: str
    """The mail that it covers, in words."""
    selection: dict[str, Any]
    """The same as the ledger records it (docs/ledger-format.md)."""
    placed: int
    """When it was placed."""
    by: str
    """The login of who placed it."""
    released: int = 0
    """When it was released; 0 while it is open."""
    released_by: str = ""
    """The login of who released it."""
    release_reason: str = ""
    approval: str = ""
    """The id of the approval of its release; "" if none was needed."""


class PlaceHold(Request, frozen=True):
    """Place a legal hold. It covers mail that is there and mail that comes later, until it is released.

    Role: administrator.
    Reply: HoldWord.

    Raises:
        UsageError: The name or the reason is missing or too long, an open hold has this name, a criterion
            can't be used, or there are no criteria and `everything` is not set.
        QueryError: The query is not valid.
        NotFound: A person is neither a user nor an address.
    """

    name: str
    reason: str
    case: str = ""
    mail: MailCriteria = MailCriteria()
    everything: bool = False
    """Whether all mail is meant; then `mail` has no criteria."""
    zone: str = ""
    """The time zone of the dates and of the query's days, as in Search."""
    check: bool = False
    """Dry run: record nothing, and reply with the hold that would be placed."""


class ListHolds(Request, frozen=True):
    """Ask for a page of legal holds, the newest first.

    Role: auditor.
    Reply: Holds.
    """

    released: bool = False
    """Whether to list those that were released as well."""
    limit: int = 100
    """Most holds of the page."""
    before: int = 0
    """`Holds.after` of the page before; 0 for the first page."""


class Holds(WireWord, frozen=True):
    """A page of legal holds."""

    total: int
    """Holds in the whole list."""
    open: int
    """Holds that are open, in all."""
    holds: tuple[HoldWord, ...]
    after: int = 0
    """`before` of the next page; 0 if this is the last one."""


class MailCountWord(WireWord, frozen=True):
    """How much mail there is of something. Part of HoldCountWord and HeldReport."""

    messages: int
    bytes: int
    unsure: int = 0
    """Messages of these that are covered only because no one can be sure: the index lacks them, their text
    can't be read, or an address has changed hands."""
    oldest: int = 0
    """The earliest date of a message; 0 without messages."""
    newest: int = 0
    """The latest date of a message."""


class HeldPerson(WireWord, frozen=True):
    """What a hold covers of one person's mail. Part of HoldCountWord."""

    user: str
    """The user's label; "catch-all" for the catch-all. A message of several people counts for each."""
    mail: MailCountWord


class HoldCountWord(WireWord, frozen=True):
    """A hold, and what it covers now. The reply to CountHold, and part of HeldReport."""

    hold: HoldWord
    mail: MailCountWord
    alone: int = 0
    """Messages that no other open hold covers: they lose protection when it is released."""
    others: dict[str, int] = field(default_factory=dict)
    """Other open holds, with the messages that they cover as well."""
    people: tuple[HeldPerson, ...] = ()
    reasons: dict[str, int] = field(default_factory=dict)
    """Why messages are not surely selected, with their numbers."""
    sealed: int = 0
    """People whose mail is sealed from the caller: messages that they have are held, but not counted here."""


class CountHold(Request, frozen=True):
    """Compare all mail with a hold, and count what it covers. This reads the whole catalog.

    Role: auditor.
    Stream: Step now and then, with the percentage, then HoldCountWord. For a hold that was released, it says
    what the hold would cover. Mail that is sealed from the caller is not counted, since the count of a hold
    with a query would say what is in it.

    Raises:
        NotFound: No hold has this name.
    """

    name: str
    """The hold's name, in any case: the open one, else the last that was released."""


class ReleaseHold(Request, frozen=True):
    """Release a legal hold. With "hold release" in [approvals], this asks another administrator for it.

    Role: administrator.
    Reply: Decided.

    Raises:
        NotFound: No open hold has this name, or this number.
        UsageError: The reason is missing or too long, or its approval was asked for already.
    """

    name: str
    reason: str
    number: int = -1
    """`HoldWord.number` of the hold that is meant; -1 for any open one of this name."""


class Decided(WireWord, frozen=True):
    """What became of an act that may need a second person."""

    message: str
    """A sentence that says what was done, or who must do what."""
    approval: str = ""
    """The id of the approval that it waits for; "" if it is done."""


class ReportHeld(Request, frozen=True):
    """Compare all mail with all open holds, and count what each one covers.

    Role: auditor.
    Stream: Step now and then, with the percentage, then HeldReport. Sealed mail is not counted, as in
    CountHold.
    """


class HeldReport(WireWord, frozen=True):
    """What is held and why."""

    holds: tuple[HoldCountWord, ...]
    mail: MailCountWord
    """What all of them cover together, each message counted once."""
    examined: int
    """Messages of the vault that were compared."""
    sealed: int = 0
    """As in HoldCountWord."""


class ListHeld(Request, frozen=True):
    """Ask for every message that an open hold covers. The audit trail records it as a search.

    Mail that is sealed from the caller is held, but not listed, as it is not counted in CountHold.

    Role: auditor.
    Stream: HeldMessage for each message, in the order of receipt, then HeldEnd.

    Raises:
        ReasonNeeded: as for Search.
    """

    reason: str = ""
    """As in ListMessages."""


class HeldByWord(WireWord, frozen=True):
    """A hold that covers a message, or covered it. Part of HeldMessage and Message."""

    name: str
    case: str = ""
    since: int = 0
    """When it was placed."""
    until: int = 0
    """When it was released; 0 while it is open."""
    unsure: str = ""
    """Why it is not sure that the message is selected; "" if it is. It is covered in any case."""


class HeldMessage(WireWord, frozen=True):
    """A message that holds cover."""

    id: str
    received: int
    """When the vault received it first."""
    date: int
    size: int
    sender: str
    to: str
    subject: str
    holds: tuple[HeldByWord, ...]


class HeldEnd(WireWord, frozen=True):
    """The end of a list of held messages."""

    messages: int
    """How many were listed."""
    sealed: int = 0
    """As in HoldCountWord."""
