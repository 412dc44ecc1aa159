"""The folders of a mailbox in Exchange Online, and errors that explain why a mailbox can't be opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from muniment.errors import SourceError
from muniment.net.limits import PageLimit
from muniment.sources.base import MailPlace
from muniment.sources.endpoint import ExchangeEndpoint
from muniment.sources.folders import FolderChoice, FolderUse, MailFolder, UnmatchedPatterns
from muniment.sources.graph.answers import (
    FORBIDDEN,
    NO_CODE,
    NOT_FOUND,
    GraphCall,
    GraphPage,
    GraphRefused,
    understood,
)
from muniment.sources.graph.connection import BATCH, GraphWire
from muniment.sources.mail_limits import MOST_FOLDERS
from muniment.sources.refusing import MailboxRefused

WELL_KNOWN = {
    "inbox": FolderUse.INBOX,
    "sentitems": FolderUse.SENT,
    "drafts": FolderUse.DRAFTS,
    "junkemail": FolderUse.JUNK,
    "deleteditems": FolderUse.DELETED,
    "archive": FolderUse.ARCHIVE,
    "outbox": FolderUse.OUTBOX,
}
"""Graph's names for well-known folders; they are the same in every language."""
_FOLDER = "$select=id,displayName,childFolderCount,totalItemCount,isHidden"


@dataclass(frozen=True, slots=True)
class GraphMailbox:
    """A mailbox that is read."""

    address: str
    name: str
    """Its name at the service: a user principal name or an id."""

    @property
    def path(self) -> str:
        """The path of the mailbox, relative to the version of Graph, with its name percent-encoded."""
        return f"/users/{quote(self.name, safe='@')}"

    def message(self, key: str) -> str:
        """The path of a message. It omits the folder: Graph sends no MIME by a path through one (405)."""
        return f"{self.path}/messages/{quote(key, safe='')}"


@dataclass(frozen=True, slots=True)
class FolderListing:
    """A folder to be listed."""

    place: MailPlace
    path: str
    messages: int
    """Number of messages in it."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A folder of a mailbox in the service's list."""

    id: str
    folder: MailFolder
    above: tuple[MailFolder, ...]
    messages: int
    children: int

    @property
    def path(self) -> str:
        return f"/mailFolders/{quote(self.id, safe='')}"


class MailboxPassedOver(MailboxRefused):
    """An address has no mailbox, or the application has no right to read it; `mailboxes = ["*"]` skips it."""


def explained(mailbox: GraphMailbox, error: SourceError, permission: str = "Mail.Read") -> MailboxRefused:
    """The error that says what to do about a mailbox that can't be opened.

    Args:
        mailbox: The mailbox.
        error: What the service answered.
        permission: The permission of Graph that the request needed.
    """
    address = mailbox.address
    if isinstance(error, GraphRefused) and error.code == NO_CODE and not error.no_mailbox:
        return MailboxRefused(
            f"Something other than Exchange Online answers for {address} ({error.status} without a code): a "
            "proxy may block it; ask the people who run the network.",
            address,
        )
    if isinstance(error, GraphRefused) and error.status == FORBIDDEN:
        return MailboxPassedOver(
            f"Microsoft Graph does not let the application open {address} ({error.code}): grant it "
            f"the permission {permission} with admin consent (Entra admin centre, App registrations, API "
            "permissions), and check that no application access policy or role excludes this mailbox.",
            address,
        )
    if isinstance(error, GraphRefused) and (error.no_mailbox or error.status == NOT_FOUND):
        return MailboxPassedOver(
            f"There is no mailbox {address} in Exchange Online ({error.code}): check its name, which must be "
            "the user principal name, and the person's licence.",
            address,
        )
    if isinstance(error, GraphRefused):
        return MailboxRefused(
            f"Microsoft Graph does not open {address} ({error.status} {error.code}): run again, and if that "
            "does not help, look the code up in Microsoft's documentation.",
            address,
        )
    return MailboxRefused(f"{address} could not be read. {error}", address)


class GraphFolderTree:
    """The folders of one mailbox. Its methods raise the errors of GraphWire, and MailboxRefused."""

    def __init__(
        self,
        endpoint: ExchangeEndpoint,
        wire: GraphWire,
        mailbox: GraphMailbox,
        refuse: Callable[[str, str], None],
        *,
        wait: bool,
    ) -> None:
        """Set what listing folders needs.

        Args:
            endpoint: The service, and the choice of folders.
            wire: The connection.
            mailbox: The mailbox.
            refuse: Called with a folder whose subfolders can't be listed, and the reason.
            wait: As in GraphWire.page.
        """
        self._endpoint = endpoint
        self._wire = wire
        self._mailbox = mailbox
        self._refuse = refuse
        self._wait = wait

    def chosen(self, owner: str, unmatched: UnmatchedPatterns) -> list[FolderListing]:
        """The folders to read.

        Args:
            owner: The address of their owner (see MailPlace).
            unmatched: Compares all folders of the mailbox with the patterns of the profile.
        """
        choice = self._endpoint.folders or FolderChoice()
        box = self._mailbox
        nodes = list(self._nodes())
        unmatched.compare(node.folder for node in nodes)
        return [
            FolderListing(
                MailPlace(self._endpoint.address, box.address, node.id, node.folder.title, owner),
                box.path + node.path,
                node.messages,
            )
            for node in nodes
            if choice.wants(node.folder, node.above)
        ]

    def _ask(self, path: str) -> GraphPage:
        try:
            return self._wire.page(self._mailbox.address, path, wait=self._wait)
        except GraphRefused as error:
            raise explained(self._mailbox, error) from error

    def _nodes(self) -> Iterator[_Node]:
        """Every folder that people can see, level by level."""
        uses = self._uses()
        seen: set[str] = set()
        first = self._ask(f"{self._mailbox.path}/mailFolders?{_FOLDER}")
        level = list(self._listed(first, uses, None))
        pages = PageLimit(self._endpoint.address, MOST_FOLDERS)
        while level:
            level = [node for node in level if node.id not in seen]
            pages.took(len(level))
            seen.update(node.id for node in level)
            yield from level
            level = list(self._below([node for node in level if node.children], uses))

    def _uses(self) -> dict[str, FolderUse]:
        """The uses of well-known folders, by their ids."""
        box = self._mailbox
        calls = [GraphCall("GET", f"{box.path}/mailFolders/{name}?$select=id") for name in WELL_KNOWN]
        found: dict[str, FolderUse] = {}
        answers = self._wire.batch(box.address, calls, wait=self._wait)
        for use, answer in zip(WELL_KNOWN.values(), answers, strict=True):
            if isinstance(answer, GraphRefused) and (answer.status != NOT_FOUND or answer.no_mailbox):
                raise explained(box, answer) from answer
            if isinstance(answer, dict) and "id" in answer:
                found[str(answer["id"])] = use
        return found

    def _below(self, parents: list[_Node], uses: dict[str, FolderUse]) -> Iterator[_Node]:
        """The folders directly below `parents`, asked for in batches."""
        box = self._mailbox
        for start in range(0, len(parents), BATCH):
            some = parents[start : start + BATCH]
            calls = [GraphCall("GET", f"{box.path}{node.path}/childFolders?{_FOLDER}") for node in some]
            for node, answer in zip(some, self._wire.some(box.address, calls, wait=self._wait), strict=True):
                if isinstance(answer, dict):
                    yield from self._listed(self._wire.as_page(answer), uses, node)
                elif not (isinstance(answer, GraphRefused) and answer.no_item):  # it was deleted
                    title = node.folder.title
                    self._refuse(
                        f"{box.address}/{title}", f"The folders below {title} could not be listed. {answer}"
                    )

    def _listed(self, page: GraphPage, uses: dict[str, FolderUse], above: _Node | None) -> Iterator[_Node]:
        """The folders in a list, without hidden ones and views (search folders)."""
        line = (*above.above, above.folder) if above else ()
        pages = PageLimit(self._endpoint.address, MOST_FOLDERS)
        while True:
            pages.took(len(page.values))
            for one in page.values:
                if one.get("isHidden") or str(one.get("@odata.type", "")).endswith("mailSearchFolder"):
                    continue
                names = (*(line[-1].names if line else ()), str(one.get("displayName") or ""))
                with understood(self._endpoint):
                    id_ = str(one["id"])
                    counts = [int(one.get(name) or 0) for name in ("totalItemCount", "childFolderCount")]
                folder = MailFolder(names, uses.get(id_, FolderUse.NONE))
                yield _Node(id_, folder, line, *counts)
            if not page.next:
                return
            page = self._ask(page.next)
