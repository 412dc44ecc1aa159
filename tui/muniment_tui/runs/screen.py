"""The Runs area: every profile, its run as it goes, and the newest lines of the log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from muniment.api import (
    CancelRun,
    Done,
    GetHistory,
    History,
    LogLine,
    ProfileState,
    Request,
    Run,
    RunAll,
    RunsState,
    RunSummary,
    WatchRuns,
    Word,
)
from muniment.cli.progress import far
from muniment.errors import AccessRefused, MunimentError
from muniment.system.formatting import count, local_moment
from muniment_tui.actions.registry import Action, actions
from muniment_tui.engine.bridge import Line
from muniment_tui.runs import figures
from muniment_tui.runs.figures import clock, last_run, news, standing
from muniment_tui.runs.history import COLUMNS as HISTORY
from muniment_tui.runs.history import HistoryScreen, run_row
from muniment_tui.runs.live import RunPane
from muniment_tui.runs.quarantine import QuarantineScreen
from muniment_tui.runs.record import RecordScreen
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import Column
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import Row, RowList, ShortList
from muniment_tui.widgets.situation import Situation
from muniment_tui.widgets.tail import Tail

AGAIN = 5.0
"""Seconds after a lost line to the service before it is tried anew."""
OFTEN = 0.9
"""Seconds between two drawings of mere progress, at least: states come once a second."""
LAST = 10
"""Runs that a tall screen lists."""
COLUMNS = [
    Column("Profile", share=2),
    Column("Source", 8, since=100),
    Column("Now", 20),
    Column("Next", 5),
    Column("Last run", share=3),
]
LEVELS = {"warning": ("! ", "bold $warning"), "error": ("✗ ", "bold $error")}


class ProfileList(ShortList):
    """The profiles and what each does."""

    HELP = "Each profile, what it does now, when it starts by itself, and how its last run went."


class RunsScreen(AreaScreen):
    """Runs."""

    AREA = "runs"
    HELP = (
        "What is being archived now, and what was.\n\n"
        "A run fetches what is new in a mailbox, keeps it, and deletes it there if the profile says so. "
        "Fetch, Dedup, Store, Index and Delete are its stages: what is fetched is compared with what is "
        "kept, written to the ledger, made findable, and only then deleted at the source.\n\n"
        "The books say what became of every message that was listed; each line is a sum that must come out. "
        "Runs go on when this app is closed: one at a time, in the order in which they were asked for."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "runs.now", "r", "Run now", "Fetch and archive new mail of this profile.", footer=8,
                changes=True,
            ),
            Action(
                "runs.cancel", "c", "Cancel", "Stop this profile's run after the messages in hand.", footer=6,
                changes=True,
            ),
            Action(
                "runs.history", "h", "History", "List the runs of all profiles that have ended.", footer=5
            ),
            Action(
                "runs.quarantine", "x", "Quarantine",
                "List mail that could not be unwrapped: look at it, or try it again.",
            ),
            Action(
                "runs.all", "R", "Run all", "Run every enabled profile, one after another.", changes=True
            ),
        )
    ]  # fmt: skip
    DEFAULT_CSS = """
    RunsScreen #profiles-pane { height: auto; max-height: 6; }
    RunsScreen.-tall #profiles-pane { max-height: 12; }
    RunsScreen #profiles { height: auto; min-height: 2; max-height: 5; }
    RunsScreen.-tall #profiles { max-height: 11; }
    RunsScreen #last-pane { display: none; height: 12; }
    RunsScreen.-tall #last-pane { display: block; }
    RunsScreen #nothing { display: none; }
    RunsScreen.-none #nothing { display: block; }
    RunsScreen.-none Pane { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._state: RunsState | None = None
        self._line: Line | None = None
        self._logged = 0
        """The number of the newest line that the log shows."""
        self._drawn = 0.0
        self._lasts: list[dict[str, Any] | None] | None = None
        """How the profiles' last runs went when the history was last asked for."""

    def inside(self) -> Iterable[Widget]:
        """Profiles, the run of the one at the cursor, the log."""
        yield Situation(id="nothing")
        yield Pane(shown("Profiles"), ProfileList(COLUMNS, id="profiles"), id="profiles-pane")
        yield RunPane()
        yield Pane(shown("Last runs"), ShortList(HISTORY, id="last"), id="last-pane")
        nothing = shown("Nothing was logged since the service was started.", "$secondary")
        yield Pane(shown("Log"), Tail(empty=nothing, id="log"), id="log-pane")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is there: no run where there is no profile, no end where nothing goes on."""
        if action in ("now", "all") and not (self._state and self._state.profiles):
            return False
        if action == "cancel":
            return self._state is not None and self._current is not None and self._current.running is not None
        return super().check_action(action, parameters)

    # --- what the engine says ---------------------------------------------------------------

    def on_mount(self) -> None:
        """Watch, for as long as the app is open."""
        self._nothing.busy("Asking what runs.")
        self.add_class("-none")
        self.set_focus(None)
        self._watch()

    def _watch(self) -> None:
        self._line = self.muniment.engine.stream(
            self, WatchRuns(), self._came, ended=self._ended, failed=self._failed
        )

    def _came(self, word: Word) -> None:
        if not isinstance(word, RunsState):
            return
        before, self._state = self._state, word
        self._log(word.log)
        self.query_one(RunPane).see(word.profiles)
        pace = self.muniment.pace
        if before is None or _shape(before) != _shape(word):
            self._draw(word, first=before is None)
        elif figures.now() - self._drawn >= OFTEN and pace.free:
            self._draw(word)
        else:
            return
        if any(profile.running for profile in word.profiles):
            pace.follow(self)

    def _draw(self, word: RunsState, first: bool = False) -> None:
        self._drawn = figures.now()
        self.muniment.runs_go_on = any(profile.running for profile in word.profiles)
        if self.has_class("-none") == bool(word.profiles):
            self.set_class(not word.profiles, "-none")
            self.refresh_bindings()
        if not word.profiles:
            self.set_focus(None)
            self._nothing.nothing(
                "No profiles yet.", "A profile says where mail is fetched from. Press 2 and add one."
            )
        self._list.fill([_row(profile) for profile in word.profiles])
        if first:
            running = [p.name for p in word.profiles if p.running is not None]
            self._list.go_to(running[0] if running else "")
        if self.focused is None and word.profiles:
            self._list.focus()
        self._show_current()
        self._say_status(word)
        self._ask_last([profile.last for profile in word.profiles])

    def _ask_last(self, lasts: list[dict[str, Any] | None]) -> None:
        """Ask for the last runs where one has ended since they were asked for."""
        if self._lasts == lasts:
            return
        self._lasts = lasts
        request = GetHistory(eventful=True, limit=LAST)
        self.muniment.engine.ask(self, request, History, self._last_came, lane="last")

    def _last_came(self, history: History) -> None:
        last = self.query_one("#last", ShortList)
        last.empty = shown("No run has brought anything yet.", "$secondary")
        last.fill([run_row(run) for run in history.runs])

    @on(RowList.Opened, "#last")
    def _opened_last(self, event: RowList.Opened) -> None:
        if event.row is not None:
            self.app.push_screen(RecordScreen(event.row.value))

    def _show_current(self) -> None:
        if self._state is not None:
            self.query_one(RunPane).show(self._current, self._state.profiles)
            self.refresh_bindings()

    def _log(self, lines: tuple[LogLine, ...]) -> None:
        tail = self.query_one(Tail)
        if lines and lines[-1].number < self._logged:  # another service
            tail.clear()
            self._logged = 0
        new = [line for line in lines if line.number > self._logged]
        if new:
            self._logged = new[-1].number
            tail.add(_log_line(line) for line in new)

    def _say_status(self, state: RunsState) -> None:
        if not state.profiles:
            self.say(Content())
            return
        running = [p.name for p in state.profiles if p.running is not None]
        words = [_at_work(len(running), len(state.profiles))]
        if state.quarantined:
            words.append(f"{count(state.quarantined)} in quarantine (x)")
        held = figures.by_hand(state.profiles)
        self.say(joined((", ".join(words), "$secondary"), (held, "$warning"), gap="   "))

    def _ended(self) -> None:
        self._lost("The service has ended.")

    def _failed(self, error: MunimentError) -> None:
        if isinstance(error, AccessRefused):
            self._show_nothing("You may not see what runs.", str(error))
        else:
            self._lost(str(error))

    def _lost(self, why: str) -> None:
        """Say why nothing is shown, and try again."""
        again = f"{why}\nIt is tried again every {AGAIN:.0f} seconds."
        self._show_nothing("What runs can't be seen now.", again)
        self.set_timer(AGAIN, self._watch)

    def _show_nothing(self, title: str, why: str) -> None:
        self._state = None
        self.add_class("-none")
        self.set_focus(None)
        self._list.fill(())
        self._nothing.failed(title, why)

    # --- the profile at the cursor ------------------------------------------------------------

    @property
    def _nothing(self) -> Situation:
        return self.query_one("#nothing", Situation)

    @property
    def _list(self) -> ProfileList:
        return self.query_one(ProfileList)

    @property
    def _current(self) -> ProfileState | None:
        row = self._list.current
        return row.value if row is not None else None

    @on(RowList.Moved, "#profiles")
    def _moved(self) -> None:
        self._show_current()

    @on(RowList.Opened, "#profiles")
    def _opened(self) -> None:
        profile = self._current
        if profile is not None:
            self._open_history(profile.name)

    # --- actions --------------------------------------------------------------------------------

    def action_now(self) -> None:
        """Run the profile at the cursor."""
        profile = self._current
        if profile is None:
            self.muniment.tell("There is no profile to run: press 2 and add one.", "warning")
        elif profile.running is not None:
            self.muniment.tell(f"{profile.name} is running already.", "warning")
        else:
            self._run(Run(profile=profile.name), f"Asked for a run of {profile.name}.")

    def action_all(self) -> None:
        """Run all that are enabled."""
        enabled = [p for p in self._state.profiles if p.enabled] if self._state else []
        if not enabled:
            self.muniment.tell(
                "There is no enabled profile to run: press 2 and add or enable one.", "warning"
            )
            return
        self._run(RunAll(), f"Asked for runs of {count(len(enabled))} profiles.")

    def _run(self, request: Request, told: str) -> None:
        self.muniment.tell(told)
        self.muniment.runs_go_on = True
        self.muniment.engine.stream(self, request, self._run_said)

    def _run_said(self, word: Word) -> None:
        if isinstance(word, RunSummary):
            told = {name: getattr(word, name) for name in word.__struct_fields__}
            severity = {"ok": "information", "cancelled": "warning"}.get(word.state, "error")
            self.muniment.tell(f"{word.profile}: {word.state}, {news(told)}.", severity)

    def action_cancel(self) -> None:
        """Ask, then stop the run of the profile at the cursor."""
        profile = self._current
        if profile is None or (run := profile.running) is None:
            return
        question = joined(
            ("Cancel the run of ", ""), (profile.name, "bold"), (f"? Done so far: {far(run)}. ", ""),
            ("What is kept stays kept; the rest stays at the source for the next run.", "$secondary"),
        )  # fmt: skip
        self.confirm(question, lambda: self._cancel(profile.name))

    def _cancel(self, name: str) -> None:
        request = CancelRun(profile=name)
        self.muniment.engine.ask(self, request, Done, lambda done: self.muniment.tell(done.message))

    def action_history(self) -> None:
        """All runs."""
        self._open_history("")

    def _open_history(self, profile: str) -> None:
        names = [p.name for p in self._state.profiles] if self._state else []
        self.app.push_screen(HistoryScreen(names, profile))

    def action_quarantine(self) -> None:
        """What is in quarantine."""
        self.app.push_screen(QuarantineScreen())


def _shape(state: RunsState) -> list[tuple[object, ...]]:
    """What of a state is more than progress."""
    return [
        (p.name, p.source, p.enabled, p.next_start, p.last, p.running and p.running.stage == "waiting")
        for p in state.profiles
    ]


def _at_work(running: int, profiles: int) -> str:
    if not running:
        return "nothing is running"
    return f"{count(running)} of {count(profiles)} {'is' if profiles == 1 else 'are'} running or waiting"


def _row(profile: ProfileState) -> Row:
    cells = (
        shown(profile.name), shown(profile.source), standing(profile), clock(profile.next_start),
        last_run(profile.last),
    )  # fmt: skip
    return Row(profile.name, cells, profile)


def _log_line(line: LogLine) -> Content:
    at = f"{local_moment(line.time):%H:%M:%S} "
    return joined((at, "$secondary"), LEVELS.get(line.level, ("", "")), shown(line.text))
