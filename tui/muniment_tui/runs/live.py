"""The pane of one profile's run: a bar for each stage, speed, time left, and the books."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from muniment.api import ProfileState, ProgressWord
from muniment.cli.progress import expected, remaining, settled, speed
from muniment.system.formatting import count, seconds, size
from muniment_tui.runs.figures import SPEEDS, RunPace, ended, equations, last_run, runs_by_itself
from muniment_tui.terminal.safe_text import block, joined, shown
from muniment_tui.widgets.chart import ChartView, chart
from muniment_tui.widgets.meters import BarMeter
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.text import TextLines

SPANS = (30, 60, SPEEDS)
"""How many speeds the chart shows at first, and later."""
SPARK = 15
"""Cells of the speeds where there is room for one line only."""
STAGES = ("Fetch", "Dedup", "Store", "Index", "Delete")


class RunPane(Pane):
    """The current run of a profile, or its last run."""

    DEFAULT_CSS = """
    RunPane { height: auto; min-height: 5; max-height: 12; padding: 0 1; }
    RunPane > #meters { height: auto; display: none; }
    RunPane.-runs > #meters { display: block; }
    RunPane #head { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    RunPane #speed { height: 1; }
    RunPane #speeds { display: none; height: 1fr; margin-top: 1; }
    RunPane #books { height: auto; }
    RunPane.-runs #books { height: 3; }
    RunPane #why { height: auto; max-height: 5; margin-top: 1; }
    RunPane.-runs #why { display: none; }
    """

    def __init__(self) -> None:
        super().__init__(shown("Run"), id="run")
        self._paces: dict[str, RunPace] = {}

    def compose(self) -> ComposeResult:
        yield TextLines(id="head")
        with Vertical(id="meters"):
            for stage in STAGES:
                yield BarMeter(stage, label_width=7, id=stage.lower())
            yield TextLines(id="speed")
        yield ChartView(number=lambda speed: f"{count(round(speed))}/s", id="speeds")
        yield TextLines(id="books")
        yield TextLines(id="why")

    def see(self, profiles: Iterable[ProfileState]) -> None:
        """Record the speed of all runs, shown or not."""
        running = {p.name: p.running for p in profiles if p.running and p.running.stage != "waiting"}
        self._paces = {name: self._paces.get(name) or RunPace() for name in running}
        for name, run in running.items():
            self._paces[name].see(run)

    def show(self, profile: ProfileState | None, all_profiles: Sequence[ProfileState] = ()) -> None:
        """Show the run of a profile."""
        self.set_title(shown(profile.name if profile else "Run"))
        run = profile.running if profile else None
        going = run is not None and run.stage != "waiting"
        self.set_class(going, "-runs")
        if run is not None and going:
            self._show_run(run)
        elif run is not None:
            self._say(joined(("… ", "bold $accent"), ("queued: ", "bold"), (_before(all_profiles), "")))
        elif profile is None:
            self._say(shown("Choose a profile above.", "$secondary"))
        else:
            self._show_last(profile)

    def _say(self, head: Content, books: Content | None = None, why: Content | None = None) -> None:
        self.query_one("#head", TextLines).say(head)
        self.query_one("#books", TextLines).say(books or Content())
        self.query_one("#why", TextLines).say(why or Content())

    def _show_last(self, profile: ProfileState) -> None:
        last = profile.last
        if last is None:
            advice = "Press r to run it now." + (
                "" if runs_by_itself(profile) else " It runs by hand only: see Profiles (2)."
            )
            self._say(last_run(None), why=shown(advice, "$secondary"))
            return
        error = str(last.get("error", ""))
        failures = int(last.get("in_a_row", 1))
        if failures > 1:
            error = f"{count(failures)} runs in a row failed. {error}"
        listed_nothing = bool(error) and not last.get("listed")
        books = Content() if listed_nothing else equations(last, bool(last.get("balanced", True)))
        self._say(ended(last), books, block(error, "$error"))

    def _show_run(self, run: ProgressWord) -> None:
        pace = self._paces.get(run.profile) or RunPace()
        rest = remaining(run) if run.total_known else "still listing"
        head = joined(
            ("▶ ", "bold $accent"), (run.stage, "bold"),
            (f"  {size(run.bytes)} in {seconds(int(run.seconds))}", ""),
            (f", {speed(run)}" if speed(run) else "", ""),
            (f"  {rest}" if rest else "", "$secondary"),
        )  # fmt: skip
        self._say(head, equations(run.books))
        for name, (done, total, note), bar in zip(
            STAGES, _stages(run, pace), self.query(BarMeter), strict=True
        ):
            bar.show(done, total, note, pace.percent(name, done, total))
        number = f"  {count(round(pace.rate()))}/s"
        span = next((span for span in SPANS if len(pace.speeds) <= span), SPEEDS)
        speeds = [*[None] * (span - len(pace.speeds)), *pace.speeds]
        view = self.query_one("#speeds", ChartView)
        if view.display:
            view.show(speeds, f"Speed, last {span} s", number)
        drawn = chart(speeds[-2 * SPARK :], SPARK, 1)
        self.query_one("#speed", TextLines).say(joined(("Speed  ", ""), drawn, (number, "bold")))


def _stages(run: ProgressWord, pace: RunPace) -> list[tuple[int, int, str]]:
    """For each stage: done, total (0 if unknown), and a note."""
    books = run.books
    total = expected(run) if run.total_known else 0
    passed = sum(books.get(name, 0) for name in ("already", "failed", "skipped"))
    wanted = max(total - passed, run.arrived) if total else 0
    new = books.get("new", 0)
    behind = max(new - run.indexed, 0)
    deleted = books.get("deleted", 0)
    return [
        (settled(run), total, f"{size(round(pace.bytes()))}/s"),
        (run.decided, wanted, f"{count(books.get('merged', 0))} known"),
        (run.stored, wanted, f"{count(new)} new"),
        # Only new messages are indexed. Their number is known after all mail is fetched.
        (
            run.indexed,
            new if run.stage == "indexing" else wanted,
            f"{count(behind)} behind" if behind else "",
        ),
        (deleted, total, "") if run.deletes else (0, 0, "mail stays"),
    ]


def _before(profiles: Sequence[ProfileState]) -> str:
    """Which run this one waits for."""
    names = [p.name for p in profiles if p.running is not None and p.running.stage != "waiting"]
    return f"{names[0]} is running" if names else "the vault is busy"
