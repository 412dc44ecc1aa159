"""What can be done with messages besides reading them: their proof for a stranger, and their erasure."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from muniment.api import Done, Prove, Step, WireWord
from muniment.client.receiving import receive
from muniment.system.environment import home_folder
from muniment_tui.actions.registry import Action, actions
from muniment_tui.acts.reason_prompt import MailRequests
from muniment_tui.messages.erasing import EraseScreen
from muniment_tui.messages.previewing import IdCopies
from muniment_tui.messages.reader import ReaderPane
from muniment_tui.messages.result_list import ResultPane
from muniment_tui.shell.file_paths import free_path, path_of, path_problem
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import joined, shown


class MessageActs(AreaScreen):
    """A screen with messages that can be proved and erased."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "messages.prove", "p", "Prove",
                "Write a file that proves the message to a stranger: its bytes, reports and readers.",
                words="proof evidence court stranger inclusion zip",
            ),
            Action(
                "messages.erase", "E", "Erase", "Erase the message, or the marked ones, for ever.",
                changes=True, words="delete gdpr forget destroy article 17",
            ),
        )
    ]  # fmt: skip

    found: ResultPane
    reader: ReaderPane
    copies: IdCopies

    def _acted_on(self) -> tuple[str, ...]:
        """The ids of the marked messages if the list has the focus; else of the one at the cursor or read."""
        rows = self.found.rows
        if rows.has_focus and rows.marked and not self.found.all_chosen:
            return tuple(row.key for row in rows.chosen)
        return (self.copies.id,) if self.copies.id else ()

    def action_prove(self) -> None:
        """Ask for a path, and write the proof of the message there."""
        ids = self._acted_on()
        if len(ids) != 1:
            self.muniment.tell("Open one message, or go to it: p proves one at a time.", "warning")
            return
        words = joined(
            ("Write the proof of message ", ""), (ids[0][:12], "bold"),
            (" to a new .zip file. ", ""), ("It names all recipients, and who read it.", "$secondary"),
        )  # fmt: skip

        def write(typed: str) -> None:
            path = path_of(typed)
            self.say(shown(f"Writing the proof to {path}"))
            MailRequests(self).read_stream(
                Prove(id=ids[0], path=str(path)), self._proved, through=lambda words: receive(words, path)
            )

        value = str(free_path(home_folder(), f"proof-{ids[0][:12]}.zip"))
        self.ask_for(words, write, value=value, check=path_problem)

    def _proved(self, word: WireWord) -> None:
        if isinstance(word, Step):
            self.say(shown(word.text))
        elif isinstance(word, Done):
            self.muniment.tell(
                " ".join((word.message, *word.warnings)), "warning" if word.warnings else "information"
            )
            self.say(shown("python3 verify_ledger.py --proof FILE.zip checks it, without Muniment."))

    def action_erase(self) -> None:
        """Show what an erasure would take, and ask for its basis."""
        ids = self._acted_on()
        if ids:
            self.app.push_screen(EraseScreen(ids, self._erased))
        else:
            self.muniment.tell("Go to a message, or mark some: E erases them.", "warning")

    def _erased(self) -> None:
        """Show what is there after an erasure."""
        self.reader.rest()
        self.found.again()
