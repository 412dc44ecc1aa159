"""status --check: one line and an exit code, as a plugin of Nagios gives them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from muniment.api import GetHealth, Health, HealthProblem, HealthProfile
from muniment.cli.health.nagios import meant, plugin_answer
from muniment.errors import AccessRefused, VaultError
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke
from support.program import Program
from support.vaults import TestVault
from support.words import state_of_health

CONTRACT = re.compile(
    r"(OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+(?: \|(?: [a-z_]+=\d+(?:s|B)?;\d*;\d*;\d*(?:;\d*)?)+)?\n"
)
"""A line of the guidelines for plugins."""


def problem(severity: str, text: str = "It is so.") -> HealthProblem:
    return HealthProblem(key="x", severity=severity, text=text)


def asked(health: Health | Exception, *words: str) -> tuple[int, str]:
    result = invoke(EngineDouble({GetHealth: health}), "status", "--check", *words)
    assert result.err == ""
    return result.code, result.out


@pytest.mark.parametrize(
    ("health", "code", "begins"),
    [
        (state_of_health(), 0, "OK - The archive is well. 1,234 messages. | problems=0;;;0 "),
        (state_of_health(problem("warning")), 1, "WARNING - It is so. | problems=1;;;0 "),
        (
            state_of_health(problem("critical"), problem("warning")),
            2,
            "CRITICAL - It is so. | problems=2;;;0 ",
        ),
        (state_of_health(verdict=""), 3, "UNKNOWN - only administrators and auditors"),
        (state_of_health(verdict="dreadful"), 3, "UNKNOWN - "),
        (VaultError("no service runs: start it"), 3, "UNKNOWN - no service runs: start it\n"),
        (AccessRefused("you may not"), 3, "UNKNOWN - you may not\n"),
    ],
)
def test_the_line_and_the_exit_code(health: Health | Exception, code: int, begins: str) -> None:
    found, line = asked(health)
    assert found == code
    assert line.startswith(begins)
    assert CONTRACT.fullmatch(line), line
    shown = json.loads(asked(health, "--json")[1])
    assert (shown["code"], shown["line"]) == (code, line.rstrip("\n"))


def test_the_figures_are_those_of_the_archive() -> None:
    profiles = (
        HealthProfile(name="a", source="spool", enabled=True, tested=True, waiting=3),
        HealthProfile(name="b", source="imap", enabled=True, tested=True, waiting=4),
        HealthProfile(name="c", source="imap", enabled=True, tested=True),
    )
    figures = dict(figure.split("=") for figure in plugin_answer(state_of_health(profiles=profiles)).figures)
    assert figures == {
        "problems": "0;;;0",
        "messages": "1234;;;0",
        "unindexed": "5;;;0",
        "quarantined": "1;;;0",
        "silent_users": "2;;;0;300",
        "waiting": "7;;;0",
        "report_age": "3003s;;;0",
        "disk_used": "87700000000B;;;0;100000000000",
    }
    new = plugin_answer(state_of_health(last_report=0, disk=None)).figures
    assert not [figure for figure in new if figure.startswith(("report_age", "disk_used", "waiting"))]


def test_no_text_breaks_the_line() -> None:
    code, line = asked(state_of_health(problem("critical", f"a | b\n{HOSTILE}")))
    assert code == 2
    assert CONTRACT.fullmatch(line), line
    assert_shown_harmlessly(line)


def test_no_vault_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUNIMENT_VAULT", raising=False)
    result = invoke(EngineDouble(), "status", "--check", vault="")
    assert (result.code, result.err) == (3, "")
    assert result.out.startswith("UNKNOWN - ")


def test_a_real_vault_is_judged(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.client.close()
    program = Program(vault.folder)
    well = program.say("status", "--check")
    assert CONTRACT.fullmatch(well.out), well
    assert well.code in (0, 1)
    vault.folder.chmod(0o755)
    exposed = program.say("status", "--check")
    assert (exposed.code, exposed.out[:11]) == (2, "CRITICAL - ")
    assert "critical: " in program("status").out
    gone = Program(tmp_path / "nowhere").say("status", "--check")
    assert (gone.code, gone.out[:10]) == (3, "UNKNOWN - ")


def test_a_wrong_command_line_is_unknown_and_not_critical(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for words in (
        ["status", "--check", "--vault", str(file)],
        ["--vault", str(file), "status", "--check"],
        ["status", "--check", "--nonsense"],
        ["status", "--check", "nonsense"],
        ["--nonsense", "status", "--check"],
        ["status", "--check", "--vault"],
    ):
        result = invoke(EngineDouble(), *words, vault="")
        assert (result.code, result.err) == (3, ""), words
        assert result.out.startswith("UNKNOWN - ")
        assert CONTRACT.fullmatch(result.out), result.out
    assert invoke(EngineDouble(), "status", "--nonsense").code == 2
    assert invoke(EngineDouble(), "status", "--check", "--help").code == 0


def test_a_bug_is_unknown() -> None:
    result = invoke(EngineDouble({GetHealth: ZeroDivisionError()}), "status", "--check")
    assert result.code == 3
    assert "This should not have happened" in result.err


@pytest.mark.parametrize(
    ("line", "plugin"),
    [
        ("status --check", True),
        ("--vault /v status --json --check", True),
        ("--vault=/v status --check", True),
        ("status", False),
        ("search status --check", False),
        ("--vault status", False),
        ("setup --check", False),
        ("", False),
    ],
)
def test_only_status_with_check_is_a_plugin(line: str, plugin: bool) -> None:
    assert meant(line.split()) is plugin
