"""Who read the director's mail last week, in a real terminal with a real service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from muniment import api
from support.program import Program
from support.reports import line, plain, report
from support.services import end, service_of
from support.terminal import MUNIMENT, CountedKeys
from support.vaults import TestVault


@pytest.fixture
def vault(tmp_path: Path) -> Any:
    """A vault in which a message and a folder of the director were read, and another person's folder."""
    made = TestVault(tmp_path / "vault")
    made.client.call(
        api.AddUser(name="Dora Boss", addresses=("dora@example.com", "director@example.com")), api.Done
    )
    made.archive(
        report(
            plain(sender="x@else.example", to=[f"{who}@example.com"], subject=f"for {who}"),
            sender="x@else.example", recipients=[line("To", f"{who}@example.com")],
        )
        for who in ("director", "carol")
    )  # fmt: skip
    ids = {hit.subject: hit.id for hit in made.messages()}
    with (made.folder / "vault.toml").open("a") as file:
        file.write('\n[access]\nauditors = ["audrey"]\n')
    program = Program(made.folder)
    for _ in range(4):
        program("list", "dora@example.com/Inbox")
    program("list", "carol@example.com/Inbox")
    program("show", ids["for director"])
    made.client.close()
    yield made.folder
    if pid := service_of(made.folder):
        end(pid)


def test_who_read_the_directors_mail_last_week_takes_seven_keys(terminal: Any, vault: Path) -> None:
    screen = terminal([*MUNIMENT, "--vault", str(vault)])
    screen.wait_for("Home")
    keys = CountedKeys(screen)
    keys.press("6")
    screen.wait_for("read a message", "carol@example")
    keys.press("/", *"dir", "Enter", "t")
    seen = screen.wait_for("mail of dora@example.com · last 7 days", "read a message", "listed a folder")
    assert keys.count == 7
    assert seen.count("listed a folder") == 1
    assert "carol@example" not in seen
    screen.press("Enter")  # the message that was read
    screen.wait_for("for director", "Message-ID")
    screen.press("Escape", "F5")
    screen.wait(lambda text: text.count("read a message") >= 2, "this read to be in the trail, too")
    screen.press("q")
    assert screen.wait_ended() == 0
