"""Mail that could not be unwrapped: list, view, try again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from muniment.api import (
    Chunk,
    Done,
    ListQuarantine,
    Quarantine,
    QuarantineItem,
    ReadRaw,
    RetryQuarantine,
    Step,
    WireWord,
)
from muniment.errors import AccessRefused, MunimentError
from muniment.system.formatting import count, local, size
from muniment_tui.actions.registry import Action, actions
from muniment_tui.engine.bridge import PendingRequest
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import block, joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, RowList, ShortList
from muniment_tui.widgets.situation import SituationText, situation
from muniment_tui.widgets.text import TextLines

HEAD = 16 * 1024
"""Bytes of an item that are shown."""
COLUMNS = [
    ListColumn("Since", 16),
    ListColumn("Size", 9, right=True),
    ListColumn("Profile", 14),
    ListColumn("Why", share=1),
]


class QuarantineScreen(FrameScreen):
    """The list of items in quarantine."""

    HELP = (
        "Broken journal reports. They are kept byte for byte and do not hold up other mail. Enter shows the "
        "beginning of one. Try them again after an update of Muniment: those that can be unwrapped then are "
        "archived like new mail."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "quarantine.retry", "t", "Try again", "Try the marked items again, or the one at the cursor.",
                footer=6, changes=True,
            ),
            Action(
                "quarantine.retry-all", "T", "Try all again", "Try everything in quarantine again.",
                footer=4, changes=True,
            ),
            Action("quarantine.reload", "f5", "Reload", "Load the list again."),
        )
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._failed_steps: list[str] = []

    def inside(self) -> Iterable[Widget]:
        yield Pane(shown("Quarantine"), ShortList(COLUMNS, marks=True, id="items"), id="quarantine")

    def on_mount(self) -> None:
        self._list.focus()
        self._list.empty = situation("…", "$primary", "Loading the quarantine")
        self.action_reload()

    @property
    def _list(self) -> ShortList:
        return self.query_one("#items", ShortList)

    def action_reload(self) -> None:
        """Load the list."""
        self.muniment.engine.ask(
            self, ListQuarantine(), Quarantine, self._came, failed=self._refused, lane="list"
        )

    def _came(self, quarantine: Quarantine) -> None:
        self._list.empty = situation(
            "✓", "$success", "The quarantine is empty", "All mail could be unwrapped."
        )
        self._list.fill([_row(item) for item in reversed(quarantine.items)])
        self.say(shown(f"{count(len(quarantine.items))} in quarantine", "$secondary"))

    def _refused(self, error: MunimentError) -> None:
        self._list.empty = situation("✗", "$error", "The quarantine can't be loaded", str(error))

    @on(RowList.Opened, "#items")
    def _opened(self, event: RowList.Opened) -> None:
        if event.row is not None:
            self.app.push_screen(RawScreen(event.row.value))

    # --- another try --------------------------------------------------------------------------

    def action_retry(self) -> None:
        """Try the marked items again, after a confirmation."""
        chosen: list[QuarantineItem] = [row.value for row in self._list.chosen]
        if not chosen:
            self.muniment.tell("There is nothing to try again.", "warning")
            return
        what = f"{count(len(chosen))} quarantined items" if len(chosen) > 1 else f"item {chosen[0].id[:12]}"
        self._confirm(what, tuple(item.id for item in chosen))

    def action_retry_all(self) -> None:
        """Try all items again, after a confirmation."""
        if not self._list.count:
            self.muniment.tell("There is nothing to try again.", "warning")
            return
        self._confirm(f"all {count(self._list.count)} quarantined items", ())

    def _confirm(self, what: str, ids: tuple[str, ...]) -> None:
        question = joined(
            ("Try ", ""), (what, "bold"), (" again? ", ""),
            ("Items that can be unwrapped are archived; the others stay here.", "$secondary"),
        )  # fmt: skip
        self.confirm(question, lambda: self._retry(ids))

    def _retry(self, ids: tuple[str, ...]) -> None:
        self._failed_steps = []
        self.muniment.tell("Trying again as soon as no run is active.")
        self.muniment.engine.stream(self, RetryQuarantine(ids=ids), self._retried)

    def _retried(self, word: WireWord) -> None:
        if isinstance(word, Step) and not word.ok:
            self._failed_steps.append(word.text)
        elif isinstance(word, Done):
            severity = "warning" if self._failed_steps else "information"
            more = f" and {len(self._failed_steps) - 1} more" if len(self._failed_steps) > 1 else ""
            broken = f" Still broken: {self._failed_steps[0]}{more}" if self._failed_steps else ""
            self.muniment.tell(word.message + broken, severity)
            self._list.unmark()
            self.action_reload()


def _row(item: QuarantineItem) -> ListRow:
    return ListRow(item.id, (local(item.time), size(item.size), item.profile, item.reason), item)


class RawScreen(FrameScreen):
    """The beginning of a quarantined item, made harmless."""

    HELP = (
        "The beginning of the item as text, without characters that could act on the terminal. "
        "For the exact bytes: muniment quarantine show ID --raw > FILE"
    )
    DEFAULT_CSS = "RawScreen VerticalScroll { padding: 0 1; } RawScreen #raw { height: auto; }"

    def __init__(self, item: QuarantineItem) -> None:
        super().__init__()
        self._item = item
        self._bytes = b""
        self._line: PendingRequest | None = None

    def inside(self) -> Iterable[Widget]:
        """The facts about the item, and its beginning."""
        item = self._item
        title = joined(("Quarantined ", ""), (item.id[:12], ""))
        yield Pane(title, VerticalScroll(TextLines(_about(item)), SituationText(id="raw")))

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self.query_one(SituationText).busy("Loading the item")
        self._read("")

    def _read(self, reason: str) -> None:
        self._here = self.still_here()
        request = ReadRaw(id=self._item.id, what="quarantine", reason=reason)
        self._bytes = b""
        self._line = self.muniment.engine.stream(
            self, request, self._came, ended=self._show, failed=lambda error: self._refused(error, reason)
        )

    def _came(self, word: WireWord) -> None:
        if isinstance(word, Chunk):
            self._bytes += word.data
            if len(self._bytes) >= HEAD and self._line is not None:
                self._line.cancel()
                self._show()

    def _show(self) -> None:
        raw = self.query_one("#raw", SituationText)
        text = block(self._bytes[:HEAD].decode("utf-8", "replace"))
        if len(self._bytes) > HEAD or self._item.size > HEAD:
            rest = f"\n\n… the first {size(HEAD)} of {size(self._item.size)}."
            text = joined(text, block(rest, "$secondary"))
        raw.say(text)

    def _refused(self, error: MunimentError, reason: str) -> None:
        if isinstance(error, AccessRefused) and not reason:
            self.query_one("#raw", SituationText).failed("A reason is required", str(error))
            if not self._here():
                self.muniment.tell("A reason is required: close the item and open it again.", "warning")
                return
            self.ask_for(
                shown("Why do you read this item? The audit trail keeps your reason:"),
                self._read,
                unasked=True,
            )
        else:
            self.query_one("#raw", SituationText).failed("The item can't be read", str(error))


def _about(item: QuarantineItem) -> Content:
    lines = [
        _line("Why", joined((item.reason, "$error"))),
        _line("Since", shown(f"{local(item.time)}, from profile {item.profile}")),
        _line("Size", shown(size(item.size))),
        _line("Id", shown(item.id)),
    ]
    return Content("\n").join(lines)


def _line(label: str, value: Content) -> Content:
    return joined((label.ljust(7), "$secondary"), value)
