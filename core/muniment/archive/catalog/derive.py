"""Derives facts from messages and copies. A run and a rebuild use the same functions."""

from __future__ import annotations

from typing import Protocol

from muniment.archive.facts import EnvelopeFact, MessageFact, RoutingReason
from muniment.archive.index import IndexMention
from muniment.archive.ledger.model import AppendedRecord
from muniment.mail.headers.dates import clamp, message_date
from muniment.mail.model import AddressRole, EnvelopeParty, MessageSummary, MessageText, senders_of
from muniment.mail.names import name_of
from muniment.people.routing import OWNED, TRUSTED


class DerivedMessage(Protocol):
    """The fields of a message that its fact is made of."""

    sha: bytes
    """SHA-256 of the message's bytes."""
    content: bytes
    """Content hash, 32 bytes; empty if the message could not be read."""
    size: int
    """Size of the message, in bytes."""
    summary: MessageSummary
    """Sender, recipients, subject, date and Message-ID."""
    text: MessageText
    """The text that was read; its notes go into the fact."""


class DerivedCopy(Protocol):
    """The fields of a copy that its fact is made of."""

    sha: bytes
    """SHA-256 of the copy's bytes as fetched."""
    report: bool
    """Whether it was unwrapped as a journal report."""
    date: int | None
    """The report's own date, in seconds since 1970 UTC."""
    parties: tuple[EnvelopeParty, ...]
    """Sender and recipients by the envelope."""


def message_fact(
    appended: AppendedRecord,
    message: DerivedMessage,
    report_date: int | None,
    source_date: int | None,
    received: int,
    notes: tuple[str, ...] = (),
) -> MessageFact:
    """Make the fact of a message. All dates are seconds since 1970 UTC.

    Args:
        appended: Where the message's record was appended.
        message: The message.
        report_date: The date of the first journal report of the message; None without one.
        source_date: When the source received the first copy, as far as it says so.
        received: When the first copy was fetched.
        notes: Notes on the message, in addition to those of its text.
    """
    summary = message.summary
    return MessageFact(
        sequence=appended.sequence,
        position=appended.position,
        sha=message.sha,
        content=message.content,
        date=message_date(summary.date, summary.hops, report_date, source_date, received),
        size=message.size,
        sender=summary.sender,
        to=summary.to,
        subject=summary.subject,
        attachments=summary.attachments,
        notes=tuple(dict.fromkeys((*notes, *message.text.notes))),
        name=name_of(summary.message_id),
        hidden=summary.hidden,
        received=received,
    )


def copy_time(report: bool, date: int | None, source_date: int | None, received: int) -> int:
    """Return when a copy was journaled or received, in seconds since 1970 UTC.

    This decides whose mail it is if an address was moved between people. It is the report's own date, else
    the date at the source, else the time of fetching, but never the message's `Date`, which a sender chooses.
    """
    if report and date is not None:
        return clamp(date, None, received)
    return clamp(source_date, None, received)


def envelope_fact(
    appended: AppendedRecord,
    copy: DerivedCopy,
    messages: tuple[bytes, ...],
    source_date: int | None,
    received: int,
) -> EnvelopeFact:
    """Make the fact of a copy.

    Args:
        appended: Where the copy's record was appended.
        copy: The copy.
        messages: SHA-256 of each message in it.
        source_date: When the source received it, in seconds since 1970 UTC, as far as it says so.
        received: When it was fetched, in seconds since 1970 UTC.
    """
    return EnvelopeFact(
        sequence=appended.sequence,
        position=appended.position,
        sha=copy.sha,
        messages=messages,
        parties=copy.parties,
        time=copy_time(copy.report, copy.date, source_date, received),
        report=copy.report,
    )


def mentions(
    parties: tuple[EnvelopeParty, ...],
    route: RoutingReason,
    report: bool,
    date: int | None,
    source_date: int | None,
    received: int,
    owner: str,
    owner_folder: str,
) -> list[IndexMention]:
    """Make the mentions of one copy for the index: addresses, their roles, and whether they are trusted.

    Args:
        parties: Sender and recipients by the envelope.
        route: The route of the copy's receipt.
        report: Whether the copy was unwrapped as a journal report.
        date: The report's own date, in seconds since 1970 UTC.
        source_date: When the source received the copy, in seconds since 1970 UTC.
        received: When it was fetched, in seconds since 1970 UTC.
        owner: Address of the owner of an ordinary mailbox; "" for other sources.
        owner_folder: The folder's name as the owner knows it.
    """
    time = copy_time(report, date, source_date, received)
    trusted = bool(int(route) & TRUSTED)
    senders = senders_of(parties) if trusted else ()
    found = [IndexMention(party.role, party.address, time, trusted, senders=senders) for party in parties]
    if int(route) & OWNED and owner:
        found.append(IndexMention(AddressRole.RECIPIENT, owner, time, True, owner_folder))
    return found
