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
"""Width up to which the organisation's name is written out before other facts, in cells."""
LEAST = 3
"""Minimum width of a name. If there is less room, it is left out."""
FACTS = 18
"""Width that is kept for the facts, so that the areas do not move when these come or change."""
READ_ONLY = "read-only"
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
        kept = FACTS + (len(READ_ONLY + BETWEEN) if app.read_only else 0)
        self._tabs, left = _laid_out(areas, self._here, width - kept - 1)
        room = width - left.cell_length - 1
        facts = _facts(app.organisation, app.service, app.read_only, room)
        cells = room - _wide(facts) - len(BETWEEN)
        if cells >= FOLDER and app.service.folder:
            place = app.service.demo + bool(app.organisation)
            facts.insert(place, shown(middle(app.service.folder, cells), "$secondary"))
        right = Content(BETWEEN).join(facts).truncate(max(room, 0), ellipsis=True)
        self.say(joined(left, (" " * (width - left.cell_length - right.cell_length), ""), right))


def _facts(name: str, service: ServiceFacts, read_only: bool, room: int) -> list[Content]:
    """The mark of a demo, the organisation, and what the service does, as far as there is room.

    Words that a sign can replace are left out before the name is cut.
    """
    named = shown(name, "bold")
    for brief, least in ((0, NAME), (1, NAME), (2, LEAST)):
        before, after = list(_mark(service, brief)), list(_state(service, read_only, brief))
        cells = room - _wide([*before, Content(), *after])
        if name and cells >= min(least, named.cell_length):
            return [*before, named.truncate(cells, ellipsis=True), *after]
        if not name and _wide([*before, *after]) <= room:
            break
    return [*before, *after]


def _mark(service: ServiceFacts, brief: int) -> Iterator[Content]:
    if service.demo:
        yield joined(sign("warning"), ("demo" if brief else "demo vault", "bold $warning"), gap=" ")


def _state(service: ServiceFacts, read_only: bool, brief: int) -> Iterator[Content]:
    if read_only:
        yield shown(READ_ONLY, "$warning")
    if service.answers is False:
        yield joined(sign("failed"), ("no service", "$error"), gap=" ")
    elif service.running:
        work = service.running[0] if len(service.running) == 1 else f"{len(service.running)} runs"
        yield joined(sign("running"), (work, "$accent"), gap=" ")
    elif service.answers:
        yield joined(("●", "$success"), *([] if brief == 2 else [(" service", "$secondary")]))


def _wide(facts: Sequence[Content]) -> int:
    return sum(fact.cell_length for fact in facts) + len(BETWEEN) * max(len(facts) - 1, 0)


def _laid_out(areas: Sequence[Area], here: str, room: int) -> tuple[list[tuple[int, Area]], Content]:
    """Where each area ends, and the areas in the longest form that fits.

    The form depends on the room alone, so the areas stay where they are when another one is opened. Titles
    are written out, or short, or short and close to their keys. Where all this is too long, only the
    current area has its title.
    """
    drawn = list[Content]()
    for form, before, after in ((_full, " ", " "), (_short, " ", " "), (_short, "", ""), (_number, "", " ")):
        marked = _full if form is _number else form
        drawn = [
            _tab(area.key, f" {marked(area)} ", "bold $background on $accent")
            if area.id == here
            else _tab(area.key, f"{before}{form(area)}{after}", "")
            for area in areas
        ]
        if sum(tab.cell_length for tab in drawn) <= room:
            break
    ends, at = list[tuple[int, Area]](), -1
    for area, tab in zip(areas, drawn, strict=True):
        at += tab.cell_length
        ends.append((at, area))
    return ends, joined(*drawn)


def _full(area: Area) -> str:
    return area.title


def _short(area: Area) -> str:
    return area.short or (area.title if len(area.title) <= SHORT else area.title[: SHORT - 2])


def _number(area: Area) -> str:
    return ""


def _tab(key: str, words: str, style: str) -> Content:
    return joined((f" {key}", style or "$accent"), (words, style))
