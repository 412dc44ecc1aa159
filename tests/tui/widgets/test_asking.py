"""Forms and prompts: errors appear while typing, and nothing is confirmed by mistake."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.content import Content
from textual.pilot import Pilot
from textual.widget import Widget

from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.entry import SafeInput
from muniment_tui.widgets.field import ChoiceField, Form, SwitchField, TextField
from muniment_tui.widgets.meters import bar
from muniment_tui.widgets.prompt import Prompt
from muniment_tui.widgets.text import TextLines
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.screens import app_on, drive, shows, text_of, until

Script = Callable[[Pilot[Any], "Asking"], Awaitable[None]]


class Asking(FrameScreen):
    """A form."""

    done = False

    def inside(self) -> Iterable[Widget]:
        yield Form(
            TextField(
                "host", "Host", check=lambda value: "" if "." in value else "Write it as in gw.example"
            ),
            TextField("mailbox", "Mailbox", clip=lambda value: value.partition("@")[0]),
            ChoiceField("kind", "Kind", [("pop3", "POP3"), ("imap", "IMAP")], "imap"),
            SwitchField("delete", "Delete", True),
        )

    def on_form_submitted(self) -> None:
        self.done = True


def run(tmp_path: Path, script: Script) -> None:
    async def pushed(pilot: Any) -> None:
        screen = Asking()
        await pilot.app.push_screen(screen)
        await pilot.pause()
        await script(pilot, screen)

    drive(app_on(EngineDouble(), tmp_path / "v", blank=True), pushed)


def test_a_form_shows_errors_while_typing(tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any], screen: Asking) -> None:
        assert "Write it" not in text_of(pilot.app)
        await pilot.press("g")
        await shows(pilot, "✗ Write it as in gw.example")
        await pilot.press(".", "x")
        await until(pilot, lambda: "Write it" not in text_of(pilot.app))
        await pilot.press("down", *"mbx@gw")
        await pilot.press("enter", "left", "down", "right", "enter")
        await until(pilot, lambda: screen.done)
        form = screen.query_one(Form)
        assert form.values == {"host": "g.x", "mailbox": "mbxgw", "kind": "pop3", "delete": "no"}
        assert form.problems() == []
        form.fields[0].value = ""
        assert form.problems() == ["Write it as in gw.example"]
        await until(pilot, lambda: screen.focused is form.fields[0].entry())

    run(tmp_path, script)


def test_pasted_text_is_made_harmless(tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any], screen: Asking) -> None:
        entry = screen.query_one(Form).fields[1].query_one(SafeInput)
        entry.post_message(events.Paste(HOSTILE))
        await until(pilot, lambda: "[/x]" in entry.value)
        assert_harmless(entry.value)
        assert not entry.cursor_blink
        screen.set_focus(entry)
        await pilot.press("ctrl+a", "ctrl+s", "ctrl+q", "ctrl+o")
        assert isinstance(entry, SafeInput)

    run(tmp_path, script)


@pytest.mark.parametrize("keys", [["enter"], ["escape"], ["n"], ["tab"], ["x", "enter"]])
def test_a_confirmation_is_no_unless_y_is_pressed(tmp_path: Path, keys: list[str]) -> None:
    async def script(pilot: Pilot[Any], screen: Asking) -> None:
        answers: list[object] = []
        words = shown("Remove 3 profiles?")
        screen.confirm(words, lambda: answers.append(True), otherwise=lambda: answers.append(False))
        await shows(pilot, "Remove 3 profiles?")
        await pilot.press(*keys)
        await until(pilot, lambda: answers == [False])
        await until(pilot, lambda: not screen.query_one(Prompt).display)

    run(tmp_path, script)


def test_y_confirms_and_restores_the_focus(tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any], screen: Asking) -> None:
        before = screen.focused
        answers: list[object] = []
        screen.confirm(shown("Remove 3 profiles?"), lambda: answers.append(True))
        await pilot.press("y")
        await until(pilot, lambda: answers == [True])
        await until(pilot, lambda: screen.focused is before)

    run(tmp_path, script)


def test_what_can_not_be_undone_needs_the_typed_phrase(tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any], screen: Asking) -> None:
        answers: list[object] = []
        screen.confirm(shown("Delete 12 messages?"), lambda: answers.append(True), phrase="delete 12")
        await shows(pilot, "Type delete 12 and press Enter to confirm")
        await pilot.press("y", "enter")
        await shows(pilot, "That is not 'delete 12'. Nothing was changed.")
        assert answers == []
        await pilot.press("backspace", *"delete 12", "enter")
        await until(pilot, lambda: answers == [True])

    run(tmp_path, script)


def test_a_prompt_checks_the_line(tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any], screen: Asking) -> None:
        answers: list[object] = []
        check = lambda value: "" if value.startswith("/") else "Write the whole path"  # noqa: E731
        screen.ask_for(shown("Where to?"), answers.append, value="tmp", check=check)
        await shows(pilot, "Where to?")
        await pilot.press("x", "enter")
        await shows(pilot, "✗ Write the whole path")
        await pilot.press("home", "slash", "enter")
        await until(pilot, lambda: answers == ["/tmpx"])

    run(tmp_path, script)


def test_a_second_question_declines_the_first(tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any], screen: Asking) -> None:
        answers: list[object] = []
        for name in ("one", "two"):
            screen.confirm(
                shown(name), partial(answers.append, name), otherwise=partial(answers.append, "no")
            )
        await shows(pilot, "two")
        await pilot.press("y")
        await until(pilot, lambda: answers == ["no", "two"])

    run(tmp_path, script)


@pytest.mark.parametrize(
    ("done", "total", "drawn"), [(0, 10, "░" * 8), (10, 10, "█" * 8), (5, 10, "████░░░░")]
)
def test_a_bar(done: int, total: int, drawn: str) -> None:
    assert bar(done, total, 8).plain == drawn


def test_a_bar_has_a_fixed_length() -> None:
    for done, total in [(1, 3), (20, 10), (-5, 10), (5, 0), (1, 1000)]:
        assert bar(done, total, 8).cell_length == 8


def test_unchanged_text_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    words = TextLines(shown("a"))
    drawn: list[Content] = []
    monkeypatch.setattr(words, "update", lambda content, **_: drawn.append(content))
    for text in ("a", "b", "b"):
        words.say(shown(text))
    assert [content.plain for content in drawn] == ["b"]
