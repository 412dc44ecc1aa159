"""Answers the requests that open, list, show and close subject requests."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from muniment import api
from muniment.archive.catalog.model import DecisionRow
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.records import canonical
from muniment.archive.retention.selection import MailSelection, SelectedPerson, selection_value
from muniment.archive.subject.collect import Collected, check_texts, collect
from muniment.archive.subject.records import (
    DIGITS,
    LONGEST_CASE,
    LONGEST_NAME,
    LONGEST_REASON,
    OpenRecord,
    close_value,
    collect_values,
    name_key,
    read_record,
    step_value,
    text_of,
)
from muniment.archive.subject.requests import (
    Handover,
    SubjectRequest,
    head_named,
    heads_of,
    loaded,
    read_requests,
    request_named,
    require_open,
)
from muniment.archive.subject.review import Review
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound, UsageError
from muniment.people.directory import CATCH_ALL, Directory
from muniment.service.access.audit_trail import record
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.proving import stage_words
from muniment.service.operations.retention.approving import actor
from muniment.service.operations.retention.criteria import selection_asked
from muniment.service.operations.subject.common import (
    closed_to,
    person_events,
    record_step,
    subject_events,
    subject_word,
)

PAGE = 20
"""Most requests of a page: each has lists of messages to read."""
PACKAGES = 100
"""Most packages that an answer names."""


def open_subject(session: ClientSession, request: api.OpenSubject) -> Iterator[api.WireWord]:
    """Answer OpenSubject."""
    with session.reading() if request.check else session.writing() as vault:
        people = tuple(address_of(vault.directory, name) for name in request.people)
        if not people:
            raise UsageError("no person is named: give a name or an address")
        mail = api.MailCriteria(
            people=people, since=request.since, until=request.until, query=request.query
        )  # fmt: skip
        selection = selection_asked(vault.directory, mail, request.zone)
        texts = texts_asked(vault.directory, selection, request)
        value = _opening(session, request, selection, texts)
        heads = heads_of(vault)
        _require_new(heads, value["name"])
        seen = max((one.seen for one in heads), default=-1)
        closed = closed_to(session, vault)
        found: Collected = yield from stage_words(collect(vault, selection, texts, closed.sealed_of))
        value |= {"end": found.end, "unread": found.unread, "unsearched": found.unsearched}
        if request.check:  # it tells as much as a search
            events = person_events(session, request, value["selection"], texts=list(texts), total=found.total)
            for event in events:
                record(session, event | {"event": "read"}, soon=False)
        yield subject_word(_opened(session, vault, request, value, found, seen))


def _opening(
    session: ClientSession, request: api.OpenSubject, selection: MailSelection, texts: Sequence[str]
) -> dict[str, Any]:
    """The record that opens a request, without what was collected. Raises UsageError."""
    name = text_of("name", request.name or request.people[0], LONGEST_NAME)
    return step_value(
        "open", secrets.token_hex(DIGITS // 2), actor(session),
        name=" ".join(name.split()),
        case=text_of("case number", request.case, LONGEST_CASE, needed=False),
        reason=text_of("reason", request.reason, LONGEST_REASON),
        selection=selection_value(selection),
        texts=list(texts),
    )  # fmt: skip


def _require_new(requests: Iterable[SubjectRequest], name: str) -> None:
    """Check that no open request has a name. Raises UsageError."""
    for one in requests:
        if one.open and name_key(one.name) == name_key(name):
            raise UsageError(
                f"The subject request {one.name!r} is open already: give another name, or close it."
            )


def _opened(
    session: ClientSession,
    vault: Vault,
    request: api.OpenSubject,
    value: dict[str, Any],
    found: Collected,
    seen: int,
) -> SubjectRequest:
    """Record a request and what it has; in a dry run, only make it."""
    lists = collect_values(value["id"], actor(session), found.messages.items())
    if request.check:
        made = [{"v": 1, **one} for one in (value | {"id": ""}, *(one | {"id": ""} for one in lists))]
        return _of_rows(_row(number, one) for number, one in enumerate(made))

    def opening(later: list[DecisionRow]) -> list[dict[str, Any]]:
        _require_new(_opened_since(later), value["name"])
        return [value, *lists]

    rows = vault.decide(
        RecordKind.SUBJECT,
        opening,
        int(time.time()),
        lambda made: person_events(
            session,
            request,
            value["selection"],
            subject=value["id"],
            case=value["case"],
            texts=value["texts"],
            total=found.total,
        ),
        after=seen,
    )
    return _of_rows(rows)


def _opened_since(rows: Iterable[DecisionRow]) -> list[SubjectRequest]:
    opened = [(row, read_record(row)) for row in rows]
    return [SubjectRequest(row, record) for row, record in opened if isinstance(record, OpenRecord)]


def _row(number: int, value: dict[str, Any]) -> DecisionRow:
    return DecisionRow(number, int(time.time()), canonical(value).decode())


def _of_rows(rows: Iterable[DecisionRow]) -> SubjectRequest:
    (made,) = read_requests(rows, None).values()
    return made


def address_of(directory: Directory, name: str) -> str:
    """An address of the person with a name, for whom the directory may have only the full name.

    Raises:
        NotFound: no user has this name, and it is no address.
        UsageError: several users have it.
    """
    if "@" in name:
        return name
    try:
        return directory.find(name).primary
    except NotFound:
        wanted = " ".join(name.split()).casefold()
        found = [one for one in directory.users() if " ".join(one.name.split()).casefold() == wanted]
    if len(found) > 1:
        addresses = ", ".join(sorted(one.primary for one in found)[:10])
        raise UsageError(f"Several people are called {name!r}: give an address of one ({addresses}).")
    if not found:
        raise NotFound(
            f"There is no user {name!r}; `muniment users list` lists all users. Of anyone else, give the "
            "address."
        )
    return found[0].primary


def texts_asked(directory: Directory, selection: MailSelection, request: api.OpenSubject) -> tuple[str, ...]:
    """What to look for in the text of mail: the person's addresses and full name, and what was typed.

    Raises:
        UsageError: it is too much, or a text is empty or too long.
    """
    texts = [text_of("text to look for", text, 200) for text in request.texts]
    for person in selection.people if request.mentions else ():
        texts += _texts_of(directory, person)
    made = tuple(dict.fromkeys(" ".join(text.split()) for text in texts))
    check_texts(made)
    return made


def _texts_of(directory: Directory, person: SelectedPerson) -> Iterator[str]:
    """The addresses of a person, and the full name in both orders; a single word is no full name."""
    yield from dict.fromkeys(span.address for span in person.addresses)
    if person.user and person.user != CATCH_ALL:
        yield from sorted(directory.ever.addresses(person.user))
        words = directory.user(person.user).name.replace(",", " ").split()
        if len(words) > 1:
            yield " ".join(words)
            yield " ".join((words[-1], *words[:-1]))


def list_subjects(session: ClientSession, request: api.ListSubjects) -> api.Subjects:
    """Answer ListSubjects."""
    with session.reading() as vault:
        heads = heads_of(vault)
        listed = [one for one in reversed(heads) if request.closed or one.open]
        left = [one for one in listed if not request.before or one.number < _place(request.before)]
        page = left[: min(max(request.limit, 1), PAGE)]
        return api.Subjects(
            total=len(listed),
            open=sum(one.open for one in heads),
            subjects=tuple(map(subject_word, loaded(vault, page))),
            after=str(page[-1].number) if len(left) > len(page) else "",
        )


def _place(text: str) -> int:
    """The place of a page in the list. Raises UsageError."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise UsageError("this page can't be found: list the requests again from the first page")
    return int(text)


def show_subject(session: ClientSession, request: api.ShowSubject) -> api.SubjectState:
    """Answer ShowSubject."""
    with session.reading() as vault:
        subject = request_named(vault, request.name)
        counts = Review(vault, subject, closed_to(session, vault).sealed_of).counts()
    return api.SubjectState(
        subject=subject_word(subject),
        states={str(name): number for name, number in counts.states.items()},
        reaches={str(name): number for name, number in counts.reaches.items()},
        packages=tuple(package_word(one) for one in reversed(subject.packages[-PACKAGES:])),
    )


def package_word(made: Handover) -> api.SubjectPackageWord:
    """A package that was made, for clients."""
    record = made.record
    return api.SubjectPackageWord(
        made=made.time, by=made.by.who, sha256=record.sha256, size=record.size, included=record.included,
        changed=record.changed, withheld=record.withheld, undecided=record.undecided, erased=record.erased,
        sealed=record.sealed, listed=record.listed, approval=record.approval,
    )  # fmt: skip


def close_subject(session: ClientSession, request: api.CloseSubject) -> api.SubjectWord:
    """Answer CloseSubject."""
    with session.writing() as vault:
        head = head_named(heads_of(vault), request.name)
        require_open(head)
        (subject,) = loaded(vault, [head])
        rows = record_step(
            vault, subject,
            lambda: [close_value(subject.id, actor(session), request.reason)],
            lambda: subject_events(session, request, subject),
        )  # fmt: skip
        for row in rows:
            subject.add(row, read_record(row))
        return subject_word(subject)


OPERATIONS = (
    Operation(
        api.OpenSubject, (api.Step, api.SubjectWord), AccessRole.AUDITOR, open_subject,
        streams=True, audit=AuditRule.WITHIN,
    ),
    Operation(api.ListSubjects, (api.Subjects,), AccessRole.AUDITOR, list_subjects),
    Operation(api.ShowSubject, (api.SubjectState,), AccessRole.AUDITOR, show_subject),
    Operation(
        api.CloseSubject, (api.SubjectWord,), AccessRole.AUDITOR, close_subject, audit=AuditRule.WITHIN
    ),
)  # fmt: skip
