"""Answers the requests that list the messages of a subject request, and decide about them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from muniment import api
from muniment.archive.subject.records import VERDICTS, decide_values, read_record
from muniment.archive.subject.requests import (
    Decision,
    SubjectRequest,
    request_named,
    require_open,
    rows_of,
)
from muniment.archive.subject.review import (
    BLOCK,
    STATES,
    OwnPart,
    Review,
    ReviewedMessage,
    SearchedQuery,
    erasure_of,
)
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound, UsageError
from muniment.service.access.audit_trail import record
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.reading import message_named
from muniment.service.operations.retention.approving import actor
from muniment.service.operations.subject.common import (
    SEALED,
    closed_to,
    record_step,
    subject_events,
)
from muniment.service.operations.time_zone import zone_asked

MOST = 500
"""Most messages of a page."""
NUMBER_DIGITS = 7
"""Most digits of a message's number in a request; an id has more."""
NAMED = 100
"""Most messages that an audit event names as they were typed."""


def list_messages(session: ClientSession, request: api.ListSubjectMessages) -> api.SubjectMessages:
    """Answer ListSubjectMessages."""
    if request.state and request.state not in STATES:
        raise UsageError(f"{request.state!r} is no state of a message: use one of {', '.join(STATES)}")
    with session.reading() as vault:
        subject = request_named(vault, request.name)
        closed = closed_to(session, vault)
        review = Review(vault, subject, closed.sealed_of)
        query = _query(request.query, request.zone, closed.users)
        limit = min(max(request.limit, 1), MOST)
        found = _listed(review, request, query)
        page = list(itertools.islice(found, limit))
        more = next(found, None) is not None
        own = OwnPart(vault, subject).of(one.row for one in page if one.row is not None)
        return api.SubjectMessages(
            messages=tuple(_word(vault, one, own) for one in page),
            after=page[-1].place + 1 if more else 0,
            unsearched=review.unsearched,
        )


def _listed(
    review: Review, request: api.ListSubjectMessages, query: SearchedQuery | None
) -> Iterator[ReviewedMessage]:
    for block in review.all(max(request.after, 0)):
        chosen = [
            one for one in block if request.state in ("", one.state) and request.reach in ("", one.reach)
        ]
        yield from review.found(chosen, query) if query is not None else chosen


def _query(text: str, zone: str, closed: Iterable[str]) -> SearchedQuery | None:
    """The query of a request; None if it has none. Raises UsageError if the zone is unknown."""
    if not text.strip():
        return None
    zone_asked(zone)
    return SearchedQuery(text, int(time.time()), zone, tuple(sorted(closed)))


def _word(vault: Vault, one: ReviewedMessage, own: dict[int, tuple[str, ...]]) -> api.SubjectMessageWord:
    row, decision = one.row, one.decision
    if row is None:
        return _blank(one, "", "", date=0, size=0, reason=erased_words(vault, one.number))
    if one.state == "sealed":
        return _blank(one, row.sha.hex(), SEALED, date=row.date, size=row.size)
    return api.SubjectMessageWord(
        number=one.place + 1, id=row.sha.hex(), state=one.state, reach=one.reach,
        parts=own.get(row.sequence, ()), date=row.date, sender=row.sender, to=row.to, subject=row.subject,
        size=row.size, attachments=row.attachments, reason=decision.reason if decision else "",
        decided=decision.time if decision else 0, by=decision.by.who if decision else "",
    )  # fmt: skip


def _blank(
    one: ReviewedMessage, id_: str, subject: str, *, date: int, size: int, reason: str = ""
) -> api.SubjectMessageWord:
    """A message without its content."""
    return api.SubjectMessageWord(
        number=one.place + 1, id=id_, state=one.state, reach=one.reach, parts=(), date=date, sender="",
        to="", subject=subject, size=size, attachments=0, reason=reason,
    )  # fmt: skip


def erased_words(vault: Vault, number: int) -> str:
    """When and why a message was erased, in words; "erased" if that can't be said."""
    erasure = erasure_of(vault, number)
    if erasure is None:
        return "erased"
    return f"erased on {datetime.fromtimestamp(erasure.at, UTC):%Y-%m-%d}: {erasure.basis}"


# --- decisions --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Chosen:
    """The messages of a decision."""

    places: list[int] = field(default_factory=list)
    sealed: int = 0
    erased: int = 0

    def take(self, one: ReviewedMessage) -> None:
        """Add a message, unless it is sealed or erased."""
        self.sealed += one.state == "sealed"
        self.erased += one.state == "erased"
        if one.state not in ("sealed", "erased"):
            self.places.append(one.place)


def decide(session: ClientSession, request: api.DecideSubject) -> api.SubjectDecided:
    """Answer DecideSubject."""
    if bool(request.ids) == bool(request.query.strip() or request.rest):
        raise UsageError("say which messages: name them, or give a query, or all that are undecided")
    if request.decision not in VERDICTS:
        raise UsageError(f"{request.decision!r} is no decision: use {' or '.join(VERDICTS)}")
    with session.reading() if request.check else session.writing() as vault:
        subject = request_named(vault, request.name)
        require_open(subject)
        closed = closed_to(session, vault)
        review = Review(vault, subject, closed.sealed_of)
        chosen = _named(vault, review, request) if request.ids else _Chosen()
        if not request.ids:
            query = _query(request.query, request.zone, closed.users)
            for one in _found(review, query, request.rest):
                chosen.take(one)
            chosen.sealed = chosen.erased = 0
        again = sum(subject.decision(place) is not None for place in chosen.places)
        if request.check:
            _record_search(session, request, subject, len(chosen.places))
        else:
            _record(session, vault, request, subject, chosen)
        return api.SubjectDecided(
            decided=len(chosen.places), again=again, sealed=chosen.sealed, erased=chosen.erased,
            unsearched=review.unsearched, undecided=subject.progress()["undecided"],
        )  # fmt: skip


def _named(vault: Vault, review: Review, request: api.DecideSubject) -> _Chosen:
    """The messages that a request names. Raises NotFound."""
    chosen = _Chosen()
    places = dict.fromkeys(place_named(vault, review.request, id_) for id_ in request.ids)
    for one in review.at(list(places)):
        chosen.take(one)
    return chosen


def place_named(vault: Vault, subject: SubjectRequest, id_: str) -> int:
    """The place of a message by its number in the request, or by its id or the beginning of it.

    Raises:
        NotFound: the request has no such message, or there are several.
        Erased: it is erased.
    """
    text = id_.strip().removeprefix("#")
    if text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS:
        if not 1 <= int(text) <= subject.collected:
            raise NotFound(f"The request {subject.name!r} has messages 1 to {subject.collected}, no {text}.")
        return int(text) - 1
    row = message_named(vault, text)
    former = vault.catalog.displaced_by([row.sequence]).get(row.sequence, [])
    places = (subject.place(number) for number in (row.sequence, *(number for number, _ in former)))
    found = next((place for place in places if place is not None), None)
    if found is None:
        raise NotFound(f"The message {row.sha.hex()[:12]} is not in the request {subject.name!r}.")
    return found


def _found(review: Review, query: SearchedQuery | None, rest: bool) -> Iterator[ReviewedMessage]:
    for block in review.all():
        chosen = [one for one in block if one.state == "undecided"] if rest else block
        yield from review.found(chosen, query) if query is not None else chosen


def _record(
    session: ClientSession,
    vault: Vault,
    request: api.DecideSubject,
    subject: SubjectRequest,
    chosen: _Chosen,
) -> None:
    """Record a decision, and take it into the request."""
    messages = [subject.message(place) for place in chosen.places]
    by = actor(session)
    rows = record_step(
        vault,
        subject,
        lambda: decide_values(
            subject.id, by, request.decision, request.reason, messages, request.query.strip()
        ),
        lambda: subject_events(
            session, request, subject, decision=request.decision, total=len(messages),
            items=list(request.ids)[:NAMED], rest=request.rest,
        ),
    )  # fmt: skip
    for row in rows:
        subject.add(row, read_record(row))


def _record_search(
    session: ClientSession, request: api.DecideSubject, subject: SubjectRequest, total: int
) -> None:
    """Record a dry run, which tells as much as a search."""
    for event in subject_events(session, request, subject, decision=request.decision, total=total):
        record(session, event | {"event": "read"}, soon=False)


def list_decisions(session: ClientSession, request: api.ListSubjectDecisions) -> api.SubjectDecisions:
    """Answer ListSubjectDecisions. A decision about sealed mail alone has no reason and no query."""
    with session.reading() as vault:
        subject = request_named(vault, request.name)
        closed = closed_to(session, vault)
        review = Review(vault, subject, closed.sealed_of)
        found = subject.decisions
        if request.id:
            place = place_named(vault, subject, request.id)
            row = review.at([place])[0].row
            closed.require_messages([row.sequence] if row is not None else ())
            found = list(_about(vault, subject, subject.message(place)))
        left = [one for one in reversed(found) if not request.before or one.number < request.before]
        page = left[: min(max(request.limit, 1), MOST)]
        secret = _about_sealed(vault, review, page) if closed else set()
    return api.SubjectDecisions(
        total=len(found),
        decisions=tuple(_decision_word(one, sealed=one.number in secret) for one in page),
        after=page[-1].number if len(left) > len(page) else 0,
    )


def _about_sealed(vault: Vault, review: Review, decisions: Sequence[Decision]) -> set[int]:
    """The numbers of the decisions that are about mail which the caller must not open, and no other."""
    numbers = {one.number for one in decisions}
    rows = (row for row in rows_of(vault, min(numbers, default=0) - 1) if row.sequence in numbers)
    return {row.sequence for row in rows if _is_sealed(review, getattr(read_record(row), "messages", ()))}


def _is_sealed(review: Review, messages: Sequence[int]) -> bool:
    sealed = False
    for start in range(0, len(messages), BLOCK):
        places = map(review.request.place, messages[start : start + BLOCK])
        block = review.at([place for place in places if place is not None])
        if any(one.state not in ("sealed", "erased") for one in block):
            return False
        sealed = sealed or any(one.state == "sealed" for one in block)
    return sealed


def _about(vault: Vault, subject: SubjectRequest, message: int) -> Iterator[Decision]:
    """The decisions about one message, oldest first."""
    numbers = {one.number: one for one in subject.decisions}
    for row in rows_of(vault, subject.number):
        decision = numbers.get(row.sequence)
        if decision is not None and message in getattr(read_record(row), "messages", ()):
            yield decision


def _decision_word(one: Decision, *, sealed: bool) -> api.SubjectDecisionWord:
    return api.SubjectDecisionWord(
        number=one.number, time=one.time, by=one.by.who, decision=one.verdict,
        reason=SEALED if sealed else one.reason, query="" if sealed else one.query, messages=one.messages,
    )  # fmt: skip


OPERATIONS = (
    Operation(
        api.ListSubjectMessages, (api.SubjectMessages,), AccessRole.AUDITOR, list_messages,
        audit=AuditRule.AFTER,
    ),
    Operation(
        api.DecideSubject, (api.SubjectDecided,), AccessRole.AUDITOR, decide, audit=AuditRule.WITHIN
    ),
    Operation(api.ListSubjectDecisions, (api.SubjectDecisions,), AccessRole.AUDITOR, list_decisions),
)  # fmt: skip
