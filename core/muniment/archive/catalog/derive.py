"""What is known of a record beyond its bytes: derived by the same functions live and in a rebuild."""

from __future__ import annotations

from typing import Protocol

from muniment.archive.facts import EnvelopeFact, MessageFact, Route
from muniment.archive.index import Mention
from muniment.archive.ledger.model import Appended
from muniment.mail.headers.dates import clamp, message_date
from muniment.mail.model import MessageText, Party, Role, Summary, senders_of
from muniment.mail.names import name_of
from muniment.people.routing import OWNED, TRUSTED


class DerivedMessage(Protocol):
    """A message as far as its fact needs it."""

    sha: bytes
    content: bytes
    size: int
    summary: Summary
    text: MessageText


class DerivedCopy(Protocol):
    """A copy as far as its fact needs it."""

    sha: bytes
    report: bool
    date: int | None
    parties: tuple[Party, ...]


def message_fact(
    appended: Appended,
    message: DerivedMessage,
    report_date: int | None,
    source_date: int | None,
    received: int,
    notes: tuple[str, ...] = (),
) -> MessageFact:
    """The catalog's view of a message.

    `report_date` is the date of the report that first brought it, `source_date` what the source says of when
    it received that copy, `received` when that was fetched; all seconds since 1970 UTC.
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
    )


def copy_time(report: bool, date: int | None, source_date: int | None, received: int) -> int:
    """When a copy was journaled or received, which decides whose a transferred address was.

    A report's own date, else what the source says, else when it was fetched. Never the message's
    `Date`, which its sender chooses.
    """
    if report and date is not None:
        return clamp(date, None, received)
    return clamp(source_date, None, received)


def envelope_fact(
    appended: Appended,
    copy: DerivedCopy,
    messages: tuple[bytes, ...],
    source_date: int | None,
    received: int,
) -> EnvelopeFact:
    """The catalog's view of a copy that brought `messages` (SHA-256 each)."""
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
    parties: tuple[Party, ...],
    route: Route,
    report: bool,
    date: int | None,
    source_date: int | None,
    received: int,
    owner: str,
    owner_folder: str,
) -> list[Mention]:
    """What the index learns of one copy: addresses, their roles, and whether they are trusted."""
    time = copy_time(report, date, source_date, received)
    trusted = bool(int(route) & TRUSTED)
    senders = senders_of(parties) if trusted else ()
    found = [Mention(party.role, party.address, time, trusted, senders=senders) for party in parties]
    if int(route) & OWNED and owner:
        found.append(Mention(Role.RECIPIENT, owner, time, True, owner_folder))
    return found
