"""The list of finished runs, with filters. Further pages are loaded while scrolling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from muniment.api import GetHistory, History, RunRecord
from muniment.errors import MunimentError
from muniment.system.formatting import count, local, seconds, size
from muniment_tui.actions.registry import Action, actions
from muniment_tui.runs.figures import news, result
from muniment_tui.runs.record import RecordScreen
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, RowList, ShortList
from muniment_tui.widgets.situation import situation

PAGE = 100
MOST = 5000
"""Maximum number of listed runs. Older runs are found with filters or `muniment history`."""
EARLY = 20
"""Distance from the end, in rows, at which the next page is requested."""
STATES = ("", "failed", "cancelled", "ok")
COLUMNS = [
    ListColumn("Ended", 16),
    ListColumn("Profile", 13),
    ListColumn("State", 13),
    ListColumn("Took", 12, right=True, since=100),
    ListColumn("Bytes", 9, right=True, since=100),
    ListColumn("Result", share=1),
]


class HistoryScreen(FrameScreen):
    """The list of finished runs."""

    HELP = (
        "Finished runs, newest first. Enter shows the full record of one.\n\n"
        "Successful runs that found nothing new are hidden; `e` shows them. If several runs of a profile "
        "fail in a row before they list any mail (unknown host, wrong password), only the last one is "
        "listed, with the number of failures."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("history.profile", "p", "Profile", "Show runs of the next profile, or of all.", footer=6),
            Action(
                "history.state", "s", "State", "Show failed, cancelled, successful or all runs.",
                footer=5,
            ),
            Action("history.every", "e", "Every run", "Show or hide runs that found nothing new.", footer=4),
            Action("history.reload", "f5", "Reload", "Load the history again."),
        )
    ]  # fmt: skip

    def __init__(self, profiles: Sequence[str], profile: str = "") -> None:
        """`profiles` can be chosen as filters. `profile` is the first filter; "" shows all."""
        super().__init__()
        self._profiles = ["", *profiles]
        self._profile, self._state, self._every = profile, "", bool(profile)
        self._runs: list[RunRecord] = []
        self._after = 0

    def inside(self) -> Iterable[Widget]:
        yield Pane(shown(""), ShortList(COLUMNS, id="runs"), id="history")

    def on_mount(self) -> None:
        self._list.focus()
        self._load_first_page()

    @property
    def _list(self) -> ShortList:
        return self.query_one("#runs", ShortList)

    # --- pages ----------------------------------------------------------------------------------

    def _load_first_page(self) -> None:
        self._runs, self._after = [], 0
        self._set_title()
        self._list.fill(())
        self._list.empty = situation("…", "$primary", "Loading the history")
        self._ask()

    def _ask(self) -> None:
        after, self._after = self._after, 0
        request = GetHistory(
            profile=self._profile, state=self._state, eventful=not self._every, limit=PAGE, after=after
        )
        self.muniment.engine.ask(self, request, History, self._came, failed=self._failed, lane="history")

    def _came(self, history: History) -> None:
        self._runs += history.runs
        self._after = history.after if len(self._runs) < MOST else 0
        self._list.empty = situation(
            "○", "$secondary", "No finished runs",
            "p, s and e change the filters." if self._filtered else "Runs are listed when they end.",
        )  # fmt: skip
        self._list.fill([run_row(run) for run in self._runs])
        more = " and more" if self._after else ""
        if history.after and not self._after:
            more = f", the newest only: filter with p and s, or use muniment history --after {history.after}"
        self.say(
            shown(f"{count(len(self._runs))} {'run' if len(self._runs) == 1 else 'runs'}{more}", "$secondary")
        )

    def _failed(self, error: MunimentError) -> None:
        self._list.empty = situation("✗", "$error", "The history can't be loaded", str(error))

    @on(RowList.Moved, "#runs")
    def _moved(self) -> None:
        if self._after and self._list.cursor >= self._list.count - EARLY:
            self._ask()

    @on(RowList.Opened, "#runs")
    def _opened(self, event: RowList.Opened) -> None:
        if event.row is not None:
            self.app.push_screen(RecordScreen(event.row.value))

    # --- filters --------------------------------------------------------------------------------

    @property
    def _filtered(self) -> bool:
        return bool(self._profile or self._state or not self._every)

    def _set_title(self) -> None:
        parts = [
            "Runs of " + (self._profile or "all profiles"),
            self._state or "any result",
            "every run" if self._every else "without empty runs",
        ]
        self.query_one("#history", Pane).set_title(joined(*((part, "") for part in parts), gap=" · "))

    def action_profile(self) -> None:
        """Filter by the next profile."""
        at = self._profiles.index(self._profile) if self._profile in self._profiles else 0
        self._profile = self._profiles[(at + 1) % len(self._profiles)]
        self._load_first_page()

    def action_state(self) -> None:
        """Filter by the next state."""
        self._state = STATES[(STATES.index(self._state) + 1) % len(STATES)]
        self._load_first_page()

    def action_every(self) -> None:
        """Show or hide runs that found nothing new."""
        self._every = not self._every
        self._load_first_page()

    def action_reload(self) -> None:
        """Load the first page again."""
        self._load_first_page()


def run_row(run: RunRecord) -> ListRow:
    """The row of a finished run."""
    summary = run.summary
    state = str(summary.get("state", ""))
    cells = (
        local(run.time) if run.time else "",
        str(summary.get("profile", "")),
        result(state),
        seconds(float(summary.get("seconds", 0.0))),
        size(int(summary.get("bytes", 0))),
        news({**summary, "in_a_row": run.count}),
    )
    return ListRow(f"{run.sequence}:{run.time}:{summary.get('profile', '')}", cells, run)
