"""About set-up."""

from __future__ import annotations

from muniment.api.base import Request, Word


class GetSetup(Request, frozen=True):
    """The checklist as it stands. Reply: Setup."""


class SetupField(Word, frozen=True):
    """A value that a step asks for."""

    name: str
    label: str
    value: str
    """As it stands in vault.toml, as text; lists with commas; "" for none."""
    choices: tuple[str, ...] = ()
    """All that it can be; empty where it is free text."""
    hint: str = ""


class SetupStep(Word, frozen=True):
    """One step of the checklist."""

    key: str
    """"organisation", "report-address", "undeliverable", "journal-rule", "users", "profile",
    "first-run", "service", "schedule" or "first-report"."""
    title: str
    state: str
    """"to do", "checking", "done" or "failed"."""
    guide: str
    """What to do and where, plain text with the vault's own values filled in; "- " begins an item."""
    command: str = ""
    """PowerShell or shell text, ready to be copied; "" for none."""
    language: str = ""
    """Of `command`: "powershell" or "shell"."""
    detail: str = ""
    """What was found last; for a failed one why, and what to do."""
    proven: int = 0
    """When it was last proven, seconds since 1970 UTC; 0 for never."""
    affirm: str = ""
    """What an administrator may say with AffirmSetup, since it can't be seen from here; "" for nothing."""
    affirmed: int = 0
    """When they said so, seconds since 1970 UTC; 0 for never."""
    affirmed_by: str = ""
    fields: tuple[SetupField, ...] = ()
    """What PutSetup takes for it."""


class SetupFinding(Word, frozen=True):
    """One thing that a check looked at."""

    text: str
    verdict: str
    """"fine", "note" (fine, but worth to know), "missing" (still to be done) or "wrong"."""


class Setup(Word, frozen=True):
    steps: tuple[SetupStep, ...]
    platform: str
    """"microsoft-365" or "exchange-server"."""
    health: tuple[str, ...] = ()
    """What needs care once reports arrive, a sentence each."""


class PutSetup(Request, frozen=True):
    """Set values of the checklist, by the names in `SetupStep.fields`; "" takes one out. Reply: Setup."""

    values: dict[str, str]


class AffirmSetup(Request, frozen=True):
    """Say that what `SetupStep.affirm` says is so, or take that back. Reply: Setup.

    Who said so, and when, is remembered; what is said of other values later on is void.
    """

    step: str
    done: bool = True


class CheckSetup(Request, frozen=True):
    """Test a step ("" for all) against the real thing.

    Stream of a SetupStep as each check begins ("checking") and ends, between them a SetupFinding for each
    thing looked at, then Setup.
    """

    step: str = ""
