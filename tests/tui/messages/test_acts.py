"""Messages are proved and erased from the browser, on a real vault."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from muniment import api
from muniment_tui.messages.erasing import EraseScreen
from support.engine_double import EngineDouble
from support.mailroom import Watched, app_over, screen_of
from support.reports import plain, report
from support.screens import LARGE, NOW, SMALL, app_on, drive, settled, shows, text_of, until
from support.vaults import TestVault


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    """Three messages about apples, plums and pears, of which the last is held."""
    made = TestVault(tmp_path / "vault")
    mail = [plain(subject=f"about {name}", body=f"{name} only\n") for name in ("apples", "plums", "pears")]
    made.archive([report(one, recipients=["bob@example.com"]) for one in mail])
    hold = api.PlaceHold(name="Suit", reason="suit", mail=api.MailCriteria(query="pears"))
    made.client.call(hold, api.HoldWord)
    made.client.close()
    return made


async def search(pilot: Pilot[Any], query: str, number: str) -> None:
    await shows(pilot, "bob@example.com")
    await pilot.press("slash", *query, "enter")
    await shows(pilot, number)
    await until(pilot, lambda: screen_of(pilot).found.rows.has_focus)


async def press(pilot: Pilot[Any], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def requests(engine: Watched, kind: type[Any]) -> list[Any]:
    return [one for one in engine.asked if isinstance(one, kind)]


def test_marked_messages_are_erased_after_their_number_was_typed(vault: TestVault) -> None:
    engine = Watched(vault.folder)

    async def script(pilot: Pilot[Any]) -> None:
        await search(pilot, "about", "3 messages")
        await press(pilot, "space", "space", "space", "E")
        await shows(pilot, "stays: held by Suit")
        assert "2 messages, dated" in text_of(pilot.app)
        await press(pilot, "f2")
        await shows(pilot, "Type the legal basis")
        await press(pilot, *"Art. 17", "f2")
        await shows(pilot, "Erase 2 messages")
        await press(pilot, "enter")
        await shows(pilot, "Nothing was changed")
        assert requests(engine, api.Erase) == []
        await press(pilot, *"erase 2", "enter")
        await shows(pilot, "2 messages erased")
        assert "muniment certificate" in text_of(pilot.app)
        await press(pilot, "escape")
        await shows(pilot, "Results for about")

    drive(app_over(engine, vault.folder), script, LARGE)
    (sent,) = requests(engine, api.Erase)
    assert (len(sent.ids), sent.basis) == (3, "Art. 17")
    left = TestVault(vault.folder)
    assert [hit.subject for hit in left.messages()] == ["about pears"]
    left.client.close()


def test_nothing_is_erased_without_a_basis_or_where_nothing_may_go(vault: TestVault) -> None:
    engine = Watched(vault.folder)

    async def script(pilot: Pilot[Any]) -> None:
        await search(pilot, "pears", "1 message")
        await press(pilot, "E")
        await shows(pilot, "Nothing of it may be erased")
        await press(pilot, *"why", "f2")
        await shows(pilot, "There is nothing that may be erased")
        await press(pilot, "escape", "escape")
        await shows(pilot, "Leave without erasing?")
        await press(pilot, "y")
        await shows(pilot, "Results for pears")

    drive(app_over(engine, vault.folder), script, LARGE)
    assert requests(engine, api.Erase) == []


def test_the_proof_of_a_message_is_written_to_a_file(vault: TestVault, tmp_path: Path) -> None:
    target = tmp_path / "proof.zip"

    async def script(pilot: Pilot[Any]) -> None:
        await search(pilot, "plums", "1 message")
        await press(pilot, "p")
        await shows(pilot, "It names all recipients")
        entry = pilot.app.screen.query_one("Prompt SafeInput")
        entry.value = str(target)  # type: ignore[attr-defined]
        await press(pilot, "enter")
        await shows(pilot, "verify_ledger.py --proof")

    drive(app_over(Watched(vault.folder), vault.folder), script, LARGE)
    with zipfile.ZipFile(target) as made:
        content = b"".join(made.read(name) for name in made.namelist())
    assert b"plums only" in content


def test_the_picture_of_an_erasure(picture: Any, tmp_path: Path) -> None:
    preview = api.ErasurePreview(
        messages=2, copies=3, bytes=41_000, oldest=NOW - 90_000, newest=NOW,
        refused=(api.RefusedErasure(id="ab" * 32, reason="held by Suit (case 7)"),),
    )  # fmt: skip

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(EraseScreen(("ab" * 32,), lambda: None))
        await press(pilot, *"GDPR Art. 17", "f2")
        await shows(pilot, "Erase 2 messages")

    engine = EngineDouble({api.CheckErasure: preview})
    picture("messages-erase", lambda: app_on(engine, tmp_path / "vault"), script, (SMALL, LARGE))
