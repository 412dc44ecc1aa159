"""The checks of the steps, without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from muniment.config.model import JournalingSection, Profile, Settings
from muniment.setup import checks, guides
from muniment.setup.model import (
    CheckFinding,
    CheckOutcome,
    FindingVerdict,
    LastRun,
    SetupSituation,
    StepState,
    outcome,
)
from muniment.setup.steps import STEPS
from muniment.setup.units import units

NOW = 1_800_000_000
SPOOL = Profile.of("spool", "spool", every=300)


class Outside:
    """A double of `SetupProbes` with fixed answers. Real servers are covered in test_checklist."""

    def __init__(self, *found: CheckFinding) -> None:
        self._found = found

    def exchangers(self, domain: str) -> list[str]:
        return ["mx.other.example"]

    def addresses(self, host: str) -> list[str]:
        return ["192.0.2.1"]

    def delivers(self, host: str, ip: str, address: str) -> Iterator[CheckFinding]:
        return iter(self._found)

    def gateway(self, address: str, name: str) -> Iterator[CheckFinding]:
        return iter(self._found)

    def mailbox(self, profile: Profile) -> Iterator[CheckFinding]:
        return iter(self._found)

    def units(self) -> Iterator[CheckFinding]:
        return iter(self._found)


def situation(*profiles: Profile, **values: Any) -> SetupSituation:
    journaling = JournalingSection(reports="embedded", **values.pop("journaling", {}))
    settings = Settings(domains=("example.com",), journaling=journaling, profiles=profiles)
    return replace(SetupSituation(Path("/v"), settings, NOW), **values)


def judged(check: Any, about: SetupSituation, *found: CheckFinding) -> CheckOutcome:
    return outcome(list(check(about, Outside(*found))), NOW)


def ran(ago: int, state: str = "ok", error: str = "") -> LastRun:
    return LastRun(NOW - ago, state, 7, error)


@pytest.mark.parametrize(
    ("profile", "served", "last", "state", "detail"),
    [
        (None, "x", None, StepState.TO_DO, "No profile"),
        (Profile.of("spool", "spool", enabled=False), "x", ran(10), StepState.TO_DO, "disabled"),
        (SPOOL, "", ran(10), StepState.TO_DO, "does not run"),
        (SPOOL, "x", None, StepState.TO_DO, "every 300 s"),
        (SPOOL, "x", ran(3600), StepState.TO_DO, "every 300 s"),
        (SPOOL, "x", ran(400), StepState.DONE, "runs every 300 s"),
    ],
)
def test_the_schedule(
    profile: Profile | None, served: str, last: LastRun | None, state: StepState, detail: str
) -> None:
    about = situation(*([profile] if profile else []), served=served, last_run=last)
    found = judged(checks.schedule, about)
    assert found.state is state
    assert detail in found.detail
    assert found.time == (last.time if last and state is StepState.DONE else NOW)


def test_the_first_run() -> None:
    assert judged(checks.first_run, situation(SPOOL)).state is StepState.TO_DO
    failed = judged(checks.first_run, situation(SPOOL, last_run=ran(9, "failed", "The disk is full.")))
    assert (failed.state, failed.detail) == (
        StepState.FAILED,
        "The last run did not succeed: The disk is full.",
    )
    assert (
        "it ended as cancelled"
        in judged(checks.first_run, situation(SPOOL, last_run=ran(9, "cancelled"))).detail
    )
    assert judged(checks.first_run, situation(SPOOL, last_run=ran(9))).time == NOW - 9


def test_the_service_must_run_and_be_started() -> None:
    good = CheckFinding("The system starts it.")
    bad = CheckFinding("No unit is enabled.", FindingVerdict.MISSING)
    assert judged(checks.service, situation(served="process 1"), good).state is StepState.DONE
    assert judged(checks.service, situation(served="process 1"), bad).detail == "No unit is enabled."
    assert "No service runs" in judged(checks.service, situation(), good).detail


def test_a_profile_that_leaves_mail_or_unwraps_no_reports() -> None:
    kept = Profile.of("spool", "spool", delete=False)
    assert "fills up" in judged(checks.profile, situation(kept), CheckFinding("Works.")).detail
    plain = Profile.of("box", "imap", journal=False)
    about = situation(plain, journaling={"profile": "box"})
    assert judged(checks.profile, about, CheckFinding("Works.")).state is StepState.FAILED


def test_other_scopes_are_noted() -> None:
    found = list(checks.journal_rule(situation(journaling={"scope": "External"}), Outside()))
    assert found[0].verdict is FindingVerdict.NOTE
    assert "MAIL FROM" in found[0].text


def test_addresses_in_own_domains_are_noted() -> None:
    about = situation(journaling={"address": "j@example.com", "undeliverable": "n@example.com"})
    about = replace(about, settings=about.settings)
    texts = " ".join(finding.text for finding in checks.report_address(about, Outside()))
    assert "mail contact" in texts
    assert "Enter the address on which the gateway listens" in texts
    assert "a mailbox elsewhere is better" in judged(checks.undeliverable, about).detail


def test_every_guide_says_something_for_both_platforms() -> None:
    for platform in ("microsoft-365", "exchange-server"):
        for reports in ("gateway", "mailbox", "embedded"):
            journaling = JournalingSection(platform=platform, reports=reports)
            about = SetupSituation(Path("/v"), Settings(journaling=journaling), NOW)
            texts = [step.guide(about) for step in STEPS]
            assert all(texts)
            assert (
                "Exchange admin centre > Compliance Management > Journal rules > +" in " ".join(texts)
            ) is (platform == "exchange-server")
    assert "Exchange (legacy) > Journal rules > New" in guides.journal_rule(situation())


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A double of `systemctl`, first in PATH, that prints the file that is returned.

    Tests can't enable units of the machine they run on. The double gives every call the same answer, so it
    does not cover which units match a pattern.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "systemctl").write_text(f"#!/bin/sh\ncat {folder}/output\n")
    (folder / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "output"


def test_units(systemctl: Path) -> None:
    systemctl.write_text("muniment.service enabled enabled\nmuniment-gateway.socket disabled enabled\n")
    (found,) = units()
    assert found.verdict is FindingVerdict.FINE
    assert "muniment.service" in found.text
    assert "gateway" not in found.text
    systemctl.write_text("muniment.service disabled enabled\n")
    (found,) = units()
    assert found.verdict is FindingVerdict.MISSING
    assert "muniment service install" in found.text


def test_no_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = units()
    assert found.verdict is FindingVerdict.MISSING
    assert "no systemd" in found.text
