"""The import of people in a real terminal with a real service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.program import Program
from support.reports import line, plain, report
from support.services import end, service_of
from support.terminal import MUNIMENT, CountedKeys
from support.vaults import TestVault

CSV = "name,address,alias\nAda Quill,ada@example.com,a.quill@example.com\nBob Reed,bob@example.com\n"


@pytest.fixture
def vault(tmp_path: Path) -> Any:
    """A vault with mail for people whom nobody has named yet."""
    made = TestVault(tmp_path / "vault")
    made.archive(
        report(
            plain(sender="x@else.example", to=[f"{who}@example.com"], subject=f"letter {n}"),
            sender="x@else.example", recipients=[line("To", f"{who}@example.com")],
        )
        for n, who in enumerate(["a.quill"] * 3 + ["bob"] * 2)
    )  # fmt: skip
    made.client.close()
    yield made.folder
    if pid := service_of(made.folder):
        end(pid)


def test_an_import_takes_four_keys_and_the_path(terminal: Any, vault: Path, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(CSV)
    screen = terminal([*MUNIMENT, "--vault", str(vault)])
    screen.wait_for("Home")
    keys = CountedKeys(screen)
    keys.press("5")
    screen.wait_for("a.quill@example.com", "automatic")
    keys.press("i")
    screen.wait_for("which CSV file")
    keys.type(str(path))
    keys.press("Enter")
    screen.wait_for("Import of people.csv", "2 added", "5 messages are filed again", "Do it?")
    assert Program(vault).ask("users", "show", "bob@example.com")["automatic"]
    keys.press("y")
    screen.wait_for("Ada Quill", "Bob Reed", "active")
    assert keys.count == 4 + len(str(path))
    screen.wait_gone("automatic")
    screen.press("q")
    assert screen.wait_ended() == 0
    ada = Program(vault).ask("users", "show", "ada@example.com")
    assert (ada["messages"], {one["origin"] for one in ada["addresses"]}) == (3, {"csv"})
    assert Program(vault).ask("audit", "--kind", "change")["events"][0]["word"] == "ImportUsers"
