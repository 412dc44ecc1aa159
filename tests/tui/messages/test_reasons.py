"""A vault that requires a reason for reading: the user is asked once, and each request goes on with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from textual import events
from textual.pilot import Pilot

from muniment import api
from muniment_tui.app import MunimentApp
from muniment_tui.messages.single import SingleScreen
from muniment_tui.shell.key_queue import KeyQueue
from muniment_tui.shell.times import AppTimes
from muniment_tui.widgets.entry import SafeInput
from support.mailroom import Watched, app_over, screen_of
from support.reports import plain, report
from support.screens import drive, settled, shows, text_of, until
from support.vaults import TestVault


@pytest.fixture
def vault(tmp_path: Path) -> tuple[Path, list[str]]:
    """The folder of a vault, and the ids of its messages."""
    made = TestVault(tmp_path / "vault")
    made.archive([report(plain(subject=f"about {n}"), recipients=["bob@example.com"]) for n in range(3)])
    ids = [hit.id for hit in made.search("about")]
    with (made.folder / "vault.toml").open("a") as file:
        file.write('[access]\nauditors = ["audrey"]\nrequire_reason = true\n')
    return made.folder, ids


def app_of(pilot: Pilot[Any]) -> MunimentApp:
    """The app, by its own type."""
    return cast(MunimentApp, pilot.app)


def test_a_search_while_typing_asks_for_no_reason(vault: tuple[Path, list[str]]) -> None:
    engine = Watched(vault[0])

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "bob@example.com")
        await pilot.press("slash", *"abo")
        await shows(pilot, "Enter asks for the reason")
        await pilot.press(*"ut")
        await until(pilot, lambda: getattr(engine.asked[-1], "query", "") == "about*")
        await shows(pilot, "Enter asks for the reason")
        assert screen_of(pilot).line.value == "about"
        assert screen_of(pilot).line.has_focus
        await pilot.press("enter")
        await shows(pilot, "requires a reason")
        await pilot.press(*"case 7", "enter")
        await shows(pilot, "3 messages")
        assert screen_of(pilot).found.rows.has_focus

    drive(app_over(engine, vault[0]), script)
    asked = [request.reason for request in engine.asked if isinstance(request, api.Search)]
    assert set(asked) == {"", "case 7"}


def test_keys_that_were_typed_ahead_are_no_reason(vault: tuple[Path, list[str]]) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "bob@example.com")
        await pilot.press("enter")
        await shows(pilot, "requires a reason")
        entry = pilot.app.screen.query_one("Prompt SafeInput", SafeInput)
        assert entry.has_focus
        await pilot.press(*"jjx", "enter", "escape")
        assert entry.value == ""
        assert entry.has_focus
        app_of(pilot).keys.drop(0.0)
        await pilot.press(*"case 7", "enter")
        await shows(pilot, "3 messages")
        assert app_of(pilot).reason == "case 7"

    drive(app_over(Watched(vault[0]), vault[0], AppTimes(unasked=600.0)), script)


def test_keys_that_still_wait_are_dropped(vault: tuple[Path, list[str]]) -> None:
    handled: list[str] = []

    async def script(pilot: Pilot[Any]) -> None:
        app = app_of(pilot)

        async def dispatch(event: events.Key) -> None:
            handled.append(event.key)

        keys = KeyQueue(app, dispatch)
        for key in "abc":
            await keys.add(events.Key(key, key))
        keys.drop(0.0)
        await settled(pilot)
        await keys.add(events.Key("d", "d"))
        await until(pilot, lambda: "d" in handled)

    drive(app_over(Watched(vault[0]), vault[0]), script)
    assert handled == ["a", "d"]


async def list_bob(pilot: Pilot[Any]) -> None:
    await shows(pilot, "bob@example.com")
    await pilot.press("enter")
    await shows(pilot, "requires a reason")
    await pilot.press(*"case 7", "enter")
    await shows(pilot, "3 messages")


def test_a_message_opened_from_another_area_asks_for_no_second_reason(vault: tuple[Path, list[str]]) -> None:
    engine, ids = Watched(vault[0]), vault[1]

    async def script(pilot: Pilot[Any]) -> None:
        app_of(pilot).open_messages(ids[:1])
        await shows(pilot, "requires a reason")
        await pilot.press(*"case 7", "enter")
        for number in (1, 2):
            await until(pilot, lambda: isinstance(pilot.app.screen, SingleScreen))
            await shows(pilot, "Message-ID")
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(pilot.app.screen, SingleScreen))
            app_of(pilot).open_messages(ids[number : number + 1])
        await shows(pilot, "Message-ID")

    drive(app_over(engine, vault[0]), script)
    shown = [request.reason for request in engine.asked if isinstance(request, api.Show)]
    assert shown == ["", "case 7", "case 7", "case 7"]


def test_a_reason_is_that_of_one_vault(vault: tuple[Path, list[str]]) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await list_bob(pilot)
        assert app_of(pilot).reason == "case 7"
        app_of(pilot).set_vault(vault[0])
        assert app_of(pilot).reason == ""

    drive(app_over(Watched(vault[0]), vault[0]), script)


def test_a_declined_reason_ends_the_request(vault: tuple[Path, list[str]]) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        app_of(pilot).open_messages(vault[1][:1])
        await shows(pilot, "requires a reason")
        await pilot.press("escape")
        await shows(pilot, "The message could not be opened")

    drive(app_over(Watched(vault[0]), vault[0]), script)


def test_an_export_that_went_on_with_a_reason_can_be_stopped(
    vault: tuple[Path, list[str]], tmp_path: Path
) -> None:
    engine = Watched(vault[0])

    async def script(pilot: Pilot[Any]) -> None:
        await list_bob(pilot)
        screen = screen_of(pilot)
        app_of(pilot).reason = ""
        await pilot.press("asterisk", "x")
        pilot.app.screen.query_one("Prompt SafeInput", SafeInput).value = str(tmp_path / "some.zip")
        await pilot.press("enter")
        await shows(pilot, "requires a reason")
        assert screen.export.running
        engine.go.clear()
        await pilot.press(*"case 8", "enter")
        await shows(pilot, "Export █")
        assert screen.export.running
        await pilot.press("c")
        await shows(pilot, "The export was stopped. An incomplete one leaves nothing behind.")
        engine.go.set()
        await until(pilot, lambda: not list(tmp_path.glob(".some*")))

    drive(app_over(engine, vault[0]), script)


@pytest.mark.parametrize("answer", ["escape", "enter"])
def test_a_source_that_is_no_longer_wanted_is_not_read(vault: tuple[Path, list[str]], answer: str) -> None:
    engine = Watched(vault[0])

    async def script(pilot: Pilot[Any]) -> None:
        await list_bob(pilot)
        await pilot.press("enter")
        await shows(pilot, "Message-ID")
        screen = screen_of(pilot)
        app_of(pilot).reason = ""
        await pilot.press("s")
        await shows(pilot, "requires a reason")
        screen.reader._cancel_request()
        await pilot.press(*"case 9", answer)
        await settled(pilot)
        assert "requires a reason" not in text_of(pilot.app)
        assert screen.reader.text.document.title.startswith("about")

    drive(app_over(engine, vault[0]), script)
    assert [request.reason for request in engine.asked if isinstance(request, api.ReadRaw)] == [""]
