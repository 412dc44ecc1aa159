"""What all answers about subject requests share: words for clients, audit events, and what is sealed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from muniment import api
from muniment.archive.catalog.model import DecisionRow
from muniment.archive.ledger.model import RecordKind
from muniment.archive.retention.selection import describe, selection_value
from muniment.archive.subject.records import read_record
from muniment.archive.subject.requests import SubjectRequest, require_open
from muniment.archive.vault.vault import Vault
from muniment.service.access import rights
from muniment.service.access.audit_trail import PEOPLE, Event
from muniment.service.access.rights import ClosedMail
from muniment.service.access.roles import AccessRole, role_of
from muniment.service.host.session import ClientSession
from muniment.service.operations.retention.approving import act_events

SEALED = "(sealed)"
"""The subject of a message that the caller must not open."""


def closed_to(session: ClientSession, vault: Vault) -> ClosedMail:
    """The mail that the caller must not open."""
    return rights.closed_to(vault, session.caller.name, session.settings().access)


def role_here(session: ClientSession) -> AccessRole:
    """The caller's role: an auditor's, or an administrator's."""
    owner = session.folder.stat().st_uid
    return role_of(session.caller, session.settings().access, owner) or AccessRole.AUDITOR


def subject_events(
    session: ClientSession, request: api.Request, subject: SubjectRequest, **detail: Any
) -> list[Event]:
    """The event of an act about a subject request; it is left out where that of a read is."""
    return person_events(session, request, subject.record.selection, subject=subject.id, **detail)


def person_events(
    session: ClientSession, request: api.Request, selection: dict[str, Any], **detail: Any
) -> list[Event]:
    """The event of an act about the person of a selection."""
    people = selection.get("people", ())
    users = [one["user"] for one in people if one.get("user")]
    others = [one["name"] for one in people if not one.get("user")]
    return act_events(
        session, request, role_here(session), people=users[:PEOPLE], addresses=others[:PEOPLE], **detail
    )  # fmt: skip


def record_step(
    vault: Vault,
    subject: SubjectRequest,
    values: Callable[[], list[dict[str, Any]]],
    events: Callable[[], list[Event]],
) -> list[DecisionRow]:
    """Record steps of an open request, unless it was closed meanwhile.

    Args:
        vault: the vault, open for writing.
        subject: the request.
        values: makes the records. It is called when no other thread can record one.
        events: makes their audit events.

    Raises:
        UsageError: the request is closed.
    """

    def made(later: list[DecisionRow]) -> list[dict[str, Any]]:
        require_open(subject)
        for row in later:
            record = read_record(row)
            if record.id == subject.id:
                subject.add(row, record)
        require_open(subject)
        return values()

    return vault.decide(RecordKind.SUBJECT, made, int(time.time()), lambda done: events(), after=subject.seen)


def subject_word(subject: SubjectRequest) -> api.SubjectWord:
    """A request with its lists of messages, for clients."""
    record, closing, progress = subject.record, subject.closing, subject.progress()
    return api.SubjectWord(
        id=subject.id, name=subject.name, case=record.case, reason=record.reason,
        mail=describe(subject.selection), selection=selection_value(subject.selection), texts=record.texts,
        opened=subject.opened, by=subject.by.who, messages=subject.collected,
        undecided=progress["undecided"], included=progress["include"], withheld=progress["withhold"],
        packages=len(subject.packages), unread=record.unread, unsearched=record.unsearched,
        closed=closing.time if closing else 0, closed_by=closing.by.who if closing else "",
        close_reason=closing.reason if closing else "",
    )  # fmt: skip
