"""How a source of several mailboxes or folders handles one that can't be read: it notes it and continues."""

from __future__ import annotations

from muniment.errors import SourceError
from muniment.sources.base import MailPlace, SourceRefusal


class MailboxRefused(SourceError):
    """One mailbox, or one folder of it, can't be read, while others can."""

    def __init__(self, message: str, mailbox: str, folder: str = "", title: str = "") -> None:
        """Set the message and what it is about.

        Args:
            message: One sentence that says what to do.
            mailbox: The mailbox, as in MailPlace.
            folder: The folder, as in MailPlace; "" for the whole mailbox.
            title: The folder's name for people.
        """
        super().__init__(message)
        self.mailbox, self.folder, self.title = mailbox, folder, title

    def covers(self, place: MailPlace) -> bool:
        """Whether a place is, or is in, the mailbox or folder that can't be read."""
        return place.mailbox == self.mailbox and self.folder in ("", place.folder)

    @property
    def where(self) -> str:
        """`mailbox` or `mailbox/folder`, in the form that people know."""
        return f"{self.mailbox}/{self.title or self.folder}" if self.folder else self.mailbox


class RefusalKeeper:
    """Collects refusals until the caller takes them (see base.PartialSource)."""

    def __init__(self) -> None:
        self._waiting: list[SourceRefusal] = []
        self._named: set[tuple[str, bool]] = set()

    def refusals(self) -> list[SourceRefusal]:
        """The refusals since the last call; each mailbox or folder is among them only once."""
        taken, self._waiting = self._waiting, []
        return taken

    def refuse(self, where: str, reason: str, *, deleting: bool = False) -> None:
        """Note a mailbox or folder that is not read or, with `deleting`, whose mail is not deleted."""
        if (where, deleting) not in self._named:
            self._named.add((where, deleting))
            self._waiting.append(SourceRefusal(where, reason, deleting))
