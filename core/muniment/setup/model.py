"""The values that the checklist is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from muniment.config.model import Profile, Settings


class State(StrEnum):
    """How a step stands."""

    TO_DO = "to do"
    CHECKING = "checking"
    DONE = "done"
    FAILED = "failed"


class Verdict(StrEnum):
    """What one thing that was looked at means for its step."""

    FINE = "fine"
    NOTE = "note"
    """Fine, but worth to know."""
    MISSING = "missing"
    """Not there yet: the step is still to be done."""
    WRONG = "wrong"
    """The step has failed; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check looked at; `text` is a sentence."""

    text: str
    verdict: Verdict = Verdict.FINE
    time: int = 0
    """When it was so, seconds since 1970 UTC, where that is earlier than now."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check came to."""

    state: State
    detail: str
    time: int
    """When, seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A journal report that has arrived."""

    time: int
    """When it was journaled, seconds since 1970 UTC."""
    profile: str
    sender: str
    recipients: tuple[str, ...]
    users: tuple[str, ...]
    """Whose folders it was filed in."""
    tenant: str = ""
    """The report's own `Sender`, where it can be read."""


@dataclass(frozen=True, slots=True)
class LastRun:
    """A profile's last run."""

    time: int
    """When it ended, seconds since 1970 UTC."""
    state: str
    fetched: int
    error: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is, as far as guides and checks go by it."""

    folder: Path
    settings: Settings
    now: int
    """Seconds since 1970 UTC."""
    users: int = 0
    """Users that somebody has named."""
    last_run: LastRun | None = None
    """Of the archive profile."""
    arrival: Arrival | None = None
    """The first trusted report that the archive profile brought."""
    strangers: tuple[str, ...] = ()
    """Senders of reports that failed the tenant pin."""
    waiting: int = 0
    """Messages in the embedded gateway's spool."""
    served: str = ""
    """The service that runs on the vault, such as "process 4711, since ..."; "" for none."""

    @property
    def profile(self) -> Profile | None:
        """The profile that archives the reports: as named, else the first that fits where reports go."""
        journaling = self.settings.journaling
        named = [p for p in self.settings.profiles if p.name == journaling.profile]
        fitting = [
            p for p in self.settings.profiles if p.journal_on and p.source in KINDS[journaling.reports]
        ]
        return next(iter(named or fitting), None)


KINDS = {"gateway": ("gateway",), "mailbox": ("imap", "pop3"), "embedded": ("spool",)}
"""The profile kinds that fit where reports go."""


class Probes(Protocol):
    """How checks reach the outside world. What can't be tested at all is raised as MunimentError."""

    def exchangers(self, domain: str) -> list[str]:
        """The mail exchangers of a domain, the preferred first (see setup.dns)."""

    def addresses(self, host: str) -> list[str]:
        """The IP addresses of a mail exchanger (see setup.dns)."""

    def delivers(self, host: str, ip: str, address: str) -> Iterator[Finding]:
        """Whether another's mail server, at an IP address, takes mail for an address (see setup.smtp)."""

    def gateway(self, address: str, name: str) -> Iterator[Finding]:
        """Whether the embedded gateway does, and has a certificate for `name`."""

    def mailbox(self, profile: Profile) -> Iterator[Finding]:
        """Whether a profile's mailbox can be reached and logged in to."""

    def units(self) -> Iterator[Finding]:
        """Whether the system starts the service (see setup.units)."""


Check = Callable[[Situation, Probes], Iterator[Finding]]
"""Tests a step against the real thing. Raises MunimentError for what can't be tested as it is."""


def outcome(findings: list[Finding], now: int) -> Outcome:
    """What the findings of a check come to: the worst of them, in their own words."""
    for verdict, state in ((Verdict.WRONG, State.FAILED), (Verdict.MISSING, State.TO_DO)):
        told = [finding.text for finding in findings if finding.verdict is verdict]
        if told:
            return Outcome(state, " ".join(told), now)
    notes = [finding.text for finding in findings if finding.verdict is Verdict.NOTE]
    fine = [finding.text for finding in findings if finding.verdict is Verdict.FINE]
    time = max((finding.time for finding in findings), default=0) or now
    return Outcome(State.DONE, " ".join((*fine[-1:], *notes)), time)
