"""Answers the requests about legal holds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from muniment import api
from muniment.archive.catalog import MessageRow
from muniment.archive.catalog.model import DecisionRow
from muniment.archive.ledger.model import RecordKind
from muniment.archive.retention.approvals import Approval
from muniment.archive.retention.hold_report import HoldCount, MailCount, count_held, held_messages
from muniment.archive.retention.holds import (
    Actor,
    HeldBy,
    Hold,
    holds_of,
    named,
    open_holds,
    open_named,
    place_value,
    read_holds,
    release_value,
)
from muniment.archive.retention.selection import describe, selection_value
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError
from muniment.people.directory import CATCH_ALL
from muniment.service.access.rights import closed_to
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.proving import stage_words
from muniment.service.operations.retention.approving import Act, act_events, actor, asked_for
from muniment.service.operations.retention.criteria import selection_asked
from muniment.service.operations.retention.held import held_by_word

PEOPLE = 1_000
"""Most people that a count names; those with the most messages."""


def place_hold(session: ClientSession, request: api.PlaceHold) -> api.HoldWord:
    """Answer PlaceHold."""
    by = actor(session)
    if request.everything == (request.mail != api.MailCriteria()):
        raise UsageError(
            "all mail is meant, and criteria are given: leave out one of the two"
            if request.everything
            else "no criterion is given: say which mail to hold, or that all of it is meant"
        )

    def value(vault: Vault, earlier: Iterable[DecisionRow]) -> dict[str, Any]:
        selection = selection_asked(vault.directory, request.mail, request.zone)
        return place_value(earlier, request.name, request.case, request.reason, selection, by)

    if request.check:
        with session.reading() as vault:
            made = value(vault, vault.catalog.decisions(RecordKind.HOLD))
        return hold_word(Hold(
            -1, made["name"], made["case"], made["reason"],
            selection_asked(vault.directory, request.mail, request.zone), int(time.time()), by,
        ))  # fmt: skip
    with session.writing() as vault:
        rows = vault.decide(
            RecordKind.HOLD,
            lambda earlier: [value(vault, earlier)],
            int(time.time()),
            lambda made: act_events(session, request, case=request.case),
        )
        return hold_word(read_holds(rows)[0])


def hold_word(hold: Hold) -> api.HoldWord:
    """A hold, for clients."""
    release = hold.release
    return api.HoldWord(
        number=hold.number, name=hold.name, case=hold.case, reason=hold.reason,
        mail=describe(hold.selection), selection=selection_value(hold.selection), placed=hold.placed,
        by=hold.by.who,
        released=release.time if release else 0,
        released_by=release.by.who if release else "",
        release_reason=release.reason if release else "",
        approval=release.approval if release else "",
    )  # fmt: skip


def list_holds(session: ClientSession, request: api.ListHolds) -> api.Holds:
    """Answer ListHolds."""
    with session.reading() as vault:
        holds = holds_of(vault)
    listed = [hold for hold in reversed(holds) if request.released or hold.open]
    left = [hold for hold in listed if not request.before or hold.number < request.before]
    page = left[: max(request.limit, 1)]
    return api.Holds(
        total=len(listed),
        open=sum(hold.open for hold in holds),
        holds=tuple(map(hold_word, page)),
        after=page[-1].number if len(left) > len(page) else 0,
    )


def count_hold(session: ClientSession, request: api.CountHold) -> Iterator[api.WireWord]:
    """Answer CountHold."""
    with session.reading() as vault:
        hold = named(holds_of(vault), request.name)
        others = [one for one in open_holds(vault) if one.number != hold.number]
        closed = closed_to(vault, session.caller.name, session.settings().access)
        found = yield from stage_words(count_held(vault, [hold, *others], closed=closed.sealed_of))
        yield replace(_count_word(vault, found.holds[0], [hold, *others]), sealed=len(closed.users))


def _count_word(vault: Vault, found: HoldCount, holds: Sequence[Hold]) -> api.HoldCountWord:
    titles = {hold.number: hold.title for hold in holds}
    ranked = sorted(found.people.items(), key=lambda item: (-item[1].messages, item[0]))
    return api.HoldCountWord(
        hold=hold_word(found.hold),
        mail=_mail(found.total),
        alone=found.alone,
        others={titles[number]: shared for number, shared in sorted(found.others.items())},
        people=tuple(
            api.HeldPerson(user=_label(vault, user), mail=_mail(mail)) for user, mail in ranked[:PEOPLE]
        ),
        reasons=dict(sorted(found.reasons.items())),
    )


def _label(vault: Vault, user: str) -> str:
    return user if user == CATCH_ALL else vault.directory.label(user)


def _mail(found: MailCount) -> api.MailCountWord:
    return api.MailCountWord(
        messages=found.messages, bytes=found.bytes, unsure=found.unsure, oldest=found.oldest,
        newest=found.newest,
    )  # fmt: skip


def release_hold(session: ClientSession, request: api.ReleaseHold) -> api.Decided:
    """Answer ReleaseHold: release it, or ask another administrator."""
    with session.writing() as vault:
        earlier = vault.catalog.decisions(RecordKind.HOLD)
        value = release_value(earlier, request.name, request.number, request.reason, actor(session))
        hold = open_named(read_holds(earlier), request.name)
        of = {"hold": hold.number, "name": hold.name, "reason": value["reason"]}
        asked = asked_for(session, vault, request, RELEASE, of, value["reason"])
        return asked or api.Decided(message=_release(session, vault, request, of, actor(session)))


def _release(
    session: ClientSession,
    vault: Vault,
    request: api.ReleaseHold,
    of: dict[str, Any],
    by: Actor,
    approval: str = "",
) -> str:
    """Record that a hold is released; returns a sentence.

    Raises:
        NotFound: it is not open any more.
    """
    vault.decide(
        RecordKind.HOLD,
        lambda earlier: [release_value(earlier, of["name"], of["hold"], of["reason"], by, approval)],
        int(time.time()),
        lambda made: act_events(session, request, approval=approval),
    )
    return f"The hold {of['name']} is released. Mail that it alone covered may be erased."


def _released_by_two(session: ClientSession, vault: Vault, approval: Approval) -> str:
    of = approval.of
    request = api.ReleaseHold(name=of["name"], reason=of["reason"], number=of["hold"])
    return _release(session, vault, request, of, approval.by, approval.id)


RELEASE = Act("hold release", lambda of: f"release the hold {of['name']!r}", _released_by_two)


# --- what is held -----------------------------------------------------------------------------------------


def report_held(session: ClientSession, request: api.ReportHeld) -> Iterator[api.WireWord]:
    """Answer ReportHeld."""
    with session.reading() as vault:
        holds = open_holds(vault)
        closed = closed_to(vault, session.caller.name, session.settings().access)
        found = yield from stage_words(count_held(vault, holds, closed=closed.sealed_of))
        yield api.HeldReport(
            holds=tuple(_count_word(vault, one, holds) for one in found.holds),
            mail=_mail(found.total),
            examined=found.examined,
            sealed=len(closed.users),
        )


def list_held(session: ClientSession, request: api.ListHeld) -> Iterator[api.WireWord]:
    """Answer ListHeld. Mail that is sealed from the caller is left out, as from the counts."""
    listed = 0
    with session.reading() as vault:
        closed = closed_to(vault, session.caller.name, session.settings().access)
        for page, held in held_messages(vault, open_holds(vault), closed.sealed_of):
            yield from (_held_message(row, held[row.sequence]) for row in page.rows if row.sequence in held)
            listed += len(held)
    yield api.HeldEnd(messages=listed, sealed=len(closed.users))


def _held_message(row: MessageRow, held: Iterable[HeldBy]) -> api.HeldMessage:
    return api.HeldMessage(
        id=row.sha.hex(), received=row.received, date=row.date, size=row.size, sender=row.sender, to=row.to,
        subject=row.subject, holds=tuple(map(held_by_word, held)),
    )  # fmt: skip


OPERATIONS = (
    Operation(api.PlaceHold, (api.HoldWord,), AccessRole.ADMINISTRATOR, place_hold, audit=AuditRule.WITHIN),
    Operation(
        api.ReleaseHold, (api.Decided,), AccessRole.ADMINISTRATOR, release_hold, audit=AuditRule.WITHIN
    ),
    Operation(api.ListHolds, (api.Holds,), AccessRole.AUDITOR, list_holds),
    Operation(
        api.CountHold, (api.Step, api.HoldCountWord), AccessRole.AUDITOR, count_hold,
        streams=True, audit=AuditRule.COUNTED,
    ),
    Operation(
        api.ReportHeld, (api.Step, api.HeldReport), AccessRole.AUDITOR, report_held,
        streams=True, audit=AuditRule.COUNTED,
    ),
    Operation(
        api.ListHeld, (api.HeldMessage, api.HeldEnd), AccessRole.AUDITOR, list_held,
        streams=True, audit=AuditRule.BEFORE,
    ),
)  # fmt: skip
