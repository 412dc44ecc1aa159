"""Checklists as the engine sends them, with real guides and commands, for tests of clients that show them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from muniment.api import Setup, SetupAct, SetupField, SetupProfile, SetupStep
from muniment.config.model import JournalingSection, Profile, Settings
from muniment.setup.acts import acts, suggested
from muniment.setup.fields import step_fields
from muniment.setup.model import SetupSituation
from muniment.setup.steps import STEPS

NOW = 1_767_614_400
"""2026-01-05 12:00:00 UTC."""
DONE = {
    "organisation": "Mail for quill.example goes to quill-example.mail.protection.outlook.com.",
    "report-address": "gw.provider.example port 25 accepts mail for journal@archive.example.",
    "undeliverable": "ines confirmed on 2026-01-04 09:00 UTC: the address is set in the mail system. "
    "Mail for elsewhere.example goes to mx.elsewhere.example.",
    "journal-rule": "The rule works: the first report came on 2026-01-05 11:58 UTC.",
    "users": "212 people were added with their addresses.",
    "profile": "Profile gateway works.",
    "first-run": "The last run succeeded: 1 messages fetched.",
    "service": "The system starts the service (muniment.service).",
    "schedule": "It runs every 300 s, last at 2026-01-05 11:59 UTC.",
    "first-report": "The first report came on 2026-01-05 11:58 UTC: from ada@quill.example to "
    "bob@quill.example, filed with ada@quill.example, bob@quill.example.",
}
"""What each step says when it is done."""


def settings(platform: str = "microsoft-365", reports: str = "gateway", filled: bool = True) -> Settings:
    """A vault's settings: with all values that set-up asks for if `filled`, or with none."""
    if not filled:
        return Settings(journaling=JournalingSection(platform=platform, reports=reports))  # type: ignore[arg-type]
    journaling = JournalingSection(
        platform=platform,  # type: ignore[arg-type]
        reports=reports,  # type: ignore[arg-type]
        address="journal@archive.example",
        undeliverable="ndr@elsewhere.example",
    )
    gateway = Profile.of("gateway", "gateway", host="gw.provider.example",
        mailbox="mbx-0123456789abcdef0123456789abcdef", password={"file": "/etc/muniment/gateway.secret"},
    )  # fmt: skip
    return Settings(
        name="Quill & Sons", domains=("quill.example",), journaling=journaling, profiles=(gateway,)
    )


def checklist(
    given: Settings | None = None,
    states: Mapping[str, tuple[str, str]] | None = None,
    *,
    done: tuple[str, ...] = (),
    health: tuple[str, ...] = (),
) -> Setup:
    """A checklist with these settings. `states` has state and detail of steps, `done` the steps that are
    done."""
    given = given or settings(filled=False)
    situation = SetupSituation(Path("/srv/mail"), given, NOW)
    known = {key: ("done", DONE[key]) for key in done} | dict(states or {})
    steps = []
    for step in STEPS:
        state, detail = known.get(step.key, ("to do", "Not checked yet."))
        word = SetupStep(
            key=step.key,
            title=step.title,
            state=state,
            guide=step.guide(situation),
            command=step.command(situation) if step.command else "",
            language=step.language,
            detail=detail,
            proven=NOW - 120 if state == "done" else 0,
            affirm=step.affirmed,
            fields=tuple(
                SetupField(name=f.name, label=f.label, value=v, choices=f.choices, hint=f.hint)
                for f, v in step_fields(step.key, situation)
            ),
            acts=tuple(SetupAct(kind=one.kind, subject=one.subject) for one in acts(step.key, situation)),
        )
        steps.append(word)
    offered = suggested(situation)
    profile = SetupProfile(
        name=offered.name, exists=offered.exists, kinds=offered.kinds, values=offered.values
    )
    return Setup(steps=tuple(steps), platform=given.journaling.platform, health=health, profile=profile)


def step_of(setup: Setup, key: str, **changes: object) -> SetupStep:
    """A step of the checklist, with changed fields."""
    found = next(step for step in setup.steps if step.key == key)
    return msgspec.structs.replace(found, **changes)


def with_step(setup: Setup, step: SetupStep) -> Setup:
    """The checklist, in which `step` replaces the step with the same key."""
    steps = tuple(step if one.key == step.key else one for one in setup.steps)
    return msgspec.structs.replace(setup, steps=steps)
