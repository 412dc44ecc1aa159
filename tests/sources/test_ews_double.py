"""The double of Exchange answers as documented by Microsoft or reported by people, and refuses the rest.

All requests go by the wire. `POINTS` at the end lists the points in which Exchange differs from what a client
may expect, and the test of the double for each.
"""

from __future__ import annotations

import base64
import http.client
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support import ews_answers, ews_double, ews_sources, ews_xml
from support.ews_answers import Part, Refused
from support.ews_double import Exchange
from support.ews_mailboxes import Person
from support.ews_sources import CODES, MADE_UP, SOURCES, UNKNOWN

ANNA = "anna@example.com"
PAGE = re.compile(
    r"https://(learn\.microsoft\.com/en-us/exchange/client-developer/[a-z-]+/[a-z0-9-]+"
    r"|github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+)\Z"
)
SHAPE = "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
ITEM_SHAPE = SHAPE.replace("Folder", "Item")
INBOX = f'<m:GetFolder>{SHAPE}<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>'
VIEW = '<m:IndexedPageFolderView MaxEntriesReturned="500" Offset="0" BasePoint="Beginning"/>'
PARENTS = '<m:ParentFolderIds><t:DistinguishedFolderId Id="msgfolderroot"/></m:ParentFolderIds>'
FIND = f'<m:FindFolder Traversal="Deep">{SHAPE}{VIEW}{PARENTS}</m:FindFolder>'
IDS = '<m:ItemIds><t:ItemId Id="{id}"/></m:ItemIds>'
GET = f"<m:GetItem>{ITEM_SHAPE}{IDS}</m:GetItem>"
DELETE = f'<m:DeleteItem DeleteType="HardDelete">{IDS}</m:DeleteItem>'
SYNC = (
    f'<m:SyncFolderItems>{ITEM_SHAPE}<m:SyncFolderId><t:FolderId Id="{{inbox}}"/></m:SyncFolderId>'
    "<m:SyncState></m:SyncState><m:MaxChangesReturned>512</m:MaxChangesReturned></m:SyncFolderItems>"
)
SEARCHABLE = "<m:GetSearchableMailboxes/>"


class Asked:
    """A client that uses nothing of Muniment and sends what a test gives it."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.anna: Person = exchange.person(ANNA, "secret")
        self.anna.put([b"Subject: one\r\n\r\n"])
        (self.id,), self.inbox = self.anna.inbox.items, self.anna.inbox.id
        exchange.logins["svc"] = "secret"

    def __call__(self, method: str, path: str, body: str = "", login: str = "") -> tuple[int, str, str]:
        """Status, the offered ways to log in, and body."""
        connection = http.client.HTTPConnection("localhost", self.exchange.port, timeout=10)
        shown = base64.b64encode(f"{login}:secret".encode()).decode()
        headers = {"Authorization": f"Basic {shown}"} if login else {}
        with closing(connection):
            connection.request(method, path, body.encode(), headers)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("WWW-Authenticate", ""), answer.read().decode()

    def text(self, request: str, login: str = ANNA, person: str = "", header: str = "") -> tuple[int, str]:
        """The status, and the answer."""
        if person:
            header += (
                "<t:ExchangeImpersonation><t:ConnectingSID>"
                f"<t:PrimarySmtpAddress>{person}</t:PrimarySmtpAddress>"
                "</t:ConnectingSID></t:ExchangeImpersonation>"
            )
        request = request.format(id=self.id, inbox=self.inbox)
        status, _, text = self(
            "POST",
            ews_double.PATH,
            f'<s:Envelope xmlns:s="{ews_xml.SOAP}" xmlns:t="{ews_xml.T}" xmlns:m="{ews_xml.M}">'
            f"<s:Header>{header}</s:Header><s:Body>{request}</s:Body></s:Envelope>",
            login,
        )
        return status, text

    def soap(self, request: str, login: str = ANNA, person: str = "") -> tuple[int, list[str], str]:
        """The status, the response codes in the answer, and the source of the answer."""
        status, text = self.text(request, login, person)
        return status, re.findall(r"ResponseCode>(\w+)</", text), self.source

    @property
    def source(self) -> str:
        """The source of the last answer."""
        return self.exchange.given[-1][0]


@pytest.fixture
def asked() -> Iterator[Asked]:
    with Exchange() as exchange:
        exchange.offers = ('Basic realm="double"',)
        yield Asked(exchange)


@pytest.mark.parametrize(
    ("request_text", "source"),
    [(INBOX, "X16"), (FIND, "X17"), (SYNC, "X11"), (GET, "X18"), (DELETE, "X1"), (SEARCHABLE, "X9")],
)
def test_requests(asked: Asked, request_text: str, source: str) -> None:
    asked.exchange.searchers.add(ANNA)
    assert asked.soap(request_text) == (200, ["NoError"], source)
    assert asked.exchange.unknown == []


STRANGE = [
    "<m:ConvertId/>",
    "<m:FindItem/>",
    "<m:MoveItem/>",
    "<t:GetFolder/>",
    "<m:GetFolder/>",
    "",
    f"{INBOX}{INBOX}",
    INBOX.replace("IdOnly", "AllProperties"),
    INBOX.replace('"inbox"', '"publicfoldersroot"'),
    INBOX.replace('"inbox"', '"archivemsgfolderroot"'),
    INBOX.replace('Id="inbox"', 'Id="inbox" ChangeKey="AQ"'),
    INBOX.replace(
        "</t:BaseShape>",
        "</t:BaseShape><t:AdditionalProperties><t:FieldURI FieldURI='folder:UnreadCount'/>"
        "</t:AdditionalProperties>",
    ),
    INBOX.replace(
        "</t:BaseShape>",
        "</t:BaseShape><t:AdditionalProperties><t:ExtendedFieldURI PropertyTag='0x3613'/>"
        "</t:AdditionalProperties>",
    ),
    FIND.replace("Deep", "Shallow"),
    FIND.replace("Deep", "SoftDeleted"),
    FIND.replace(' Traversal="Deep"', ""),
    FIND.replace(VIEW, ""),
    FIND.replace("Beginning", "End"),
    FIND.replace(PARENTS, f"<m:Restriction/>{PARENTS}"),
    FIND.replace(PARENTS, f"<m:SortOrder/>{PARENTS}"),
    FIND.replace("</m:ParentFolderIds>", '<t:DistinguishedFolderId Id="inbox"/></m:ParentFolderIds>'),
    FIND.replace(PARENTS, "<m:ParentFolderIds/>"),
    SYNC.replace("512", "513"),
    SYNC.replace("512", "0"),
    SYNC.replace("<m:MaxChangesReturned>", '<m:Ignore><t:ItemId Id="a"/></m:Ignore><m:MaxChangesReturned>'),
    SYNC.replace(
        "</m:SyncFolderItems>", "<m:SyncScope>NormalAndAssociatedItems</m:SyncScope></m:SyncFolderItems>"
    ),
    GET.replace("</t:BaseShape>", "</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>"),
    GET.replace('Id="{id}"', 'Id="{id}" ChangeKey="AQ"'),
    GET.replace('<t:ItemId Id="{id}"/>', '<t:OccurrenceItemId RecurringMasterId="a" InstanceIndex="1"/>'),
    DELETE.replace("HardDelete", "SoftDelete"),
    DELETE.replace("HardDelete", "MoveToDeletedItems"),
    DELETE.replace(' DeleteType="HardDelete"', ""),
    DELETE.replace("HardDelete", 'HardDelete" SendMeetingCancellations="SendToAllAndSaveCopy'),
    SEARCHABLE.replace("/>", "><m:SearchFilter>anna</m:SearchFilter></m:GetSearchableMailboxes>"),
]


@pytest.mark.parametrize("request_text", STRANGE)
def test_what_is_unknown_is_refused(asked: Asked, request_text: str) -> None:
    """Even where the real server grants it: our code may not rely on an answer that nobody checked."""
    asked.exchange.searchers.add(ANNA)
    assert asked.soap(request_text) == (500, ["UnknownToTheDouble"], UNKNOWN)
    assert len(asked.anna.inbox.items) == 1
    assert asked.exchange.unknown != []


@pytest.mark.parametrize(
    "header",
    ["<t:MailboxCulture>de-DE</t:MailboxCulture>", '<t:RequestServerVersion Version="Exchange2007"/>',
     "<t:ExchangeImpersonation><t:ConnectingSID><t:SID>S-1</t:SID></t:ConnectingSID></t:ExchangeImpersonation>"],
)  # fmt: skip
def test_an_unknown_header_refuses_the_request(asked: Asked, header: str) -> None:
    status, text = asked.text(DELETE, header=header)
    assert (status, "UnknownToTheDouble" in text, asked.source) == (500, True, UNKNOWN)
    assert len(asked.anna.inbox.items) == 1


def test_what_is_no_xml_is_refused(asked: Asked) -> None:
    for body in ("", "<a/>", "no XML"):
        assert "UnknownToTheDouble" in asked("POST", ews_double.PATH, body, ANNA)[2]


def test_only_properties_that_are_asked_for_are_shown(asked: Asked) -> None:
    """X16."""
    assert "DisplayName" not in asked.text(INBOX)[1]
    wanted = "<t:AdditionalProperties><t:FieldURI FieldURI='folder:DisplayName'/></t:AdditionalProperties>"
    text = asked.text(INBOX.replace("</t:BaseShape>", f"</t:BaseShape>{wanted}"))[1]
    assert "<t:DisplayName>Inbox<" in text
    assert "TotalCount" not in text
    assert "DateTimeReceived" not in asked.text(SYNC)[1]
    assert "MimeContent" not in asked.text(GET)[1]


def test_half_a_request_is_not_answered(asked: Asked) -> None:
    """A client that is killed asks for nothing."""
    with socket.create_connection(("localhost", asked.exchange.port), timeout=10) as wire:
        wire.sendall(f"POST {ews_double.PATH} HTTP/1.1\r\nContent-Length: 99\r\n\r\n<s:Env".encode())
        wire.shutdown(socket.SHUT_WR)
        assert wire.recv(10) == b""
    assert asked.exchange.unknown == []


# --- logins and paths ------------------------------------------------------------------------------


def test_a_request_without_a_login_is_refused(asked: Asked) -> None:
    """X3, X4, X12; nobody has reported the answer to HEAD."""
    for method, source in (("GET", "X3"), ("HEAD", UNKNOWN), ("POST", "X12")):
        for path in (ews_double.PATH, "/ews/exchange.ASMX"):
            assert asked(method, path)[:2] == (401, 'Basic realm="double"')
            assert asked.source == source
        assert (asked(method, "/owa")[0], asked.source) == (404, UNKNOWN)
    assert asked("POST", "/ews/exchange.ASMX", "", ANNA)[0] == 500, "the same service"


# --- errors ----------------------------------------------------------------------------------------


def test_missing_items(asked: Asked) -> None:
    """X1, X2, X14."""
    missing = GET.replace("{id}", "none")
    assert asked.soap(missing) == (200, ["ErrorItemNotFound"], "X2")
    assert asked.soap(DELETE.replace("{id}", "none")) == (200, ["ErrorItemNotFound"], "X1")
    assert asked.soap(GET) == (200, ["NoError"], "X18")
    assert asked.soap(GET, login="svc") == (200, ["ErrorItemNotFound"], "X2"), "not theirs to see"
    assert asked.soap(DELETE, login="svc") == (200, ["ErrorAccessDenied"], "X14")
    assert len(asked.anna.inbox.items) == 1


def test_missing_and_shut_folders(asked: Asked) -> None:
    """X2, X6, X14, X15."""
    by_id = INBOX.replace('<t:DistinguishedFolderId Id="inbox"/>', '<t:FolderId Id="{inbox}"/>')
    assert asked.soap(by_id, login="svc") == (200, ["ErrorAccessDenied"], "X14")
    assert asked.soap(INBOX, login="svc") == (200, ["ErrorNonExistentMailbox"], "X6")
    mailbox = f"<t:Mailbox><t:EmailAddress>{ANNA}</t:EmailAddress></t:Mailbox>"
    hers = INBOX.replace('Id="inbox"/>', f'Id="inbox">{mailbox}</t:DistinguishedFolderId>')
    assert asked.soap(hers, login="svc") == (200, ["ErrorAccessDenied"], "X14")
    asked.anna.delegates.add("svc")
    assert asked.soap(hers, login="svc") == (200, ["NoError"], "X16")
    assert asked.soap(by_id.replace("{inbox}", "none")) == (200, ["ErrorItemNotFound"], "X2")
    asked.anna.remove_folder(asked.anna.inbox)
    assert asked.soap(INBOX) == (200, ["ErrorFolderNotFound"], "X15")


def test_impersonation(asked: Asked) -> None:
    """X5, X6: errors of the header are SOAP faults with status 500."""
    assert asked.soap(INBOX, "svc", ANNA) == (500, ["ErrorImpersonateUserDenied"], "X5")
    asked.exchange.impersonators.add("svc")
    assert asked.soap(INBOX, "svc", ANNA) == (200, ["NoError"], "X16")
    assert asked.soap(INBOX, "svc", "nobody@example.com") == (500, ["ErrorNonExistentMailbox"], "X6")


@pytest.mark.parametrize(("code", "source"), [*((code, "X7") for code in sorted(CODES)), ("Error2", MADE_UP)])
def test_one_mailbox_folder_or_item_is_in_trouble(asked: Asked, code: str, source: str) -> None:
    """X7: a fault for who impersonates, else a code in the message."""
    asked.exchange.impersonators.add("svc")
    asked.exchange.person("bob@example.com")
    asked.anna.fault = code
    assert asked.soap(INBOX, "svc", ANNA) == (500, [code], source)
    assert asked.soap(INBOX, "svc", "bob@example.com") == (200, ["NoError"], "X16")
    asked.anna.sick = code
    assert asked.soap(INBOX) == (200, [code], source)
    asked.anna.inbox.sick = code
    assert asked.soap(SYNC) == (200, [code], source)
    asked.anna.inbox.items[asked.id].error = asked.anna.inbox.items[asked.id].stays = code
    assert asked.soap(GET) == (200, [code], source)
    assert asked.soap(DELETE) == (200, [code], source)


@pytest.mark.parametrize(
    ("status", "headers", "source"),
    [(503, {}, "X8"), (500, {}, "X8"), (503, {"Retry-After": "7"}, MADE_UP), (429, {}, MADE_UP)],
)
def test_the_web_server_refuses_one_mailbox(
    asked: Asked, status: int, headers: dict[str, str], source: str
) -> None:
    asked.exchange.impersonators.add("svc")
    asked.anna.status = (status, headers)
    assert asked.soap(INBOX, "svc", ANNA) == (status, [], source)
    assert asked.soap(INBOX) == (200, ["NoError"], "X16")
    asked.exchange.fail = [(status, headers)]
    assert asked.soap(INBOX) == (status, [], source)


def test_a_busy_server_can_say_how_long_to_wait(asked: Asked) -> None:
    """X13."""
    asked.exchange.busy = [1500, 0]
    status, text = asked.text(INBOX)
    assert (status, asked.source) == (500, "X13")
    assert '<t:Value Name="BackOffMilliseconds">1500<' in text
    assert "BackOffMilliseconds" not in asked.text(INBOX)[1]


def test_searchable_mailboxes(asked: Asked) -> None:
    """X9, X10, X14."""
    assert asked.soap(SEARCHABLE) == (200, ["ErrorAccessDenied"], "X14")
    asked.exchange.searchers.add(ANNA)
    asked.exchange.groups, asked.exchange.external = ["all@example.com"], ["cloud@example.com"]
    text = asked.text(SEARCHABLE)[1].replace("\n", "")
    kinds = re.findall(r"Address>(\w+)@.*?External\w+>(\w+)<.*?IsMembershipGroup>(\w+)<", text)
    assert kinds == [("anna", "false", "false"), ("all", "false", "true"), ("cloud", "true", "false")]


def test_unknown_states_of_synchronisation(asked: Asked) -> None:
    """X11."""
    assert asked.soap(SYNC) == (200, ["NoError"], "X11")
    assert asked.soap(SYNC.replace("State><", "State>AAAA<")) == (200, ["ErrorInvalidSyncStateData"], "X11")
    assert asked.soap(SYNC.replace("{inbox}", "none")) == (200, ["ErrorSyncFolderNotFound"], "X11")


def test_an_item_can_lack_mime(asked: Asked) -> None:
    asked.anna.inbox.items[asked.id].mime = False
    assert asked.soap(GET) == (200, ["NoError"], MADE_UP)


# --- sources ---------------------------------------------------------------------------------------


def test_an_answer_without_a_source_can_not_be_made() -> None:
    for make in (Part, Refused):
        with pytest.raises(ValueError, match="no source"):
            make("X99", "NoError", "")


def test_what_is_unknown_can_not_be_granted() -> None:
    assert Part(UNKNOWN, "ErrorAccessDenied", "").source == UNKNOWN
    with pytest.raises(ValueError, match="must be refused"):
        Part(UNKNOWN, "NoError", "")


@pytest.mark.parametrize("letter", SOURCES)
def test_each_source_is_a_public_page_that_an_answer_names(letter: str) -> None:
    says, pages = SOURCES[letter]
    assert says
    assert pages
    assert all(PAGE.match(page) for page in pages)
    modules = (ews_double, ews_answers)
    named = "".join(Path(str(module.__file__)).read_text() for module in modules)
    named += Path(ews_sources.__file__).read_text().partition("CODES = ")[2]
    assert re.search(rf"\b{letter}\b", named)


POINTS: dict[str, Callable[..., None]] = {
    "distribution groups and external mailboxes among the searchable ones": test_searchable_mailboxes,
    "GET without a login, and paths in any case": test_a_request_without_a_login_is_refused,
    "ConvertId, extended properties, change keys": test_what_is_unknown_is_refused,
    "500 for one mailbox": test_one_mailbox_folder_or_item_is_in_trouble,
    "documented errors": test_missing_items,
}
