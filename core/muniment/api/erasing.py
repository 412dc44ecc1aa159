"""Requests about lawful erasure: what it would take, the act itself, and its certificate."""

from __future__ import annotations

from typing import Any

from msgspec import field

from muniment.api.base import Request, WireWord


class RefusedErasure(WireWord, frozen=True):
    """A message that must not be erased. Part of ErasurePreview and Erasure."""

    id: str
    reason: str
    """Why, as a part of a sentence, such as "legal hold Fall 7"."""


class PassedOver(WireWord, frozen=True):
    """An id that names no message which is there. Part of ErasurePreview and Erasure."""

    id: str
    """As it was given."""
    reason: str
    """What is wrong with it, as a sentence without its full stop."""
    erased: bool = False
    """Whether its message was erased before."""


class CheckErasure(Request, frozen=True):
    """Ask what an erasure of messages would take. Nothing is changed.

    Role: administrator.
    Reply: ErasurePreview.

    Raises:
        NotFound: an id names no message, or several; or the message was erased before. Not with `pass_over`.
        AccessRefused: a message is sealed from the caller.
    """

    ids: tuple[str, ...]
    """Ids of the messages, or prefixes of them."""
    pass_over: bool = False
    """Whether an id that names no message is passed over and named in the reply, as for a list of many."""


class ErasurePreview(WireWord, frozen=True):
    """What an erasure would take."""

    messages: int
    """Number of messages that would be erased, each counted once."""
    copies: int
    """Number of their copies: journal reports, and copies without a report."""
    bytes: int
    """Size of these copies as they were fetched."""
    oldest: int
    newest: int
    """Both: dates of the oldest and the newest of the messages, seconds since 1970 UTC; 0 for none."""
    refused: tuple[RefusedErasure, ...] = ()
    """The messages that must not be erased."""
    passed: tuple[PassedOver, ...] = ()
    """The ids that were passed over."""


class Erase(Request, frozen=True):
    """Erase messages for ever, with all their copies, and remove all traces of them.

    With "erase" in [approvals], this asks another administrator for it. Messages that must not be erased
    stay; the rest is erased. The ledger keeps time, size and hash of each erased record, and who erased it
    and why.

    Role: administrator.
    Stream: Step for each stage and its progress; then Erasure. It waits for the runs and rebuilds before it.
    If the stream is closed, it stops after the batch in hand; what is erased stays erased.

    Raises:
        NotFound: an id names no message, or several; or the message was erased before. Not with `pass_over`.
        UsageError: there is no basis.
        AccessRefused: a message is sealed from the caller.
        VaultError: it was stopped, or the vault can't be written.
    """

    ids: tuple[str, ...]
    """Ids of the messages, or prefixes of them."""
    basis: str
    """The legal basis or reason, at most 1,000 characters. It is kept for ever."""
    pass_over: bool = False
    """Whether an id that names no message is passed over and named in the reply, as for a list of many."""


class Erasure(WireWord, frozen=True):
    """The result of an erasure."""

    messages: int
    """Number of messages that were erased."""
    records: tuple[int, ...]
    """Numbers of the ledger's records that hold the decision; GetErasureCertificate takes them."""
    erased: int
    """Number of records of the ledger whose content was erased."""
    bytes: int
    """Size of that content as it was stored."""
    refused: tuple[RefusedErasure, ...] = ()
    """The messages that stay, since they must not be erased."""
    needed: int = 0
    """Erased messages whose bytes are still stored, since other mail has the same bytes as an attachment."""
    unreadable: int = 0
    """Bytes of the ledger that are damaged, so that what they hold is not known."""
    traces: str = ""
    """What was removed besides, such as "2 temporary files"; "" for nothing."""
    message: str = ""
    """If it waits for a second person: a sentence that says so."""
    approval: str = ""
    """The id of the approval that was asked for; "" if the erasure is done."""
    passed: tuple[PassedOver, ...] = ()
    """The ids that were passed over."""


class GetErasureCertificate(Request, frozen=True):
    """Ask for the certificate of an erasure.

    Role: auditor.
    Reply: ErasureCertificate.

    Raises:
        NotFound: nothing was erased by this record, or nothing of this id was erased.
    """

    name: str
    """The number of a record of the decision, or the id of an erased message."""


class ErasureCertificate(WireWord, frozen=True):
    """What was erased, when, why and by whom, and what may still have it."""

    text: str
    """For a person: lines that end with a line feed."""
    value: dict[str, Any] = field(default_factory=dict)
    """The same as JSON."""
    note: str = ""
    """The text as a note that the vault's key has signed (C2SP signed-note); "" if the vault has no key."""
