"""The commands of each step, ready to run, with the vault's own values.

PowerShell commands are for Exchange Online PowerShell or the Exchange Management Shell. Shell commands are
for the machine that Muniment runs on. A command that lacks a value is "".
"""

from __future__ import annotations

import shlex

from muniment.errors import ConfigError
from muniment.setup.model import SetupSituation

QUOTES = "'\u2018\u2019\u201a\u201b"
"""The characters that PowerShell reads as a single quote (about_Quoting_Rules; the tokenizer's
IsSingleQuote)."""
_CONNECT = (
    "# Exchange Online PowerShell; once: Install-Module ExchangeOnlineManagement",
    "Connect-ExchangeOnline",
)
_SHELL = ("# In the Exchange Management Shell",)


def powershell_quoted(value: str) -> str:
    """A value as a PowerShell literal, in which nothing is expanded.

    Raises:
        ConfigError: the value contains a line end or another control character, which no value here needs.
    """
    if not value.isprintable():
        raise ConfigError(f"{value!r} contains a control character, so it can't be part of a command")
    return "'" + "".join(char * 2 if char in QUOTES else char for char in value) + "'"


def undeliverable(situation: SetupSituation) -> str:
    """The command that sets the mailbox for undeliverable journal reports."""
    address = situation.settings.journaling.undeliverable
    if not address:
        return ""
    return _lines(
        *_opening(situation),
        f"Set-TransportConfig -JournalingReportNdrTo {powershell_quoted(address)}",
        "Get-TransportConfig | Format-List JournalingReportNdrTo",
    )


def journal_rule(situation: SetupSituation) -> str:
    """The command that makes the journal rule, enabled, and shows it."""
    journaling = situation.settings.journaling
    if not journaling.address:
        return ""
    name = powershell_quoted(journaling.rule)
    recipient = f" -Recipient {powershell_quoted(journaling.recipient)}" if journaling.recipient else ""
    rule = (
        f"New-JournalRule -Name {name} -JournalEmailAddress {powershell_quoted(journaling.address)}"
        f" -Scope {journaling.scope}{recipient} -Enabled $true"
    )
    days = f"Set-TransportConfig -JournalMessageExpirationDays {journaling.expiration_days}"
    return _lines(
        *_opening(situation),
        "# Without -Enabled $true, the new rule would be disabled.",
        rule,
        *((days,) if _online(situation) else ()),
        f"Get-JournalRule -Identity {name} |",
        "  Format-List Name,Enabled,JournalEmailAddress,Scope,Recipient",
    )


def users(situation: SetupSituation) -> str:
    """The command that writes people.csv for `muniment users import`."""
    return _lines(
        *_opening(situation),
        "$people = @('name,address')",
        "Get-Mailbox -ResultSize Unlimited | ForEach-Object {",
        "  $all = @([string]$_.PrimarySmtpAddress)",
        "  $all += $_.EmailAddresses | ForEach-Object { [string]$_ } |",
        "    Where-Object { $_ -clike 'smtp:*' } | ForEach-Object { $_.Substring(5) }",
        "  $name = $_.DisplayName.Replace('\"', '\"\"')",
        "  $people += '\"' + $name + '\",' + ($all -join ',')",
        "}",
        '[IO.File]::WriteAllLines("$HOME\\people.csv", [string[]]$people)',
        "# Copy people.csv to the machine of the archive, and run there:",
        f"# {_muniment(situation, 'users', 'import', 'people.csv')}",
    )


def profile(situation: SetupSituation) -> str:
    """The command that tests the archive profile."""
    found = situation.profile
    return _muniment(situation, "profile", "test", found.name) if found else ""


def first_run(situation: SetupSituation) -> str:
    """The command that runs the archive profile once."""
    found = situation.profile
    return _muniment(situation, "run", found.name) if found else ""


def service(situation: SetupSituation) -> str:
    """The command that installs the service."""
    return _muniment(situation, "service", "install")


def schedule(situation: SetupSituation) -> str:
    """The command that enables the archive profile's schedule."""
    found = situation.profile
    if found is None:
        return ""
    return _muniment(situation, "profile", "edit", found.name, "--enabled", "--every", str(found.every))


def _opening(situation: SetupSituation) -> tuple[str, ...]:
    return _CONNECT if _online(situation) else _SHELL


def _online(situation: SetupSituation) -> bool:
    return situation.settings.journaling.platform == "microsoft-365"


def _muniment(situation: SetupSituation, *words: str) -> str:
    return shlex.join(["muniment", *words, "--vault", str(situation.folder)])


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"
