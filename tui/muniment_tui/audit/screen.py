"""The Audit area: the list of events with its filters, and the record of one event."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace
from textual import events, on
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from muniment.api import Audit, AuditEvent, ListUsers, Users, UserWord
from muniment.cli.trail.event_lines import AuditLine, act, grouped, whose
from muniment.errors import MunimentError
from muniment.system.environment import home_folder
from muniment.system.formatting import count
from muniment_tui.actions.registry import Action, actions
from muniment_tui.audit.csv_file import AuditCsvFile
from muniment_tui.audit.event_text import line_text
from muniment_tui.audit.filters import (
    KINDS,
    TIMES,
    AuditFilter,
    FilterField,
    FilterLine,
    people_that_fit,
    span_of,
)
from muniment_tui.shell.file_paths import free_path, path_of, path_problem
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, RowList, ShortList
from muniment_tui.widgets.situation import situation
from muniment_tui.widgets.text import FittedText

PAGE = 200
MOST = 5_000
"""Maximum number of listed events. Older events are found with filters, or exported."""
EARLY = 40
"""Distance from the end, in rows, at which the next page is requested."""
PAUSE = 0.25
"""How long typing must pause before the list is filtered, in seconds."""
WRITTEN = 1_000
"""Events of a page of an export."""
COLUMNS = [
    ListColumn("When", 16),
    ListColumn("Who", 12),
    ListColumn("What", 24),
    ListColumn("Whose mail", share=3),
    ListColumn("About", share=4, since=100),
]


class AuditScreen(AreaScreen):
    """The Audit area."""

    AREA = "audit"
    HELP = (
        "Who read, listed, searched or exported mail of other people, who changed people, profiles or "
        "settings, and who was refused. Newest first. Reading one's own mail is not recorded.\n\n"
        "/ filters by person, reader and words; t and s by time and kind. A search or an export of all mail "
        "concerns everybody. The requests of one look into a folder, or of one search, are one line; the "
        "record names each of them. Enter opens the message that was read, which is recorded, too."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "audit.time", "t", "Time", "Show 7 days, 30 days, today, or any time.", footer=6,
                words="last week month date",
            ),
            Action("audit.days", "w", "Choose days", "Type the days to show, such as 2026-01..2026-03."),
            Action("audit.kind", "s", "Kind", "Show only reads, lists, searches, exports, ...", footer=5),
            Action("audit.clear", "z", "Clear filters", "Show all events again."),
            Action(
                "audit.csv", "x", "Write CSV", "Write the filtered events to a CSV file.", footer=4,
                words="export excel spreadsheet",
            ),
            Action("audit.stop", "c", "Stop writing", "Stop writing the CSV file, and remove it.", footer=9),
            Action("audit.reload", "f5", "Reload", "Load the newest events."),
        )
    ]  # fmt: skip
    DEFAULT_CSS = """
    AuditScreen {
        #both { layout: vertical; }
        #trail { height: 3fr; }
        #event { height: 2fr; }
        #event VerticalScroll { padding: 0 1; }
        &.-wide #both { layout: horizontal; }
        &.-wide #trail { width: 2fr; height: 1fr; }
        &.-wide #event { width: 1fr; height: 1fr; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._filter = AuditFilter()
        self._events: list[AuditEvent] = []
        self._last: Audit | None = None
        """The page that another one follows; None if none does, or while that is being loaded."""
        self._users: tuple[UserWord, ...] | None = None
        """All people; None until the service has named them."""
        self._entered_early = False
        """Whether Enter was pressed before the people were known."""
        self._timer: Timer | None = None
        self._file: AuditCsvFile | None = None
        self._loaded = False

    def inside(self) -> Iterable[Widget]:
        yield FilterLine()
        yield Container(
            Pane(shown("Audit trail"), ShortList(COLUMNS, id="events"), id="trail"),
            Pane(shown("Record"), VerticalScroll(FittedText(id="record")), id="event"),
            id="both",
        )

    def on_mount(self) -> None:
        self._list.focus()
        self.muniment.engine.ask(self, ListUsers(), Users, self._people_came, failed=self._no_people)
        self._load(check=True)

    @on(events.ScreenResume)
    def _shown_again(self) -> None:
        """Load what happened while another area was shown, unless the user reads further down."""
        if self._loaded and self._list.cursor <= 0:
            self._load()

    @property
    def _list(self) -> ShortList:
        return self.query_one("#events", ShortList)

    def _people_came(self, users: Users) -> None:
        self._users = users.users
        if self._entered_early:
            self._apply()

    def _no_people(self, error: MunimentError) -> None:
        """Without a list of people, the engine takes what is typed as an address."""
        self._people_came(Users(users=()))

    # --- pages ----------------------------------------------------------------------------------

    def _load(self, check: bool = False) -> None:
        """Load the first page of what the filters leave."""
        self._events, self._last = [], None
        self._set_title()
        self._list.empty = situation("…", "$primary", "Reading the audit trail")
        self._ask(None, check)

    def _ask(self, before: Audit | None, check: bool = False) -> None:
        request = self._filter.request(PAGE, before, check)
        self.muniment.engine.ask(self, request, Audit, self._came, failed=self._failed, lane="audit")

    def _came(self, audit: Audit) -> None:
        self._loaded = True
        self._events += audit.events
        room = len(self._events) < MOST
        self._last = audit if audit.after and room else None
        self._list.empty = situation(
            "○", "$secondary", *(
                ("No events", "No one has read another person's mail, and no request was refused.")
                if self._filter.empty
                else ("No events fit", "z clears the filters, t and s change time and kind.")
            ),
        )  # fmt: skip
        self._fill()
        for problem in audit.problems:
            self.muniment.tell(problem, "error")
        self._say(audit.after, room)
        if self._last and len(self._events) < EARLY:  # a page may end before it is full
            self._next_page()

    def _fill(self) -> None:
        self._list.fill([_row(line) for line in grouped(self._events)])
        self._show_record()

    def _say(self, after: int, room: bool) -> None:
        number = len(self._events)
        more = " and more" if after else ""
        if after and not room:
            more = ", the newest only: filter them, or write all to a file with x"
        elif after and number < EARLY:
            more = " so far; looking further back"
        self.say(shown(f"{count(number)} {'event' if number == 1 else 'events'}{more}", "$secondary"))

    def _next_page(self) -> None:
        before, self._last = self._last, None
        self._ask(before)

    def _failed(self, error: MunimentError) -> None:
        self._events, self._last = [], None
        self._list.empty = situation("✗", "$error", "The audit trail can't be shown", str(error))
        self._fill()
        self.say(shown(""))

    @on(RowList.Moved, "#events")
    def _moved(self) -> None:
        self._show_record()
        if self._last and self._list.cursor >= self._list.count - EARLY:
            self._next_page()

    def _show_record(self) -> None:
        line = self._line
        self.query_one("#record", FittedText).fit(lambda width: line_text(line, width) if line else shown(""))
        self.query_one("#event VerticalScroll").scroll_home(animate=False)

    @property
    def _line(self) -> AuditLine | None:
        row = self._list.current
        return row.value if row is not None else None

    @on(RowList.Opened, "#events")
    def _opened(self) -> None:
        """Open the messages of the event, or go to its record."""
        line = self._line
        detail = line.newest.detail if line else {}
        messages = [str(one) for one in detail.get("messages", ())]
        if messages and detail.get("what") != "quarantine":
            self.muniment.open_messages(messages)
        else:
            self.query_one("#event VerticalScroll").focus()

    def action_back(self) -> None:
        """Go back from the record to the list."""
        focused = self.focused
        if focused is not None and self.query_one("#event") in focused.ancestors:
            self._list.focus()
        else:
            super().action_back()

    # --- filters --------------------------------------------------------------------------------

    def _set_title(self) -> None:
        parts = [part for part in self._filter.words if part]
        title = joined(("Audit trail", ""), *((part, "") for part in parts), gap=" · ")
        self.query_one("#trail", Pane).set_title(title)

    def _use(self, wanted: AuditFilter) -> None:
        if wanted != self._filter:
            self._filter = wanted
            self._list.fill(())
            self._load()

    def action_find(self) -> None:
        """Go to the field for a person."""
        self.query_one(FilterLine).field("person").focus()

    @on(Input.Changed, "FilterField")
    def _typing(self) -> None:
        """Filter after typing pauses."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(PAUSE, self._typed)

    def _typed(self) -> None:
        """Apply what is typed, as far as it is whole: a person that only one fits, and words."""
        self._timer = None
        line = self.query_one(FilterLine)
        typed = line.field("person").value
        fitting = people_that_fit(self._users or (), typed)
        wanted = replace(self._filter, word=line.field("word").value.strip())
        if len(fitting) == 1 or not typed.strip():
            wanted = replace(wanted, person=fitting[0].user if fitting else "")
        self._use(wanted)
        if len(fitting) > 1:
            some = ", ".join(user.user for user in fitting[:3])
            self.say(shown(f"{count(len(fitting))} people fit: {some}{', ...' if len(fitting) > 3 else ''}"))

    @on(Input.Submitted, "FilterField")
    def _entered(self, event: Input.Submitted) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._apply()

    def _apply(self) -> None:
        """Apply all fields. A person whom several fit must be typed further."""
        line = self.query_one(FilterLine)
        typed = line.field("person").value.strip()
        self._entered_early = bool(typed) and self._users is None
        if self._users is None and typed:
            self._list.focus()  # keys act on the list while the people are on their way
            return
        fitting = people_that_fit(self._users or (), typed)
        if len(fitting) > 1:
            some = ", ".join(user.user for user in fitting[:3])
            self.muniment.tell(f"{count(len(fitting))} people fit {typed}: {some}. Type more.", "warning")
            return
        person = fitting[0].user if fitting else typed  # the engine knows whether there is such a person
        reader, word = (line.field(name).value.strip() for name in ("reader", "word"))
        self._use(replace(self._filter, person=person, reader=reader, word=word))
        self._list.focus()

    def show_row(self, row: str) -> None:
        """Show what one login has done."""
        line = self.query_one(FilterLine)
        line.field("person").value = line.field("word").value = ""
        line.field("reader").value = row
        self._use(AuditFilter(reader=row))

    def action_time(self) -> None:
        """Show the next time."""
        names = [since for _, since in TIMES]
        at = names.index(self._filter.since) if self._filter.since in names and not self._filter.until else 0
        self._use(replace(self._filter, since=names[(at + 1) % len(names)], until=""))

    def action_days(self) -> None:
        """Ask for the days."""

        def chosen(typed: str) -> None:
            since, until = span_of(typed) or ("", "")
            self._use(replace(self._filter, since=since, until=until))

        self.ask_for(
            shown("Which days? 2026-01-05, 2026-01, 2026-01-05..2026-01-09, yesterday, 14d.."),
            chosen,
            check=lambda typed: "" if span_of(typed) else "Write a day, or two with .. between them.",
        )

    def action_kind(self) -> None:
        """Show the next kind."""
        kinds = [one for _, one in KINDS]
        self._use(replace(self._filter, kinds=kinds[(kinds.index(self._filter.kinds) + 1) % len(kinds)]))

    def action_clear(self) -> None:
        """Show all events again."""
        for field in self.query(FilterField):
            field.value = ""
        self._use(AuditFilter())

    def action_reload(self) -> None:
        """Load the newest events."""
        self._load(check=True)

    # --- to a file ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available: a file must be there to be stopped."""
        if action == "stop":
            return self._file is not None
        if action == "csv":
            return self._file is None
        return super().check_action(action, parameters)

    def action_csv(self) -> None:
        """Ask for a path, and write all events that the filters leave."""
        name = time.strftime("audit-%Y-%m-%d.csv", time.localtime())
        parts = " · ".join(part for part in self._filter.words if part)
        words = joined(("Write the audit trail (", ""), (parts, "bold"), (") as CSV to:", ""))
        self.ask_for(words, self._write, value=str(free_path(home_folder(), name)), check=path_problem)

    def _write(self, typed: str) -> None:
        try:
            file = self._file = AuditCsvFile(path_of(typed))
        except MunimentError as error:
            self.muniment.refuse(error)
            return
        self.refresh_bindings()
        self._write_page(file, self._filter, None, {})

    def _write_page(
        self, file: AuditCsvFile, wanted: AuditFilter, before: Audit | None, problems: dict[str, None]
    ) -> None:
        """Ask for a page and write it in a thread. `problems` are those of all pages, as in Audit."""
        engine, failed = self.muniment.engine, partial(self._not_written, file)

        def came(audit: Audit) -> None:
            problems.update(dict.fromkeys(audit.problems))
            if self._file is file:
                engine.work(
                    self, "write-csv", lambda: _put(file, audit), lambda _: written(audit), failed=failed
                )

        def written(audit: Audit) -> None:
            if self._file is not file:
                return
            number = f"{count(file.events)} {'event' if file.events == 1 else 'events'}"
            if audit.after:
                self.say(shown(f"{number} written; c stops it"))
                self._write_page(file, wanted, audit, problems)
            else:
                self._say_written(number, file.path, problems)
                self._end_file()

        request = wanted.request(WRITTEN, before, check=before is None)
        engine.ask(self, request, Audit, came, failed=failed, lane="csv")

    def _say_written(self, written: str, path: Path, problems: Iterable[str]) -> None:
        """Say what was written. Problems of the trail come last, since the newest notice is shown."""
        flawed = list(problems)
        if not flawed:
            self.muniment.tell(f"{written} written to {path}.")
            return
        self.muniment.tell(f"{written} written to {path}, but the audit trail has problems.", "error")
        for problem in flawed:
            self.muniment.tell(problem, "error")

    def _not_written(self, file: AuditCsvFile, error: MunimentError) -> None:
        if self._file is file:
            self.muniment.refuse(error)
            self.action_stop()

    def action_stop(self) -> None:
        """Remove the file that is being written."""
        file = self._file
        if file is not None:
            self.muniment.engine.work(self, "discard-csv", file.discard, lambda _: None)
        self._end_file()

    def _end_file(self) -> None:
        self._file = None
        self.refresh_bindings()

    def on_unmount(self) -> None:
        """Leave no half-written file behind."""
        if self._file is not None:
            self._file.discard()


def _put(file: AuditCsvFile, audit: Audit) -> None:
    """Write a page to a file; the last one completes it."""
    file.add(audit.events)
    if not audit.after:
        file.finish()


def _row(line: AuditLine) -> ListRow:
    event = line.newest
    refused = event.event == "refused"
    what = act(event) + (f" ({count(line.times)} times)" if refused and line.times > 1 else "")
    cells = (
        line.when,
        event.who or "-",
        joined(("✗ ", "bold $error"), (what, "")) if refused else what,
        whose(event) or "-",
        line.about,
    )
    return ListRow(str(line.events[-1].sequence), cells, line)
