"""Commands with the vault's own values, hostile values included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muniment.config.model import JournalingSection, Profile, Settings
from muniment.errors import ConfigError
from muniment.setup import commands
from muniment.setup.model import SetupSituation

HOSTILE = "'; Remove-Mailbox x; \u2019$(calc)`\u201b\u2018\u201a\"#@'"


def situation(**journaling: Any) -> SetupSituation:
    values = {"address": "journal@archive.example", "undeliverable": "ndr@other.example"} | journaling
    settings = Settings(
        journaling=JournalingSection(**values),
        profiles=(Profile.of("gw", "gateway", host="gw.example"),),
    )
    return SetupSituation(Path("/srv/the vault's"), settings, now=1_800_000_000)


def literals(text: str) -> list[str]:
    """The single-quoted literals of a PowerShell line, by the rules of the language (about_Quoting_Rules).

    Any of five characters opens and closes a literal. Two of them in a row mean the first. Nothing is
    expanded.
    """
    found: list[str] = []
    inside, current, at = False, "", 0
    while at < len(text):
        quote = text[at] in commands.QUOTES
        if quote and inside and text[at + 1 : at + 2] and text[at + 1] in commands.QUOTES:
            current, at = current + text[at], at + 1
        elif quote:
            found, inside, current = ([*found, current], False, "") if inside else (found, True, "")
        elif inside:
            current += text[at]
        at += 1
    assert not inside
    return found


@given(st.text().filter(str.isprintable))
@example(HOSTILE)
@example("")
@example("''")
def test_a_quoted_value_is_one_literal_with_that_value(value: str) -> None:
    assert literals(commands.powershell_quoted(value)) == [value]


@pytest.mark.parametrize("value", ["a\nb", "a\r", "a\u2028b", "\x1b[2J", "\0", "\u202eb"])
def test_no_control_character_gets_into_a_command(value: str) -> None:
    with pytest.raises(ConfigError, match="control character"):
        commands.powershell_quoted(value)


def test_the_rule_is_enabled_and_filled_in() -> None:
    made = commands.journal_rule(situation(expiration_days=3))
    assert made.splitlines()[1] == "Connect-ExchangeOnline"
    assert (
        "New-JournalRule -Name 'Muniment' -JournalEmailAddress 'journal@archive.example'"
        " -Scope Global -Enabled $true\n" in made
    )
    assert "Set-TransportConfig -JournalMessageExpirationDays 3\n" in made
    assert "-Recipient " not in made.replace("Scope,Recipient", "")


def test_exchange_server_has_no_expiration_days_and_no_cloud() -> None:
    made = commands.journal_rule(situation(platform="exchange-server", recipient="sales@example.com"))
    assert "ExpirationDays" not in made
    assert "ExchangeOnline" not in made
    assert "-Recipient 'sales@example.com' -Enabled $true" in made


def test_hostile_values_stay_inside_their_quotes() -> None:
    made = commands.journal_rule(situation(rule=HOSTILE, address="o'brien;calc@archive.example"))
    line = next(line for line in made.splitlines() if line.startswith("New-JournalRule"))
    assert literals(line) == [HOSTILE, "o'brien;calc@archive.example"]


def test_the_mailbox_for_undeliverable_reports() -> None:
    made = commands.undeliverable(situation())
    assert "Set-TransportConfig -JournalingReportNdrTo 'ndr@other.example'\n" in made
    assert commands.undeliverable(situation(undeliverable="")) == ""


def test_shell_commands_quote_the_vault() -> None:
    assert commands.first_run(situation()) == "muniment run gw --vault '/srv/the vault'\"'\"'s'"
