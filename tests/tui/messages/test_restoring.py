"""One key gives the selection of a list back into its owner's mailbox, on a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from muniment.api import Hit, ListMessages, Search
from muniment_tui.messages.restoring import owner_of
from muniment_tui.widgets.entry import SafeInput
from support.dovecot import Dovecot
from support.imap_mail import StoredMail, empty, fill, stored
from support.mailroom import Watched, app_over
from support.reports import EPOCH, plain
from support.screens import drive, shows
from support.vaults import TestVault

ADA = "ada@example.com"


def hit(*folders: str) -> Hit:
    return Hit(
        id="0" * 64, date=0, sender="", to="", subject="", size=0, attachments=0, folders=folders
    )  # fmt: skip


def test_the_owner_of_the_selection_is_offered() -> None:
    assert owner_of(ListMessages(user=ADA, folder="Inbox"), []) == ADA
    assert (
        owner_of(Search(query="x"), [hit(f"{ADA}/Inbox", "bob@example.com/Sent"), hit(f"{ADA}/Sent")]) == ADA
    )
    assert owner_of(Search(query="x"), [hit(f"{ADA}/Inbox", "bob@example.com/Sent")]) == ""
    assert owner_of(Search(query="x"), [hit("catch-all/Unknown", f"{ADA}/Inbox")]) == ADA
    assert owner_of(ListMessages(user="catch-all", folder="Unknown"), [hit("catch-all/Unknown")]) == ""
    assert owner_of(Search(query="x"), []) == ""


@pytest.fixture
def box(tmp_path: Path, dovecot: Dovecot) -> Any:
    made = dovecot.mailbox()
    mails = [
        StoredMail(plain(subject=f"letter {n}", to=[ADA]), EPOCH + n, frozenset({"\\Seen"})) for n in range(3)
    ]
    fill(dovecot, made, mails)
    vault = TestVault(tmp_path / "vault")
    (tmp_path / "secret").write_text(made.password)
    (tmp_path / "secret").chmod(0o600)
    vault.profile(
        "ada", source="imap", host="127.0.0.1", port=dovecot.imap, security="none", mailbox=made.name,
        owner=ADA, journal=False, password={"file": str(tmp_path / "secret")}, enabled=False,
    )  # fmt: skip
    assert vault.run("ada").new == 3
    vault.client.close()
    empty(dovecot, made)
    return made


def test_one_key_gives_the_selection_back(box: Any, tmp_path: Path, dovecot: Dovecot) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, ADA)
        await pilot.press("slash", *"letter")
        await shows(pilot, "3 messages")
        await pilot.press("enter", "asterisk", "b")
        await shows(pilot, "Give 3 messages back")
        entry = pilot.app.screen.query_one("Prompt SafeInput", SafeInput)
        entry.value = "nobody"
        await pilot.press("enter")
        await shows(pilot, "Type the address of a mailbox.")
        entry.value = ADA
        await pilot.press("enter")
        await shows(pilot, "3 messages given back to ada@example.com/Restored.")

    folder = tmp_path / "vault"
    drive(app_over(Watched(folder), folder), script)
    assert len(stored(dovecot, box, "Restored")) == 3
