"""The text lines of the Messages area: the search, and the filter for people."""

from __future__ import annotations

import re
from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message

from muniment_tui.actions.registry import Action, actions
from muniment_tui.widgets.entry import SafeInput

LANGUAGE = """\
Words, "phrases", -not, OR, (groups), begin*, *end, be*nd
from: to: cc: bcc: subject: body: filename: link:   search one field
has:attachment  in:inbox  in:sent  user:ADDR  by kind, folder or owner
before: after: on: DATE  between:DATE..DATE  between:PERSON,PERSON
larger: smaller: SIZE  id:HEX  msgid:ID  thread:HEX"""
_LAST_WORD = re.compile(r"(?:^|[\s(])(\w{3,})$")
"""A plain word at the end. It has at least three letters, so that not all mail matches its beginning."""
_ESCAPED = re.compile(r'\\["\\]')
_OPERATORS = ("OR", "AND", "NOT")


def prefix_query(typed: str) -> str:
    """The query to run while the user types. The last word also matches longer words.

    It matches exactly if a space follows it, within quotes, and after a field's name.
    """
    last = _LAST_WORD.search(typed)
    if last is None or last[1].upper() in _OPERATORS or _is_quoted(typed):
        return typed.strip()
    return f"{typed.strip()}*"


def _is_quoted(typed: str) -> bool:
    """Whether a quoted text is not closed yet."""
    return bool(_ESCAPED.sub("", typed).count('"') % 2)


class SearchLine(SafeInput):
    """The line for the search."""

    HELP = (
        "Searches as you type. The last word also finds longer words, until you type a space after it. "
        f'Enter or ↓ goes to the results, Esc clears the search. In quotes, \\" is a quote.\n\n{LANGUAGE}'
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("query.leave", "escape", "Clear", "Clear the search and go back.", footer=9),
            Action("query.list", "down", "To the list", "Go to the results.", footer=8),
        )
    ]

    class SearchLeft(Message):
        """The search was cleared."""

        def __init__(self, query: SearchLine) -> None:
            super().__init__()
            self.query = query

        @property
        def control(self) -> SearchLine:
            return self.query

    def action_list(self) -> None:
        """Go to the results, as Enter does."""
        self.post_message(self.Submitted(self, self.value))

    def action_leave(self) -> None:
        self.post_message(self.SearchLeft(self))


class PeopleFilter(SafeInput):
    """The line that filters people."""

    HELP = "Type part of a name or an address. Enter or ↓ goes to the tree, Esc clears the filter."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("narrowing.leave", "escape", "Clear", "Clear the filter and show all people.", footer=9),
            Action("narrowing.list", "down", "To the tree", "Go to the matching people.", footer=8),
        )
    ]

    def action_list(self) -> None:
        """Go to the tree, as Enter does."""
        self.post_message(self.Submitted(self, self.value))

    def action_leave(self) -> None:
        """Clear the filter and go to the tree."""
        self.value = ""
        self.action_list()
