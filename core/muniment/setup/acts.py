"""What a client can do for a step by a request of its own, and what a new archive profile begins with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from muniment.setup.fields import PROFILE_NAMES
from muniment.setup.model import SetupSituation, kinds_for

RUN, IMPORT, PIN, INSTALL, ENABLE = "run", "import", "pin", "install", "enable"
_RUNS = ("first-run", "schedule", "first-report")
"""The steps that a run of the archive profile brings forward."""


@dataclass(frozen=True, slots=True)
class StepAct:
    """Something that can be done for a step now."""

    kind: str
    """RUN, IMPORT, PIN, INSTALL or ENABLE."""
    subject: str = ""
    """What it concerns: the profile of RUN and ENABLE, the tenant of PIN."""


@dataclass(frozen=True, slots=True)
class SuggestedProfile:
    """The archive profile, or the values that a new one begins with."""

    name: str
    exists: bool
    kinds: tuple[str, ...]
    """The kinds of source that fit, the usual one first."""
    values: dict[str, str] = field(default_factory=dict)
    """What the form of a new profile contains, by field."""


def acts(step: str, situation: SetupSituation) -> Iterator[StepAct]:
    """What can be done for a step in a situation."""
    found = situation.profile
    if step == "users":
        yield StepAct(IMPORT)
    if step == "service":
        yield StepAct(INSTALL)
    if step == "schedule" and found and not found.scheduled:
        yield StepAct(ENABLE, found.name)
    if step in _RUNS and found:
        yield StepAct(RUN, found.name)
    if step == "first-report" and found and not found.tenant:
        tenant = situation.arrival.tenant if situation.arrival else ""
        if tenant:
            yield StepAct(PIN, tenant)


def suggested(situation: SetupSituation) -> SuggestedProfile:
    """The archive profile; if there is none, one that fits the report address."""
    found, journaling = situation.profile, situation.settings.journaling
    kinds = tuple(kinds_for(journaling.reports))
    if found is not None:
        return SuggestedProfile(found.name, True, kinds)
    name = journaling.profile or PROFILE_NAMES[journaling.reports]
    mailbox, at, host = journaling.address.rpartition("@")
    if journaling.reports == "embedded" or not at:
        return SuggestedProfile(name, False, kinds)
    if journaling.reports == "gateway":
        return SuggestedProfile(name, False, kinds, {"host": host, "mailbox": mailbox})
    values = {"host": host, "mailbox": journaling.address, "journal": "yes"}
    return SuggestedProfile(name, False, kinds, values)
