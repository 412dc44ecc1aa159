"""Deletes messages for good at Microsoft Graph, and confirms only what is gone.

A message is deleted only in the folder in which it was listed, which is checked right before. Status 404 for
a deletion proves nothing, since a cloud without `permanentDelete` can send it. Only status 204 counts, or
that Exchange says ErrorItemNotFound when it is asked for the message by its immutable id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from muniment.errors import SourceError
from muniment.sources.base import MailItem
from muniment.sources.graph.answers import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_ALLOWED,
    NOT_FOUND,
    GraphCall,
    GraphRefused,
)
from muniment.sources.graph.connection import BATCH, GraphWire, Part
from muniment.sources.graph.folders import GraphMailbox, explained
from muniment.sources.graph.lanes import MailboxDelayed

GLOBAL = "graph.microsoft.com"
"""The cloud that has `permanentDelete`, according to Microsoft's page "message: permanentDelete"."""
WITHOUT = frozenset({"graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"})
"""The clouds that do not have it, according to the same page."""
NO_ID = "AAAA"
"""An id of no message. Deleting it deletes nothing, and shows whether the service can delete."""
MALFORMED = "ErrorInvalidIdMalformed"
"""Exchange's code for such an id, which proves that the request reached Exchange."""
PROBED = 3
"""Number of mailboxes in which that is tried."""


class MessageDeleter:
    """Deletes messages of any mailbox."""

    def __init__(
        self,
        host: str,
        wire: GraphWire,
        folders: Callable[[MailItem], set[str]],
        refuse: Callable[[str, str], None],
        without: frozenset[str] = WITHOUT,
    ) -> None:
        """Set what deleting needs.

        Args:
            host: The service's host.
            wire: The connection.
            folders: The ids that a message can give for the folder in which it was listed.
            refuse: Called with the address of a mailbox from which not all could be deleted, and the reason.
            without: The hosts of clouds that can't delete permanently.
        """
        self._host = host.lower()
        self._wire = wire
        self._folders = folders
        self._refuse = refuse
        self._without = without
        self._shut: set[str] = set()
        self._reason: str | None = None

    def undeletable(self, mailboxes: Iterable[GraphMailbox]) -> str:
        """Why nothing can be deleted; "" if deleting works. It is tried with an id of no message."""
        if self._reason is None:
            self._reason = ""
            for mailbox in islice(mailboxes, PROBED):
                if (found := self._probe(mailbox)) is not None:
                    self._reason = found
                    break
            else:
                self._reason = self._absent if self._host in self._without else ""
        return self._reason

    def _probe(self, mailbox: GraphMailbox) -> str | None:
        """Try to delete NO_ID; returns why nothing can be deleted, or "", or None if it is not clear."""
        try:
            (answer,) = self._wire.some(mailbox.address, [_deletion(mailbox, NO_ID)], wait=False)
        except (MailboxDelayed, SourceError):
            return None
        if not isinstance(answer, GraphRefused):
            return None
        if answer.no_mailbox:  # an unknown request can get the same answer
            return self._absent if self._host != GLOBAL and self._is_there(mailbox) else None
        if answer.code == MALFORMED or (answer.no_item and self._host not in self._without):
            return ""
        if answer.status == FORBIDDEN:
            return str(explained(mailbox, answer, "Mail.ReadWrite"))
        return self._absent if self._says_absent(answer) else None

    def _is_there(self, mailbox: GraphMailbox) -> bool:
        try:
            self._wire.page(mailbox.address, f"{mailbox.path}/mailFolders/inbox?$select=id", wait=False)
        except SourceError:
            return False
        return True

    def _says_absent(self, answer: GraphRefused) -> bool:
        """Whether an answer means that there is no `permanentDelete`: 405, or 400 or 404 by Graph itself."""
        if answer.status == NOT_ALLOWED:
            return True
        return (
            answer.status in (BAD_REQUEST, NOT_FOUND)
            and not answer.code.startswith("Error")
            and not answer.no_mailbox
            and self._host != GLOBAL
        )

    @property
    def _absent(self) -> str:
        return (
            f"{self._host} can't delete mail for good (according to Microsoft, national clouds have no "
            "permanentDelete): everything is archived and stays there; keep the mail with `--keep`."
        )

    def delete(self, mailbox: GraphMailbox, items: Iterable[MailItem]) -> list[MailItem]:
        """Delete messages of one mailbox; returns those whose deletion the service has confirmed."""
        confirmed: list[MailItem] = []
        group = iter(items)
        while batch := list(islice(group, BATCH)):
            if not self._reason and mailbox.address not in self._shut:
                confirmed += self._portion(mailbox, batch)
        return confirmed

    def _portion(self, mailbox: GraphMailbox, batch: Sequence[MailItem]) -> list[MailItem]:
        there, _ = self._look(mailbox, batch)  # someone else has deleted or archived the missing ones
        if not there:
            return []
        gone = []
        answers = self._wire.some(mailbox.address, [_deletion(mailbox, item.key) for item in there])
        unsure = []
        for item, answer in zip(there, answers, strict=True):
            if isinstance(answer, dict):
                gone.append(item)
            else:
                unsure.append((item, answer))
        if unsure:
            left, vanished = self._look(mailbox, [item for item, _ in unsure])
            gone += vanished
            self._judge(mailbox, [answer for item, answer in unsure if item in left])
        return gone

    def _judge(self, mailbox: GraphMailbox, answers: list[Part]) -> None:
        """Note why messages are still there."""
        for answer in answers:
            if isinstance(answer, GraphRefused) and (self._says_absent(answer) or answer.status == NOT_FOUND):
                self._reason = self._absent
                return
            self._leave(mailbox, answer)

    def _look(
        self, mailbox: GraphMailbox, batch: Sequence[MailItem]
    ) -> tuple[list[MailItem], list[MailItem]]:
        """The messages that are still where they were listed, and those that are no longer in the mailbox."""
        calls = [GraphCall("GET", f"{mailbox.message(item.key)}?$select=id,parentFolderId") for item in batch]
        there, gone = [], []
        for item, answer in zip(batch, self._wire.some(mailbox.address, calls), strict=True):
            if isinstance(answer, dict):
                if answer.get("parentFolderId") in self._folders(item):  # otherwise it was moved, and stays
                    there.append(item)
            elif isinstance(answer, GraphRefused) and answer.no_item:
                gone.append(item)
            else:
                self._leave(mailbox, answer)
        return there, gone

    def _leave(self, mailbox: GraphMailbox, answer: Part) -> None:
        """Note that one message, or any message of a mailbox, can't be deleted."""
        if isinstance(answer, GraphRefused) and (answer.status == FORBIDDEN or answer.no_mailbox):
            self._shut.add(mailbox.address)
            self._refuse(mailbox.address, str(explained(mailbox, answer, "Mail.ReadWrite")))
        else:
            self._refuse(
                mailbox.address,
                f"Some messages of {mailbox.address} could not be deleted and stay there. {answer}",
            )


def _deletion(mailbox: GraphMailbox, key: str) -> GraphCall:
    return GraphCall("POST", f"{mailbox.message(key)}/permanentDelete")
