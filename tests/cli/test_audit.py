"""`muniment audit` and `--reason`, on a real vault."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.program import Program
from support.reports import plain, report
from support.vaults import TestVault


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A vault with one message, in which reading another person's mail needs a reason."""
    vault = TestVault(tmp_path / "vault")
    vault.archive([report(plain(subject="quokka"))])
    with (vault.folder / "vault.toml").open("a") as file:
        file.write('\n[access]\nrequire_reason = true\n[access.users]\nbob = "bob@example.com"\n')
    return Program(vault.folder)


def test_reading_needs_a_reason_and_is_recorded(program: Program) -> None:
    assert "--reason" in program.refuses(13, "search", "quokka")
    hits = program.ask("search", "quokka", "--reason", "case 9")["hits"]
    assert "--reason" in program.refuses(13, "show", hits[0]["id"])
    program("show", hits[0]["id"], "--reason", "case 9\x1b[2J")
    events = program.ask("audit")["events"]
    assert [(one["event"], one["word"]) for one in events] == [
        ("read", "Show"), ("refused", "Show"), ("read", "Search"), ("refused", "Search"),
        ("login bound", "vault.toml"),
    ]  # fmt: skip
    assert events[0]["messages"] == [hits[0]["id"]]
    assert events[2]["reason"] == "case 9"
    printed = program("audit").out
    assert "\x1b" not in printed
    assert hits[0]["id"][:12] in printed


def test_the_audit_trail_has_pages(program: Program) -> None:
    for _ in range(3):
        program("search", "quokka", "--reason", "x")
    first = program.ask("audit", "--limit", "2")
    rest = program.ask("audit", "--limit", "2", "--after", str(first["after"]))
    assert [len(first["events"]), len(rest["events"])] == [
        2,
        2,
    ]  # the oldest event is the binding of the login
    assert "after" not in rest


@pytest.mark.parametrize("table", ['auditors = ["a:b"]', 'auditors = [" "]', 'users = { bob = "nobody" }'])
def test_an_invalid_access_section_is_refused(tmp_path: Path, table: str) -> None:
    vault = TestVault(tmp_path / "vault")
    with (vault.folder / "vault.toml").open("a") as file:
        file.write(f"\n[access]\n{table}\n")
    assert "access" in Program(vault.folder).refuses(3, "status")
