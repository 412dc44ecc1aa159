"""The double of Exchange answers as documented by Microsoft or reported by people, and refuses the rest."""

from __future__ import annotations

import base64
import http.client
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support import ews_double, ews_xml
from support.ews_double import Exchange
from support.ews_mailboxes import Person
from support.ews_sources import SOURCES

ANNA = "anna@example.com"
SHAPE = "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
INBOX = f'<m:GetFolder>{SHAPE}<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>'


class Asked:
    """A client that uses nothing of Muniment and sends what a test gives it."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.anna: Person = exchange.person(ANNA, "secret")
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

    def soap(self, request: str, login: str = ANNA, person: str = "") -> tuple[int, list[str]]:
        """The status, and the response codes in the answer."""
        acting = (
            f"<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>{person}</t:PrimarySmtpAddress>"
            "</t:ConnectingSID></t:ExchangeImpersonation>"
        )
        status, _, text = self(
            "POST",
            ews_double.PATH,
            f'<s:Envelope xmlns:s="{ews_xml.SOAP}" xmlns:t="{ews_xml.T}" xmlns:m="{ews_xml.M}">'
            f"<s:Header>{acting if person else ''}</s:Header><s:Body>{request}</s:Body></s:Envelope>",
            login,
        )
        return status, re.findall(r"ResponseCode>(\w+)</", text)


@pytest.fixture
def asked() -> Iterator[Asked]:
    with Exchange() as exchange:
        exchange.offers = ('Basic realm="double"',)
        yield Asked(exchange)


def test_a_request_without_a_login_is_refused(asked: Asked) -> None:
    """X3, X4."""
    for method in ("GET", "HEAD"):
        for path in (ews_double.PATH, "/ews/exchange.ASMX"):
            assert asked(method, path)[:2] == (401, 'Basic realm="double"')
        assert asked(method, "/owa")[0] == 404


def test_missing_items(asked: Asked) -> None:
    """X1, X2."""
    ids = '<m:ItemIds><t:ItemId Id="none"/></m:ItemIds>'
    shape = "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
    assert asked.soap(f"<m:GetItem>{shape}{ids}</m:GetItem>") == (200, ["ErrorItemNotFound"])
    deletion = f'<m:DeleteItem DeleteType="HardDelete">{ids}</m:DeleteItem>'
    assert asked.soap(deletion) == (200, ["ErrorItemNotFound"])
    asked.anna.put([b"Subject: one\r\n\r\n"])
    (mail,) = asked.anna.inbox.items
    read = f'<m:GetItem>{shape}<m:ItemIds><t:ItemId Id="{mail}"/></m:ItemIds></m:GetItem>'
    assert asked.soap(read) == (200, ["NoError"])
    assert asked.soap(read, login="svc") == (200, ["ErrorItemNotFound"]), "not theirs to see"


def test_errors_of_mailboxes(asked: Asked) -> None:
    """X5 to X8: errors of the header have status 500, errors of a mailbox's folders are in a message."""
    assert asked.soap(INBOX, "svc", ANNA) == (500, ["ErrorImpersonateUserDenied"])
    asked.exchange.impersonators.add("svc")
    assert asked.soap(INBOX, "svc", ANNA) == (200, ["NoError"])
    assert asked.soap(INBOX, "svc", "nobody@example.com") == (500, ["ErrorNonExistentMailbox"])
    asked.anna.sick = "ErrorMailboxStoreUnavailable"
    assert asked.soap(INBOX) == (200, ["ErrorMailboxStoreUnavailable"])
    asked.anna.fault = "ErrorMailboxFailover"
    assert asked.soap(INBOX, "svc", ANNA) == (500, ["ErrorMailboxFailover"])
    asked.anna.fault, asked.anna.status = "", (503, {"Retry-After": "7"})
    assert asked.soap(INBOX, "svc", ANNA) == (503, [])


def test_searchable_mailboxes(asked: Asked) -> None:
    """X9, X10."""
    asked.exchange.searchers.add(ANNA)
    asked.exchange.groups, asked.exchange.external = ["all@example.com"], ["cloud@example.com"]
    body = (
        f'<s:Envelope xmlns:s="{ews_xml.SOAP}" xmlns:m="{ews_xml.M}"><s:Header/><s:Body>'
        "<m:GetSearchableMailboxes/></s:Body></s:Envelope>"
    )
    _, _, text = asked("POST", ews_double.PATH, body, ANNA)
    kinds = re.findall(
        r"Address>(\w+)@.*?External\w+>(\w+)<.*?IsMembershipGroup>(\w+)<", text.replace("\n", "")
    )
    assert kinds == [("anna", "false", "false"), ("all", "false", "true"), ("cloud", "true", "false")]


def test_unknown_states_of_synchronisation(asked: Asked) -> None:
    """X11."""
    sync = (
        "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:SyncFolderId>"
        '<t:FolderId Id="{id}"/></m:SyncFolderId><m:SyncState>{state}</m:SyncState>'
        "<m:MaxChangesReturned>512</m:MaxChangesReturned></m:SyncFolderItems>"
    )
    assert asked.soap(sync.format(id=asked.anna.inbox.id, state="")) == (200, ["NoError"])
    assert asked.soap(sync.format(id=asked.anna.inbox.id, state="AAAA")) == (
        200,
        ["ErrorInvalidSyncStateData"],
    )
    assert asked.soap(sync.format(id="none", state="")) == (200, ["ErrorSyncFolderNotFound"])


def test_unknown_requests_are_refused(asked: Asked) -> None:
    assert asked.soap("<m:ConvertId/>") == (500, ["ErrorInvalidOperation"])


def test_every_documented_source_is_used() -> None:
    text = Path(ews_double.__file__).read_text() + Path(__file__).read_text()
    assert set(SOURCES) <= set(re.findall(r"\bX\d+\b", text)) | {"X6", "X7"}
