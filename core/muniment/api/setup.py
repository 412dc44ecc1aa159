"""Requests about the set-up checklist."""

from __future__ import annotations

from msgspec import field

from muniment.api.base import Request, WireWord


class GetSetup(Request, frozen=True):
    """Ask for the checklist and the state of its steps.

    Role: administrator.
    Reply: Setup.
    """


class SetupField(WireWord, frozen=True):
    """A setting that a step asks for. Part of SetupStep."""

    name: str
    """Its key in `PutSetup.values`."""
    label: str
    value: str
    """The current value in vault.toml as text; lists are separated by commas; "" for none."""
    choices: tuple[str, ...] = ()
    """All allowed values; empty if the value is free text."""
    hint: str = ""
    """An example, or what an empty value means."""


class SetupAct(WireWord, frozen=True):
    """Something that a client can do for a step now, by a request of its own. Part of SetupStep."""

    kind: str
    """"run" (Run), "enable" (PutProfile), "import" (ImportUsers), "pin" (PutSetup with `tenant`), or
    "install" (the units of the service)."""
    subject: str = ""
    """The profile to run or enable, or the tenant to pin; "" for the others."""


class SetupProfile(WireWord, frozen=True):
    """The profile that archives the reports, or what a new one begins with. Part of Setup."""

    name: str = ""
    exists: bool = False
    """Whether vault.toml has it."""
    kinds: tuple[str, ...] = ()
    """The kinds of source that fit where reports go, the usual one first."""
    values: dict[str, str] = field(default_factory=dict)
    """For a new profile: texts for its form, by field, such as host and mailbox from the report address."""


class SetupStep(WireWord, frozen=True):
    """One step of the checklist. Part of Setup, and sent by CheckSetup."""

    key: str
    """"organisation", "report-address", "undeliverable", "journal-rule", "users", "profile",
    "first-run", "service", "schedule" or "first-report"."""
    title: str
    state: str
    """"to do", "checking", "done" or "failed"."""
    guide: str
    """What to do and where: plain text with the vault's own values. A line that begins with "- " is an item
    of a list."""
    command: str = ""
    """PowerShell or shell commands to copy; "" for none."""
    language: str = ""
    """Language of `command`: "powershell" or "shell"."""
    detail: str = ""
    """The result of the last check; for a failed step, why it failed and what to do."""
    proven: int = 0
    """When a check last succeeded, seconds since 1970 UTC; 0 for never."""
    affirm: str = ""
    """A statement that an administrator can confirm with AffirmSetup, since Muniment can't check it; "" for
    none."""
    affirmed: int = 0
    """When it was confirmed, seconds since 1970 UTC; 0 for never."""
    affirmed_by: str = ""
    """Login name of the administrator who confirmed it."""
    fields: tuple[SetupField, ...] = ()
    """The settings that the step asks for."""
    acts: tuple[SetupAct, ...] = ()
    """What can be done for the step now."""


class SetupFinding(WireWord, frozen=True):
    """One result of a check. Sent by CheckSetup."""

    text: str
    """A sentence."""
    verdict: str
    """"fine", "note" (fine, with a remark), "missing" (still to do) or "wrong"."""


class Setup(WireWord, frozen=True):
    """The checklist."""

    steps: tuple[SetupStep, ...]
    """In the order in which they are done."""
    platform: str
    """"microsoft-365" or "exchange-server"."""
    health: tuple[str, ...] = ()
    """A sentence for each thing that needs attention once reports arrive."""
    profile: SetupProfile = SetupProfile()


class PutSetup(Request, frozen=True):
    """Change settings of the checklist in vault.toml.

    Role: administrator.
    Reply: Setup.

    Raises:
        ConfigError: a name is unknown, or a value is wrong.
    """

    values: dict[str, str]
    """New values by `SetupField.name`; "" removes a value."""


class AffirmSetup(Request, frozen=True):
    """Confirm the statement in `SetupStep.affirm`, or withdraw the confirmation.

    The login name and the time are kept. A confirmation ends when the settings of the step change.

    Role: administrator.
    Reply: Setup.

    Raises:
        ConfigError: the step has no statement, or a check contradicts it.
        NotFound: there is no such step.
    """

    step: str
    """Key of the step."""
    done: bool = True
    """True confirms, false withdraws."""


class CheckSetup(Request, frozen=True):
    """Check one step or all steps against DNS, mail servers, the vault and systemd.

    Role: administrator.
    Stream: for each step a SetupStep in state "checking", a SetupFinding for each result, and the SetupStep
    in its new state; then Setup.

    Raises:
        NotFound: there is no such step.
    """

    step: str = ""
    """Key of the step; "" for all steps."""
