"""The frame: areas, keys, commands, palette, help, notices and --read-only."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from textual.binding import Binding
from textual.dom import DOMNode
from textual.pilot import Pilot
from textual.widget import AwaitMount, Widget

import muniment_tui
from muniment.errors import VaultError
from muniment_tui.actions.available import offers
from muniment_tui.actions.registry import FORBIDDEN, Action, actions, every, known, typed
from muniment_tui.app import MunimentApp
from muniment_tui.shell.areas import AREAS
from muniment_tui.shell.frame import FrameScreen, StatusLine
from muniment_tui.shell.key_bar import KEYS, KeyBar
from muniment_tui.shell.notices import KEPT
from muniment_tui.shell.times import AppTimes
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.entry import SafeInput
from muniment_tui.widgets.text import TextLines
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.screens import Script, app_of, app_on, drive, frame_of, shows, text_of, until

Run = Callable[..., MunimentApp]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(script: Script, size: tuple[int, int] = (80, 24), **options: Any) -> MunimentApp:
        app = app_on(EngineDouble(), tmp_path / "vault", blank=True, **options)
        drive(app, script, size)
        return app

    return run


class Changing(FrameScreen):
    """A screen with a changing action and a text field."""

    BINDINGS: ClassVar = [
        *actions(
            Action("changing.burn", "b", "Burn it", "Burn what is selected.", changes=True, footer=9),
            Action("changing.look", "v", "View it", "Show what is selected."),
        )
    ]
    done = 0
    found = ""

    def inside(self) -> Iterable[Widget]:
        yield SafeInput(id="line")

    def action_burn(self) -> None:
        self.done += 1

    def action_find(self) -> None:
        self.query_one("#line", SafeInput).focus()


def test_screen_actions_wait_until_a_question_is_answered(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        screen = Changing()
        await pilot.app.push_screen(screen)
        screen.confirm(shown("Burn 3 letters?"), screen.action_burn)
        await shows(pilot, "y Yes  Esc Cancel")
        assert "Burn it" not in str(screen.query_one(KeyBar).words)
        await pilot.press("b")
        assert screen.done == 0
        await pilot.press("y")
        await until(pilot, lambda: screen.done == 1)

    run(script)


def test_esc_is_offered_if_there_is_a_way_back(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "? Help")
        assert "Esc" not in text_of(pilot.app)
        await pilot.press("f1")
        await shows(pilot, "Esc Back")
        await pilot.press("f1")
        await until(pilot, lambda: len(pilot.app.screen_stack) == 1)

    run(script)


def test_number_keys_go_to_the_areas(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        for area in AREAS:
            await pilot.press(area.key)
            assert pilot.app.current_mode == area.id
            assert f"{area.key} {area.short or area.title}" in text_of(pilot.app)

    assert run(script).state.area == AREAS[-1].id


@pytest.mark.parametrize(("typed_name", "mode"), [("runs", "runs"), ("mess", "messages"), ("appl", "home")])
def test_areas_are_reached_by_name(run: Run, typed_name: str, mode: str) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("colon", *typed_name, "enter")
        await pilot.pause()
        assert pilot.app.current_mode == mode

    run(script)


def test_ambiguous_and_unknown_names_are_reported(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("colon", *"nonsense", "enter")
        await shows(pilot, "No action here is called 'nonsense'. Ctrl+P lists all actions.")
        await pilot.press("colon", "r", "enter")
        await shows(pilot, "Did you mean redraw, rules, runs?")
        await pilot.press("colon")
        entry = pilot.app.screen.focused
        assert isinstance(entry, SafeInput)
        await pilot.press("q", "u", "tab")
        await until(pilot, lambda: entry.value == "quit")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen.focused, SafeInput))

    run(script)


def test_keys_that_arrive_together_are_handled_one_by_one(run: Run) -> None:
    """As over a slow connection: the key that opens a line, then the text for it."""

    async def script(pilot: Pilot[Any]) -> None:
        for key in (*"1234", "colon", *"help", "enter"):
            pilot.app.simulate_key(key)
        await shows(pilot, "Everywhere")
        assert pilot.app.current_mode == "messages"

    run(script)


def test_the_palette_runs_registered_actions(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("ctrl+p")
        await shows(pilot, "Change colours")
        await pilot.press(*"runs")
        await shows(pilot, "Watch current runs")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "runs")

    run(script)


def test_help_lists_every_action_of_the_focused_pane(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(Changing())
        await pilot.pause()
        here = offers(pilot.app.screen)
        await pilot.press("f1")
        await shows(pilot, "Everywhere")
        page = pilot.app.screen.query_one("#page", TextLines).words.plain
        left, right = halves(page)
        assert len(here) > 10
        for offer in here:
            column = (
                left if offer.action.part != "app" or offer.action.id in ("app.back", "app.find") else right
            )
            assert offer.action.title in column
        assert "b Burn it. Burn what is selected." in " ".join(left.split())
        assert "Everywhere" in right
        assert page.count("Esc closes") <= 1
        assert "Times are of your time zone" in " ".join(page.split())
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, Changing)

    run(script, size=(120, 40))


def halves(page: str) -> tuple[str, str]:
    """The two columns of a help page that is 115 cells wide."""
    lines = page.splitlines()
    return "\n".join(line[:57] for line in lines), "\n".join(line[57:] for line in lines)


def test_help_fits_one_page_without_a_text_twice(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(Changing())
        await pilot.press("f1")
        await shows(pilot, "Everywhere")
        page = pilot.app.screen.query_one("#page", TextLines)
        assert page.size.height <= pilot.app.size.height - 3
        lines = [line.strip() for line in page.words.plain.splitlines() if line.strip()]
        assert len(lines) == len(set(lines))
        assert max(map(len, lines)) <= 75

    run(script)


def test_the_key_bar_shows_at_most_six_keys_and_no_letters_while_typing(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(Changing())
        await pilot.pause()
        bar = pilot.app.screen.query_one(KeyBar)
        assert isinstance(pilot.app.screen.focused, SafeInput)
        assert "Burn" not in bar.words.plain
        assert "F10 Quit" in bar.words.plain
        pilot.app.screen.set_focus(None)
        await until(pilot, lambda: "b Burn it" in bar.words.plain)
        assert bar.words.plain.count("  ") < KEYS

    run(script)


def test_read_only_disables_changing_actions_with_a_notice(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        screen = Changing()
        await pilot.app.push_screen(screen)
        screen.set_focus(None)
        await pilot.press("b")
        await shows(pilot, "Burn it is off: the app was started with --read-only.")
        assert "(Burn it)" in screen.query_one(KeyBar).words.plain
        await pilot.press("colon", *"burn", "enter")
        await pilot.press("ctrl+p", *"burn")
        await shows(pilot, "Nothing is called that.")
        assert screen.done == 0

    run(script, read_only=True)


def test_without_read_only_all_actions_work(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        screen = Changing()
        await pilot.app.push_screen(screen)
        screen.set_focus(None)
        await pilot.press("b")
        await pilot.press("colon", *"burn", "enter")
        await until(pilot, lambda: screen.done == 2)

    run(script)


def test_keys_do_nothing_in_a_terminal_that_is_too_small(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        screen = Changing()
        await pilot.app.push_screen(screen)
        screen.set_focus(None)
        await shows(pilot, "Muniment needs 80x24 cells; this terminal has 79x24.")
        await pilot.press("b", "2", "question_mark")
        assert screen.done == 0
        assert pilot.app.screen is screen
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: screen.focused is not None)  # the line has the focus again
        screen.set_focus(None)
        await pilot.press("b")
        assert screen.done == 1

    run(script, size=(79, 24))


def test_slash_searches_on_screens_that_support_it(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        assert "Search" not in text_of(pilot.app)
        await pilot.app.push_screen(Changing())
        pilot.app.screen.set_focus(None)
        await shows(pilot, "/ Search")
        await pilot.press("slash", *"invoice")
        await until(pilot, lambda: pilot.app.screen.query_one("#line", SafeInput).value == "invoice")

    run(script)


def test_notices_cover_the_status_and_are_kept(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        app = app_of(pilot)
        frame_of(pilot).say(shown("12 messages"))
        await shows(pilot, "12 messages")
        app.refuse(VaultError(f"full {HOSTILE}"))
        await shows(pilot, "✗ full")
        assert_harmless(text_of(app))
        await pilot.press("escape")
        await shows(pilot, "12 messages")
        await pilot.press("exclamation_mark")
        await shows(pilot, "✗ full")
        for number in range(2 * KEPT):
            app.tell(str(number))
        assert len(app.notices.kept) == KEPT

    run(script)


def test_an_unchanged_status_is_not_drawn_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        line = pilot.app.screen.query_one(StatusLine)
        frame_of(pilot).say(shown("0 running", "$secondary"))
        await pilot.pause()
        drawn: list[dict[str, Any]] = []

        def refresh(*_: object, **options: Any) -> StatusLine:
            drawn.append(options)
            return line

        monkeypatch.setattr(line, "refresh", refresh)
        frame_of(pilot).say(shown("0 running", "$secondary"))
        await pilot.pause()
        assert not drawn
        frame_of(pilot).say(shown("0 running", "$error"))
        await pilot.pause()
        assert drawn

    run(script)


def test_a_lost_key_is_not_repeated_and_delays_no_other(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        app = app_of(pilot)
        gone: list[str] = []
        switch = app.switch_mode

        def switch_noted(mode: str) -> AwaitMount:
            gone.append(mode)
            return switch(mode)

        monkeypatch.setattr(app.keys, "follow", lambda *_: None)
        monkeypatch.setattr(app, "switch_mode", switch_noted)
        for area in AREAS:
            app.simulate_key(area.key)
        await until(pilot, lambda: len(gone) >= len(AREAS) - 1)
        await pilot.pause(0.2)
        assert gone == [area.id for area in AREAS[1:]]

    run(script, times=AppTimes(key=0.05))


def test_a_notice_disappears_but_an_error_stays(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        line = pilot.app.screen.query_one(StatusLine)
        app_of(pilot).tell("done")
        assert line.words.plain == "✓ done"
        await until(pilot, lambda: line.words.plain == "")
        app_of(pilot).tell("broken", "error")
        await pilot.pause(0.2)
        assert line.words.plain == "✗ broken"

    run(script, times=AppTimes(notice=0.05))


# --- the registry ---------------------------------------------------------------------------


def classes() -> list[type[DOMNode]]:
    for module in pkgutil.walk_packages(muniment_tui.__path__, "muniment_tui."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: list[type[DOMNode]] = []
    left: list[type[DOMNode]] = [DOMNode]
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if kind.__module__.startswith("muniment_tui."):
            found.append(kind)
    assert muniment_tui.app.MunimentApp in found
    return sorted(set(found), key=lambda kind: kind.__qualname__)


def test_every_key_binding_is_registered() -> None:
    for kind in classes():
        for binding in kind.__dict__.get("BINDINGS", ()):
            assert isinstance(binding, Binding), kind
            assert binding.system or known(binding.id) is not None, (kind, binding)


def test_every_action_has_a_handler() -> None:
    for kind in classes():
        for binding in kind.__dict__.get("BINDINGS", ()):
            name = binding.action.partition("(")[0]
            target = muniment_tui.app.MunimentApp if name.startswith("app.") else kind
            assert hasattr(target, f"action_{name.rpartition('.')[2]}"), (kind, binding.action)


def test_no_two_actions_of_one_class_share_a_key() -> None:
    for kind in classes():
        keys = [key for binding in kind.__dict__.get("BINDINGS", ()) for key in binding.key.split(",")]
        assert len(keys) == len(set(keys)), kind


def test_every_action_has_a_title_a_help_and_allowed_keys() -> None:
    classes()
    assert len(list(every())) > 20
    for action in every():
        assert 1 <= len(action.title.split()) <= 4, action
        assert action.help.endswith("."), action
        assert not FORBIDDEN.intersection(action.keys.split(",")), action
        assert action.name == action.name.lower().replace("_", "-"), action


def test_forbidden_keys_and_duplicate_ids_are_refused() -> None:
    with pytest.raises(ValueError, match=r"ctrl\+s"):
        actions(Action("test.save", "ctrl+s", "Save", "Save it."))
    assert known("test.save") is None
    with pytest.raises(ValueError, match="twice"):
        actions(Action("app.quit", "z", "Quit", "Quit."))


def test_keys_that_type_a_character() -> None:
    assert all(map(typed, ("a", "slash", "space", "1")))
    assert not any(map(typed, ("escape", "f1", "ctrl+p", "up")))
