"""The steps of the checklist, in order, and how each stands."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from muniment.errors import ConfigError, MunimentError, NotFound
from muniment.setup import checks, commands, guides
from muniment.setup.fields import asked
from muniment.setup.guides import Guide
from muniment.setup.model import Check, Finding, Outcome, Probes, Situation, State, Verdict, outcome
from muniment.setup.store import Affirmed, Record

POWERSHELL, SHELL = "powershell", "shell"


@dataclass(frozen=True, slots=True)
class Step:
    """A step, as the same for all vaults."""

    key: str
    title: str
    guide: Guide
    check: Check
    command: Callable[[Situation], str] | None = None
    language: str = ""
    """Of the command: POWERSHELL or SHELL."""
    live: bool = False
    """Whether its check only looks at the vault, so that it is made whenever the list is asked for."""
    affirmed: str = ""
    """What an administrator vouches for; "" where their word counts for nothing."""
    ask: str = ""
    """What to do before the word is given, where the step is usually done so."""
    instead: bool = False
    """Whether their word stands for what the check misses; else it is wanted besides the check."""
    needs: tuple[str, ...] = ()
    """Values of `journaling` that must be there before anything else."""


STEPS = (
    Step("organisation", "Organisation", guides.organisation, checks.organisation),
    Step(
        "report-address", "Report address", guides.report_address, checks.report_address,
        needs=("address",),
    ),
    Step(
        "undeliverable", "Undeliverable", guides.undeliverable, checks.undeliverable,
        commands.undeliverable, POWERSHELL,
        affirmed="the address is set in the mail system",
        ask="Set it in the mail system, then say so.", needs=("undeliverable",),
    ),
    Step(
        "journal-rule", "Journal rule", guides.journal_rule, checks.journal_rule,
        commands.journal_rule, POWERSHELL, live=True,
        affirmed="the rule exists and is enabled", ask="Make it, then say that it exists.",
        instead=True, needs=("address",),
    ),
    Step(
        "users", "Users", guides.users, checks.users, commands.users, POWERSHELL, live=True,
        affirmed="users are made as their mail comes", instead=True,
    ),
    Step("profile", "Archive profile", guides.profile, checks.profile, commands.profile, SHELL),
    Step("first-run", "First run", guides.first_run, checks.first_run, commands.first_run, SHELL, live=True),
    Step(
        "service", "Service", guides.service, checks.service, commands.service, SHELL,
        affirmed="something else than systemd starts it", instead=True,
    ),
    Step("schedule", "Schedule", guides.schedule, checks.schedule, commands.schedule, SHELL, live=True),
    Step("first-report", "First report", guides.first_report, checks.first_report, live=True),
)  # fmt: skip
STEP = {step.key: step for step in STEPS}
_NEEDED = {
    "address": "Enter the address that reports are sent to.",
    "undeliverable": "Enter the address for undeliverable reports.",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a step stands."""

    state: State
    detail: str
    proven: int
    """When a check last went well, seconds since 1970 UTC; 0 for never."""
    affirmed: Affirmed | None = None


def find(key: str) -> Step:
    """A step by its key.

    Raises:
        NotFound: there is none.
    """
    if key not in STEP:
        raise NotFound(f"set-up has no step {key[:80]!r}: it has {', '.join(STEP)}")
    return STEP[key]


def findings(step: Step, situation: Situation, probes: Probes) -> Iterator[Finding]:
    """What a step's check finds, as it finds it; what can't be tested is a finding, too."""
    missing = _missing(step, situation)
    if missing:
        yield missing
        return
    try:
        yield from step.check(situation, probes)
    except MunimentError as error:
        yield Finding(str(error), Verdict.WRONG)


def _missing(step: Step, situation: Situation) -> Finding | None:
    for name in step.needs:
        if not getattr(situation.settings.journaling, name):
            return Finding(_NEEDED[name], Verdict.MISSING)
    return None


def inputs(step: Step, situation: Situation) -> str:
    """A digest of the values that a step's check goes by; a check of others says nothing."""
    values: list[object] = [value for _, value in asked(step.key, situation)]
    journaling = situation.settings.journaling
    values += [journaling.platform, journaling.resolver, *(getattr(journaling, name) for name in step.needs)]
    if step.key == "undeliverable":
        values += [journaling.address]
    if step.key == "profile":
        profile = situation.profile
        # A test that goes well takes the mark away: what was tested is the same.
        values += [msgspec.to_builtins(profile and msgspec.structs.replace(profile, untested=False))]
    if step.key == "report-address":
        values += [msgspec.to_builtins(situation.settings.gateway)]
    return hashlib.sha256(msgspec.json.encode(values, order="sorted")).hexdigest()[:16]


def standing(step: Step, record: Record, situation: Situation, probes: Probes) -> Standing:
    """How a step stands, by what is remembered of it and, where that costs nothing, by a look."""
    known = inputs(step, situation)
    word = record.affirmed if record.affirmed and record.affirmed.inputs == known else None
    missing = _missing(step, situation)
    last: Outcome | None = record.outcome if record.inputs == known else None
    if step.live or missing:
        last = outcome(list(findings(step, situation, probes)), situation.now)
    proven = record.proven
    if step.live and last and last.state is State.DONE:
        proven = last.time
    if missing:
        word = None
    state, detail = _judged(step, last, word, changed=record.outcome is not None)
    return Standing(state, detail, proven, word)


def _judged(step: Step, last: Outcome | None, word: Affirmed | None, changed: bool) -> tuple[State, str]:
    if last is None:
        detail = "Changed since it was last checked." if changed else "Not checked yet."
        last = Outcome(State.TO_DO, detail, 0)
    if last.state is State.FAILED or not step.affirmed:
        return last.state, last.detail
    if word is None:
        if last.state is State.DONE and step.instead:
            return last.state, last.detail
        return State.TO_DO, f"{last.detail} {step.ask}".rstrip()
    said = f"{word.by} said on {checks.moment(word.time)}: {step.affirmed}."
    if last.state is State.DONE or step.instead:
        return State.DONE, f"{said} {last.detail}".rstrip()
    return State.TO_DO, f"{last.detail} {said}"


def affirm(step: Step, situation: Situation, probes: Probes, by: str) -> Affirmed:
    """An administrator's word for a step.

    Raises:
        ConfigError: the step goes by evidence alone, or can't be done so.
    """
    if not step.affirmed:
        raise ConfigError(f"{step.title}: this step goes by what is found, not by a word; have it checked")
    bad = _missing(step, situation)
    if bad is None and step.live:
        found = findings(step, situation, probes)
        bad = next((one for one in found if one.verdict is Verdict.WRONG), None)
    if bad:
        raise ConfigError(f"{step.title}: {bad.text}")
    return Affirmed(situation.now, by, inputs(step, situation))
