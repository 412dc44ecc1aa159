"""A naive model of mail under rules and holds: what is there, what must stay, what should go.

It knows nothing of the program: only what was sent, when, to whom, and what was decided.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from muniment.archive.retention.rules import RuleKind

PEOPLE = ["bob@example.com", "carol@example.com"]
"""Whose mail it is."""
ALL = ""
"""Everybody's mail, as a selection."""


@dataclass
class Mail:
    """A message as it was sent."""

    raw: bytes
    came: int
    """The number of the event that brought it."""
    day: int
    """The day when it came."""
    people: set[str]
    reports: list[bytes] = field(default_factory=list)
    """Everything that brought it."""
    mates: set[bytes] = field(default_factory=set)
    """SHA-256 of the other messages in its reports."""

    @property
    def bytes(self) -> list[bytes]:
        """All its bytes."""
        return [self.raw, *self.reports]


@dataclass(frozen=True)
class Version:
    """A version of a rule."""

    name: str
    kind: RuleKind
    days: int
    whom: str
    set: int
    """The number of the event that set it."""
    ended: float = math.inf

    def counts(self, mail: Mail) -> bool:
        """Whether it counts for a message, and is about it."""
        return self.ended > mail.came and (self.whom == ALL or self.whom in mail.people)

    def over(self, mail: Mail, day: int) -> bool:
        """Whether its period is over on a day: the period ends with its last day."""
        return day > mail.day + self.days


@dataclass
class MailLife:
    """The mail of a vault, and what was decided about it."""

    there: dict[bytes, Mail] = field(default_factory=dict)
    gone: dict[bytes, Mail] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    holds: dict[str, str] = field(default_factory=dict)
    """Whose mail each open hold covers."""
    ends: dict[bytes, int] = field(default_factory=dict)
    """Until when messages must be kept, as the program has said."""

    def copy(self) -> MailLife:
        """A copy that changes on its own."""
        return copy.deepcopy(self)

    def end_rule(self, name: str, number: int) -> None:
        """End the version of a rule that is in force."""
        self.versions = [
            replace(one, ended=number) if one.name == name and one.ended == math.inf else one
            for one in self.versions
        ]

    def must_stay(self, mail: Mail, day: int) -> bool:
        """Whether a hold, or a version of a rule since it came, keeps a message."""
        held = any(whom == ALL or whom in mail.people for whom in self.holds.values())
        keeping = (one for one in self.versions if one.kind is RuleKind.KEEP and one.counts(mail))
        return held or not all(one.over(mail, day) for one in keeping)

    def should_go(self, mail: Mail, day: int) -> bool:
        """Whether a rule disposes of a message, and nothing keeps it."""
        demanding = [
            [one for one in self.versions if (one.name, one.kind) == (last.name, RuleKind.DISPOSE)]
            for last in self.versions
            if last.kind is RuleKind.DISPOSE and last.ended == math.inf and last.counts(mail)
        ]
        demanded = any(
            all(one.over(mail, day) for one in versions if one.counts(mail)) for versions in demanding
        )
        return demanded and not self.must_stay(mail, day)

    def mates(self, mail: Mail) -> Iterable[Mail]:
        """The messages of its reports that are there."""
        return (self.there[sha] for sha in mail.mates if sha in self.there)

    def disposable(self, listed: Collection[bytes], day: int) -> set[bytes]:
        """Those of a list that go: no message of their reports must stay, or is not due."""
        every = ((sha, self.there[sha]) for sha in listed)
        return {sha for sha, mail in every if all(self.should_go(mate, day) for mate in self.mates(mail))}

    def erasable(self, named: Collection[bytes], day: int) -> set[bytes]:
        """Those of the named messages that go: neither they nor a message of their reports must stay."""
        every = ((sha, self.there[sha]) for sha in named)
        return {
            sha
            for sha, mail in every
            if not any(self.must_stay(one, day) for one in (mail, *self.mates(mail)))
        }

    def erase(self, shas: Iterable[bytes]) -> None:
        """Let messages go."""
        for sha in shas:
            self.gone[sha] = self.there.pop(sha)
