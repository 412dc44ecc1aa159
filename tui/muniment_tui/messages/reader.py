"""The pane that shows one message: text, attachments, headers and source."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message as Posted

from muniment.api import (
    Attachment,
    Chunk,
    Done,
    Hit,
    Mark,
    Message,
    ReadAttachment,
    ReadRaw,
    Show,
    Step,
    WireWord,
)
from muniment.errors import MunimentError
from muniment.system.environment import home_folder
from muniment.system.formatting import count, size
from muniment_tui.actions.registry import Action, actions
from muniment_tui.acts.reason_prompt import MailRequests, ReasonedRequest
from muniment_tui.messages.document import DocumentWriter, TextDocument
from muniment_tui.messages.message_document import (
    NO_NAME,
    SOURCE,
    attachment_document,
    message_document,
    preview_document,
    source_document,
)
from muniment_tui.messages.saving import free_path, path_of, path_problem, save_stream
from muniment_tui.messages.text_pane import TextPane
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import filename, joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, RowList, ShortList

FILES = (
    ListColumn("#", 4, right=True),
    ListColumn("Attachment"),
    ListColumn("Type", 30, since=70),
    ListColumn("Size", 9, right=True),
)


FRAME = 5
"""Cells around a text in a pane: borders, padding and the scrollbar."""


class ReaderPane(Pane):
    """Shows one message. Further documents, such as the source, open on top of it; Esc closes the topmost."""

    HELP = (
        "One message: its text, its attachments, the folders it is filed in, and the reports that delivered "
        "it. Muniment never runs, opens or downloads anything in it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "message.next-hit",
                "n",
                "Next",
                "Go to the next hit. After the last one, go to the next message.",
                footer=8,
            ),
            Action(
                "message.last-hit",
                "N",
                "Previous",
                "Go to the previous hit. Before the first one, go to the previous message.",
            ),
            Action(
                "message.attachments",
                "a",
                "Attachments",
                "List the attachments, to view or save them.",
                footer=6,
            ),
            Action(
                "message.envelope",
                "e",
                "Envelope",
                "Show who else received it, via which lists, and in which reports.",
                footer=5,
            ),
            Action("message.headers", "h", "All headers", "Show all headers as they were sent."),
            Action("message.source", "s", "Source", "Show the raw source without control characters."),
            Action(
                "message.write",
                "w",
                "Write to file",
                "Write the attachment at the cursor, or the whole message, to a file.",
                footer=5,
            ),
        )
    ]
    DEFAULT_CSS = """
    ReaderPane > ShortList { display: none; }
    ReaderPane.-files > ShortList { display: block; }
    ReaderPane.-files > TextPane { display: none; }
    """

    class Onward(Posted):
        """The message has no more hits in this direction. The receiver opens the message `step` rows on."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def __init__(self) -> None:
        super().__init__(shown("Message"), id="reader")
        self.message: Message | None = None
        self._marks: tuple[Mark, ...] = ()
        self._below: list[tuple[TextDocument, int]] = []
        self._wanted = ""
        self._line: ReasonedRequest | None = None
        self._from_end = False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available: attachments if there are any, hits unless attachments are
        listed."""
        if action == "attachments":
            return bool(self.message and self.message.attachments) and not self.has_class("-files")
        if action in ("next_hit", "last_hit"):
            return not self.has_class("-files")
        return True

    def compose(self) -> ComposeResult:
        """A text and a list of attachments, of which one is visible."""
        yield TextPane(id="text")
        yield ShortList(FILES, id="files")

    def on_mount(self) -> None:
        self.rest()

    @property
    def requests(self) -> MailRequests:
        """The requests of the screen."""
        return MailRequests(cast(FrameScreen, self.screen))

    @property
    def text(self) -> TextPane:
        return self.query_one("#text", TextPane)

    @property
    def files(self) -> ShortList:
        """The list of attachments."""
        return self.query_one("#files", ShortList)

    def focus_inside(self) -> None:
        """Focus the visible list or text."""
        (self.files if self.has_class("-files") else self.text).focus()

    # --- what is shown ------------------------------------------------------------------------

    def rest(self) -> None:
        """Show no message."""
        self._cancel_request()
        self._wanted = ""
        self._show_text("Message", "Press Enter in the list to open a message here.")

    def _show_text(self, title: str, words: str) -> None:
        self.message, self._below = None, []
        self._show_files(False)
        writer = DocumentWriter(title)
        writer.line(words, "$secondary")
        self._show_document(writer.document(), marks=False)

    def open(self, id_: str, marks: tuple[Mark, ...], from_end: bool = False) -> None:
        """Show a message with the matches of a search highlighted. `from_end` goes to the last match."""
        self._wanted, self._marks, self._from_end = id_, marks, from_end
        self._cancel_request()
        if self.message is None or self.message.id != id_:
            self._show_text("Opening …", "")
        width = self.text.scrollable_content_region.width
        self.requests.read(
            Show(id=id_, width=width or self.app.size.width - FRAME),
            Message,
            self._came,
            failed=lambda error: self._not_opened(id_, error),
            lane="show",
        )

    def shows(self, id_: str) -> bool:
        """Whether a message is open or is being opened."""
        return bool(id_) and self._wanted == id_

    def preview(self, hit: Hit) -> None:
        """Show what the list holds of a message. Nothing is read."""
        self._cancel_request()
        self._wanted, self._below, self.message = "", [], None
        self._show_files(False)
        self._show_document(preview_document(hit), marks=False)

    def _not_opened(self, id_: str, error: MunimentError) -> None:
        if id_ != self._wanted:  # another message was opened meanwhile
            return
        self._show_text("The message could not be opened", str(error))
        self.requests.muniment.refuse(error)

    def _came(self, message: Message) -> None:
        if message.id != self._wanted:
            return
        self.message, self._below = message, []
        self._show_files(False)
        self._show_document(message_document(message))
        if self.text.hits:
            self.text.go_to_hit(-1 if self._from_end else 1)
            self._say_hits(self.text.hits if self._from_end else 1)

    def _show_document(self, document: TextDocument, top: int = 0, marks: bool = True) -> None:
        self.set_title(shown(document.title))
        self.text.show(document, self._marks if marks else (), top)

    def _open_on_top(self, document: TextDocument) -> None:
        self._below.append((self.text.document, self.text.scroll_offset.y))
        self._show_files(False)
        self._show_document(document)
        self.focus_inside()

    def leave(self) -> bool:
        """Close the topmost document. Returns False if only the message itself is open."""
        self._cancel_request()
        if self.has_class("-files"):
            self._show_files(False)
            self.focus_inside()
        elif self._below:
            self._show_document(*self._below.pop())
        else:
            return False
        return True

    def _show_files(self, on: bool) -> None:
        self.set_class(on, "-files")
        self.refresh_bindings()

    def _cancel_request(self) -> None:
        if self._line is not None:
            self._line.cancel()
        self._line = None

    # --- hits ---------------------------------------------------------------------------------

    def action_next_hit(self) -> None:
        """Go to the next hit; after the last one, ask for the next message with `Onward`."""
        self._hit(1)

    def action_last_hit(self) -> None:
        """Go to the hit before; before the first one, ask for the previous message with `Onward`."""
        self._hit(-1)

    def _hit(self, step: int) -> None:
        number = self.text.go_to_hit(step)
        if number is None:
            self.post_message(self.Onward(step))
        else:
            self._say_hits(number)

    def _say_hits(self, number: int) -> None:
        where = f"  hit {count(number)} of {count(self.text.hits)}"
        self.set_title(joined((self.text.document.title, ""), (where, "$accent")))

    # --- parts --------------------------------------------------------------------------------

    def action_envelope(self) -> None:
        """Scroll to the envelopes."""
        while self._below:
            self._show_document(*self._below.pop())
        self._show_files(False)
        self.text.go_to_section("envelope")

    def action_attachments(self) -> None:
        """Show the list of attachments below the text, and focus it."""
        if self.message is None:
            return
        self.files.fill(
            ListRow(
                str(number),
                (str(number), file.filename or NO_NAME, _kind(file), size(file.size)),
                file,
            )
            for number, file in enumerate(self.message.attachments, start=1)
        )
        self._show_files(True)
        self.files.focus()

    @on(RowList.Opened, "#files")
    def _view(self, event: RowList.Opened) -> None:
        """Show the text of an attachment."""
        event.stop()
        if self.message is None or event.row is None:
            return
        file: Attachment = event.row.value
        data, notes = bytearray(), list[str]()

        def each(word: WireWord) -> None:
            if isinstance(word, Chunk):
                data.extend(word.data)
            elif isinstance(word, Step):
                notes.append(word.text)

        request = ReadAttachment(id=self.message.id, number=int(event.row.key), text=True)
        self._stream(
            request,
            each,
            lambda: self._open_on_top(attachment_document(file, data.decode("utf-8", "replace"), notes)),
        )

    def action_headers(self) -> None:
        """Read all header fields from the vault, and show them on top of the message."""
        self._read_source("headers", "All headers")

    def action_source(self) -> None:
        """Read the stored bytes from the vault, and show them on top of the message."""
        self._read_source("message", "Source")

    def _read_source(self, what: str, title: str) -> None:
        if self.message is None:
            return
        data, notes = bytearray(), list[str]()

        def show() -> None:
            self._open_on_top(source_document(title, bytes(data[:SOURCE]), notes, len(data) > SOURCE))

        def each(word: WireWord) -> None:
            if isinstance(word, Chunk):
                data.extend(word.data)
            elif isinstance(word, Step):
                notes.append(word.text)
            if len(data) > SOURCE:
                self._cancel_request()
                show()

        self._stream(ReadRaw(id=self.message.id, what=what), each, show)

    def _stream(
        self, request: ReadRaw | ReadAttachment, each: Callable[[WireWord], None], ended: Callable[[], None]
    ) -> None:
        self._cancel_request()
        self._line = self.requests.read_stream(request, each, ended=ended)

    # --- to a file ----------------------------------------------------------------------------

    def action_write(self) -> None:
        """Ask for a path, then write the attachment or message there."""
        message = self.message
        if message is None:
            return
        row = self.files.current if self.has_class("-files") else None
        if row is None:
            words = joined(("Write the message ", ""), (message.id[:12], "bold"), (" to:", ""))
            self._ask_path(f"{message.id[:12]}.eml", words, ReadRaw(id=message.id))
            return
        file: Attachment = row.value
        words = joined(
            ("Write ", ""), (file.filename or "the attachment", "bold"), (f" ({size(file.size)}) to:", "")
        )
        self._ask_path(filename(file.filename), words, ReadAttachment(id=message.id, number=int(row.key)))

    def _ask_path(self, name: str, words: Content, request: ReadRaw | ReadAttachment) -> None:
        def write(typed: str) -> None:
            path = path_of(typed)
            self.requests.read_stream(request, self._written, through=lambda words: save_stream(words, path))

        self.requests.screen.ask_for(
            words, write, value=str(free_path(home_folder(), name)), check=path_problem
        )

    def _written(self, word: WireWord) -> None:
        if isinstance(word, Done):
            self.requests.muniment.tell(word.message)
        elif isinstance(word, Step):
            self.requests.muniment.tell(f"Note: {word.text}.", "warning")


def _kind(file: Attachment) -> str:
    """An attachment's type, and the number of the attachment that contains it."""
    return f"{file.content_type}, in {file.within}" if file.within else file.content_type
