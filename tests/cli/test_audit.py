"""`muniment audit` and `--reason`, on a real vault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from muniment.api import Audit, AuditEvent, GetAudit, Request, WireWord
from support.engine_double import EngineDouble, invoke
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


def test_reading_needs_a_reason_and_is_recorded(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
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


def test_who_read_one_person_s_mail_is_one_command(program: Program) -> None:
    hits = program.ask("search", "quokka", "--reason", "case 9")["hits"]
    program("show", hits[0]["id"], "--reason", "case 9")
    program("list", "anna@example.com/Sent", "--reason", "case 9")
    program("list", "anna@example.com/Sent", "--reason", "case 9")
    program("list", "bob@example.com/Inbox", "--reason", "case 9")
    events = program.ask("audit", "--person", "anna@example.com", "--kind", "list", "--kind", "read")[
        "events"
    ]
    assert [(one["word"], one["kind"]) for one in events] == [
        ("ListMessages", "list"), ("ListMessages", "list"), ("Show", "read"),
    ]  # fmt: skip
    assert "anna@example.com" in events[0]["people"]
    listed = program("audit", "--person", "anna@example.com", "--kind", "list", "--from", "today").out
    assert listed.count("listed a folder") == 1  # one look
    assert "Sent" in listed
    assert program("audit", "--from", "2001", "--until", "2001").out == "No events fit.\n"
    exported = program("audit", "--csv", "--kind", "list").out.splitlines()
    assert len(exported) == 4
    assert exported[1].split(",")[5] == "listed a folder"


def test_unknown_people_readers_and_days_are_errors(program: Program) -> None:
    assert "did you mean anna@example.com" in program.refuses(10, "audit", "--person", "ana@example.com")
    assert "no reader 'nobody-here'" in program.refuses(10, "audit", "--reader", "nobody-here")
    assert "is no day" in program.refuses(2, "audit", "--from", "31.1.")
    assert "exclude each other" in program.refuses(2, "audit", "--csv", "--json")
    assert "'reads'" in program.refuses(2, "audit", "--kind", "reads")


def test_days_are_the_same_for_all_pages_of_one_command() -> None:
    class Pages(EngineDouble):
        def call(self, request: Request) -> WireWord:
            self.asked.append(request)
            assert isinstance(request, GetAudit)
            return Audit(events=(), after=0 if request.after else 7, now=123)

    double = Pages({})
    assert invoke(double, "audit", "--from", "today", "--csv").code == 0
    assert [(one.after, one.now) for one in double.asked if isinstance(one, GetAudit)] == [(0, 0), (7, 123)]


def test_days_are_the_same_for_the_next_page_that_is_asked_for_by_hand() -> None:
    event = AuditEvent(sequence=8, time=100, event="read", who="ada", uid=1, role="auditor", word="Show")
    double = EngineDouble({GetAudit: Audit(events=(event,), after=7, now=123)})
    said = invoke(double, "audit", "--from", "7d", "--limit", "1").out
    assert said.endswith("Next page: --after 7@123\n")
    assert invoke(double, "audit", "--limit", "1").out.endswith("Next page: --after 7\n")
    page = json.loads(invoke(double, "audit", "--from", "7d", "--limit", "1", "--json").out)
    assert (page["after"], page["now"]) == (7, 123)
    invoke(double, "audit", "--from", "7d", "--limit", "1", "--after", "7@123")
    last = double.asked[-1]
    assert isinstance(last, GetAudit)
    assert (last.after, last.now) == (7, 123)
