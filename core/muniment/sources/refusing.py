"""What a source of several mailboxes or folders does about one that can't be read: name it, and go on."""

from __future__ import annotations

from muniment.errors import SourceError
from muniment.sources.base import Place, Refusal


class Shut(SourceError):
    """A mailbox that can't be read; with `folder`, that folder of it alone. Others can."""

    def __init__(self, message: str, mailbox: str, folder: str = "", title: str = "") -> None:
        """`folder` as in Place; `title` is how people know it."""
        super().__init__(message)
        self.mailbox, self.folder, self.title = mailbox, folder, title

    def covers(self, place: Place) -> bool:
        """Whether a place is what can't be read, or lies in it."""
        return place.mailbox == self.mailbox and self.folder in ("", place.folder)

    @property
    def where(self) -> str:
        """The mailbox, or the folder in it, as people know it."""
        return f"{self.mailbox}/{self.title or self.folder}" if self.folder else self.mailbox


class Refusing:
    """Keeps refusals until somebody asks for them (see base.Partial)."""

    def __init__(self) -> None:
        self._untold: list[Refusal] = []
        self._named: set[tuple[str, bool]] = set()

    def refusals(self) -> list[Refusal]:
        """What has been refused since the last call: each mailbox or folder once."""
        taken, self._untold = self._untold, []
        return taken

    def refuse(self, where: str, reason: str, *, deleting: bool = False) -> None:
        """Take note of a mailbox or folder that is not read, or whose mail is not deleted."""
        if (where, deleting) not in self._named:
            self._named.add((where, deleting))
            self._untold.append(Refusal(where, reason, deleting))
