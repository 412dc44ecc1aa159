"""The Runs area: all profiles, the run of one, recent runs, and the log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
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
    RunRecord,
    RunsState,
    RunSummary,
    WatchRuns,
    WireWord,
)
from muniment.cli.progress import far
from muniment.errors import AccessRefused, MunimentError
from muniment.system.formatting import count, local_moment
from muniment_tui.actions.registry import Action, actions
from muniment_tui.engine.bridge import PendingRequest
from muniment_tui.runs import figures
from muniment_tui.runs.figures import clock, last_end, news, standing, when
from muniment_tui.runs.history import HistoryScreen, run_row
from muniment_tui.runs.live import RunPane
from muniment_tui.runs.quarantine import QuarantineScreen
from muniment_tui.runs.record import RecordScreen
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, RowList, ShortList
from muniment_tui.widgets.situation import SituationText
from muniment_tui.widgets.tail import TailList

LAST = 10
"""Number of past runs on a tall screen."""
QUARANTINE = "quarantine"
"""The row that opens the list of items in quarantine, as in `api.HealthProblem`."""
COLUMNS = [
    ListColumn("Profile", share=2),
    ListColumn("Source", 8, since=90),
    ListColumn("Now", 18),
    ListColumn("Next", 5, right=True, since=70),
    ListColumn("Last run", 13),
    ListColumn("Result", share=3, since=64),
]
ENDED = [
    ListColumn("Ended", 11),
    ListColumn("Profile"),
    ListColumn("State", 13),
    ListColumn("Result", share=2),
]
"""The columns of the last runs."""
LEVELS = {"warning": ("! ", "bold $warning"), "error": ("✗ ", "bold $error")}


class ProfileList(ShortList):
    """The profiles and their current activity."""

    HELP = "Each profile with its current activity, its next scheduled start, and its last run."


class RunsScreen(AreaScreen):
    """The Runs area."""

    AREA = "runs"
    HELP = (
        "Current and past runs.\n\n"
        "A run fetches the new mail of a mailbox, archives it, and deletes it at the source if the profile "
        "says so. Its stages are Fetch, Dedup, Store, Index and Delete: mail is fetched, compared with the "
        "archive, written to the ledger, indexed for search, and only then deleted at the source.\n\n"
        "The books account for every message that was listed. Each line is a sum that must balance. Runs "
        "continue when this app is closed, one at a time, in the order in which they were requested."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "runs.now", "r", "Run now", "Fetch and archive the new mail of this profile.", footer=8,
                changes=True, words="start fetch",
            ),
            Action(
                "runs.cancel", "c", "Cancel", "Stop this profile's run after the current messages.", footer=6,
                changes=True, words="stop abort end",
            ),
            Action(
                "runs.history", "h", "History", "List the finished runs of all profiles.", footer=5,
                words="past log when last",
            ),
            Action(
                "runs.quarantine", "x", "Quarantine",
                "List mail that could not be unwrapped, to view it or try again.",
                words="damaged broken failed lost retry",
            ),
            Action(
                "runs.all", "R", "Run all", "Run every enabled profile, one after another.", changes=True,
                words="start fetch"
            ),
        )
    ]  # fmt: skip
    DEFAULT_CSS = """
    RunsScreen #nothing { display: none; }
    RunsScreen.-none #nothing { display: block; }
    RunsScreen.-none #top, RunsScreen.-none #bottom { display: none; }

    RunsScreen #top { height: auto; layout: vertical; }
    RunsScreen #bottom { height: 1fr; layout: vertical; }
    RunsScreen #profiles-pane { height: auto; max-height: 6; }
    RunsScreen #profiles { height: auto; min-height: 2; max-height: 5; }
    RunsScreen.-tall #profiles-pane { max-height: 12; }
    RunsScreen.-tall #profiles { max-height: 10; }
    RunsScreen #last-pane { display: none; height: 1fr; }
    RunsScreen.-tall #last-pane { display: block; }
    RunsScreen.-narrow.-high Pane { border: none; border-top: solid $border-blurred; }
    RunsScreen.-narrow.-high Pane:focus-within { border: none; border-top: heavy $border; }
    RunsScreen.-narrow.-tall RunPane { max-height: 14; }

    RunsScreen.-wide #top { layout: horizontal; height: 14; }
    RunsScreen.-wide #bottom { layout: horizontal; }
    RunsScreen.-wide #last-pane { display: block; }
    RunsScreen.-wide #profiles-pane, RunsScreen.-wide RunPane { height: 100%; max-height: 100%; width: 4fr; }
    RunsScreen.-wide RunPane { width: 5fr; }
    RunsScreen.-wide RunPane.-runs #books { height: auto; }
    RunsScreen.-wide #profiles { height: 1fr; max-height: 100%; }
    RunsScreen.-wide.-tall #top { height: 58%; }
    RunsScreen.-wide.-tall RunPane.-runs #speed { display: none; }
    RunsScreen.-wide.-tall RunPane.-runs #speeds { display: block; }
    RunsScreen.-wide.-tall RunPane #meters, RunsScreen.-wide.-tall RunPane #books { margin-top: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._state: RunsState | None = None
        self._line: PendingRequest | None = None
        self._logged = 0
        """The number of the newest line in the log."""
        self._drawn = 0.0
        self._wanted = ""
        """The profile that the cursor goes to at the next drawing."""
        self._lasts: list[dict[str, Any] | None] | None = None
        """The last runs of the profiles when the history was last requested."""

    def inside(self) -> Iterable[Widget]:
        """The profiles, the run of the profile at the cursor, recent runs and the log."""
        yield SituationText(id="nothing")
        with Container(id="top"):
            yield Pane(shown("Profiles"), ProfileList(COLUMNS, id="profiles"), id="profiles-pane")
            yield RunPane()
        with Container(id="bottom"):
            yield Pane(shown("Last runs"), ShortList(ENDED, id="last"), key="h", id="last-pane")
            nothing = shown("No log lines since the service started.", "$secondary")
            yield Pane(shown("Log"), TailList(empty=nothing, id="log"), id="log-pane")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available. Runs need a profile, and cancelling needs a running one."""
        if action in ("now", "all") and not (self._state and self._state.profiles):
            return False
        if action == "cancel":
            return self._state is not None and self._current is not None and self._current.running is not None
        return super().check_action(action, parameters)

    # --- what the engine says ---------------------------------------------------------------

    def on_mount(self) -> None:
        """Watch the runs until the app is closed."""
        self._nothing.busy("Loading the runs")
        self.add_class("-none")
        self.set_focus(None)
        self._watch()

    def _watch(self) -> None:
        self._line = self.muniment.engine.stream(
            self, WatchRuns(), self._came, ended=self._ended, failed=self._failed
        )

    def _came(self, word: WireWord) -> None:
        if not isinstance(word, RunsState):
            return
        before, self._state = self._state, word
        self.muniment.service = self.muniment.service.runs(word.profiles)
        self._log(word.log)
        self.query_one(RunPane).see(word.profiles)
        pace = self.muniment.pace
        if before is None or _shape(before) != _shape(word):
            self._draw(word, first=before is None)
        elif figures.now() - self._drawn >= self.muniment.times.drawings and pace.free:
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
                "No profiles yet", "A profile says where mail is fetched from. Press 2 to add one."
            )
        self.query_one("#profiles-pane", Pane).set_count(len(word.profiles))
        self._list.fill([_row(profile) for profile in word.profiles])
        if first:
            running = [p.name for p in word.profiles if p.running is not None]
            self._list.go_to(running[0] if running else "")
        if self._wanted and self._list.go_to(self._wanted):
            self._wanted = ""
        if self.focused is None and word.profiles:
            self._list.focus()
        self._show_current()
        self._say_status(word)
        self._ask_last([profile.last for profile in word.profiles])

    def _ask_last(self, lasts: list[dict[str, Any] | None]) -> None:
        """Load the recent runs again if a run has ended."""
        if self._lasts == lasts:
            return
        self._lasts = lasts
        request = GetHistory(eventful=True, limit=LAST)
        self.muniment.engine.ask(self, request, History, self._last_came, lane="last")

    def _last_came(self, history: History) -> None:
        last = self.query_one("#last", ShortList)
        last.empty = shown("No run has archived anything yet.", "$secondary")
        last.fill([_ended_row(run) for run in history.runs])

    @on(RowList.Opened, "#last")
    def _opened_last(self, event: RowList.Opened) -> None:
        if event.row is not None:
            self.app.push_screen(RecordScreen(event.row.value))

    def _show_current(self) -> None:
        if self._state is not None:
            self.query_one(RunPane).show(self._current, self._state.profiles)
            self.refresh_bindings()

    def _log(self, lines: tuple[LogLine, ...]) -> None:
        tail = self.query_one(TailList)
        if lines and lines[-1].number < self._logged:  # the service was restarted
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
            self._show_nothing("You are not allowed to see runs", str(error))
        else:
            self._lost(str(error))

    def _lost(self, why: str) -> None:
        """Show why the runs are not visible, and connect again later."""
        self.muniment.service = self.muniment.service.lost()
        wait = self.muniment.times.retry
        again = f"{why}\nTrying again every {wait:.0f} seconds."
        self._show_nothing("Runs can't be shown now", again)
        self.set_timer(wait, self._watch)

    def _show_nothing(self, title: str, why: str) -> None:
        self._state = None
        self.add_class("-none")
        self.set_focus(None)
        self._list.fill(())
        self._nothing.failed(title, why)

    # --- the profile at the cursor ------------------------------------------------------------

    @property
    def _nothing(self) -> SituationText:
        return self.query_one("#nothing", SituationText)

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
            self.muniment.tell("There is no profile to run. Press 2 to add one.", "warning")
        elif profile.running is not None:
            self.muniment.tell(f"{profile.name} is already running.", "warning")
        else:
            self._run(Run(profile=profile.name), f"Requested a run of {profile.name}.")

    def action_all(self) -> None:
        """Run all enabled profiles, or say that there is none."""
        enabled = [p for p in self._state.profiles if p.enabled] if self._state else []
        if not enabled:
            self.muniment.tell("There is no enabled profile to run. Press 2 to add or enable one.", "warning")
            return
        self._run(RunAll(), f"Requested runs of {count(len(enabled))} profiles.")

    def _run(self, request: Request, notice: str) -> None:
        self.muniment.tell(notice)
        self.muniment.runs_go_on = True
        self.muniment.engine.stream(self, request, self._run_ended)

    def _run_ended(self, word: WireWord) -> None:
        if isinstance(word, RunSummary):
            summary = {name: getattr(word, name) for name in word.__struct_fields__}
            severity = {"ok": "information", "cancelled": "warning"}.get(word.state, "error")
            self.muniment.tell(f"{word.profile}: {word.state}, {news(summary)}.", severity)

    def action_cancel(self) -> None:
        """Ask for confirmation, then stop the run of the profile at the cursor."""
        profile = self._current
        if profile is None or (run := profile.running) is None:
            return
        question = joined(
            ("Cancel the run of ", ""), (profile.name, "bold"), (f"? Done so far: {far(run)}. ", ""),
            ("Archived mail stays archived; the next run continues.", "$secondary"),
        )  # fmt: skip
        self.confirm(question, lambda: self._cancel(profile.name))

    def _cancel(self, name: str) -> None:
        request = CancelRun(profile=name)
        self.muniment.engine.ask(self, request, Done, lambda done: self.muniment.tell(done.message))

    def action_history(self) -> None:
        """Show the runs of all profiles."""
        self._open_history("")

    def _open_history(self, profile: str) -> None:
        names = [p.name for p in self._state.profiles] if self._state else []
        self.app.push_screen(HistoryScreen(names, profile))

    def show_row(self, row: str) -> None:
        """Put the cursor on a profile, or open the quarantine."""
        if row == QUARANTINE:
            self.action_quarantine()
            return
        self._wanted = row
        if self._state is not None:
            self._draw(self._state)

    def action_quarantine(self) -> None:
        self.app.push_screen(QuarantineScreen())


def _shape(state: RunsState) -> list[tuple[object, ...]]:
    """The part of a state that is more than progress. A change of it is drawn at once."""
    return [
        (p.name, p.source, p.enabled, p.next_start, p.last, p.running and p.running.stage == "waiting")
        for p in state.profiles
    ]


def _at_work(running: int, profiles: int) -> str:
    if not running:
        return "no run is active"
    return f"{count(running)} of {count(profiles)} running or queued"


def _row(profile: ProfileState) -> ListRow:
    cells = (
        shown(profile.name), shown(profile.source), standing(profile), clock(profile.next_start),
        last_end(profile.last), news(profile.last) if profile.last else "",
    )  # fmt: skip
    return ListRow(profile.name, cells, profile)


def _ended_row(run: RunRecord) -> ListRow:
    row = run_row(run)
    profile, state, *_, result = row.cells[1:]
    return ListRow(row.key, (when(run.time), profile, state, result), run)


def _log_line(line: LogLine) -> Content:
    at = f"{local_moment(line.time):%H:%M:%S} "
    return joined((at, "$secondary"), LEVELS.get(line.level, ("", "")), shown(line.text))
