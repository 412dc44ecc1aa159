"""Exchange Web Services (MS-OXWS*): the operations for reading and emptying mailboxes.

exchangelib makes the requests, negotiates the version of the schema, and reads errors. Ids and MIME come by
the thousand, so this module reads them directly from the XML elements. If a server is busy, exchangelib would
wait by itself. Here it fails at once, and the source decides how long to wait.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from exchangelib import errors
from exchangelib.account import Identity
from exchangelib.configuration import Configuration
from exchangelib.credentials import DELEGATE, IMPERSONATION
from exchangelib.fields import FieldPath
from exchangelib.folders import Folder as ExchangeFolder
from exchangelib.items import ALL_OCCURRENCES, HARD_DELETE, ID_ONLY, SEND_TO_NONE, Message
from exchangelib.properties import DistinguishedFolderId, FolderId, ItemId, Mailbox
from exchangelib.protocol import BaseProtocol, FailFast
from exchangelib.services import (
    DeleteItem,
    FindFolder,
    GetFolder,
    GetItem,
    GetSearchableMailboxes,
    SyncFolderItems,
)
from exchangelib.services.common import EWSAccountService
from exchangelib.transport import NOAUTH
from exchangelib.util import TNS, DummyResponse
from exchangelib.version import EXCHANGE_2013_SP1, Version

from muniment.errors import SourceError
from muniment.net.limits import PageLimit
from muniment.net.retry import TransientError
from muniment.sources.endpoint import EwsEndpoint
from muniment.sources.ews.faults import (
    NO_FOLDER,
    SHUT,
    STALE,
    EwsFolderGone,
    ItemFailure,
    StaleMark,
    explained,
    failure,
)
from muniment.sources.ews.http import LoginFailed, NoEwsService, make_session, path_of, waits_for
from muniment.sources.ews.mime_reader import MimeReader
from muniment.sources.folders import FolderUse, MailFolder
from muniment.sources.mail_limits import MOST_FOLDERS
from muniment.sources.received import of_instant

CHANGES_AT_ONCE = 512
"""Largest number of changes in one answer of SyncFolderItems."""
FOLDERS_AT_ONCE = 500
USES = {
    "inbox": FolderUse.INBOX,
    "sentitems": FolderUse.SENT,
    "drafts": FolderUse.DRAFTS,
    "junkemail": FolderUse.JUNK,
    "deleteditems": FolderUse.DELETED,
    "outbox": FolderUse.OUTBOX,
}
"""Names of well-known folders in the protocol; they are the same in every language."""
ROOT = "msgfolderroot"
LONGEST_NUMBER = 15
"""Most digits of a number that is believed."""
_MAIL = ("IPF.Note", "IPF.Imap")
"""Classes of folders with mail: Exchange's own, and the one that IMAP programs make."""
_NO_MAIL = frozenset({"CalendarItem", "Contact", "DistributionList", "Task"})
_NO_XML = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|&#(?:x0*(?:[0-8bcef]|1[0-9a-f])|0*(?:[0-8]|1[124-9]|2\d|3[01]));", re.I
)
"""Control characters that XML 1.0 forbids, as characters or as references."""

# Answers name people and requests contain credentials, so neither may be logged.
logging.getLogger("exchangelib").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class SearchableMailboxes:
    """The addresses that Exchange names as searchable."""

    people: list[str]
    """Mailboxes on this server."""
    groups: list[str]
    """Distribution groups, which Exchange lists among the mailboxes and which have none."""
    elsewhere: list[str]
    """Mailboxes on other servers, for example in Exchange Online."""


@dataclass(frozen=True, slots=True)
class EwsFolder:
    """A folder at the server."""

    id: str
    folder: MailFolder
    above: tuple[MailFolder, ...]
    """The folders that contain it, from the top."""
    count: int
    """Number of items in it."""


@dataclass(frozen=True, slots=True)
class ListedItem:
    """A message in a listing."""

    id: str
    size: int | None
    """Bytes."""
    date: int | None
    """When it was received, in seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class FolderChanges:
    """A page of the messages that came into a folder since a state of synchronisation."""

    rows: list[ListedItem]
    state: str
    """The new state, for the next request."""
    last: bool
    """Whether this is the last page."""


Mime = bytes | Path | ItemFailure
"""A message's bytes, a file that has them, or why there are none."""


class _Policy(FailFast):  # type: ignore[misc]
    """Turns the HTTP status of an answer into an error, and never waits."""

    def __init__(self, endpoint: EwsEndpoint) -> None:
        self._endpoint = endpoint

    def raise_response_errors(self, response: requests.Response) -> None:
        if response.status_code == 401:
            raise LoginFailed
        if response.status_code in (404, 405):
            raise NoEwsService
        if response.status_code in (429, 503):
            raise errors.ErrorServerBusy(f"status {response.status_code}", back_off=waits_for(response))
        super().raise_response_errors(response)


class _Protocol(BaseProtocol):  # type: ignore[misc]
    """One connection to one server. exchangelib's own Protocol would keep connections in a global cache."""

    RETRY_WAIT = 0  # so that a wait stated by a busy server differs from none

    def __init__(self, endpoint: EwsEndpoint, auth: Any) -> None:
        self._endpoint = endpoint
        self._auth = auth
        self.TIMEOUT = endpoint.timeout
        super().__init__(
            Configuration(
                service_endpoint=path_of(endpoint),
                auth_type=NOAUTH,
                version=Version(EXCHANGE_2013_SP1),
                retry_policy=_Policy(endpoint),
            )
        )

    @property
    def version(self) -> Version:
        return self.config.version

    def create_session(self) -> requests.Session:
        session: Any = make_session(self._endpoint, self._auth)
        session.session_id, session.usage_count = 0, 0
        return session  # type: ignore[no-any-return]


class _WellKnown(DistinguishedFolderId):  # type: ignore[misc]
    """A well-known folder, of the login's own mailbox if none is named, which exchangelib does not allow."""

    def clean(self, version: Version | None = None) -> None:
        """Check nothing, so that the mailbox can be omitted."""


@dataclass(slots=True)
class _Account:
    """As whom a mailbox is opened: the attributes of an Account that exchangelib's services use."""

    protocol: _Protocol
    primary_smtp_address: str | None
    access_type: str
    identity: Any
    version: Version = field(default_factory=lambda: Version(EXCHANGE_2013_SP1))
    default_timezone: Any = None
    affinity_cookie: str | None = None


class _EachApart:
    """A service in which the error of one item does not end the whole request."""

    ERRORS_TO_CATCH_IN_RESPONSE = (errors.ResponseMessageError,)


class _Folders(_EachApart, GetFolder):  # type: ignore[misc]
    """The operation GetFolder."""


class _Tree(FindFolder):  # type: ignore[misc]
    """The operation FindFolder. Control characters in names, which are not valid XML, are replaced."""

    @classmethod
    def _get_soap_parts(cls, response: Any) -> Any:
        content = _NO_XML.sub("\N{REPLACEMENT CHARACTER}".encode(), response.content)
        return super()._get_soap_parts(DummyResponse(content=content))


class _Delete(_EachApart, DeleteItem):  # type: ignore[misc]
    """The operation DeleteItem."""


class _Changes(SyncFolderItems):  # type: ignore[misc]
    """The operation SyncFolderItems. Its errors lack the synchronisation state that exchangelib expects."""

    def _get_element_container(self, message: Any, name: str | None = None) -> Any:
        if message.get("ResponseClass") == "Error":
            return EWSAccountService._get_element_container(self, message=message, name=name)
        return super()._get_element_container(message=message, name=name)


class _Mime(_EachApart, GetItem):  # type: ignore[misc]
    """The operation GetItem for MIME, which is decoded while it arrives and never parsed as XML elements."""

    def __init__(self, work: Path, **options: Any) -> None:
        super().__init__(**options)
        self.streaming = True
        self.reader = MimeReader(work)

    def _get_soap_parts(self, response: Any) -> Any:
        for chunk in response.iter_content():
            self.reader.feed(chunk)
        return super()._get_soap_parts(DummyResponse(content=self.reader.close()))


class EwsWire:
    """A connection to an Exchange Server.

    In all methods, `who` is the address of a mailbox, or "" for the login's own. They raise NoMailbox if it
    can't be opened, EwsTrouble if the server answers with another error, and TransientError if the connection
    breaks.
    """

    def __init__(self, endpoint: EwsEndpoint, auth: Any) -> None:
        self._endpoint = endpoint
        self._protocol = _Protocol(endpoint, auth)
        self._accounts: dict[str, _Account] = {}

    def close(self) -> None:
        """Close the connection."""
        self._protocol.close()

    def searchable(self) -> SearchableMailboxes:
        """The mailboxes that the login can search.

        Raises:
            SourceError: The login has no right to ask.
        """
        with self._explained():
            try:
                service = GetSearchableMailboxes(protocol=self._protocol)
                found = list(service._get_elements(service.get_payload("", False)))
            except SHUT as error:
                raise SourceError(
                    "Exchange does not let this login list the mailboxes: make it a member of the role group "
                    "Discovery Management, or name the `mailboxes`."
                ) from error
        people, groups, elsewhere = set[str](), set[str](), set[str]()
        for one in found:
            if isinstance(one, Exception) or "@" not in (address := _text(one, "PrimarySmtpAddress")):
                continue
            if _text(one, "IsMembershipGroup").lower() == "true":
                groups.add(address.lower())
            elif _text(one, "IsExternalMailbox").lower() == "true":
                elsewhere.add(address.lower())
            else:
                people.add(address.lower())
        return SearchableMailboxes(sorted(people), sorted(groups), sorted(elsewhere))

    # --- folders --------------------------------------------------------------------------------

    def inbox(self, who: str) -> EwsFolder:
        """The mailbox's Inbox; its name depends on the language."""
        (element,) = self._known(who, ["inbox"])
        return EwsFolder(
            _id(element, "FolderId"),
            MailFolder(("Inbox",), FolderUse.INBOX),
            (),
            _number(element, "TotalCount") or 0,
        )

    def folders(self, who: str) -> list[EwsFolder]:
        """Every folder of the mailbox that is for mail."""
        root, *known = self._known(who, [ROOT, *USES])
        uses = {_id(one, "FolderId"): use for one, use in zip(known, USES.values(), strict=True)
                if not isinstance(one, Exception)}  # fmt: skip
        found = {_id(one, "FolderId"): one for one in self._below(who, _id(root, "FolderId"))}
        return [
            EwsFolder(folder_id, line[-1], tuple(line[:-1]), _number(element, "TotalCount") or 0)
            for folder_id, element in found.items()
            if _holds_mail(element) and (line := _line(folder_id, found, uses))
        ]

    def _known(self, who: str, names: Sequence[str]) -> list[Any]:
        """Well-known folders, with an error in place of a missing one. The first must exist."""
        ids = [_WellKnown(id=name, mailbox=self._mailbox(who)) for name in names]
        with self._explained(who):
            service = _Folders(account=self._account(who))
            payload = service.get_payload(ids, _fields(ExchangeFolder, "name", "total_count"), ID_ONLY)
            found = list(service._get_elements(payload))
            if isinstance(found[0], Exception):
                raise found[0]
        return found

    def _below(self, who: str, root: str) -> list[Any]:
        fields = _fields(ExchangeFolder, "name", "folder_class", "parent_folder_id", "total_count")
        found: list[Any] = []
        offset: int | None = 0
        pages = PageLimit(self._endpoint.address, MOST_FOLDERS)
        while offset is not None:
            with self._explained(who):
                service = _Tree(account=self._account(who), page_size=FOLDERS_AT_ONCE)
                asked = {
                    "folders": [FolderId(id=root)],
                    "additional_fields": fields,
                    "restriction": None,
                    "shape": ID_ONLY,
                    "depth": "Deep",
                    "page_size": FOLDERS_AT_ONCE,
                    "offset": offset,
                }
                ((page, offset),) = service._get_pages(service.get_payload, asked, 1)
                if isinstance(page, Exception):
                    raise page
                listed = [] if page is None else list(page.find(f"{{{TNS}}}Folders"))
                pages.took(len(listed))
                found += listed
        return [one for one in found if one.tag == f"{{{TNS}}}Folder"]

    def is_open(self, who: str, folder: str) -> bool:
        """Whether a folder exists and can be read. Raises NoMailbox if access is refused."""
        with self._explained(who):
            service = _Folders(account=self._account(who))
            payload = service.get_payload([FolderId(id=folder)], [], ID_ONLY)
            (found,) = service._get_elements(payload)
            if isinstance(found, NO_FOLDER):
                return False
            if isinstance(found, Exception):
                raise found
        return True

    # --- messages -------------------------------------------------------------------------------

    def changes(self, who: str, folder: str, state: str) -> FolderChanges:
        """A page of the messages that came into a folder since a state, or with "" of all its messages.

        Raises:
            StaleMark: The server does not know the state.
            EwsFolderGone: The folder no longer exists.
        """
        with self._explained(who):
            service = _Changes(account=self._account(who))
            payload = service.get_payload(
                FolderId(id=folder), ID_ONLY, _fields(Message, "size", "datetime_received"), state or None,
                None, CHANGES_AT_ONCE, None,
            )  # fmt: skip
            try:
                found = list(service._get_elements(payload))
                if found and isinstance(found[0], Exception):
                    raise found[0]
            except STALE as error:
                raise StaleMark from error
            except NO_FOLDER as error:
                raise EwsFolderGone("A folder was deleted while it was being read.") from error
        created = (one[0] for one in found if one.tag == f"{{{TNS}}}Create" and len(one))
        rows = [_row(one) for one in created if _local(one) not in _NO_MAIL]
        return FolderChanges(rows, service.sync_state or "", bool(service.includes_last_item_in_range))

    def mime(self, who: str, ids: Sequence[str]) -> list[Mime]:
        """Fetch messages as MIME, in the order of their ids; one above SPOOL_ABOVE is a file."""
        service = _Mime(self._endpoint.work, account=self._account(who))
        try:
            with self._explained(who):
                payload = service.get_payload(_items(ids), _fields(Message, "mime_content"), ID_ONLY)
                found = list(service._get_elements(payload))
            if len(found) != len(ids):
                raise TransientError(
                    f"{self._endpoint.address} answered {len(found)} of {len(ids)} messages."
                )
            return [_mime(one, service.reader) for one in found]
        except BaseException:
            service.reader.discard()
            raise

    def delete(self, who: str, ids: Sequence[str]) -> list[ItemFailure | None]:
        """Delete messages for good; returns None for a deleted one, in the order of the ids."""
        with self._explained(who):
            service = _Delete(account=self._account(who))
            payload = service.get_payload(_items(ids), HARD_DELETE, SEND_TO_NONE, ALL_OCCURRENCES, True)
            found = list(service._get_elements(payload))
        return [failure(one) if isinstance(one, Exception) else None for one in found]

    # --- as whom --------------------------------------------------------------------------------

    def _account(self, who: str) -> _Account:
        if who not in self._accounts:
            self._accounts[who] = _Account(
                protocol=self._protocol,
                primary_smtp_address=who or None,
                access_type=IMPERSONATION if who and self._endpoint.access == "impersonation" else DELEGATE,
                identity=Identity(primary_smtp_address=who or None),
            )
        return self._accounts[who]

    def _mailbox(self, who: str) -> Any:
        return Mailbox(email_address=who) if who and self._endpoint.access == "delegate" else None

    def _explained(self, who: str = "") -> AbstractContextManager[None]:
        return explained(self._endpoint, who)


def _fields(of: Any, *names: str) -> list[Any]:
    return [FieldPath(field=of.get_field_by_fieldname(name)) for name in names]


def _items(ids: Sequence[str]) -> list[Any]:
    return [ItemId(id=one) for one in ids]


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _text(element: Any, name: str) -> str:
    return element.findtext(f"{{{TNS}}}{name}") or ""


def _number(element: Any, name: str) -> int | None:
    text = _text(element, name)
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None


def _id(element: Any, name: str) -> str:
    found = element.find(f"{{{TNS}}}{name}")
    return "" if found is None else found.get("Id", "")


def _row(element: Any) -> ListedItem:
    date = of_instant(_text(element, "DateTimeReceived"))
    return ListedItem(_id(element, "ItemId"), _number(element, "Size"), date)


def _holds_mail(element: Any) -> bool:
    """Whether a folder is for mail; a folder without a class is."""
    kind = _text(element, "FolderClass")
    return not kind or any(kind == mail or kind.startswith(f"{mail}.") for mail in _MAIL)


def _line(folder_id: str, found: dict[str, Any], uses: dict[str, FolderUse]) -> list[MailFolder]:
    """A folder and the folders that contain it, from the top."""
    ids: list[str] = []
    while folder_id in found and folder_id not in ids:
        ids.append(folder_id)
        folder_id = _id(found[folder_id], "ParentFolderId")
    ids.reverse()
    names = tuple(_text(found[one], "DisplayName") for one in ids)
    return [MailFolder(names[: n + 1], uses.get(one, FolderUse.NONE)) for n, one in enumerate(ids)]


def _mime(answer: Any, reader: MimeReader) -> Mime:
    if isinstance(answer, Exception):
        return failure(answer)
    number = _number(answer, "MimeContent")
    content = None if number is None else reader.take(number)
    return ItemFailure("MIME that can't be read") if content is None else content
