"""Giving mail back from a list: the question for a mailbox, the progress, and stopping."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from muniment.api import Hit, ListMessages, Restore, Restored, Step, WireWord
from muniment.cli.progress import step_facts
from muniment.errors import MunimentError
from muniment_tui.actions.registry import Action, actions
from muniment_tui.acts.reason_prompt import MailRequests, ReasonedRequest
from muniment_tui.messages.exporting import BAR, MailExport, messages
from muniment_tui.messages.listing import Asked
from muniment_tui.messages.message_acts import MessageActs
from muniment_tui.messages.result_list import ResultPane
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.meters import bar

CATCH_ALL = "catch-all"
ACTIONS = actions(
    Action(
        "messages.restore",
        "b",
        "Give back",
        "Give the selection back into a mailbox, with dates and flags.",
        words="restore return send mailbox lost recover undelete",
    ),
)
"""What a screen offers that gives mail back."""


class MailRestore:
    """Gives mail of a screen's list back into mailboxes, one selection at a time."""

    def __init__(self, screen: FrameScreen, found: ResultPane, ended: Callable[[], object]) -> None:
        """Make it.

        Args:
            screen: asks for the mailbox, and says how far it is.
            found: the list.
            ended: called afterwards, to show the status of the list again.
        """
        self._screen = screen
        self._app = screen.muniment
        self._found = found
        self._say_list = ended
        self._restore: ReasonedRequest | None = None

    @property
    def running(self) -> bool:
        """Whether mail is being given back."""
        return self._restore is not None and not self._restore.over

    def ask(self) -> None:
        """Ask for a mailbox, then give the selection back."""
        listing = self._found.listing
        chosen = self._found.rows.chosen
        if listing is None or not listing.total or not (chosen or self._found.all_chosen):
            self._app.tell("Open a folder or search first; then b gives the selection back.", "warning")
            return
        if self.running:
            self._app.tell("Mail is being given back already; c stops it.", "warning")
            return
        whole = self._found.all_chosen
        many = listing.hits.total if whole else len(chosen)
        request = _restore(listing.request) if whole else Restore(to="", ids=tuple(row.key for row in chosen))
        words = joined(
            ("Give ", ""), (messages(many), "bold"),
            (" back into the mailbox, or MAILBOX/FOLDER:", ""),
        )  # fmt: skip
        owner = owner_of(listing.request, [row.value for row in chosen if isinstance(row.value, Hit)])
        self._screen.ask_for(words, partial(self._send, request), value=owner, check=_problem)

    def _send(self, request: Restore, typed: str) -> None:
        to = typed.strip()
        self._screen.say(shown(f"Giving mail back to {to}; c stops it."))
        asked = Restore(to=to, query=request.query, user=request.user, folder=request.folder, ids=request.ids)
        self._restore = MailRequests(self._screen).read_stream(
            asked, self._came, ended=self._ended, failed=self._failed
        )
        self._screen.refresh_bindings()

    def _came(self, word: WireWord) -> None:
        if isinstance(word, Restored):
            told = word.message
            if word.failed:
                told = f"{told} The first: {word.failed[0].id[:12]}: {word.failed[0].reason}."
            self._app.tell(told, "warning" if word.missed or word.approval else "information")
        elif isinstance(word, Step):
            drawn = [bar(word.percent, 100, BAR)] if word.percent is not None else []
            self._screen.say(joined(("Giving back", ""), *drawn, (step_facts(word), ""), gap=" "))

    def _failed(self, error: MunimentError) -> None:
        self._app.refuse(error)
        self._ended()

    def _ended(self) -> None:
        self._restore = None
        self._screen.refresh_bindings()
        self._say_list()

    def stop(self) -> None:
        """Stop after the message in hand."""
        if self._restore is not None:
            self._restore.cancel()
        self._ended()
        self._app.tell(
            "Stopped. What was given back stays there; doing it again goes on from here.", "warning"
        )


class ListJobs(MessageActs):
    """What a screen with a list of mail does with a selection: exporting it, and giving it back."""

    export: MailExport
    restore: MailRestore

    @property
    def busy(self) -> bool:
        """Whether one of them is under way."""
        return self.export.running or self.restore.running

    def action_export(self) -> None:
        """Ask for a path, then export the selection."""
        self.export.ask()

    def action_restore(self) -> None:
        """Ask for a mailbox, then give the selection back."""
        self.restore.ask()

    def action_stop(self) -> None:
        """Stop what is under way."""
        for job in (self.export, self.restore):
            if job.running:
                job.stop()


def owner_of(request: Asked, chosen: list[Hit]) -> str:
    """The one person who has all of the chosen messages, whose mailbox is offered; "" if there is none."""
    if request.user and request.user != CATCH_ALL:
        return request.user
    owners = [{one.partition("/")[0] for one in hit.folders} - {CATCH_ALL} for hit in chosen]
    common = set.intersection(*owners) if owners else set()
    return common.pop() if len(common) == 1 else ""


def _problem(typed: str) -> str:
    return "" if "@" in typed.strip().strip("@") else "Type the address of a mailbox."


def _restore(request: Asked) -> Restore:
    """The request that gives a whole list back."""
    if isinstance(request, ListMessages):
        return Restore(to="", user=request.user, folder=request.folder)
    return Restore(to="", query=request.query, user=request.user)
