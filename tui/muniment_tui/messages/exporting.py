"""Exports of a list of mail: the question for a path, the progress, and stopping."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from muniment.api import Done, Export, ListMessages, Step, WireWord
from muniment.cli.progress import step_facts
from muniment.client.receiving import receive
from muniment.errors import MunimentError
from muniment.system.environment import home_folder
from muniment.system.formatting import count
from muniment_tui.actions.registry import Action, actions
from muniment_tui.acts.reason_prompt import MailRequests, ReasonedRequest
from muniment_tui.messages.listing import Asked
from muniment_tui.messages.result_list import ResultPane
from muniment_tui.messages.saving import free_path, path_of, path_problem
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.meters import bar

BAR = 10
"""Width of the bar of an export, in cells."""


ACTIONS = actions(
    Action(
        "messages.export",
        "x",
        "Export",
        "Export the selection to .eml files, an .mbox or a .zip with its proof.",
        footer=5,
        words="save download evidence auditor zip eml mbox",
    ),
    Action("messages.stop", "c", "Stop", "Stop the running export, or giving mail back.", footer=9),
)
"""What a screen with an export offers."""


class MailExport:
    """Exports of the list of a screen, one at a time."""

    def __init__(self, screen: FrameScreen, found: ResultPane, ended: Callable[[], object]) -> None:
        """Make it.

        Args:
            screen: asks for the path, and says how far an export is.
            found: the list.
            ended: called after an export, to show the status of the list again.
        """
        self._screen = screen
        self._app = screen.muniment
        self._found = found
        self._say_list = ended
        self._export: ReasonedRequest | None = None

    @property
    def running(self) -> bool:
        """Whether an export is running."""
        return self._export is not None and not self._export.over

    def ask(self) -> None:
        """Ask for a path, then export the selection."""
        listing = self._found.listing
        chosen = self._found.rows.chosen
        if listing is None or not listing.total or not (chosen or self._found.all_chosen):
            self._app.tell("Open a folder or search first; then x exports the selection.", "warning")
            return
        if self.running:
            self._app.tell("An export is already running; c stops it.", "warning")
            return
        whole = self._found.all_chosen
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
        self._screen.ask_for(words, partial(self._write, request), value=value, check=path_problem)

    def _write(self, request: Export, typed: str) -> None:
        path = path_of(typed)
        request = Export(
            query=request.query, user=request.user, folder=request.folder, ids=request.ids, path=str(path)
        )
        self._screen.say(shown(f"Exporting to {path}; c stops it."))
        self._export = MailRequests(self._screen).read_stream(
            request,
            self._exported,
            ended=self._ended,
            failed=self._failed,
            through=lambda words: receive(words, path),
        )
        self._screen.refresh_bindings()

    def _exported(self, word: WireWord) -> None:
        if isinstance(word, Done):
            self._app.tell(word.message)
        elif isinstance(word, Step):
            drawn = [bar(word.percent, 100, BAR)] if word.percent is not None else []
            self._screen.say(joined(("Export", ""), *drawn, (step_facts(word), ""), gap=" "))

    def _failed(self, error: MunimentError) -> None:
        self._app.refuse(error)
        self._ended()

    def _ended(self) -> None:
        self._export = None
        self._screen.refresh_bindings()
        self._say_list()

    def stop(self) -> None:
        """Stop the export. An incomplete one is removed."""
        if self._export is not None:
            self._export.cancel()
        self._ended()
        self._app.tell("The export was stopped. An incomplete one leaves nothing behind.", "warning")


def messages(number: int) -> str:
    """`1 message`, `1,234 messages`."""
    return f"{count(number)} message{'' if number == 1 else 's'}"


def _export(request: Asked) -> Export:
    """The request that exports a whole list."""
    if isinstance(request, ListMessages):
        return Export(query="", path="", user=request.user, folder=request.folder)
    return Export(query=request.query, path="", user=request.user)
