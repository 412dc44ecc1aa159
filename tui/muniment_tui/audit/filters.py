"""The filters of the audit trail: what they ask for, and the line of fields that sets them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from msgspec import Struct
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal

from muniment.api import AUDIT_KINDS, Audit, GetAudit, UserWord
from muniment_tui.actions.registry import Action, actions
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.entry import SafeInput
from muniment_tui.widgets.text import TextLines

TIMES = (("any time", ""), ("last 7 days", "7d"), ("last 30 days", "30d"), ("today", "today"))
"""Choices of the time filter: the name, and the first day."""
KINDS = (("all acts", ()), *((f"{kind} only", (kind,)) for kind in AUDIT_KINDS))
"""Choices of the kind filter: the name, and the kinds."""
_SPAN = re.compile(r"\s*([^.\s]*)\s*(?:\.\.\s*([^.\s]*))?\s*")
FIELDS = (("person", "Person", "name or address"), ("reader", "Reader", "login"), ("word", "Words", ""))
"""The fields of the line: id, label, and what an empty one shows."""


class AuditFilter(Struct, frozen=True):
    """What the list shows."""

    person: str = ""
    """Primary address of a user."""
    reader: str = ""
    word: str = ""
    kinds: tuple[str, ...] = ()
    since: str = ""
    until: str = ""

    @property
    def empty(self) -> bool:
        """Whether it leaves nothing out."""
        return self == AuditFilter()

    def request(self, limit: int, before: Audit | None = None, check: bool = False) -> GetAudit:
        """The request for the first page, or for the page that follows `before`."""
        after, now = (before.after, before.now) if before else (0, 0)
        return GetAudit(
            limit=limit, after=after, reader=self.reader, person=self.person, kinds=self.kinds,
            since=self.since, until=self.until, word=self.word, check=check, now=now,
        )  # fmt: skip

    @property
    def words(self) -> Iterator[str]:
        """What is shown, in words, part by part."""
        yield next((name for name, kinds in KINDS if kinds == self.kinds), "")
        yield f"mail of {self.person}" if self.person else ""
        yield f"by {self.reader}" if self.reader else ""
        yield self.time
        yield f"with {self.word}" if self.word else ""

    @property
    def time(self) -> str:
        """The days in words."""
        if not self.until:
            named = next((name for name, since in TIMES if since == self.since), "")
            return named or f"since {self.since}"
        if self.since == self.until:
            return self.since
        return f"{self.since} to {self.until}" if self.since else f"until {self.until}"


def span_of(typed: str) -> tuple[str, str] | None:
    """The first and the last day of `2026-01`, `2026-01-05..2026-01-09`, `7d..` or `..2025`; None if it is
    none of these. "" is all days."""
    match = _SPAN.fullmatch(typed)
    if match is None:
        return None
    since, until = match[1], match[2]
    return (since, since if until is None else until)


def people_that_fit(users: Sequence[UserWord], typed: str) -> list[UserWord]:
    """The users that a typed text means: the one who has this address, or else those who had it, or else
    those whose name or address begins with it, or else those that contain it."""
    wanted = typed.strip().casefold()
    if not wanted:
        return []
    for fits in (_has_address, _is_address, _begins, _contains):
        if found := [user for user in users if fits(user, wanted)]:
            return found
    return []


def _has_address(user: UserWord, wanted: str) -> bool:
    now = (one.address for one in user.addresses if one.until is None)
    return wanted in (user.user.casefold(), *(one.casefold() for one in now))


def _is_address(user: UserWord, wanted: str) -> bool:
    return wanted in (user.user.casefold(), *(alias.casefold() for alias in user.aliases))


def _begins(user: UserWord, wanted: str) -> bool:
    return any(part.startswith(wanted) for part in (*user.name.casefold().split(), *_addresses(user)))


def _contains(user: UserWord, wanted: str) -> bool:
    return any(wanted in part for part in (user.name.casefold(), *_addresses(user)))


def _addresses(user: UserWord) -> Iterable[str]:
    return (one.casefold() for one in (user.user, *user.aliases))


class FilterField(SafeInput):
    """One field of the line of filters."""

    HELP = (
        "Filters the list. Person takes part of a name or address of the person whose mail was read, Reader "
        "a login, Words any text of an event. Tab goes to the next field, Enter or ↓ to the list, and Esc "
        "clears the field."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("audit-field.leave", "escape", "Clear", "Clear the field and go to the list.", footer=9),
            Action("audit-field.list", "down", "To the list", "Go to the list.", footer=8),
        )
    ]

    def action_list(self) -> None:
        """Go to the list, as Enter does."""
        self.post_message(self.Submitted(self, self.value))

    def action_leave(self) -> None:
        """Clear the field and go to the list."""
        self.value = ""
        self.action_list()


class FilterLine(Horizontal):
    """The fields of the filters, side by side."""

    DEFAULT_CSS = """
    FilterLine { height: 1; padding: 0 1; }
    FilterLine > TextLines { width: auto; padding: 0 1 0 0; color: $secondary; }
    FilterLine > FilterField { width: 2fr; margin: 0 2 0 0; }
    FilterLine > #reader { width: 1fr; }
    FilterLine > #word { margin: 0; }
    """

    def compose(self) -> ComposeResult:
        for id_, label, example in FIELDS:
            yield TextLines(shown(label))
            yield FilterField(placeholder=example, id=id_)

    def field(self, id_: str) -> FilterField:
        """The field `person`, `reader` or `word`."""
        return self.query_one(f"#{id_}", FilterField)
