"""What happens with the message at the cursor of a list: its preview, and copies of its ids."""

from __future__ import annotations

from textual.timer import Timer

from muniment_tui.actions.registry import Action, actions
from muniment_tui.messages.reader import ReaderPane
from muniment_tui.messages.result_list import ResultPane
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import clean

REST = 0.15
"""How long the cursor must rest before the message is previewed, in seconds."""
ACTIONS = actions(
    Action("messages.copy-id", "C", "Copy id", "Show the message's id, and send it to the clipboard."),
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
"""What a screen with a preview and copies of ids offers."""


class MessagePreview:
    """Lets the reader of a screen follow the cursor of its list."""

    def __init__(self, screen: FrameScreen, found: ResultPane, reader: ReaderPane) -> None:
        self._screen = screen
        self._found = found
        self._reader = reader
        self._timer: Timer | None = None
        self._reads_on = False

    @property
    def waits(self) -> bool:
        """Whether the cursor has moved, and the preview follows soon."""
        return self._timer is not None

    def soon(self) -> None:
        """Preview the message at the cursor after the cursor has rested."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._screen.set_timer(REST, self._show)

    def _show(self) -> None:
        """Show what the list knows of the message, or open it if that was requested.

        Opening is reading, which the audit trail records. The list alone is recorded already, so what it
        holds may be shown without a further record.
        """
        self._timer = None
        row, listing = self._found.rows.current, self._found.listing
        if row is None or listing is None or self._found.waiting or not self._found.rows.has_focus:
            return
        if not self._reader.display or self._reader.shows(row.key):
            return
        if self._reads_on:
            self._reader.open(row.key, listing.hits.marks)
        else:
            self._reader.preview(row.value)

    def toggle(self) -> None:
        """Open messages while the cursor moves, or stop doing so."""
        self._reads_on = not self._reads_on
        self._screen.muniment.tell(
            "Messages open while you move. The audit trail records each one that is another person's."
            if self._reads_on
            else "Messages open by Enter only."
        )
        self.soon()


class IdCopies:
    """Sends the ids of the selected message to the terminal's clipboard."""

    def __init__(self, screen: FrameScreen, found: ResultPane, reader: ReaderPane) -> None:
        self._screen = screen
        self._found = found
        self._reader = reader

    @property
    def id(self) -> str:
        """The id of the message in the reader, or at the cursor of the list; "" for neither."""
        message, row = self._reader.message, self._found.rows.current
        if message is not None and not self._found.rows.has_focus:
            return message.id
        return row.key if row is not None else ""

    def copy_id(self) -> None:
        """Copy the id of the message."""
        if self.id:
            self._copy("Id", self.id)

    def copy_message_id(self) -> None:
        """Copy the Message-ID of the open message."""
        message = self._reader.message
        written = dict(message.headers).get("Message-ID", "") if message is not None else ""
        if written:
            self._copy("Message-ID", written)
        else:
            self._screen.muniment.tell("Open a message with a Message-ID first.", "warning")

    def _copy(self, what: str, text: str) -> None:
        """Show a text, and send it to the terminal's clipboard by OSC 52, which no terminal confirms."""
        safe = clean(text)
        self._screen.app.copy_to_clipboard(safe)
        self._screen.muniment.tell(f"{what} {safe} was sent to the terminal's clipboard.")
