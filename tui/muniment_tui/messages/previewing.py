"""What happens with the message at the cursor of a list: its preview, and copies of its ids."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.timer import Timer

from muniment_tui.actions.registry import Action, actions
from muniment_tui.messages.exporting import ExportingScreen
from muniment_tui.messages.reader import ReaderPane
from muniment_tui.terminal.safe_text import clean
from muniment_tui.widgets.rows import RowList

REST = 0.15
"""How long the cursor must rest before the message is previewed, in seconds."""


class PreviewingScreen(ExportingScreen):
    """A screen with a list of mail, and a reader that follows its cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "messages.copy-id", "C", "Copy id", "Show the message's id, and send it to the clipboard."
            ),
            Action(
                "messages.copy-message-id",
                "M",
                "Copy Message-ID",
                "Show the Message-ID of the open message, and send it to the clipboard.",
            ),
            Action(
                "messages.read-on",
                "v",
                "Read while moving",
                "Open each message that the cursor rests on. The audit trail records each.",
            ),
        )
    ]

    def __init__(self) -> None:
        super().__init__()
        self._preview: Timer | None = None
        self._reads_on = False

    @property
    def reader(self) -> ReaderPane:
        """The message pane."""
        return self.query_one("#reader", ReaderPane)

    @on(RowList.Moved, "#rows")
    def preview_soon(self) -> None:
        """Preview the message at the cursor after the cursor has rested."""
        if self._preview is not None:
            self._preview.stop()
        self._preview = self.set_timer(REST, self._show_preview)

    def _show_preview(self) -> None:
        """Show what the list knows of the message, or open it if that was requested.

        Opening is reading, which the audit trail records. The list alone is recorded already, so what it
        holds may be shown without a further record.
        """
        self._preview = None
        row, listing = self.found.rows.current, self.found.listing
        if row is None or listing is None or not self.found.rows.has_focus:
            return
        if not self.query_one("#reader").display or self.reader.shows(row.key):
            return
        if self._reads_on:
            self.reader.open(row.key, listing.hits.marks)
        else:
            self.reader.preview(row.value)

    def action_read_on(self) -> None:
        """Open messages while the cursor moves, or stop doing so."""
        self._reads_on = not self._reads_on
        self.muniment.tell(
            "Messages open while you move. The audit trail records each one that is another person's."
            if self._reads_on
            else "Messages open by Enter only."
        )
        self.preview_soon()

    def action_copy_id(self) -> None:
        """Copy the id of the message in the reader, or at the cursor of the list."""
        message, row = self.reader.message, self.found.rows.current
        if message is not None and not self.found.rows.has_focus:
            self._copy("Id", message.id)
        elif row is not None:
            self._copy("Id", row.key)

    def action_copy_message_id(self) -> None:
        """Copy the Message-ID of the open message."""
        message = self.reader.message
        written = dict(message.headers).get("Message-ID", "") if message is not None else ""
        if written:
            self._copy("Message-ID", written)
        else:
            self.muniment.tell("Open a message with a Message-ID first.", "warning")

    def _copy(self, what: str, text: str) -> None:
        """Show a text, and send it to the terminal's clipboard by OSC 52, which no terminal confirms."""
        safe = clean(text)
        self.app.copy_to_clipboard(safe)
        self.muniment.tell(f"{what} {safe} was sent to the terminal's clipboard.")
