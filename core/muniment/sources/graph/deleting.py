"""Deleting for good at Microsoft Graph, and saying so only of what is gone.

A message is deleted where it was listed and nowhere else: its folder is looked at right before. An answer
404 to the deletion proves nothing, since a cloud that does not know `permanentDelete` may answer so: what
counts is 204, or that Exchange says of the message, asked for by its immutable id, that it is not there
(ErrorItemNotFound).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from muniment.errors import SourceError
from muniment.sources.base import Item
from muniment.sources.graph.answers import BAD_REQUEST, FORBIDDEN, NOT_ALLOWED, NOT_FOUND, Call, Refused
from muniment.sources.graph.connection import BATCH, GraphWire, Part
from muniment.sources.graph.folders import Mailbox, explained
from muniment.sources.graph.lanes import Delayed

GLOBAL = "graph.microsoft.com"
"""The cloud whose Graph has `permanentDelete`, by Microsoft's page "message: permanentDelete"."""
WITHOUT = frozenset({"graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"})
"""Those that have it not, by the same page."""
NO_ID = "AAAA"
"""No message's id: a deletion that deletes nothing shows whether there is one."""
MALFORMED = "ErrorInvalidIdMalformed"
"""What Exchange says of such an id, and so that it was asked."""
PROBED = 3
"""Mailboxes that are asked before nothing is known."""


class Deleter:
    """Deletes messages of any mailbox."""

    def __init__(
        self,
        host: str,
        wire: GraphWire,
        folders: Callable[[Item], set[str]],
        refuse: Callable[[str, str], None],
    ) -> None:
        """`folders`: what a message says of the folder it lies in, while it lies where it was listed.

        `refuse` is called for a mailbox that not all could be deleted from.
        """
        self._host = host.lower()
        self._wire = wire
        self._folders = folders
        self._refuse = refuse
        self._shut: set[str] = set()
        self._reason: str | None = None

    def undeletable(self, mailboxes: Iterable[Mailbox]) -> str:
        """Why nothing can be deleted: found out by trying it on no message at all. "" where it can."""
        if self._reason is None:
            self._reason = ""
            for mailbox in islice(mailboxes, PROBED):
                if (found := self._probe(mailbox)) is not None:
                    self._reason = found
                    break
            else:
                self._reason = self._absent if self._host in WITHOUT else ""
        return self._reason

    def _probe(self, mailbox: Mailbox) -> str | None:
        """What a deletion of no message is answered with; None where that says nothing."""
        try:
            (answer,) = self._wire.some(mailbox.address, [_deletion(mailbox, NO_ID)], wait=False)
        except (Delayed, SourceError):
            return None
        if not isinstance(answer, Refused):
            return None
        if answer.no_mailbox:  # or is it the request that is not known?
            return self._absent if self._host != GLOBAL and self._is_there(mailbox) else None
        if answer.code == MALFORMED or (answer.no_item and self._host not in WITHOUT):
            return ""
        if answer.status == FORBIDDEN:
            return str(explained(mailbox, answer, "Mail.ReadWrite"))
        return self._absent if self._says_absent(answer) else None

    def _is_there(self, mailbox: Mailbox) -> bool:
        try:
            self._wire.page(mailbox.address, f"{mailbox.path}/mailFolders/inbox?$select=id", wait=False)
        except SourceError:
            return False
        return True

    def _says_absent(self, answer: Refused) -> bool:
        """Whether an answer says that there is no `permanentDelete`: 405, or 400 by Graph itself."""
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
            f"{self._host} can't delete mail for good (it has no permanentDelete, as Microsoft documents for "
            "national clouds): everything is archived and stays there; keep the mail with `--keep`."
        )

    def delete(self, mailbox: Mailbox, items: Iterable[Item]) -> list[Item]:
        """Delete messages of one mailbox; returns those that are gone, by the service's own words."""
        confirmed: list[Item] = []
        group = iter(items)
        while batch := list(islice(group, BATCH)):
            if not self._reason and mailbox.address not in self._shut:
                confirmed += self._portion(mailbox, batch)
        return confirmed

    def _portion(self, mailbox: Mailbox, batch: Sequence[Item]) -> list[Item]:
        there, _ = self._looked_at(mailbox, batch)  # what has vanished was deleted, or archived, by others
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
            left, vanished = self._looked_at(mailbox, [item for item, _ in unsure])
            gone += vanished
            self._judge(mailbox, [answer for item, answer in unsure if item in left])
        return gone

    def _judge(self, mailbox: Mailbox, answers: list[Part]) -> None:
        """What came of messages that are still there."""
        for answer in answers:
            if isinstance(answer, Refused) and (self._says_absent(answer) or answer.status == NOT_FOUND):
                self._reason = self._absent
                return
            self._leave(mailbox, answer)

    def _looked_at(self, mailbox: Mailbox, batch: Sequence[Item]) -> tuple[list[Item], list[Item]]:
        """Which messages lie where they were listed, and which are no longer in the mailbox."""
        calls = [Call("GET", f"{mailbox.message(item.key)}?$select=id,parentFolderId") for item in batch]
        there, gone = [], []
        for item, answer in zip(batch, self._wire.some(mailbox.address, calls), strict=True):
            if isinstance(answer, dict):
                if answer.get("parentFolderId") in self._folders(item):  # else it was moved, and stays
                    there.append(item)
            elif isinstance(answer, Refused) and answer.no_item:
                gone.append(item)
            else:
                self._leave(mailbox, answer)
        return there, gone

    def _leave(self, mailbox: Mailbox, answer: Part) -> None:
        """Take note of a message that can't be deleted, or of all of a mailbox."""
        if isinstance(answer, Refused) and (answer.status == FORBIDDEN or answer.no_mailbox):
            self._shut.add(mailbox.address)
            self._refuse(mailbox.address, str(explained(mailbox, answer, "Mail.ReadWrite")))
        else:
            self._refuse(
                mailbox.address,
                f"Some messages of {mailbox.address} could not be deleted, and stay there. {answer}",
            )


def _deletion(mailbox: Mailbox, key: str) -> Call:
    return Call("POST", f"{mailbox.message(key)}/permanentDelete")
