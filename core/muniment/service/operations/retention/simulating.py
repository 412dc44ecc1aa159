"""Answers SimulateRetention: what a disposal would take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from muniment import api
from muniment.archive.retention.due import DueMessage
from muniment.archive.retention.judging import rules_of
from muniment.archive.retention.rules import as_if_set, end_value
from muniment.archive.retention.simulation import MailShare, Simulation, Simulator
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError
from muniment.service.access.rights import ClosedMail, closed_to
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession
from muniment.service.operations.exports.export_steps import ExportSteps
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.retention.criteria import day_asked
from muniment.service.operations.retention.rules import new_versions

MOST = 10_000
"""Most people in an answer."""


def simulate(session: ClientSession, request: api.SimulateRetention) -> Iterator[api.WireWord]:
    """Answer SimulateRetention. Closing the stream stops it."""
    at = moment_asked(request.at, request.zone)
    with session.reading() as vault:
        closed = closed_to(vault, session.caller.name, session.settings().access)
        simulator, steps = _simulator(session, vault, at, request, closed), ExportSteps()
        total = vault.catalog.totals().messages
        for done in simulator.run():
            yield from steps.due(done, total)
        yield simulation_word(simulator.result, closed)


def _simulator(
    session: ClientSession, vault: Vault, at: int, request: api.SimulateRetention, closed: ClosedMail
) -> Simulator:
    """What simulates a request. For rules that are only thought of, sealed mail is left out.

    Such rules need no record, so their counts would be searches in it.
    """
    if not (request.rules or request.ended):
        return Simulator(vault, at)
    versions, zone = rules_of(vault), session.settings().retention.zone
    asked = api.SetRules(rules=request.rules, zone=request.zone)
    made = new_versions(vault, asked, zone, versions)
    ended = [end_value(versions, name)["name"] for name in request.ended]
    rules = as_if_set(versions, made, ended, vault.head.tree_size, int(time.time()))
    return Simulator(vault, at, rules=rules, closed=closed.sealed_of)


def moment_asked(text: str, zone: str) -> int:
    """The moment of a disposal: the first second of the day that was typed, or now.

    Raises:
        UsageError: it is no date, or is in the past.
    """
    now = int(time.time())
    if not text:
        return now
    start, end = day_asked(text, zone)
    if end <= now:
        raise UsageError(f"{text} is in the past: name today or a later day")
    return max(start, now)


def simulation_word(result: Simulation, closed: ClosedMail) -> api.Simulation:
    """A simulation, for a client who must not open some mail: it names neither that mail nor whose it is."""
    labels = closed.labels
    sealed = closed.sealed_of([one.row.sequence for one in result.examples])
    return api.Simulation(
        at=result.at,
        examined=result.examined,
        goes=_share("", result.goes),
        rules=_largest(_share(name, share, version) for (name, version), share in result.rules.items()),
        people=_largest(
            _share(label, share) for label, share in result.people.items() if label not in labels
        )[:MOST],
        months=dict(sorted(result.months.items())),
        held=result.kept["hold"],
        kept=result.kept["rule"],
        unsure=result.kept["doubt"],
        doubts=dict(result.doubts.most_common()),
        examples=tuple(_example(one) for one in result.examples if one.row.sequence not in sealed),
        listed=result.listed,
        list=result.name,
    )


def _largest(shares: Iterable[api.MailShareWord]) -> tuple[api.MailShareWord, ...]:
    return tuple(sorted(shares, key=lambda share: (-share.messages, share.name, share.version)))


def _share(name: str, share: MailShare, version: int = 0) -> api.MailShareWord:
    fields: dict[str, Any] = {key: getattr(share, key) for key in ("messages", "bytes", "oldest", "newest")}
    return api.MailShareWord(name=name, version=version, **fields)


def _example(due: DueMessage) -> api.DueExample:
    row, rule = due.row, due.time.rule
    return api.DueExample(
        id=row.sha.hex(),
        received=row.received,
        due=due.time.until,
        rule=rule.name,
        version=rule.version,
        size=row.size,
        sender=row.sender,
        to=row.to,
        subject=row.subject,
    )


OPERATIONS = (
    Operation(
        api.SimulateRetention, (api.Step, api.Simulation), AccessRole.AUDITOR, simulate,
        streams=True, audit=AuditRule.BEFORE,
    ),
)  # fmt: skip
