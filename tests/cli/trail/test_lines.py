"""`muniment audit --lines`: each event as a line of JSON, for programs that collect events."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from muniment.api import Audit, AuditEvent, GetAudit, Request, WireWord
from support.engine_double import EngineDouble, invoke
from support.program import Program, command
from support.reports import plain, report
from support.vaults import TestVault

KEYS = [
    "cursor",
    "query",
    "reason",
    "sequence",
    "time",
    "event",
    "who",
    "uid",
    "role",
    "word",
    "kind",
    "people",
]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A vault with one message whose reads are recorded."""
    vault = TestVault(tmp_path / "vault")
    vault.archive([report(plain(subject="quokka"))])
    with (vault.folder / "vault.toml").open("a") as file:
        file.write("\n[access]\nrequire_reason = true\n")
    return Program(vault.folder)


def read(program: Program, *queries: str) -> None:
    for query in queries:
        program("search", query, "--reason", "case 9")


def queries(lines: list[Any]) -> list[str]:
    return [line["query"] for line in lines]


def test_events_come_oldest_first_and_go_on_after_a_cursor(program: Program) -> None:
    read(program, "one", "two", "three")
    lines = program("audit", "--lines").lines
    assert queries(lines) == ["one", "two", "three"]
    assert list(lines[0])[: len(KEYS)] == KEYS
    assert lines[0] == {"cursor": lines[0]["cursor"]} | program.ask("audit")["events"][-1]
    assert queries(program("audit", "--lines", "--after", lines[0]["cursor"]).lines) == ["two", "three"]
    assert queries(program("audit", "--lines", "--limit", "1").lines) == ["one"]
    assert program("audit", "--lines", "--after", lines[2]["cursor"]).out == ""
    read(program, "four")
    assert queries(program("audit", "--lines", "--after", lines[2]["cursor"]).lines) == ["four"]


def test_a_cursor_of_a_vault_that_was_set_back_is_refused(program: Program, tmp_path: Path) -> None:
    read(program, "one")
    earlier = Program(shutil.copytree(program.folder, tmp_path / "earlier"))
    read(program, "two")
    cursor = program("audit", "--lines").lines[-1]["cursor"]
    assert "it has only" in earlier.refuses(10, "audit", "--lines", "--after", cursor)
    read(earlier, "another")
    said = earlier.refuses(10, "audit", "--lines", "--after", cursor)
    assert "it has another record there" in said
    assert "was set back" in said


def test_wrong_options_are_refused(program: Program) -> None:
    for cursor in ("7", "x", "7-" + "0" * 15, "-" + "0" * 16, "9" * 30 + "-" + "0" * 16):
        assert "is no cursor" in program.refuses(2, "audit", "--lines", "--after", cursor)
    assert "exclude each other" in program.refuses(2, "audit", "--lines", "--csv")
    assert "exclude each other" in program.refuses(2, "audit", "--lines", "--json")
    assert "needs --lines" in program.refuses(2, "audit", "--follow")
    for place in ("x", "@1", "7@", "7@x", "7@1@1"):
        assert "is no place" in program.refuses(2, "audit", "--after", place)


def test_new_events_are_printed_while_it_follows(program: Program) -> None:
    read(program, "one")
    line = command(program.folder, "audit", "--lines", "--follow")
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as follows:
        assert follows.stdout is not None
        try:
            assert json.loads(follows.stdout.readline())["query"] == "one"
            read(program, "two", "three")
            assert [json.loads(follows.stdout.readline())["query"] for _ in "23"] == ["two", "three"]
            follows.send_signal(signal.SIGINT)
            assert follows.stdout.read() == b""
        finally:
            follows.kill()
    assert follows.returncode == 0


class Changed(EngineDouble):
    """An engine whose catalog has an edited trail."""

    def call(self, request: Request) -> WireWord:
        self.asked.append(request)
        assert isinstance(request, GetAudit)
        event = AuditEvent(1, 5, "read", "ada", 7, "auditor", "Show", cursor="1-" + "0" * 16)
        return Audit(events=(event,), after=0 if request.after else 1, problems=("the trail was changed",))


def test_a_changed_trail_is_said_once_and_fails() -> None:
    double = Changed({})
    result = invoke(double, "audit", "--lines")
    assert result.code == 6
    assert result.err.count("the trail was changed") == 1
    assert [one.after for one in double.asked if isinstance(one, GetAudit)] == [0, 1]
