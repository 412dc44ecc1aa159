"""What can be done for a step, and what a new archive profile begins with."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from muniment.config.model import JournalingSection, Profile, Settings
from muniment.profiles.registry import KIND
from muniment.setup.acts import ENABLE, IMPORT, INSTALL, PIN, RUN, StepAct, acts, suggested
from muniment.setup.model import ReportArrival, SetupSituation
from muniment.setup.steps import STEPS

SPOOL = Profile.of("box", "spool")
ARRIVAL = ReportArrival(1, "box", "a@x.example", (), (), "journal@contoso.onmicrosoft.com")


def situation(*profiles: Profile, arrival: ReportArrival | None = None, **journaling: str) -> SetupSituation:
    section = JournalingSection(**({"reports": "embedded"} | journaling))  # type: ignore[arg-type]
    return SetupSituation(Path("/v"), Settings(journaling=section, profiles=profiles), 100, arrival=arrival)


def offered(given: SetupSituation) -> dict[str, list[StepAct]]:
    """The acts of each step that has some."""
    return {step.key: found for step in STEPS if (found := list(acts(step.key, given)))}


def test_without_a_profile_nothing_runs() -> None:
    assert offered(situation()) == {"users": [StepAct(IMPORT)], "service": [StepAct(INSTALL)]}


def test_a_profile_can_be_run_at_three_steps() -> None:
    found = offered(situation(SPOOL))
    assert {key for key, ways in found.items() if StepAct(RUN, "box") in ways} == {
        "first-run",
        "schedule",
        "first-report",
    }
    assert not any(act.kind in (ENABLE, PIN) for ways in found.values() for act in ways)


@pytest.mark.parametrize("field", ["enabled", "untested"])
def test_a_profile_that_does_not_run_by_itself_can_be_enabled(field: str) -> None:
    held = msgspec.structs.replace(SPOOL, **{field: field == "untested"})
    assert StepAct(ENABLE, "box") in offered(situation(held))["schedule"]


def test_the_tenant_that_was_found_can_be_pinned_once() -> None:
    found = offered(situation(SPOOL, arrival=ARRIVAL))["first-report"]
    assert StepAct(PIN, "journal@contoso.onmicrosoft.com") in found
    pinned = Profile.of("box", "spool", tenant="journal@contoso.onmicrosoft.com")
    assert [act.kind for act in acts("first-report", situation(pinned, arrival=ARRIVAL))] == [RUN]


@pytest.mark.parametrize(
    ("reports", "kinds", "values"),
    [
        ("gateway", ("gateway",), {"host": "gw.example", "mailbox": "mbx-1"}),
        (
            "mailbox",
            ("imap", "pop3"),
            {"host": "gw.example", "mailbox": "mbx-1@gw.example", "journal": "yes"},
        ),
        ("embedded", ("spool",), {}),
    ],
)
def test_a_new_profile_begins_with_the_report_address(
    reports: str, kinds: tuple[str, ...], values: dict[str, str]
) -> None:
    found = suggested(situation(reports=reports, address="mbx-1@gw.example"))
    assert (found.exists, set(found.kinds), found.values) == (False, set(kinds), values)
    assert all(KIND[kind].reports == reports for kind in found.kinds)
    assert suggested(situation(reports=reports)).values == {}


def test_a_saved_profile_is_named() -> None:
    found = suggested(situation(SPOOL))
    assert (found.name, found.exists, found.values) == ("box", True, {})
