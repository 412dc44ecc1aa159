"""The frame around every screen: areas at the top, status line and key bar at the bottom."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.geometry import Size
from textual.reactive import var
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from muniment_tui.actions.registry import Action, actions
from muniment_tui.shell.command_line import CommandChoices, CommandLine
from muniment_tui.shell.key_bar import KeyBar
from muniment_tui.shell.top_bar import TopBar
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.prompt import Prompt, Question
from muniment_tui.widgets.text import TextLines

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp

TOO_SMALL = "Muniment needs 80x24 cells; this terminal has {}x{}. Enlarge it, or press q to quit."


WIDTHS = [(0, "-slim"), (80, "-narrow"), (120, "-wide")]
"""CSS classes of a screen by the terminal's width in columns."""
HEIGHTS = [(0, "-low"), (24, "-high"), (40, "-tall")]


def size_classes(size: Size) -> dict[str, bool]:
    """The CSS classes for a size, the same that Textual's breakpoints set."""
    return _class_of(size.width, WIDTHS) | _class_of(size.height, HEIGHTS)


def _class_of(cells: int, steps: list[tuple[int, str]]) -> dict[str, bool]:
    here = [name for least, name in steps if cells >= least][-1]
    return {name: name == here for _, name in steps}


class FrameScreen(Screen[Any]):
    """A screen with the frame around it. Subclasses define its content in `inside()`."""

    AUTO_FOCUS = "#inside *"
    _came_before = False
    _focused_before: Widget | None = None
    _was_small = False
    HELP: ClassVar[str] = ""
    """What the screen is for, in plain text. The help page shows it after the HELP of the focused pane."""
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "app.back",
                "escape",
                "Back",
                "Go back to the previous pane or screen.",
                footer=6,
            ),
            Action("app.find", "slash", "Search", "Search or filter the list on this screen.", footer=3),
        )
    ]
    DEFAULT_CSS = """
    FrameScreen {
        layout: vertical; layers: default above;
        #inside { height: 1fr; }
        #too-small { display: none; }
        &.-slim, &.-low {
            #inside, TopBar, StatusLine, KeyBar, CommandLine, Prompt { display: none; }
            #too-small { display: block; }
        }
    }
    """

    @property
    def muniment(self) -> MunimentApp:
        """The app, with its own type."""
        return cast("MunimentApp", self.app)

    def compose(self) -> ComposeResult:
        """The frame and its content, styled once for the terminal's size."""
        self.update_classes(size_classes(self.app.size), update=False)
        yield TopBar()
        with Container(id="inside"):
            yield from self.inside()
        yield Prompt()
        yield StatusLine()
        yield CommandLine()
        yield CommandChoices()
        yield KeyBar()
        yield TextLines(id="too-small")

    def inside(self) -> Iterable[Widget]:
        """The widgets between the bars."""
        return ()

    def _on_screen_resume(self, event: events.ScreenResume) -> None:
        """Skip Textual's restyling the first time, since `compose` has styled everything."""
        event.refresh_styles = event.refresh_styles and self._came_before
        self._came_before = True

    def _compositor_refresh(self) -> None:
        """Draw, unless the first frame still waits for content."""
        if not self.muniment.held_back:
            super()._compositor_refresh()

    def say(self, status: Content) -> None:
        """Set the status line. A notice covers it for a while. A screen that is being closed has none."""
        for line in self.query(StatusLine):
            line.status = status

    def confirm(
        self,
        words: Content,
        then: Callable[[], object],
        *,
        phrase: str = "",
        otherwise: Callable[[], object] = lambda: None,
        unasked: bool = False,
    ) -> None:
        """Ask for confirmation; `words` name what is affected, and how many.

        Only `y` confirms. If `phrase` is given, for something that can't be undone, it must be typed instead.
        `otherwise` is called if the user declines. `unasked` is as for `ask_for`.
        """
        self._open_question(Question(words, lambda _: then(), phrase=phrase, otherwise=otherwise), unasked)

    def ask_for(
        self,
        words: Content,
        then: Callable[[str], object],
        *,
        value: str = "",
        check: Callable[[str], str] = lambda value: "",
        otherwise: Callable[[], object] = lambda: None,
        unasked: bool = False,
    ) -> None:
        """Ask for a line of text, such as a path. `check` returns a sentence if the text is wrong, else "".

        `otherwise` is called if the user declines. With `unasked` the question opens by itself, not by a key,
        so keys that were typed ahead are no answer to it.
        """
        question = Question(words, then, typed=True, value=value, check=check, otherwise=otherwise)
        self._open_question(question, unasked)

    def _open_question(self, question: Question, unasked: bool) -> None:
        if unasked:
            self.muniment.drop_keys()
        self.query_one(Prompt).ask(question)

    def still_here(self) -> Callable[[], bool]:
        """Begin to wait for an answer that asks the user something. What is returned says whether it may.

        It may if this screen is still in front, and the user has pressed nothing since. Else the question
        would take a key that was meant for something else.
        """
        quiet = self.muniment.keys.quiet()
        return lambda: self.is_active and quiet()

    @property
    def too_small(self) -> bool:
        """Whether the terminal is smaller than 80x24."""
        return self.has_class("-slim") or self.has_class("-low")

    def _focus_again(self) -> None:
        """Focus what had the focus before the terminal was too small and hid it."""
        last = self._focused_before
        if self.focused is None and last is not None and last.is_attached and last.focusable:
            self.set_focus(last)

    @on(events.Resize)
    def _say_the_size(self, event: events.Resize) -> None:
        classes = size_classes(event.size)
        small = classes["-slim"] or classes["-low"]
        if small and not self._was_small:
            self._focused_before = self.focused
        if self._was_small and not small:
            self.call_after_refresh(self._focus_again)
        self._was_small = small
        self.query_one("#too-small", TextLines).say(
            shown(TOO_SMALL.format(event.size.width, event.size.height))
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available: "find" if the screen implements it, "back" if there is anything
        to leave."""
        if action == "find":
            return type(self).action_find is not FrameScreen.action_find
        if action == "back" and type(self).action_back is FrameScreen.action_back:
            typing = isinstance(self.focused, Input)
            return len(self.app.screen_stack) > 1 or typing or self.muniment.notice is not None
        return True

    @property
    def unsaved(self) -> str:
        """The changes that leaving would lose, as a phrase; "" if there are none."""
        return ""

    def ask_to_leave(self, leave: Callable[[], object]) -> None:
        """Ask about unsaved changes, then call `leave`. Screens with unsaved changes override it."""

    def action_back(self) -> None:
        """Remove the notice, or close the topmost screen. An area's first screen stays."""
        if self.muniment.notice is not None:
            self.muniment.notice = None
        elif len(self.app.screen_stack) > 1:
            self.app.pop_screen()
        elif isinstance(self.focused, Input):
            self.set_focus(None)  # while typing, letters are text: now `q` and other keys work again

    def action_find(self) -> None:
        """Search or filter. Screens with something to search override it."""


class AreaScreen(FrameScreen):
    """The first screen of an area."""

    AREA: ClassVar[str] = ""
    """The area's id in `areas.AREAS`."""

    def show_row(self, row: str) -> None:
        """Go to what Home's line was about, such as a profile. Areas with rows override it."""


class StatusLine(TextLines):
    """The screen's status, or the newest notice."""

    DEFAULT_CSS = """
    StatusLine { height: 1; padding: 0 1; color: $foreground; text-wrap: nowrap; text-overflow: ellipsis; }
    """
    status: var[Content] = var(Content(), always_update=True)

    def on_mount(self) -> None:
        self.watch(self.app, "notice", self._noticed)

    def on_resize(self) -> None:
        """Draw as much of a notice as there is room for."""
        self._draw()

    def _noticed(self) -> None:
        """Draw, and update the key bar: a notice adds the Esc key."""
        self._draw()
        self.screen.refresh_bindings()

    def watch_status(self) -> None:
        self._draw()

    def _draw(self) -> None:
        notice = cast("MunimentApp", self.app).notice
        self.say(self.status if notice is None else notice.line(max(self.size.width - 2, 20)))
