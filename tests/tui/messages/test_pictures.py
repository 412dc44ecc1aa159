"""Pictures of the Messages area in each of its states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from muniment import api
from muniment.errors import VaultError
from muniment.service.dispatch.engine import connect
from muniment_tui.app import MunimentApp
from support import screens
from support.mailroom import MIRA, PROFILE, Make, Watched, app_over, screen_of
from support.reports import plain, report
from support.screens import Compare, settled, shows, until
from support.vaults import TestVault, put

WIDEST = (200, 60)


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ines")


async def search(pilot: Pilot[Any], query: str) -> None:
    await shows(pilot, "Mira" if screen_of(pilot).people.display else "")
    await pilot.press("slash")
    screen_of(pilot).line.value = f"{query} "
    await pilot.press("enter")
    await settled(pilot)


async def open_inbox(pilot: Pilot[Any]) -> None:
    await shows(pilot, "Mira")
    await pilot.press("down", "down", "enter", "down", "enter")
    await shows(pilot, "newest first")
    await rested(pilot)


async def rested(pilot: Pilot[Any]) -> None:
    """Wait until the preview has followed the cursor."""
    await settled(pilot)
    await until(pilot, lambda: not screen_of(pilot).preview.waits)
    await settled(pilot)


async def open_message(pilot: Pilot[Any], query: str) -> None:
    await search(pilot, query)
    await pilot.press("enter")
    await until(pilot, lambda: screen_of(pilot).reader.message is not None)
    await settled(pilot)


def test_an_empty_vault(picture: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = TestVault(tmp_path / "vault")

    def make() -> MunimentApp:
        app = app_over(connect, vault.folder)
        app.organisation = "Quill"
        monkeypatch.setattr(app, "_learn_name", lambda: None)
        return app

    picture("messages-empty", make)


def test_people(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Mira")
        await pilot.press("down", "down", "enter")

    picture("messages-people", make, script)


def test_a_folder(picture: Compare, make: Make) -> None:
    picture("messages-folder", make, open_inbox)


def test_a_message(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_inbox(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen_of(pilot).reader.message is not None)

    picture("messages-message", make, script)


def test_search_results(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await search(pilot, "reise OR lieferung OR delivery")
        await rested(pilot)

    picture("messages-search", make, script)


def test_hits_are_highlighted(picture: Compare, make: Make) -> None:
    picture("messages-hits", make, lambda pilot: open_message(pilot, "delivery late"))


def test_an_empty_result(picture: Compare, make: Make) -> None:
    picture("messages-nothing", make, lambda pilot: search(pilot, "unicorn"))


def test_a_wrong_query(picture: Compare, make: Make) -> None:
    picture("messages-wrong-query", make, lambda pilot: search(pilot, "offer form:ada after:2025"))


def test_the_envelope(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_message(pilot, "has:attachment delivery")
        await pilot.press("e")

    picture("messages-envelope", make, script)


def test_attachments(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_message(pilot, "has:attachment delivery")
        await pilot.press("a")

    picture("messages-attachments", make, script)


def test_the_source(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_message(pilot, "delivery late")
        await pilot.press("s")
        await shows(pilot, "Content-Type")

    picture("messages-source", make, script)


def test_a_selection(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_inbox(pilot)
        await pilot.press("space", "down", "space", "space")
        await rested(pilot)

    picture("messages-marked", make, script)


def test_the_export_prompt(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_inbox(pilot)
        await pilot.press("space", "space")
        if pilot.app.size.width > 80:
            await shows(pilot, "wiebke.ohlsen@nordlicht.example/Sent")  # the preview follows after a moment
        await pilot.press("x")

    picture("messages-export", make, script)


class HalfExported(Watched):
    """An engine whose exports stay half done until `go` is set."""

    def stream(self, request: api.Request) -> Iterator[api.WireWord]:
        if not isinstance(request, api.Export):
            yield from super().stream(request)
            return
        yield api.Step(text="13,802 of 27,599 messages, 145/s", percent=50, left=95.0)
        assert self.go.wait(30)


def test_a_running_export(
    picture: Compare, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    engine, taken = HalfExported(filled), screens.svg_of

    def take_and_release(app: MunimentApp) -> str:
        svg = taken(app)
        engine.go.set()
        return svg

    monkeypatch.setattr(screens, "settled", lambda pilot: pilot.pause())
    monkeypatch.setattr(screens, "svg_of", take_and_release)

    async def script(pilot: Pilot[Any]) -> None:
        await open_inbox(pilot)
        engine.go.clear()
        await pilot.press("asterisk", "x", "enter")
        await shows(pilot, "50%")

    picture(
        "messages-exporting", lambda: app_over(engine, filled), script, (screens.SMALL, screens.LARGE, WIDEST)
    )


def test_busy(picture: Compare, make: Make, engine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = screens.svg_of

    def take_and_release(app: MunimentApp) -> str:
        svg = taken(app)
        engine.go.set()
        return svg

    monkeypatch.setattr(screens, "settled", lambda pilot: pilot.pause())
    monkeypatch.setattr(screens, "svg_of", take_and_release)

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Mira")
        engine.go.clear()
        await pilot.press("enter")
        await shows(pilot, "Searching")

    picture("messages-busy", make, script)


def test_an_error_of_the_engine(picture: Compare, make: Make, engine: Watched) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Mira")
        engine.failing = VaultError("the index can't be read: run `muniment rebuild --index`")
        await pilot.press("enter")
        await shows(pilot, "rebuild")
        engine.failing = None

    picture("messages-error", make, script)


def test_hostile_mail(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await search(pilot, "nasty")
        await pilot.press("end", "enter")
        await until(pilot, lambda: screen_of(pilot).reader.message is not None)

    picture("messages-hostile", make, script)


OFFER = """<h1>Offer for May</h1><p>Dear Mira,</p><p>please <a href="https://acme.example/login?id=7">confirm
here</a> until Friday:</p><table><tr><th>Item</th><th>Price</th><th>Note</th></tr><tr><td>Red chair</td>
<td>12.00 EUR</td><td>delivered at once</td></tr><tr><td>Oak table for eight people</td><td>1,300.00 EUR</td>
<td>in two weeks</td></tr></table><ul><li>no fee for delivery<li>30 days to pay</ul><p>Kind regards</p>--<br>
Anna Berg<br>Sales<blockquote>Could you send me an offer?
<blockquote>We have new chairs.</blockquote></blockquote>
"""


@pytest.fixture(scope="session")
def offer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with one HTML mail."""
    vault = TestVault(tmp_path_factory.mktemp("offer") / "vault")
    mail = plain(to=[MIRA], subject="Offer for May", date=screens.NOW - 7_200, body="")
    page = mail.replace(b"text/plain", b"text/html").rstrip() + b"\r\n\r\n" + OFFER.encode()
    put(vault.maildir(PROFILE), [report(page, recipients=[MIRA], date=screens.NOW - 7_000)])
    assert vault.run(PROFILE).state == "ok"
    return vault.folder


def test_html_is_drawn(picture: Compare, offer: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "All mail")
        await pilot.press("slash", *"offer", "enter")
        await shows(pilot, "1 message")
        await pilot.press("enter")
        await until(pilot, lambda: screen_of(pilot).reader.message is not None)
        await settled(pilot)

    def make() -> MunimentApp:
        return app_over(Watched(offer), offer)

    picture("messages-html", make, script, (screens.SMALL, screens.LARGE, WIDEST))


def test_a_preview_of_the_message_at_the_cursor(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await search(pilot, "reise OR lieferung OR delivery")
        await shows(pilot, "Enter opens the message")

    picture("messages-preview", make, script, (screens.LARGE, WIDEST))
