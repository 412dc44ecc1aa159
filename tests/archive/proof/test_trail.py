"""The audit trail: `muniment audit` shows the ledger's events, so an edit of the catalog hides nothing."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.ledger.check import check
from muniment.archive.ledger.codec import RecordEncoder
from muniment.archive.ledger.local_segments import LocalSegments
from muniment.archive.ledger.model import Frame, LedgerRecord, RecordKind
from support.evidence import rich_vault
from support.program import Program
from support.rewriting import as_it_is, rewrite


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trail") / "vault"
    rich_vault(folder)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def who(folder: Path, code: int) -> list[str]:
    result = Program(folder).say("audit", "--json")
    assert result.code == code, result.err
    if code:
        assert "the catalog's audit trail was changed" in result.err
        assert result.json["problems"]
    return [event["who"] for event in result.json["events"]]


def test_an_unedited_trail_is_listed(made: Path) -> None:
    assert who(made, 0) == ["auditor3", "auditor2", "auditor1", "auditor0"]


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("DELETE FROM audit", []),
        ("DELETE FROM audit WHERE event LIKE '%auditor1%'", ["auditor3", "auditor2", "auditor0"]),
        ("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)", ["auditor2", "auditor1", "auditor0"]),
        (
            "UPDATE audit SET event = replace(event, 'auditor1', 'nobody')",
            ["auditor3", "auditor2", "auditor1", "auditor0"],
        ),
        ("UPDATE audit SET time = time - 86400", ["auditor3", "auditor2", "auditor1", "auditor0"]),
        ("UPDATE audit SET event = 'no JSON'", None),
        ('UPDATE audit SET "offset" = 0', []),
        ('UPDATE audit SET "offset" = "offset" + 1', []),
        (
            'UPDATE audit SET ("segment", "offset", time, event) = (SELECT "segment", "offset", time, event '
            "FROM audit WHERE event LIKE '%auditor0%') WHERE event LIKE '%auditor1%'",
            ["auditor3", "auditor2", "auditor0", "auditor0"],
        ),
        (
            "INSERT INTO audit SELECT id + 1, segment, offset + 1, time, replace(event, '0', '9') FROM audit",
            ["auditor3", "auditor2", "auditor1", "auditor0"],
        ),
    ],
)
def test_an_edited_trail_is_named_and_the_ledgers_is_shown(
    copy: Path, statement: str, left: list[str] | None
) -> None:
    with closing(sqlite3.connect(copy / "catalog.db")) as catalog:
        catalog.execute(statement)
        catalog.commit()
    if left is None:
        result = Program(copy).say("audit")
        assert result.code in (4, 6)
        assert "Traceback" not in result.err
    else:
        assert who(copy, 6) == left


def test_a_page_is_checked_by_itself(copy: Path) -> None:
    program = Program(copy)
    page = program.ask("audit", "--limit", "2")
    assert [event["who"] for event in page["events"]] == ["auditor3", "auditor2"]
    page = program.ask("audit", "--limit", "2", "--after", str(page["after"]))
    assert [event["who"] for event in page["events"]] == ["auditor1", "auditor0"]


def test_the_ledger_counts_its_audit_records(copy: Path) -> None:
    """A ledger that was rewritten without them counts none, but the catalog still has them."""
    ledger = copy / "ledger"
    assert check(LocalSegments(ledger), deep=False).problems == []

    def edit(frame: Frame) -> LedgerRecord | None:
        return (
            RecordEncoder().encode(RecordKind.RUN, b"{}")
            if frame.kind is RecordKind.AUDIT
            else as_it_is(frame)
        )

    rewrite(ledger, edit)
    assert check(LocalSegments(ledger), deep=False).problems == []
    result = Program(copy).say("audit", "--json")
    assert result.code == 6
    assert result.json["events"] == []
