"""The lines of the Messages area that one types in: what mail is searched for, and whom the tree shows."""

from __future__ import annotations

import re
from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message

from muniment_tui.actions.registry import Action, actions
from muniment_tui.widgets.entry import Entry

LANGUAGE = """\
Words, "phrases", -not, OR, (groups), begin*, *end, be*nd
from: to: cc: bcc: subject: body: filename: link:   where it stands
has:attachment  in:inbox  in:sent  user:ADDR  what and whose it is
before: after: on: DATE  larger: smaller: SIZE  id:HEX  msgid:ID"""
_BEGUN = re.compile(r"(?:^|[\s(])(\w{3,})$")
"""A plain word at the end, long enough that not all the mail has words that begin so."""
_OPERATORS = ("OR", "AND", "NOT")


def begun(typed: str) -> str:
    """What to search for while it is typed: also words that begin as the last one, which may not be whole.

    A blank after a word makes it whole; within quotes, and after a field's name, all is taken as it stands.
    """
    last = _BEGUN.search(typed)
    if last is None or last[1].upper() in _OPERATORS or typed.count('"') % 2:
        return typed.strip()
    return f"{typed.strip()}*"


class Query(Entry):
    """The line in which mail is searched for."""

    HELP = (
        "Searches as you type, for all words that begin as the last one does; a blank makes it whole. "
        f"Enter or ↓ goes to what was found, Esc takes the search away.\n\n{LANGUAGE}"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("query.leave", "escape", "Leave", "Take the search away and go back.", footer=9),
            Action("query.list", "down", "To the list", "Go to what was found.", footer=8),
        )
    ]

    class Left(Message):
        """The search is taken away."""

        def __init__(self, query: Query) -> None:
            super().__init__()
            self.query = query

        @property
        def control(self) -> Query:
            """The line."""
            return self.query

    def action_list(self) -> None:
        """As Enter."""
        self.post_message(self.Submitted(self, self.value))

    def action_leave(self) -> None:
        """The screen knows where from."""
        self.post_message(self.Left(self))


class Narrowing(Entry):
    """The line in which people are filtered."""

    HELP = "Type a part of a name or an address; Enter or ↓ goes to the tree, Esc shows everybody again."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("narrowing.leave", "escape", "Everybody", "Show everybody again.", footer=9),
            Action("narrowing.list", "down", "To the tree", "Go to those who are left.", footer=8),
        )
    ]

    def action_list(self) -> None:
        """As Enter."""
        self.post_message(self.Submitted(self, self.value))

    def action_leave(self) -> None:
        """Empty it."""
        self.value = ""
        self.action_list()
