"""The Home area: whether the archive is well, at a glance. Each line opens its place."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events, on
from textual.containers import Container, VerticalScroll
from textual.widget import Widget

from muniment.api import GetHealth, Health, ProfileState, RunsState, WatchRuns, WireWord
from muniment.errors import MunimentError
from muniment.system.time_zones import local_zone
from muniment_tui.engine.bridge import PendingRequest
from muniment_tui.home import lines
from muniment_tui.home.line_list import LinePane, caption, panes_of
from muniment_tui.home.lines import OUTSIDE, SETUP, HomeLine
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.chart import ChartView
from muniment_tui.widgets.situation import SituationText

VAST = 180
"""Columns from which three panes stand side by side."""


class HomeScreen(AreaScreen):
    """The Home area."""

    AREA = "home"
    HELP = (
        "Whether the archive is well. Problems come first, each with what to do. Below are the arrivals of "
        "30 days and 24 hours, the profiles, the archive with its disk, proof, and people.\n\n"
        "Enter on a line opens the place that it is about. Everything is updated by itself: runs each "
        "second, the rest every ten seconds and at the end of a run.\n\n"
        "While set-up is not finished, Home opens with its checklist. `:setup` opens it at any time."
    )
    DEFAULT_CSS = """
    HomeScreen #nothing { display: none; }
    HomeScreen.-none #nothing { display: block; }
    HomeScreen.-none #health { display: none; }
    HomeScreen #health, HomeScreen #columns, HomeScreen #left, HomeScreen #right, HomeScreen .column {
        height: auto;
    }
    HomeScreen #health { height: 1fr; }
    HomeScreen.-wide #columns { layout: horizontal; }
    HomeScreen.-wide #left { width: 1fr; }
    HomeScreen.-wide #right { width: 1fr; }
    HomeScreen.-vast #left { width: 2fr; }
    HomeScreen.-vast #right { layout: horizontal; width: 3fr; }
    HomeScreen.-vast .column { width: 1fr; }
    HomeScreen.-wide LinePane > ChartView { height: 5; }
    HomeScreen.-tall LinePane > ChartView { height: 9; }
    HomeScreen.-vast.-tall LinePane > ChartView { height: 15; }
    HomeScreen LinePane.-empty > ChartView, HomeScreen LinePane.-empty > .caption { display: none; }
    HomeScreen .figures { display: block; }
    HomeScreen.-own .figures { display: none; }
    HomeScreen #own { display: none; }
    HomeScreen.-own #own { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._health: Health | None = None
        self._live: dict[str, ProfileState] = {}
        self._watching: PendingRequest | None = None
        self._ended: dict[str, object] = {}
        """The last run of each profile, by which the end of a run is noticed."""
        self._led = False
        """Whether the checklist was opened by itself."""

    def inside(self) -> Iterable[Widget]:
        """The panes, in the order in which they stand below each other on a narrow terminal."""
        yield SituationText(id="nothing")
        with VerticalScroll(id="health", can_focus=False):
            yield LinePane("Health", id="problems")
            yield LinePane("Your mail", id="own")
            with Container(id="columns", classes="figures"):
                with Container(id="left"):
                    yield LinePane("Profiles", id="profiles")
                    yield LinePane(
                        "Arrivals",
                        caption("days-caption"),
                        ChartView(id="days"),
                        caption("hours-caption"),
                        ChartView(id="hours"),
                        id="arrivals",
                    )
                with Container(id="right"):
                    with Container(classes="column"):
                        yield LinePane("Archive", id="archive")
                        yield LinePane("Proof", id="proof")
                    with Container(classes="column"):
                        yield LinePane("People", id="people")

    # --- what the engine says -------------------------------------------------------------------

    def on_mount(self) -> None:
        """Load the state, and update it while the screen is shown."""
        self.query_one("#nothing", SituationText).busy("Looking at the archive")
        self.add_class("-none")
        self.set_focus(None)
        self._ask()
        self.set_interval(self.muniment.times.home, self._look)

    @on(events.Resize)
    def _measure(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= VAST, "-vast")

    def on_screen_resume(self) -> None:
        """Update what may have changed behind another screen, and watch the runs again."""
        if self._health is not None:
            self._ask()

    def on_screen_suspend(self) -> None:
        """Watch no runs while another screen is shown."""
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _look(self) -> None:
        if self.is_current:
            self._ask()

    def _ask(self) -> None:
        self.muniment.engine.ask(
            self, GetHealth(zone=local_zone()), Health, self._came, failed=self._failed, lane="home"
        )

    def _failed(self, error: MunimentError) -> None:
        self._health = None
        self.add_class("-none")
        self.query_one("#nothing", SituationText).failed("The archive can't be looked at", str(error))

    def _came(self, health: Health) -> None:
        first, self._health = self._health is None, health
        own = lines.is_own(health)
        self.remove_class("-none")
        self.set_class(own, "-own")
        self._draw(health)
        if first:
            self.query_one("#problems", LinePane).focus()
        if not self._lead(health):
            self._watch()

    def _lead(self, health: Health) -> bool:
        """Open the checklist once, while set-up is not finished; returns whether it opens now."""
        opens = not self._led and self.is_current and health.setup_done < health.setup_steps
        self._led = self._led or self.is_current
        if opens:
            self.call_later(self.muniment.action_setup)
        return opens

    def _watch(self) -> None:
        """Watch the runs, while this screen is shown. Plain users may not."""
        if self._watching is None and self.is_current and self._health and not lines.is_own(self._health):
            self._watching = self.muniment.engine.stream(
                self, WatchRuns(), self._runs, ended=self._lost, failed=lambda error: self._lost()
            )

    def _lost(self) -> None:
        """Forget what was live. The next update begins to watch again."""
        self._watching, self._live = None, {}

    def _runs(self, word: WireWord) -> None:
        if not isinstance(word, RunsState) or self._health is None:
            return
        self.muniment.service = self.muniment.service.runs(word.profiles)
        ended: dict[str, object] = {one.name: one.last for one in word.profiles}
        self._live = {one.name: one for one in word.profiles}
        if self._ended and ended != self._ended:
            self._ask()
        self._ended = ended
        if self.muniment.pace.free:
            self._draw_profiles(self._health)
            if any(one.running for one in word.profiles):
                self.muniment.pace.follow(self)

    # --- drawing ----------------------------------------------------------------------------------

    def _draw(self, health: Health) -> None:
        """Draw all panes. What has not changed costs nothing."""
        with self.app.batch_update():
            problems = self.query_one("#problems", LinePane)
            problems.put(lines.problem_lines(health))
            problems.set_title(shown("Problems" if health.problems else "Health"))
            problems.set_count(len(health.problems) or None)
            if lines.is_own(health):
                self.query_one("#own", LinePane).put(lines.own_lines(health))
                return
            self._draw_profiles(health)
            self._draw_arrivals(health)
            for name, found in (
                ("archive", lines.archive_lines(health)),
                ("proof", lines.proof_lines(health)),
                ("people", lines.people_lines(health)),
            ):
                self.query_one(f"#{name}", LinePane).put(found)

    def _draw_profiles(self, health: Health) -> None:
        pane = self.query_one("#profiles", LinePane)
        pane.put(lines.profile_lines(health, self._live))
        pane.set_count(len(health.profiles) or None)

    def _draw_arrivals(self, health: Health) -> None:
        pane = self.query_one("#arrivals", LinePane)
        pane.put(lines.arrival_lines(health))
        pane.say_caption("days", lines.days_caption(health))
        pane.say_caption("hours", lines.hours_caption(health))
        pane.set_class(not any(lines.series(health.days)), "-empty")
        self.query_one("#days", ChartView).show(lines.series(health.days), *lines.day_ends(health.days))
        self.query_one("#hours", ChartView).show(lines.series(health.hours), *lines.hour_ends(health.hours))

    # --- moving and opening -------------------------------------------------------------------------

    @on(LinePane.PaneLeft)
    def _next_pane(self, event: LinePane.PaneLeft) -> None:
        """Go on in the pane above or below."""
        panes = panes_of(self.query(LinePane))
        if event.pane in panes:
            to = panes.index(event.pane) + event.step
            if 0 <= to < len(panes):
                panes[to].focus(scroll_visible=False)
                panes[to].go_to(0 if event.step > 0 else -1)

    @on(LinePane.LineOpened)
    async def _open(self, event: LinePane.LineOpened) -> None:
        await self._go(event.line)

    async def _go(self, line: HomeLine) -> None:
        if line.area == SETUP:
            await self.muniment.action_setup()
        elif line.area == OUTSIDE:
            self.muniment.tell("This is dealt with outside of Muniment.")
        else:
            await self.muniment.places.open(line.area, line.row)

    def action_find(self) -> None:
        """Search mail."""
        self.run_worker(self.muniment.places.open("messages", ""), exclusive=True)
