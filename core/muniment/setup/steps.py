"""The steps of the checklist, in order, and the state of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from muniment.errors import ConfigError, MunimentError, NotFound
from muniment.setup import checks, commands, guides
from muniment.setup.fields import step_fields
from muniment.setup.guides import Guide
from muniment.setup.model import (
    Check,
    CheckFinding,
    CheckOutcome,
    FindingVerdict,
    SetupProbes,
    SetupSituation,
    StepState,
    outcome,
)
from muniment.setup.store import StepAffirmation, StepRecord

POWERSHELL, SHELL = "powershell", "shell"


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """The definition of a step, the same for all vaults."""

    key: str
    title: str
    guide: Guide
    check: Check
    command: Callable[[SetupSituation], str] | None = None
    language: str = ""
    """Language of the command: POWERSHELL or SHELL."""
    live: bool = False
    """Whether its check only reads the vault. It is then done whenever the checklist is requested."""
    affirmed: str = ""
    """A statement that an administrator can confirm; "" if only the check counts."""
    ask: str = ""
    """What to do before confirming, for a step that is usually confirmed."""
    instead: bool = False
    """Whether a confirmation replaces the check. If not, the step needs both."""
    needs: tuple[str, ...] = ()
    """Settings of `journaling` that the step needs before it can be checked."""


STEPS = (
    StepDefinition("organisation", "Organisation", guides.organisation, checks.organisation),
    StepDefinition(
        "report-address", "Report address", guides.report_address, checks.report_address,
        needs=("address",),
    ),
    StepDefinition(
        "undeliverable", "Undeliverable", guides.undeliverable, checks.undeliverable,
        commands.undeliverable, POWERSHELL,
        affirmed="the address is set in the mail system",
        ask="Set it in the mail system, then confirm it.", needs=("undeliverable",),
    ),
    StepDefinition(
        "journal-rule", "Journal rule", guides.journal_rule, checks.journal_rule,
        commands.journal_rule, POWERSHELL, live=True,
        affirmed="the rule exists and is enabled", ask="Make it, then confirm it.",
        instead=True, needs=("address",),
    ),
    StepDefinition(
        "users", "Users", guides.users, checks.users, commands.users, POWERSHELL, live=True,
        affirmed="Muniment makes users as their mail comes", instead=True,
    ),
    StepDefinition("profile", "Archive profile", guides.profile, checks.profile, commands.profile, SHELL),
    StepDefinition(
        "first-run", "First run", guides.first_run, checks.first_run, commands.first_run, SHELL, live=True,
    ),
    StepDefinition(
        "service", "Service", guides.service, checks.service, commands.service, SHELL,
        affirmed="something other than systemd starts it", instead=True,
    ),
    StepDefinition(
        "schedule", "Schedule", guides.schedule, checks.schedule, commands.schedule, SHELL, live=True,
    ),
    StepDefinition("first-report", "First report", guides.first_report, checks.first_report, live=True),
)  # fmt: skip
STEP = {step.key: step for step in STEPS}
_NEEDED = {
    "address": "Enter the address to which reports are sent.",
    "undeliverable": "Enter the address for undeliverable reports.",
}


@dataclass(frozen=True, slots=True)
class StepStanding:
    """The current state of a step."""

    state: StepState
    detail: str
    """What was found, and what to do."""
    proven: int
    """When a check last succeeded, seconds since 1970 UTC; 0 for never."""
    affirmed: StepAffirmation | None = None


def find(key: str) -> StepDefinition:
    """The step with a key.

    Raises:
        NotFound: there is no such step.
    """
    if key not in STEP:
        raise NotFound(f"set-up has no step {key[:80]!r}: choose one of {', '.join(STEP)}")
    return STEP[key]


def findings(step: StepDefinition, situation: SetupSituation, probes: SetupProbes) -> Iterator[CheckFinding]:
    """Check a step, and yield each finding. An error of the check becomes a finding that is wrong."""
    missing = _missing(step, situation)
    if missing:
        yield missing
        return
    try:
        yield from step.check(situation, probes)
    except MunimentError as error:
        yield CheckFinding(str(error), FindingVerdict.WRONG)


def _missing(step: StepDefinition, situation: SetupSituation) -> CheckFinding | None:
    for name in step.needs:
        if not getattr(situation.settings.journaling, name):
            return CheckFinding(_NEEDED[name], FindingVerdict.MISSING)
    return None


def inputs(step: StepDefinition, situation: SetupSituation) -> str:
    """A digest of the settings that a step's check depends on. A result is valid only for the same digest."""
    values: list[object] = [value for _, value in step_fields(step.key, situation)]
    journaling = situation.settings.journaling
    values += [journaling.platform, journaling.resolver, *(getattr(journaling, name) for name in step.needs)]
    if step.key == "undeliverable":
        values += [journaling.address]
    if step.key == "profile":
        profile = situation.profile
        # A successful test removes the mark `untested`; the tested settings are still the same.
        values += [profile and msgspec.structs.replace(profile, untested=False).table()]
    if step.key == "report-address":
        values += [msgspec.to_builtins(situation.settings.gateway)]
    return hashlib.sha256(msgspec.json.encode(values, order="sorted")).hexdigest()[:16]


def standing(
    step: StepDefinition, record: StepRecord, situation: SetupSituation, probes: SetupProbes
) -> StepStanding:
    """The current state of a step: from its record, and from a new check if the step is live.

    Args:
        step: the step.
        record: what the checklist remembers of it.
        situation: the current facts.
        probes: for the check of a live step.
    """
    known = inputs(step, situation)
    confirmation = record.affirmed if record.affirmed and record.affirmed.inputs == known else None
    missing = _missing(step, situation)
    last: CheckOutcome | None = record.outcome if record.inputs == known else None
    if step.live or missing:
        last = outcome(list(findings(step, situation, probes)), situation.now)
    proven = record.proven
    if step.live and last and last.state is StepState.DONE:
        proven = last.time
    if missing:
        confirmation = None
    state, detail = _judged(step, last, confirmation, changed=record.outcome is not None)
    return StepStanding(state, detail, proven, confirmation)


def _judged(
    step: StepDefinition, last: CheckOutcome | None, confirmation: StepAffirmation | None, changed: bool
) -> tuple[StepState, str]:
    if last is None:
        detail = "Changed since it was last checked." if changed else "Not checked yet."
        last = CheckOutcome(StepState.TO_DO, detail, 0)
    if last.state is StepState.FAILED or not step.affirmed:
        return last.state, last.detail
    if confirmation is None:
        if last.state is StepState.DONE and step.instead:
            return last.state, last.detail
        return StepState.TO_DO, f"{last.detail} {step.ask}".rstrip()
    confirmed = f"{confirmation.by} confirmed on {checks.moment(confirmation.time)}: {step.affirmed}."
    if last.state is StepState.DONE or step.instead:
        return StepState.DONE, f"{confirmed} {last.detail}".rstrip()
    return StepState.TO_DO, f"{last.detail} {confirmed}"


def affirm(step: StepDefinition, situation: SetupSituation, probes: SetupProbes, by: str) -> StepAffirmation:
    """An administrator's confirmation of a step.

    Args:
        step: the step.
        situation: the current facts.
        probes: for the check of a live step.
        by: the administrator's login name.

    Raises:
        ConfigError: the step can't be confirmed, lacks a setting, or its check finds something wrong.
    """
    if not step.affirmed:
        raise ConfigError(f"{step.title}: this step can't be confirmed; have it checked instead")
    bad = _missing(step, situation)
    if bad is None and step.live:
        found = findings(step, situation, probes)
        bad = next((one for one in found if one.verdict is FindingVerdict.WRONG), None)
    if bad:
        raise ConfigError(f"{step.title}: {bad.text}")
    return StepAffirmation(situation.now, by, inputs(step, situation))
