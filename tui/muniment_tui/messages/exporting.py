"""Exports of a list of mail: the question for a path, the progress, and stopping."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.binding import BindingType

from muniment.api import Done, Export, ListMessages, Step, WireWord
from muniment.cli.progress import step_words
from muniment.client.receiving import receive
from muniment.errors import MunimentError
from muniment.system.environment import home_folder
from muniment.system.formatting import count
from muniment_tui.actions.registry import Action, actions
from muniment_tui.messages.listing import Asked
from muniment_tui.messages.reason_prompt import AskingScreen, ReasonedRequest
from muniment_tui.messages.result_list import ResultPane
from muniment_tui.messages.saving import free_path, path_of, path_problem
from muniment_tui.terminal.safe_text import joined, shown

BAR = 10
"""Width of the bar of an export, in cells."""


class ExportingScreen(AskingScreen):
    """A screen with a list of mail that can be exported, one export at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "messages.export",
                "x",
                "Export",
                "Export the selection to .eml files, an .mbox or a .zip with its proof.",
                footer=5,
                words="save download evidence auditor zip eml mbox",
            ),
            Action("messages.stop", "c", "Stop export", "Stop the running export.", footer=9),
        )
    ]

    def __init__(self) -> None:
        super().__init__()
        self._export: ReasonedRequest | None = None

    @property
    def found(self) -> ResultPane:
        """The list pane."""
        return self.query_one("#found", ResultPane)

    @property
    def exporting(self) -> bool:
        """Whether an export is running."""
        return self._export is not None and not self._export.over

    def action_export(self) -> None:
        """Ask for a path, then export the selection."""
        listing = self.found.listing
        chosen = self.found.rows.chosen
        if listing is None or not listing.total or not (chosen or self.found.all_chosen):
            self.muniment.tell("Open a folder or search first; then x exports the selection.", "warning")
            return
        if self.exporting:
            self.muniment.tell("An export is already running; c stops it.", "warning")
            return
        whole = self.found.all_chosen
        many = listing.hits.total if whole else len(chosen)
        request = (
            _export(listing.request)
            if whole
            else Export(query="", path="", ids=tuple(row.key for row in chosen))
        )
        words = joined(
            ("Export ", ""), (messages(many), "bold"),
            (" to a folder, or to a file that ends in .mbox or .zip:", ""),
        )  # fmt: skip
        value = str(free_path(home_folder(), "mail.zip"))
        self.ask_for(words, partial(self._write, request), value=value, check=path_problem)

    def _write(self, request: Export, typed: str) -> None:
        path = path_of(typed)
        request = Export(
            query=request.query, user=request.user, folder=request.folder, ids=request.ids, path=str(path)
        )
        self.say(shown(f"Exporting to {path}; c stops it."))
        self._export = self.read_stream(
            request,
            self._exported,
            ended=self._ended,
            failed=self._failed,
            through=lambda words: receive(words, path),
        )
        self.refresh_bindings()

    def _exported(self, word: WireWord) -> None:
        if isinstance(word, Done):
            self.muniment.tell(word.message)
        elif isinstance(word, Step):
            self.say(shown(f"Export: {step_words(word, BAR)}"))

    def _failed(self, error: MunimentError) -> None:
        self.muniment.refuse(error)
        self._ended()

    def _ended(self) -> None:
        self._export = None
        self.refresh_bindings()
        self.say_list()

    def say_list(self) -> None:
        """Show the status of the list again. The screen says what it is."""

    def action_stop(self) -> None:
        """Stop the export. An incomplete one is removed."""
        if self._export is not None:
            self._export.cancel()
        self._ended()
        self.muniment.tell("The export was stopped. An incomplete one leaves nothing behind.", "warning")


def messages(number: int) -> str:
    """`1 message`, `1,234 messages`."""
    return f"{count(number)} message{'' if number == 1 else 's'}"


def _export(request: Asked) -> Export:
    """The request that exports a whole list."""
    if isinstance(request, ListMessages):
        return Export(query="", path="", user=request.user, folder=request.folder)
    return Export(query=request.query, path="", user=request.user)
