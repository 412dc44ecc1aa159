"""The line at the top: the areas, the organisation, the vault's folder and the state of its service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from textual import events
from textual.content import Content

from muniment_tui.shell.areas import AREAS, Area
from muniment_tui.shell.file_paths import middle
from muniment_tui.shell.service_facts import ServiceFacts
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.chips import sign
from muniment_tui.widgets.text import TextLines

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp

NAME = 24
"""Maximum width of the organisation's name, in cells, if the areas need the room."""
BRIEF = 6
"""The same, if even short titles of the areas do not fit otherwise. A service that answers is a sign then."""
FACTS = 9
"""Minimum width of the facts, so that the areas do not move when these come."""
FOLDER = 12
"""Minimum width of the vault's folder. If there is less room, it is left out."""
SHORT = 6
"""Maximum length of a title that is never shortened."""
BETWEEN = " · "


class TopBar(TextLines):
    """The areas at the left, each of which can be clicked, and the vault at the right."""

    DEFAULT_CSS = """
    TopBar { height: 1; background: $panel; color: $foreground; padding: 0 1; text-wrap: nowrap; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._tabs: list[tuple[int, Area]] = []
        """The last cell of each area, and the area."""

    def on_mount(self) -> None:
        self.watch(self.app, "service", self.draw)

    def on_resize(self) -> None:
        self.draw()

    def on_click(self, event: events.Click) -> None:
        """Go to the clicked area."""
        for end, area in self._tabs:
            if event.x - 1 <= end:
                event.stop()
                self.app.call_later(self.app.run_action, f"app.go('{area.id}')")
                return

    @property
    def _here(self) -> str:
        """The area of this screen. The app may be about to show another one."""
        return getattr(self.screen, "AREA", "") or cast("MunimentApp", self.app).current_mode

    def draw(self) -> None:
        """Draw the areas and the facts, as far as there is room."""
        app = cast("MunimentApp", self.app)
        width = max(app.size.width - 2, 0)
        areas = AREAS if app.vault else ()  # without a vault, no area can be opened
        for most in (NAME, BRIEF):
            facts = list(_facts(app.organisation, app.service, app.read_only, most))
            space = width - max(_wide(facts), FACTS) - 1
            self._tabs, left, worded = _laid_out(areas, self._here, space)
            if worded:
                break
        room = width - left.cell_length - 1
        if room - _wide(facts) >= FOLDER and app.service.folder:
            facts = list(_facts(app.organisation, app.service, app.read_only, width))
            cells = room - _wide(facts) - len(BETWEEN)
            if cells >= FOLDER:
                facts.insert(
                    app.service.demo + bool(app.organisation),
                    shown(middle(app.service.folder, cells), "$secondary"),
                )
        right = Content(BETWEEN).join(facts).truncate(max(room, 0), ellipsis=True)
        self.say(joined(left, (" " * (width - left.cell_length - right.cell_length), ""), right))


def _facts(name: str, service: ServiceFacts, read_only: bool, most: int) -> Iterator[Content]:
    """The mark of a demo, the organisation, and what the service does."""
    if service.demo:
        words = "demo" if most == BRIEF else "demo vault"
        yield joined(sign("warning"), (words, "bold $warning"), gap=" ")
    if name:
        yield shown(name, "bold").truncate(most, ellipsis=True)
    if read_only:
        yield shown("read-only", "$warning")
    if service.answers is False:
        yield joined(sign("failed"), ("no service", "$error"), gap=" ")
    elif service.running:
        work = service.running[0] if len(service.running) == 1 else f"{len(service.running)} runs"
        yield joined(sign("running"), (work, "$accent"), gap=" ")
    elif service.answers:
        yield joined(("●", "$success"), *([(" service", "$secondary")] if most > BRIEF else []))


def _wide(facts: Sequence[Content]) -> int:
    return sum(fact.cell_length for fact in facts) + len(BETWEEN) * max(len(facts) - 1, 0)


def _laid_out(areas: Sequence[Area], here: str, room: int) -> tuple[list[tuple[int, Area]], Content, bool]:
    """Where each area ends, the areas in the longest form that fits, and whether all have a title.

    The title of the current area is always written out. The others are written out, short, or only their
    numbers.
    """
    drawn, worded = list[Content](), True
    for form, gap in ((_full, " "), (_short, " "), (_short, ""), (_number, " "), (_number, "")):
        drawn = [
            _tab(area.key, area.title, " ", "bold $background on $accent")
            if area.id == here
            else _tab(area.key, form(area), gap, "")
            for area in areas
        ]
        worded = form is not _number
        if sum(tab.cell_length for tab in drawn) <= room:
            break
    ends, at = list[tuple[int, Area]](), -1
    for area, tab in zip(areas, drawn, strict=True):
        at += tab.cell_length
        ends.append((at, area))
    return ends, joined(*drawn), worded


def _full(area: Area) -> str:
    return area.title


def _short(area: Area) -> str:
    return area.short or (area.title if len(area.title) <= SHORT else area.title[: SHORT - 2])


def _number(area: Area) -> str:
    return ""


def _tab(key: str, title: str, gap: str, style: str) -> Content:
    words = f" {title}" if title else ""
    return joined((f" {key}", style or "$accent"), (words + gap, style))
