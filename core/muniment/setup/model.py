"""Values of the set-up checklist: states, findings, the situation, and how checks reach the outside world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from muniment.config.model import Profile, Settings
from muniment.profiles.registry import KINDS


class StepState(StrEnum):
    """The state of a step."""

    TO_DO = "to do"
    CHECKING = "checking"
    DONE = "done"
    FAILED = "failed"


class FindingVerdict(StrEnum):
    """What a finding means for its step."""

    FINE = "fine"
    NOTE = "note"
    """Fine, with a remark."""
    MISSING = "missing"
    """Something is still to be done."""
    WRONG = "wrong"
    """The step has failed; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One result of a check."""

    text: str
    """A sentence."""
    verdict: FindingVerdict = FindingVerdict.FINE
    time: int = 0
    """When it was observed, seconds since 1970 UTC; 0 for now."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """The result of a whole check."""

    state: StepState
    detail: str
    """The texts of the findings that decide the state."""
    time: int
    """When it was observed, seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class ReportArrival:
    """A journal report that has arrived."""

    time: int
    """When it was journaled, seconds since 1970 UTC."""
    profile: str
    """The profile that brought it."""
    sender: str
    """Address of the original's sender; "" for none."""
    recipients: tuple[str, ...]
    """All other addresses of its envelope."""
    users: tuple[str, ...]
    """Primary addresses of the users whose folders it was filed in."""
    tenant: str = ""
    """The `Sender` field of the report itself; "" if it can't be read."""


@dataclass(frozen=True, slots=True)
class LastRun:
    """A profile's last run."""

    time: int
    """When it ended, seconds since 1970 UTC."""
    state: str
    """As in api.RunSummary."""
    fetched: int
    """Copies that it fetched."""
    error: str
    """A sentence; "" for a run that is ok."""


@dataclass(frozen=True, slots=True)
class SetupSituation:
    """The facts that guides, commands and checks depend on."""

    folder: Path
    """The vault's folder."""
    settings: Settings
    now: int
    """Seconds since 1970 UTC."""
    users: int = 0
    """Number of users whom an administrator has added."""
    last_run: LastRun | None = None
    """The archive profile's last run."""
    arrival: ReportArrival | None = None
    """The first trusted journal report that the archive profile brought."""
    strangers: tuple[str, ...] = ()
    """Senders of reports that failed the tenant pin, the newest first."""
    waiting: int = 0
    """Number of messages in the embedded gateway's spool."""
    served: str = ""
    """The service that holds the vault, such as "process 4711, since 2026-01-31 02:00:00"; "" for none."""

    @property
    def profile(self) -> Profile | None:
        """The profile that archives the reports: the one that vault.toml names, or the first that fits.

        None if there is none.
        """
        journaling = self.settings.journaling
        named = [p for p in self.settings.profiles if p.name == journaling.profile]
        fitting = [
            p for p in self.settings.profiles if p.journal_on and p.source in kinds_for(journaling.reports)
        ]
        return next(iter(named or fitting), None)


def kinds_for(reports: str) -> list[str]:
    """The kinds of source that fit, by where journal reports go (`journaling.reports`)."""
    return [kind.name for kind in KINDS if kind.reports == reports]


class SetupProbes(Protocol):
    """How checks reach DNS, mail servers, mailboxes and systemd.

    Every method may take seconds. The iterators yield each finding as soon as there is one. An implementation
    belongs to one check, and to one thread.
    """

    def exchangers(self, domain: str) -> list[str]:
        """Look up the mail exchangers of a domain.

        Args:
            domain: the domain.

        Returns:
            Host names, the preferred one first; at least one.

        Raises:
            SourceError: the domain has no mail exchanger, or DNS gave no answer; the sentence says what to
                do.
        """

    def addresses(self, host: str) -> list[str]:
        """Look up the IP addresses of a mail exchanger.

        Args:
            host: its host name.

        Returns:
            IP addresses, IPv4 first; empty if it has none or does not exist.

        Raises:
            SourceError: DNS gave no answer.
        """

    def delivers(self, host: str, ip: str, address: str) -> Iterator[CheckFinding]:
        """Ask a mail server that is not ours whether it accepts mail for an address. Nothing is sent.

        Args:
            host: the server's host name, which its certificate should name.
            ip: the IP address to connect to.
            address: the recipient.

        Returns:
            Findings. A server that can't be reached from here is a note.
        """

    def gateway(self, address: str, name: str) -> Iterator[CheckFinding]:
        """Ask this vault's embedded gateway whether it accepts mail for an address.

        Args:
            address: the recipient.
            name: the host name that the gateway's certificate should name.

        Returns:
            Findings. A gateway that does not answer is wrong.

        Raises:
            ConfigError: `gateway.listen` in vault.toml is wrong.
        """

    def mailbox(self, profile: Profile) -> Iterator[CheckFinding]:
        """Connect to a profile's mailbox, log in and list it.

        Args:
            profile: the profile, as it is saved.

        Returns:
            A finding for each step.

        Raises:
            ConfigError: the profile is incomplete, or its password is not available.
            SourceError: the mailbox can't be used.
        """

    def units(self) -> Iterator[CheckFinding]:
        """Ask systemd whether it starts the service.

        Returns:
            One finding.
        """


Check = Callable[[SetupSituation, SetupProbes], Iterator[CheckFinding]]
"""Checks a step and yields its findings. Raises MunimentError if the step can't be checked now."""


def outcome(findings: list[CheckFinding], now: int) -> CheckOutcome:
    """The result of a check: its worst findings decide the state, and their texts are the detail.

    Args:
        findings: all findings of the check.
        now: seconds since 1970 UTC.
    """
    for verdict, state in (
        (FindingVerdict.WRONG, StepState.FAILED),
        (FindingVerdict.MISSING, StepState.TO_DO),
    ):
        texts = [finding.text for finding in findings if finding.verdict is verdict]
        if texts:
            return CheckOutcome(state, " ".join(texts), now)
    notes = [finding.text for finding in findings if finding.verdict is FindingVerdict.NOTE]
    fine = [finding.text for finding in findings if finding.verdict is FindingVerdict.FINE]
    time = max((finding.time for finding in findings), default=0) or now
    return CheckOutcome(StepState.DONE, " ".join((*fine[-1:], *notes)), time)
