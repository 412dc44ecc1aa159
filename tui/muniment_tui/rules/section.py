"""A section of the Rules area: its list, the text of a row, and what can be done there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from textual.content import Content

from muniment.api import Request, SimulateRetention, WireWord
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.rows import ListRow


@dataclass(frozen=True, slots=True)
class Ending:
    """How the thing at the cursor is ended, such as a grant that is revoked."""

    what: Content
    """The question, which names it."""
    request: Callable[[str], Request]
    """Makes the request of the reason that was typed."""
    reply: type[WireWord]
    look: SimulateRetention | None = None
    """What is simulated before the question. Then no reason is asked for."""


@dataclass(slots=True)
class SectionState:
    """What a section shows."""

    rows: list[ListRow] = field(default_factory=list)
    count: int | None = None
    """How many are in force; None if that is not known yet."""
    problem: str = ""
    """Why it can't be shown; "" if it can."""
    loaded: bool = False


class RulesSection(ABC):
    """A section. It belongs to one screen, which loads it and draws what it has."""

    ID: ClassVar[str]
    TITLE: ClassVar[str]
    COLUMNS: ClassVar[Sequence[ListColumn]]
    EMPTY: ClassVar[tuple[str, str]]
    """A title, and advice, for an empty list."""

    def __init__(self) -> None:
        self.state = SectionState()

    @abstractmethod
    def request(self, former: bool) -> Request:
        """Return the request for its list; with `former`, also of what is over."""

    @property
    @abstractmethod
    def reply(self) -> type[WireWord]:
        """The class of the reply to that request."""

    @abstractmethod
    def rows(self, reply: WireWord) -> tuple[Iterable[ListRow], int]:
        """Return the rows of a reply, and how many of them are in force."""

    @abstractmethod
    def text(self, row: ListRow, width: int) -> Content:
        """Return the whole text of a row, for a pane of `width` cells."""

    def ending(self, row: ListRow) -> Ending | None:
        """Return how what is at a row is ended; None if it can't be."""
        return None

    def adding(self, made: Callable[[], object]) -> FrameScreen | None:
        """Return the form of a new one; None if there is none. `made` is called once it is there."""
        return None
