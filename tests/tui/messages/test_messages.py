"""The Messages area, driven by keys against the real engine."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from muniment import api
from muniment.errors import NotFound, ReasonNeeded, VaultError
from muniment.service.dispatch.engine import connect
from muniment_tui.messages.folder_tree import TreePlace
from muniment_tui.messages.query import prefix_query
from muniment_tui.messages.screen import MessagesScreen
from muniment_tui.widgets.entry import SafeInput
from muniment_tui.widgets.text import TextLines
from support.endless import MANY, Endless
from support.engine_double import assert_harmless
from support.mailroom import FILES, MIRA, Make, Watched, app_over, screen_of
from support.reports import plain, report
from support.screens import SMALL, drive, settled, shows, text_of, until
from support.terminal import OpenTerminal
from support.vaults import TestVault

WIDE = (120, 40)


async def type_query(pilot: Pilot[Any], query: str) -> None:
    await pilot.press("slash")
    screen_of(pilot).line.value = query
    await pilot.press("enter")
    await settled(pilot)


async def find(pilot: Pilot[Any], query: str) -> None:
    """Search, and wait for the results."""
    await type_query(pilot, query)
    screen = screen_of(pilot)
    await until(
        pilot,
        lambda: (
            screen.found.listing
            and getattr(screen.found.listing.request, "query", None) == prefix_query(query)
        ),
    )


async def open_first(pilot: Pilot[Any], query: str) -> None:
    await find(pilot, query)
    await pilot.press("enter")
    await until(pilot, lambda: screen_of(pilot).reader.message is not None)


@pytest.mark.parametrize("size", [SMALL, WIDE])
def test_from_people_to_a_message_and_back(make: Make, size: tuple[int, int]) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Mira Tannhofer")
        screen = screen_of(pilot)
        while "Mira" not in str(screen.people.node.words if screen.people.node else ""):
            await pilot.press("down")
        await pilot.press("enter", "down", "enter")
        await shows(pilot, f"Inbox of {MIRA}")
        await shows(pilot, "newest first")
        assert screen.found.rows.has_focus
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen.reader.message is not None)
        await shows(pilot, "Message-ID")
        assert screen.reader.text.has_focus
        assert ("People ·" in text_of(pilot.app)) == (size == WIDE)
        await pilot.press("escape")
        assert screen.found.rows.has_focus
        await pilot.press("escape")
        assert screen.people.has_focus
        await shows(pilot, "People ·")

    drive(make(), script, size)


def test_the_keys_of_each_pane_are_on_one_page_of_24_rows(make: Make) -> None:
    async def one_page(pilot: Pilot[Any]) -> None:
        await pilot.press("f1")
        await shows(pilot, "Page 1 of 2 · PgDn goes on")
        card, _, _ = pilot.app.screen.query_one("#page", TextLines).words.plain.partition("\n\n")
        assert card.count("\n") < pilot.app.size.height - 3
        for title in ("Search here", "Reload", "Suspend", "8 Settings"):
            assert title in card
        await pilot.press("pagedown")
        await shows(pilot, "Page 2 of 2")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MessagesScreen))

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Mira Tannhofer")
        await one_page(pilot)
        await find(pilot, "nasty long")
        await until(pilot, lambda: screen_of(pilot).found.rows.current is not None)
        await one_page(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: screen_of(pilot).reader.message is not None)
        await one_page(pilot)

    drive(make(), script)


def test_search_while_typing(make: Make, engine: Watched) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"nast")
        await shows(pilot, "Results for nast*")
        await shows(pilot, "3 messages in 0.02 s")
        await pilot.press(*"y ")
        await shows(pilot, "Results for nasty ─")
        await shows(pilot, "3 messages in 0.02 s")
        asked = [request.query for request in engine.asked if isinstance(request, api.Search)]
        assert asked[-1] == "nasty"
        assert len(asked) < 5
        await pilot.press(*"long")
        await shows(pilot, "1 message in 0.02 s")
        await pilot.press("escape")
        screen = screen_of(pilot)
        await until(pilot, lambda: screen.line.value == "")

    drive(make(), script)


def test_only_the_newest_search_is_answered(make: Make, engine: Watched) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        engine.go.clear()
        screen = screen_of(pilot)
        await pilot.press("slash")
        for query in ("first", "second", "nasty long"):
            screen.line.value = query
            await pilot.press("down")
            await pilot.press("slash")
        engine.go.set()
        await shows(pilot, "Results for nasty long")
        await settled(pilot)
        asked = [request.query for request in engine.asked if isinstance(request, api.Search)]
        assert asked == ["first*", "nasty long*"]

    drive(make(), script)


def test_a_query_error_is_marked_by_a_caret(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await type_query(pilot, "nasty form:ada")
        await shows(pilot, "did you mean from:?")
        lines = text_of(pilot.app).splitlines()
        at = next(number for number, line in enumerate(lines) if "nasty form:ada" in line)
        assert lines[at + 1].index("^") == lines[at].index("form:")

    drive(make(), script)


def test_keys_step_through_the_hits(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_first(pilot, "needle")
        screen = screen_of(pilot)
        assert screen.reader.text.hits == 1
        await shows(pilot, "needle")
        await shows(pilot, "hit 1 of 1")
        await pilot.press("n")
        await shows(pilot, "This is the last message.")

    drive(make(), script)


def shown_id(screen: MessagesScreen) -> str:
    assert screen.reader.message is not None
    return screen.reader.message.id


def test_hits_continue_in_the_next_message(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_first(pilot, "nasty")
        screen = screen_of(pilot)
        seen = {shown_id(screen)}
        for _ in range(20):
            before = screen.reader.message
            await pilot.press("n")
            await settled(pilot)
            await until(pilot, lambda: screen.reader.message is not None)
            seen.add(shown_id(screen))
            if len(seen) == 3 and screen.reader.message is before:
                break
        assert len(seen) == 3
        first = screen.reader.message
        while screen.reader.message is first:
            await pilot.press("N")
            await settled(pilot)

    drive(make(), script)


def first_hit(screen: MessagesScreen) -> api.Hit:
    assert screen.found.listing is not None
    hit = screen.found.listing.row(0)
    assert isinstance(hit, api.Hit)
    return hit


def test_order_and_date(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "example")
        screen = screen_of(pilot)
        newest = first_hit(screen)
        await pilot.press("o")
        await shows(pilot, "oldest first")
        await settled(pilot)
        assert first_hit(screen).date <= newest.date
        await pilot.press("o")
        await shows(pilot, "best match first")
        await pilot.press("d")
        await shows(pilot, "sorted by best match")
        await pilot.press("o")
        await shows(pilot, "newest first")
        await pilot.press("d", *"2025-01-10", "enter")
        await settled(pilot)
        await until(pilot, lambda: screen.found.rows.cursor > 0)
        row = screen.found.rows.current
        assert row is not None
        assert row.value.date < 1_736_553_600

    drive(make(), script)


@pytest.mark.parametrize("end", ["", ".mbox", ".zip"])
def test_marked_messages_are_exported(make: Make, tmp_path: Path, end: str) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty")
        await pilot.press("space", "space", "x")
        await shows(pilot, "Export 2 messages")
        target = tmp_path / f"out{end}"
        pilot.app.screen.query_one("Prompt SafeInput", SafeInput).value = str(target)
        await pilot.press("enter")
        await shows(pilot, "2 messages exported")
        if end == ".zip":
            with zipfile.ZipFile(target) as packed:
                assert len([name for name in packed.namelist() if name.endswith(".eml")]) == 2
        elif end:
            assert target.read_bytes().count(b"From muniment@localhost") == 2
        else:
            assert len(list(target.glob("*.eml"))) == 2

    drive(make(), script)


def test_marking_a_range_and_selecting_all(make: Make, engine: Watched, tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty")
        screen = screen_of(pilot)
        await pilot.press("space", "end", "r")
        await until(pilot, lambda: len(screen.found.rows.marked) == 3)
        await shows(pilot, "3 marked")
        await pilot.press("asterisk")
        await shows(pilot, "all 3 selected")
        await pilot.press("x")
        pilot.app.screen.query_one("Prompt SafeInput", SafeInput).value = str(tmp_path / "all")
        await pilot.press("enter")
        await shows(pilot, "3 messages exported")
        (export,) = (request for request in engine.asked if isinstance(request, api.Export))
        assert (export.query, export.ids) == ("nasty*", ())
        head = json.loads((tmp_path / "all/manifest.jsonl").read_text().splitlines()[0])
        assert head["query"] == "nasty*"

    drive(make(), script)


def test_a_whole_folder_is_exported_without_the_index(make: Make, engine: Watched, tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        screen = screen_of(pilot)
        await shows(pilot, "Bohdan")
        await pilot.press("down", "enter", "down", "enter")
        await shows(pilot, "Inbox of")
        await pilot.press("asterisk", "x")
        pilot.app.screen.query_one("Prompt SafeInput", SafeInput).value = str(tmp_path / "inbox.zip")
        await pilot.press("enter")
        await shows(pilot, "messages exported")
        (export,) = (request for request in engine.asked if isinstance(request, api.Export))
        assert (export.folder, export.query) == ("Inbox", "")
        assert screen.found.listing is not None
        with zipfile.ZipFile(tmp_path / "inbox.zip") as packed:
            assert sum(name.endswith(".eml") for name in packed.namelist()) == screen.found.listing.total

    drive(make(), script)


def says(pilot: Pilot[Any], words: str) -> bool:
    """Whether the screen shows these words, wherever it wraps them."""
    return words in " ".join(text_of(pilot.app).split())


def test_a_path_is_checked_while_typing(make: Make, tmp_path: Path) -> None:
    taken = tmp_path / "there.zip"
    taken.touch()

    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty long")
        await pilot.press("x")
        entry = pilot.app.screen.query_one("Prompt SafeInput", SafeInput)
        for path, problem in ((taken, "already exists"), (taken / "no", "not writable")):
            entry.value = str(path)
            await until(pilot, partial(says, pilot, problem))
        await pilot.press("escape")
        assert screen_of(pilot).found.rows.has_focus

    drive(make(), script)


def test_attachments_are_viewed_and_saved(make: Make, tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_first(pilot, "nasty many")
        screen = screen_of(pilot)
        await pilot.press("a")
        await shows(pilot, "file 0.txt")
        assert screen.reader.files.count == FILES
        await pilot.press("end", "enter")
        await shows(pilot, "is not text")
        await pilot.press("escape", "w")
        await shows(pilot, "last.bin")
        pilot.app.screen.query_one("Prompt SafeInput", SafeInput).value = str(tmp_path / "saved.txt")
        await pilot.press("enter")
        await shows(pilot, "1 B written to")
        assert (tmp_path / "saved.txt").read_bytes() == b"x"
        assert (tmp_path / "saved.txt").stat().st_mode & 0o777 == 0o600
        await pilot.press("escape")
        await until(pilot, lambda: screen.reader.text.has_focus)

    drive(make(), script)


def test_headers_source_envelope_and_the_whole_message(make: Make, tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_first(pilot, "nasty many")
        screen = screen_of(pilot)
        await pilot.press("h")
        await shows(pilot, "X-Header-0: 0")
        await pilot.press("escape", "s")
        await shows(pilot, "X-Header-1: 1")
        await pilot.press("escape", "e")
        await shows(pilot, "── Envelope ──")
        await shows(pilot, "Report 1")
        await shows(pilot, f"{MIRA}/Inbox")
        await pilot.press("w")
        pilot.app.screen.query_one("Prompt SafeInput", SafeInput).value = str(tmp_path / "whole.eml")
        await pilot.press("enter")
        await shows(pilot, "written to")
        raw = (tmp_path / "whole.eml").read_bytes()
        assert screen.reader.message is not None
        assert raw.startswith(b"X-Header-0: 0")
        assert len(raw) == screen.reader.message.size

    drive(make(), script)


def test_hostile_mail_is_shown_as_text(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty")
        assert_harmless(text_of(pilot.app))
        await pilot.press("end", "enter")
        await until(pilot, lambda: screen_of(pilot).reader.message is not None)
        for key in (
            "pagedown",
            "home",
            "a",
            "enter",
            "escape",
            "escape",
            "h",
            "escape",
            "s",
            "escape",
            "e",
            "w",
        ):
            await pilot.press(key)
            await settled(pilot)
            assert_harmless(text_of(pilot.app))
        await pilot.press("escape")
        for width in (80, 97, 131):
            await pilot.resize_terminal(width, 30)
            await settled(pilot)
            assert_harmless(text_of(pilot.app))

    drive(make(), script)


def test_only_the_beginning_of_a_large_source_is_shown(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_first(pilot, "colossal")
        screen = screen_of(pilot)
        assert "long text was read in part" in screen.reader.text.document.text
        await pilot.press("s")
        await shows(pilot, "Only the first 1.0 MB are shown; w writes the whole source to a file.")
        assert len(screen.reader.text.document.text) < 1_000_100
        await pilot.press("end")
        await until(pilot, lambda: screen.reader.text.scroll_offset.y > 40_000)
        await pilot.press("escape")
        await shows(pilot, "─ colossal")

    drive(make(), script)


def test_an_export_can_be_stopped(make: Make, engine: Watched, tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty")
        await pilot.press("x")
        pilot.app.screen.query_one("Prompt SafeInput", SafeInput).value = str(tmp_path / "some.zip")
        engine.go.clear()
        await pilot.press("enter")
        await shows(pilot, "Export █")
        await shows(pilot, "of 1 messages")
        await shows(pilot, "c Stop")
        await pilot.press("c")
        await shows(pilot, "The export was stopped")
        assert "c Stop" not in text_of(pilot.app)
        engine.go.set()
        await until(pilot, lambda: not list(tmp_path.glob(".some*")))

    drive(make(), script)


def test_clearing_a_search_shows_what_was_open_before(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty")
        screen = screen_of(pilot)
        await pilot.press("escape")
        assert screen.people.has_focus
        assert screen.found.listing is None
        await pilot.press("down", "enter", "down", "enter")
        await shows(pilot, "Inbox of bohdan")
        await find(pilot, "nasty")
        await pilot.press("escape")
        await shows(pilot, "Inbox of bohdan")
        assert screen.found.rows.has_focus

    drive(make(), script)


def test_people_are_filtered_by_typing(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Mira")
        await pilot.press("f", *"mira")
        await until(pilot, lambda: "Bohdan" not in text_of(pilot.app))
        await pilot.press("down")
        screen = screen_of(pilot)
        assert screen.people.count == 1
        await pilot.press("f")
        await pilot.press("escape")
        await shows(pilot, "Bohdan")

    drive(make(), script)


def test_search_here_writes_a_visible_query(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Bohdan")
        await pilot.press("down", "enter", "down", "enter")
        await shows(pilot, "Inbox of")
        await pilot.press("i", *"licht")
        screen = screen_of(pilot)
        assert screen.line.value.startswith("user:bohdan.")
        assert screen.line.value.endswith(" in:inbox licht")
        await shows(pilot, "messages in 0.02 s")

    drive(make(), script)


def test_engine_errors_are_shown(make: Make, engine: Watched) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Bohdan")
        engine.failing = VaultError("the disk is gone: mend it")
        await pilot.press("enter")
        await shows(pilot, "the disk is gone: mend it")
        engine.failing = None
        await pilot.press("escape")
        await pilot.press("escape", "enter")
        await shows(pilot, "newest first")
        engine.failing = VaultError("this message is damaged: restore a backup")
        await pilot.press("enter")
        await shows(pilot, "The message could not be opened")
        assert text_of(pilot.app).count("this message is damaged: restore a backup") == 2
        engine.failing = None
        await pilot.press("escape", "escape", "enter")
        await shows(pilot, "Message-ID")

    drive(make(), script)


async def inbox_of_bohdan(pilot: Pilot[Any]) -> None:
    await shows(pilot, "Bohdan")
    await pilot.press("down", "enter", "down", "enter")
    await shows(pilot, "Inbox of bohdan")
    await until(pilot, lambda: screen_of(pilot).found.rows.current is not None)


@pytest.mark.parametrize(
    "error", [VaultError("the disk is gone"), ReasonNeeded("a reason"), NotFound("gone")]
)
def test_a_list_that_fails_leaves_no_rows_of_another(make: Make, engine: Watched, error: Exception) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await inbox_of_bohdan(pilot)
        screen = screen_of(pilot)
        engine.failing = error
        await pilot.press("escape", "down", "enter")
        if isinstance(error, ReasonNeeded):
            await shows(pilot, "requires a reason")
            await pilot.press("escape")
        await until(pilot, lambda: screen.found.rows.count == 0)
        await shows(pilot, "Sent of bohdan")
        assert screen.found.listing is None
        await pilot.press("x")
        assert not screen.query_one("Prompt").display
        engine.failing = None
        await pilot.press("f5")
        await until(pilot, lambda: screen.found.listing is not None)
        assert "Sent of bohdan" in text_of(pilot.app)

    drive(make(), script, WIDE)


@pytest.mark.parametrize("key", ["space", "asterisk", "x", "enter", "P", "t", "d", "o", "r", "C"])
def test_no_key_acts_on_rows_that_another_list_replaces(make: Make, engine: Watched, key: str) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await inbox_of_bohdan(pilot)
        screen = screen_of(pilot)
        engine.go.clear()
        before = len(engine.asked)
        await pilot.press("escape", "down", "enter")
        await until(pilot, lambda: screen.found.waiting and screen.found.rows.has_focus)
        assert "Inbox of bohdan" in text_of(pilot.app), "the rows are still those of the inbox"
        await pilot.press(key)
        await shows(pilot, "must wait for the list")
        assert not screen.query_one("Prompt").display
        assert not screen.found.rows.marked
        assert not screen.found.all_chosen
        assert len(engine.asked) == before + 1
        engine.go.set()
        await shows(pilot, "Sent of bohdan")
        await pilot.press("x")
        await shows(pilot, "Export 1 message")

    drive(make(), script, WIDE)


def test_an_error_of_an_old_list_does_not_end_the_new_one(make: Make, engine: Watched) -> None:
    """The question for the reason of the old list is declined when the new list is opened."""

    async def script(pilot: Pilot[Any]) -> None:
        await inbox_of_bohdan(pilot)
        screen = screen_of(pilot)
        engine.failing = ReasonNeeded("a reason")
        await pilot.press("escape", "down", "enter")
        await shows(pilot, "requires a reason")
        engine.failing = None
        screen.people.focus()
        screen._open(TreePlace(MIRA, "Inbox"))
        await shows(pilot, f"Inbox of {MIRA}")
        assert not screen.query_one("Prompt").display
        assert screen.found.listing is not None

    drive(make(), script, WIDE)


def test_a_late_error_replaces_nothing_newer(make: Make, engine: Watched) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty")
        reader, row = screen_of(pilot).reader, screen_of(pilot).found.rows.current
        assert row is not None
        engine.go.clear()
        engine.failing = VaultError("this message is damaged: restore a backup")
        reader.open(row.key, ())
        await until(pilot, lambda: isinstance(engine.asked[-1], api.Show))
        reader.preview(row.value)
        engine.go.set()
        await settled(pilot)
        await until(pilot, lambda: not screen_of(pilot).muniment.engine.calling)
        await settled(pilot)
        assert "damaged" not in text_of(pilot.app)
        assert "Enter opens the message" in reader.text.document.text

    drive(make(), script)


def test_an_empty_vault_gives_advice(tmp_path: Path) -> None:
    TestVault(tmp_path / "vault")

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "No mail is archived yet")
        assert "Export" not in text_of(pilot.app)
        await pilot.press("x")
        assert not pilot.app.screen.query_one("Prompt").display

    drive(app_over(connect, tmp_path / "vault"), script)


def test_a_reason_is_asked_for_once(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.archive([report(plain(subject=f"about {n}"), recipients=["bob@example.com"]) for n in range(3)])
    with (vault.folder / "vault.toml").open("a") as file:
        file.write('[access]\nauditors = ["audrey"]\nrequire_reason = true\n')
    engine = Watched(vault.folder)

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "bob@example.com")
        await find_nothing(pilot)
        await pilot.press(*"case 7", "enter")
        await shows(pilot, "3 messages")
        await pilot.press("enter")
        await shows(pilot, "Message-ID")
        shown = [request for request in engine.asked if isinstance(request, api.Show)]
        assert [request.reason for request in shown] == ["case 7"]

    async def find_nothing(pilot: Pilot[Any]) -> None:
        await pilot.press("enter")
        await shows(pilot, "requires a reason")

    drive(app_over(engine, vault.folder), script)
    trail = vault.client.call(api.GetAudit(), api.Audit).events
    assert {event.detail.get("reason") for event in trail if event.event == "read"} == {"case 7"}


@pytest.mark.slow
def test_ten_million_rows_need_few_requests_and_little_memory(tmp_path: Path) -> None:
    """Requests and rows in memory are counted; no time is measured."""
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault/vault.toml").touch()
    endless = Endless()

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Inbox")
        await pilot.press("down", "enter")
        await shows(pilot, "10,000,000 messages")
        screen = screen_of(pilot)
        rows, asked = screen.found.rows, endless.folder.asked

        async def at(number: int) -> int:
            await until(pilot, lambda: rows.current is not None and rows.cursor == number)
            assert rows.current is not None
            return int(rows.current.key, 16)

        assert await at(0) == MANY - 1
        assert len(asked) == 1
        await pilot.press("end")
        assert await at(MANY - 1) == 0
        await pilot.press("home")
        assert await at(0) == MANY - 1
        for _ in range(30):
            await pilot.press("pagedown")
        number = rows.cursor
        assert await at(number) == MANY - 1 - number
        assert len(asked) < 12
        await pilot.press("d", *"2010-06-01", "enter")
        await until(pilot, lambda: abs(rows.cursor - number) > 0)
        await until(pilot, lambda: rows.current is not None)
        assert rows.current is not None
        assert abs(rows.current.value.date - 1_275_436_800) < 120
        before = len(asked)
        rows.cursor = MANY // 2
        await at(MANY // 2)
        await settled(pilot)
        for _ in range(10):
            await pilot.press("pageup")
        await until(pilot, lambda: rows.current is not None)
        assert len(asked) - before < 15
        assert max(request.limit for request in asked) <= 1_100
        assert screen.found.listing is not None
        assert len(screen.found.listing._rows) <= 8_000
        assert len(rows._pages) <= 40

    drive(app_over(endless, tmp_path / "vault"), script)


IN_PROCESS = """
import sys
from pathlib import Path
from muniment.service.dispatch.engine import connect
from muniment_tui.app import MunimentApp
MunimentApp(connect, Path(sys.argv[1]), area="messages").run()
"""
SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*([@-~])|(\][^\x07\x1b]*(?:\x07|\x1b\\))|(.))", re.DOTALL)
OURS = set("mHhlcpuqtKJ")
"""Final bytes of the sequences that Textual writes: colours, cursor, modes, queries."""


def test_hostile_mail_sends_no_control_bytes_to_the_terminal(
    terminal: OpenTerminal, filled: Path, tmp_path: Path
) -> None:
    """All bytes that the program writes to its terminal while each pane shows hostile mail."""
    script, written = tmp_path / "app.py", tmp_path / "written"
    script.write_text(IN_PROCESS)
    tmux = terminal([sys.executable, str(script), str(filled)])
    tmux._tmux("pipe-pane", "-O", "-t", "t", f"cat > {written}")
    tmux.wait_for("Mira Tannhofer")
    tmux.press("/")
    tmux.type("nasty")
    tmux.wait_for("3 messages")
    tmux.press("Down", "End", "Enter")
    tmux.wait_for("Message-ID")
    for key, seen in (("a", "octet-stream"), ("w", "Enter confirms")):
        tmux.press(key)
        tmux.wait_for(seen)
    tmux.press("Escape")
    tmux.wait_gone("Enter confirms")
    for key, seen in (("e", "── Envelope"), ("h", "All headers"), ("Escape", "── Envelope"), ("s", "Source")):
        tmux.press(key)
        tmux.wait_for(f"─ {seen}" if key in "hs" else seen)
    for seen in ("── Envelope", "Results for", "People"):
        tmux.press("Escape")
        tmux.wait_for(seen)
    tmux.press("q")
    assert tmux.wait_ended() == 0
    data = written.read_bytes().partition(b"ended:")[0]
    finals = {final.decode() or other.decode("latin-1") for final, _, other in SEQUENCE.findall(data)}
    assert {one for one in finals if one} <= OURS, finals
    assert not re.search(rb"\x1b\](?!22;)", data)
    text = SEQUENCE.sub(b"", data).decode("utf-8")
    assert_harmless(text.replace("\r", ""))
    assert "[bold red]won" in text


def shown_in(pilot: Pilot[Any], widget: str) -> str:
    region = screen_of(pilot).query_one(widget).region
    lines = text_of(pilot.app).splitlines()[region.y : region.bottom]
    return "\n".join(line[region.x : region.right] for line in lines)


def test_moving_previews_what_the_list_holds_and_reads_nothing(make: Make, engine: Watched) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty")
        screen = screen_of(pilot)
        await until(pilot, lambda: "Enter opens the message" in shown_in(pilot, "#reader"))
        assert "Filed in" in shown_in(pilot, "#reader")
        await pilot.press("down")
        row = screen.found.rows.current
        assert row is not None
        await until(pilot, lambda: f"Size        {row.cells[-1]}" in shown_in(pilot, "#reader"))
        await pilot.press("j", "k", "end", "home")
        await settled(pilot)
        assert not [one for one in engine.asked if isinstance(one, api.Show)]

    drive(make(), script, WIDE)


def test_reading_while_moving_opens_only_where_the_cursor_rests(make: Make, engine: Watched) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty")
        screen = screen_of(pilot)
        await until(pilot, lambda: screen.found.rows.current is not None)
        await pilot.press("v")
        await shows(pilot, "The audit trail records each")
        await until(pilot, lambda: screen.reader.message is not None)
        await pilot.press("down", "down", "up")
        row = screen.found.rows.current
        await until(pilot, lambda: screen.reader.message and row and screen.reader.message.id == row.key)
        assert screen.found.rows.has_focus
        await pilot.press("v", "down")
        await until(pilot, lambda: "Enter opens the message" in shown_in(pilot, "#reader"))
        assert len([one for one in engine.asked if isinstance(one, api.Show)]) <= 4

    drive(make(), script, WIDE)


def test_a_tall_terminal_shows_the_preview_below_the_list(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty")
        await until(pilot, lambda: "Enter opens the message" in shown_in(pilot, "#reader"))

    drive(make(), script, (80, 40))


@pytest.mark.parametrize(("key", "condition"), [("A", "has:attachment"), ("W", "after:7d"), ("P", "from:")])
def test_a_quick_filter_is_set_and_removed_by_the_same_key(make: Make, key: str, condition: str) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty")
        screen = screen_of(pilot)
        await until(pilot, lambda: screen.found.rows.current is not None)
        await pilot.press(key)
        await until(pilot, lambda: condition in screen.line.value)
        await until(pilot, lambda: condition in str(getattr(screen.found.listing, "request", "")))
        await settled(pilot)
        assert screen.found.rows.has_focus
        if key != "P":
            await pilot.press(key)
            await until(pilot, lambda: screen.line.value == "nasty")

    drive(make(), script, WIDE)


def test_a_quick_filter_of_a_folder_leads_back_to_the_folder(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Mira Tannhofer")
        screen = screen_of(pilot)
        while "Mira" not in str(screen.people.node.words if screen.people.node else ""):
            await pilot.press("down")
        await pilot.press("enter", "down", "enter")
        await shows(pilot, f"Inbox of {MIRA}")
        await pilot.press("A")
        await until(pilot, lambda: screen.line.value == f"user:{MIRA} in:inbox has:attachment")
        await shows(pilot, "Results for user:")
        await pilot.press("A")
        await shows(pilot, f"Inbox of {MIRA}")
        assert screen.line.value == ""

    drive(make(), script, WIDE)


def test_the_conversation_of_a_message_and_back(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty long")
        screen = screen_of(pilot)
        await until(pilot, lambda: screen.found.rows.current is not None)
        row = screen.found.rows.current
        assert row is not None
        await pilot.press("t")
        await until(pilot, lambda: screen.line.value == f"thread:{row.key[:16]}")
        await shows(pilot, f"Conversation of {row.key[:12]}")
        await until(pilot, lambda: screen.found.rows.current and screen.found.rows.current.key == row.key)
        await pilot.press("escape")
        await until(pilot, lambda: screen.line.value == "nasty long")

    drive(make(), script, WIDE)


@pytest.mark.parametrize("keys", [["t"], ["t", "A", "t"]])
def test_leaving_a_conversation_brings_back_the_search(make: Make, keys: list[str]) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        screen = screen_of(pilot)
        await find(pilot, "nasty many")
        for key in keys:
            await until(pilot, lambda: screen.found.rows.current is not None and not screen.found.waiting)
            await pilot.press(key)
        await until(pilot, lambda: screen.line.value.startswith("thread:"))
        await shows(pilot, "Conversation of")
        await pilot.press("escape")
        await shows(pilot, "Results for nasty many")
        assert screen.line.value == "nasty many"
        assert screen.found.rows.has_focus
        await pilot.press("escape")
        await until(pilot, lambda: screen.line.value == "")

    drive(make(), script, WIDE)


def test_a_search_typed_over_a_conversation_is_no_conversation(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        screen = screen_of(pilot)
        await find(pilot, "nasty many")
        await until(pilot, lambda: screen.found.rows.current is not None and not screen.found.waiting)
        await pilot.press("t")
        await shows(pilot, "Conversation of")
        await pilot.press("slash", "ctrl+u", *"colossal", "enter")
        await shows(pilot, "Results for colossal")
        await pilot.press("escape")
        await until(pilot, lambda: screen.line.value == "" and screen.people.has_focus)

    drive(make(), script, WIDE)


def test_a_sender_that_can_be_no_filter_is_named(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.archive([report(plain(subject="about", sender="<&&>"), recipients=["bob@example.com"])])

    async def script(pilot: Pilot[Any]) -> None:
        screen = screen_of(pilot)
        await shows(pilot, "bob@example.com")
        await find(pilot, "about")
        await until(pilot, lambda: screen.found.rows.current is not None and not screen.found.waiting)
        await pilot.press("P")
        await shows(pilot, "This sender has no address or name that can be a filter.")
        assert screen.line.value == "about"

    drive(app_over(connect, vault.folder), script)


def test_ids_are_shown_and_sent_to_the_clipboard(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty long")
        screen = screen_of(pilot)
        await until(pilot, lambda: screen.found.rows.current is not None)
        row = screen.found.rows.current
        assert row is not None
        await pilot.press("M")
        await shows(pilot, "Open a message with a Message-ID first")
        await pilot.press("C")
        await shows(pilot, f"Id {row.key[:30]}")
        assert pilot.app.clipboard == row.key
        await pilot.press("enter")
        await until(pilot, lambda: screen.reader.message is not None)
        await pilot.press("M")
        await shows(pilot, "Message-ID <")
        assert pilot.app.clipboard == dict(screen.reader.message.headers)["Message-ID"]  # type: ignore[union-attr]

    drive(make(), script, WIDE)


def test_a_wide_list_shows_sender_and_recipients(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty long")
        await until(pilot, lambda: MIRA[:20] in shown_in(pilot, "#found"))
        assert " From " in shown_in(pilot, "#found")
        assert " To " in shown_in(pilot, "#found")

    drive(make(), script, (200, 60))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (f"user:{MIRA.replace('mira', 'mirra')}", "did you mean"),
        ("in:inbok nasty", "did you mean Inbox"),
        ("user:nobody@else.org", "there is no user"),
    ],
)
def test_an_unknown_person_or_folder_is_named_and_no_empty_list(make: Make, query: str, says: str) -> None:
    """While somebody types a name it is unknown, so the error leaves with the next letter."""

    async def script(pilot: Pilot[Any]) -> None:
        await find(pilot, "nasty")
        await type_query(pilot, query)
        await shows(pilot, "There is no such person or folder")
        await shows(pilot, says)
        assert "No messages found" not in text_of(pilot.app)
        await type_query(pilot, "nasty")
        await shows(pilot, "Results for nasty")
        assert "no such person" not in text_of(pilot.app)

    drive(make(), script, WIDE)


def test_the_reader_keeps_the_focus_when_the_terminal_was_too_small(make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_first(pilot, "colossal")
        screen = screen_of(pilot)
        await until(pilot, lambda: screen.reader.text.has_focus)
        for small in ((70, 24), (80, 20)):
            await pilot.resize_terminal(*small)
            await shows(pilot, "Muniment needs 80x24")
            await pilot.resize_terminal(80, 24)
            await until(pilot, lambda: screen.reader.text.has_focus)
        await pilot.press("j", "j")
        await until(pilot, lambda: screen.reader.text.scroll_offset.y == 2)

    drive(make(), script)
