"""Answers the requests about retention rules."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast, get_args

from muniment import api
from muniment.archive.catalog.model import DecisionRow
from muniment.archive.ledger.model import RecordKind
from muniment.archive.retention.holds import holds_on
from muniment.archive.retention.judging import RuleJudge, rules_of
from muniment.archive.retention.minimums import RuleTime
from muniment.archive.retention.periods import Anchor, Period
from muniment.archive.retention.rules import (
    RuleKind,
    RuleVersion,
    end_value,
    name_key,
    new_version,
    read_rules,
    versions_of,
)
from muniment.archive.retention.selection import describe, selection_value
from muniment.archive.vault.vault import Vault
from muniment.config.model import AccessSection
from muniment.errors import UsageError
from muniment.service.access.audit_trail import Event, audit_event
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.reading import message_named
from muniment.service.operations.retention.criteria import selection_asked
from muniment.system.formatting import count


def set_rules(session: ClientSession, request: api.SetRules) -> api.RulesSet:
    """Answer SetRules: record versions of rules, all or none."""
    if not request.rules:
        raise UsageError("no rule is named: name at least one")
    zone = session.settings().retention.zone
    if request.check:
        with session.reading() as vault:
            versions = rules_of(vault)
            return _set_answer(versions, new_versions(vault, request, zone, versions), check=True)
    with session.writing() as vault:
        made: list[RuleVersion] = []
        before: list[RuleVersion] = []

        def decide(rows: list[DecisionRow]) -> list[dict[str, Any]]:
            before[:] = read_rules(rows)
            made[:] = new_versions(vault, request, zone, before)
            return [version.value for version in made]

        vault.decide(RecordKind.RULE, decide, int(time.time()), lambda _: _events(session, request, made))
        recorded = {(one.name, one.version): one for one in rules_of(vault)}
        return _set_answer(before, [recorded[one.name, one.version] for one in made], check=False)


def new_versions(
    vault: Vault, request: api.SetRules, zone: str, versions: Sequence[RuleVersion]
) -> list[RuleVersion]:
    """The versions that a request sets; rules that stay as they are are left out.

    Args:
        vault: the vault.
        request: the request.
        zone: the time zone of the rules' days and years.
        versions: all versions of the vault's rules.

    Raises:
        UsageError, QueryError, NotFound: as for SetRules.
    """
    names = [name_key(spec.name.strip()) for spec in request.rules]
    if len(names) != len(set(names)):
        raise UsageError("two rules have the same name: name each rule once")
    wanted = [_version(vault, spec, request.zone, zone) for spec in request.rules]
    return [made for one in wanted if (made := new_version(versions, one)) is not None]


def _version(vault: Vault, spec: api.RuleSpec, asked: str, zone: str) -> RuleVersion:
    if spec.kind not in set(RuleKind):
        raise UsageError(f"{spec.kind!r} is no kind of rule: write keep or dispose")
    if spec.anchor not in get_args(Anchor):
        raise UsageError(f"{spec.anchor!r} begins no period: write received or year")
    return RuleVersion(
        name=spec.name,
        version=0,
        kind=RuleKind(spec.kind),
        selection=selection_asked(vault.directory, spec.mail, asked),
        period=Period.read(spec.period),
        anchor=cast("Anchor", spec.anchor),
        zone=zone,
    )


def _set_answer(before: Sequence[RuleVersion], made: Sequence[RuleVersion], check: bool) -> api.RulesSet:
    names = ", ".join(f"{one.name} (version {one.version})" for one in made)
    what = f"{count(len(made))} {'rule' if len(made) == 1 else 'rules'}"
    if not made:
        message = "Nothing changes: the rules are in force in this form already."
    elif check:
        message = f"{what} would be set: {names}. Nothing was recorded."
    else:
        message = f"{what} set: {names}."
    warnings = [warning for one in made for warning in _warnings(before, one)]
    return api.RulesSet(message=message, rules=tuple(map(rule_word, made)), warnings=tuple(warnings))


def _warnings(before: Sequence[RuleVersion], made: RuleVersion) -> list[str]:
    """What an administrator may not expect of a new version."""
    earlier = [one for one in versions_of(before, made.name) if one.in_force]
    if not earlier or earlier[-1].kind is not made.kind:
        return []
    now = int(time.time())
    if made.until(now) < earlier[-1].until(now):
        return [
            f"{made.name}: mail that is there keeps the longer period of version {earlier[-1].version}; the "
            "shorter one counts for mail to come"
        ]
    return []


def end_rule(session: ClientSession, request: api.EndRule) -> api.Done:
    """Answer EndRule."""
    if request.check:
        with session.reading() as vault:
            value = end_value(rules_of(vault), request.name)
        return api.Done(message=f"The rule {value['name']} would be ended. Nothing was recorded.")
    with session.writing() as vault:
        vault.decide(
            RecordKind.RULE,
            lambda rows: [end_value(read_rules(rows), request.name)],
            int(time.time()),
            lambda _: _events(session, request, ()),
        )
    return api.Done(
        message=f"The rule {request.name} is ended. Mail that came while it was in force keeps its minimum."
    )


def _events(
    session: ClientSession, request: api.SetRules | api.EndRule, made: Sequence[RuleVersion]
) -> list[Event]:
    """The event of a change, which is committed with it; it is left out where that of a read is."""
    if not session.shared and session.settings().access == AccessSection():
        return []
    rules = [f"{one.name} (version {one.version})" for one in made]
    return [audit_event("changed", session.caller, AccessRole.ADMINISTRATOR, request, rules=rules[:100])]


def list_rules(session: ClientSession, request: api.ListRules) -> api.Rules:
    """Answer ListRules."""
    with session.reading() as vault:
        versions = rules_of(vault)
    return api.Rules(rules=tuple(rule_word(one) for one in versions if request.history or one.in_force))


def rule_word(version: RuleVersion) -> api.RuleWord:
    """A version of a rule, for clients."""
    return api.RuleWord(
        name=version.name,
        version=version.version,
        kind=str(version.kind),
        period=version.period.value,
        anchor=version.anchor,
        zone=version.zone,
        rule=version.describe(),
        mail=describe(version.selection, version.tz),
        selection=selection_value(version.selection),
        record=version.sequence,
        since=version.time,
        until=version.ended_time,
    )


def show_retention(session: ClientSession, request: api.ShowRetention) -> api.MessageRetention:
    """Answer ShowRetention: what keeps a message until when."""
    with session.reading() as vault:
        row = message_named(vault, request.id)
        judge = RuleJudge(vault, rules_of(vault))
        keep = judge.minimums([row]).get(row.sequence)
        dispose = judge.disposals([row]).get(row.sequence)
        doubt = "" if dispose else judge.doubts([row]).get(row.sequence, "")
        holds = holds_on(vault, [row]).get(row.sequence, ())
    goes = max(dispose.until, keep.until if keep else 0) if dispose and not holds else 0
    return api.MessageRetention(
        id=row.sha.hex(),
        received=row.received,
        keep=_date(keep),
        dispose=_date(dispose),
        holds=holds,
        goes=goes,
        doubt=doubt,
    )


def _date(time: RuleTime | None) -> api.RuleDate | None:
    return None if time is None else api.RuleDate(time=time.until, rule=rule_word(time.rule))


OPERATIONS = (
    Operation(api.SetRules, (api.RulesSet,), AccessRole.ADMINISTRATOR, set_rules, audit=AuditRule.WITHIN),
    Operation(api.EndRule, (api.Done,), AccessRole.ADMINISTRATOR, end_rule, audit=AuditRule.WITHIN),
    Operation(api.ListRules, (api.Rules,), AccessRole.AUDITOR, list_rules),
    Operation(
        api.ShowRetention,
        (api.MessageRetention,),
        AccessRole.AUDITOR,
        show_retention,
        audit=AuditRule.COUNTED,
    ),
)
