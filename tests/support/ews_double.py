"""A double of an Exchange Server's EWS: a small server that the unmodified exchangelib is driven against.

It speaks SOAP by Microsoft's public schema (Messages and Types): GetFolder, FindFolder (Deep), FindItem by
IndexedPageItemView, SyncFolderItems, GetItem with MimeContent, DeleteItem (HardDelete),
GetSearchableMailboxes; delegate access and ExchangeImpersonation; NTLM (pyspnego's server side; no colons in
passwords), Basic and bearer tokens. `support.ews_sources` says where each answer comes from, by the letters
in the comments here, and tests/sources/test_ews_double.py tests each. Unknown requests are refused.

It does not cover: other operations, restrictions, sorting, search folders, public folders and archive
mailboxes, calendars and contacts as such, Exchange's own conversion of MIME (`regenerate` replaces it;
sizes are those of the MIME), ConvertId, extended properties, autodiscovery, Kerberos, channel binding,
redirects between servers, and real throttling policies: it is busy when a test says so.
"""

from __future__ import annotations

import base64
import itertools
import os
import socket
import ssl
import struct
import tempfile
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from support.dovecot import Certificates, make_certificates
from support.ews_mailboxes import ENGLISH, Folder, Mail, Person
from support.ews_xml import (
    NS,
    M,
    T,
    above,
    busy,
    envelope,
    fault,
    folder_xml,
    item_xml,
    page_of,
    send,
    state_of,
)
from support.regenerating import regenerated, regenerated_report

PATH = "/EWS/Exchange.asmx"
ENCODINGS = ("base64", "8bit", "quoted-printable")


OPERATIONS = ("GetFolder", "FindFolder", "FindItem", "SyncFolderItems", "GetItem", "DeleteItem",
              "GetSearchableMailboxes")  # fmt: skip


class Sick(Exception):
    """An answer of the web server in place of EWS."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__(status)
        self.status, self.headers = status, headers


class Exchange:
    """A running server; use as a context manager."""

    def __init__(self, folder: Path | None = None) -> None:
        """Set up the server; with a folder for its certificate it uses TLS, otherwise plain HTTP."""
        if folder:
            folder.mkdir(exist_ok=True)
        self.certificates: Certificates | None = (
            make_certificates(folder, "localhost", "127.0.0.1") if folder else None
        )
        self.people: dict[str, Person] = {}
        self.folders: dict[str, tuple[Person, Folder]] = {}
        self.where: dict[str, Folder] = {}
        self.logins: dict[str, str] = {}
        """Names and passwords; an address logs in to its own mailbox."""
        self.impersonators: set[str] = set()
        self.searchers: set[str] = set()
        self.groups: list[str] = []
        """Distribution groups, which GetSearchableMailboxes also names (X9)."""
        self.external: list[str] = []
        """Mailboxes on other servers, which it also names (X10)."""
        self.offers: tuple[str, ...] = ("Negotiate", "NTLM", 'Basic realm="double"')
        self.good: Callable[[str], bool] | None = None
        """Whether a bearer token is valid."""
        self.asked: Counter[str] = Counter()
        """Requests that were answered, by operation."""
        self.headers: list[dict[str, str]] = []
        self.busy: list[int] = []
        """For each of the next requests: the milliseconds that it asks to wait; 0 to name no time."""
        self.fail: list[tuple[int, dict[str, str]]] = []
        """Status and headers of the next requests' answers."""
        self.cut_every = 0
        """The number of answers after which one is cut off in the middle."""
        self.slow = 0.0
        """Seconds before each answer."""
        self.regenerate = False
        self.after: Callable[[str], None] = lambda operation: None
        """Called after each answer is made."""
        self.lock = threading.RLock()
        self._answers = 0
        self._reads = itertools.count()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if self.certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificates.certificate, self.certificates.key)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port

    def __enter__(self) -> Exchange:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def person(self, address: str, password: str = "", names: Sequence[str] = ENGLISH) -> Person:
        """A new mailbox; with a password its owner can log in."""
        self.people[address] = Person(self, address, names)
        if password:
            self.logins[address] = password
        return self.people[address]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            login = ""
            ntlm: Any = None

            def do_GET(self) -> None:
                double._look(self)

            def do_HEAD(self) -> None:
                double._look(self)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                double._serve(self, body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    # --- HTTP -------------------------------------------------------------------------------

    def _look(self, handler: Any) -> None:
        """Answer GET and HEAD, with which clients find out how to log in: 401 with the offers (X3)."""
        found = handler.path.lower() == PATH.lower()
        offers = {"WWW-Authenticate": ", ".join(self.offers)} if found else {}
        send(handler, 401 if found else 404, b"", offers)

    def _serve(self, handler: Any, body: bytes) -> None:
        if handler.path.lower() != PATH.lower():  # X4
            send(handler, 404, b"", {})
            return
        if self.fail:
            status, headers = self.fail.pop(0)
            send(handler, status, b"", headers)
            return
        login = self._logged_in(handler)
        if login is None:
            return
        time.sleep(self.slow)
        with self.lock:
            try:
                status, answer = self._answer(login, body)
            except Sick as sick:
                send(handler, sick.status, b"", sick.headers)
                return
            self._answers += 1
            cut = self.cut_every and self._answers % self.cut_every == 0
        handler.send_response(status)
        handler.send_header("Content-Type", "text/xml; charset=utf-8")
        handler.send_header("Content-Length", str(sum(map(len, answer))))
        handler.end_headers()
        if cut:
            handler.wfile.write(answer[0][: len(answer[0]) // 2])
            handler.wfile.flush()
            handler.close_connection = True
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        handler.wfile.writelines(answer)

    def _logged_in(self, handler: Any) -> str | None:
        """The login of a request; None if the request was refused for lack of one."""
        scheme, _, shown = handler.headers.get("Authorization", "").partition(" ")
        if handler.login and not scheme:
            return str(handler.login)
        if scheme == "Basic" and any("Basic" in offer for offer in self.offers):
            name, _, password = base64.b64decode(shown).decode().partition(":")
            if name and self.logins.get(name) == password:
                return name
        if scheme == "Bearer" and self.good and self.good(shown):
            return "application"
        if scheme == "NTLM" and "NTLM" in self.offers:
            return self._ntlm(handler, base64.b64decode(shown))
        send(handler, 401, b"", {"WWW-Authenticate": ", ".join(self.offers)})
        return None

    def _ntlm(self, handler: Any, token: bytes) -> str | None:
        import spnego

        with tempfile.NamedTemporaryFile("w") as known:
            for name, password in self.logins.items():
                user, _, domain = name.partition("@")
                known.write(f":{name}:{password}\n{domain}:{user}:{password}\n")
            known.flush()
            os.environ["NTLM_USER_FILE"] = known.name
            try:
                handler.ntlm = handler.ntlm or spnego.server(protocol="ntlm")
                answer = handler.ntlm.step(token)
            except spnego.exceptions.SpnegoError:
                answer, handler.ntlm = None, None
            finally:
                del os.environ["NTLM_USER_FILE"]
        if handler.ntlm is not None and handler.ntlm.complete:
            handler.login = handler.ntlm.client_principal.rpartition("\\")[2]
            handler.ntlm = None
            return str(handler.login)
        shown = "NTLM" if answer is None else f"NTLM {base64.b64encode(answer).decode()}"
        send(handler, 401, b"", {"WWW-Authenticate": shown})
        return None

    # --- SOAP -------------------------------------------------------------------------------

    def _answer(self, login: str, body: bytes) -> tuple[int, list[bytes]]:
        parsed = etree.fromstring(body)
        request = parsed.find("s:Body", NS)[0]
        operation = etree.QName(request).localname
        self.asked[operation] += 1
        if self.busy:
            return 500, busy(self.busy.pop(0))
        person = parsed.findtext(
            "s:Header/t:ExchangeImpersonation/t:ConnectingSID/t:PrimarySmtpAddress", "", NS
        )
        if person and login not in self.impersonators:
            return 500, fault("ErrorImpersonateUserDenied")  # X5
        if person and person not in self.people:
            return 500, fault("ErrorNonExistentMailbox")  # X6
        if person and (code := self.people[person].fault):
            return 500, fault(code)  # X7
        if person and (status := self.people[person].status):
            raise Sick(*status)  # X8
        if operation not in OPERATIONS:
            return 500, fault("ErrorInvalidOperation")  # unknown to the double
        asks = _Request(self, login, person, request)
        messages = getattr(asks, operation)()
        self.after(operation)
        if operation == "GetSearchableMailboxes":
            return 200, envelope(messages)
        pieces = [f'<m:{operation}Response xmlns:m="{M}" xmlns:t="{T}"><m:ResponseMessages>'.encode()]
        for code, content in messages:
            kind = "Success" if code == "NoError" else "Error"
            text = "" if code == "NoError" else f"<m:MessageText>{code}</m:MessageText>"
            pieces.append(
                f'<m:{operation}ResponseMessage ResponseClass="{kind}">{text}'
                f"<m:ResponseCode>{code}</m:ResponseCode>".encode()
            )
            if code != "NoError" and text:
                pieces.append(b"<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>")
            pieces += [content] if isinstance(content, bytes) else [content.encode("utf-8", "surrogatepass")]
            pieces.append(f"</m:{operation}ResponseMessage>".encode())
        pieces.append(f"</m:ResponseMessages></m:{operation}Response>".encode())
        return 200, envelope(pieces)

    def mime(self, mail: Mail) -> bytes:
        """The MIME in the answer to GetItem."""
        if not self.regenerate:
            return mail.content
        write = regenerated_report if b"X-MS-Journal-Report:" in mail.content else regenerated
        return write(mail.content, ENCODINGS[next(self._reads) % len(ENCODINGS)])


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report nothing: clients close connections, and tests raise errors."""


Answer = tuple[str, str | bytes]


class _Request:
    """One request of a login, with or without impersonation."""

    def __init__(self, double: Exchange, login: str, person: str, request: Any) -> None:
        self._double, self._login, self._person, self._request = double, login, person, request

    def GetFolder(self) -> list[Answer]:
        found = (self._folder(element) for element in self._request.find("m:FolderIds", NS))
        return [
            (one, "<m:Folders/>")
            if isinstance(one, str)
            else ("NoError", f"<m:Folders>{folder_xml(one)}</m:Folders>")
            for one in found
        ]

    def FindFolder(self) -> list[Answer]:
        top = self._folder(self._request.find("m:ParentFolderIds", NS)[0])
        if isinstance(top, str):
            return [(top, "")]
        below = [f for _, f in self._double.folders.values() if top in above(f)]
        view = self._request.find("m:IndexedPageFolderView", NS)
        page, root = page_of(below, view)
        inside = "".join(folder_xml(one) for one in page)
        return [("NoError", f"<m:RootFolder {root}><t:Folders>{inside}</t:Folders></m:RootFolder>")]

    def FindItem(self) -> list[Answer]:
        folder = self._folder(self._request.find("m:ParentFolderIds", NS)[0])
        if isinstance(folder, str):
            return [(folder, "")]
        page, root = page_of(list(folder.items.values()), self._request.find("m:IndexedPageItemView", NS))
        inside = "".join(item_xml(one) for one in page)
        return [("NoError", f"<m:RootFolder {root}><t:Items>{inside}</t:Items></m:RootFolder>")]

    def SyncFolderItems(self) -> list[Answer]:
        folder = self._folder(self._request.find("m:SyncFolderId", NS)[0])
        if isinstance(folder, str):
            return [("ErrorSyncFolderNotFound" if folder == "ErrorItemNotFound" else folder, "")]  # X11
        state = self._request.findtext("m:SyncState", "", NS)
        since = state_of(state, folder)
        if since is None:
            return [("ErrorInvalidSyncStateData", "")]  # X11
        limit = int(self._request.findtext("m:MaxChangesReturned", "", NS))
        changes: list[str] = []
        at = start = bisect_right(folder.log, (since, "\uffff"))
        while at < len(folder.log) and len(changes) < limit:
            number, mail_id = folder.log[at]
            since, at = number, at + 1
            mail = folder.items.get(mail_id)
            if mail is not None and mail.seq == number:
                changes.append(f"<t:Create>{item_xml(mail)}</t:Create>")
            elif mail is None and state and start:
                changes.append(f"<t:Delete><t:ItemId Id={quoteattr(mail_id)}/></t:Delete>")
        new = base64.b64encode(f"{folder.id}\n{since}".encode()).decode()
        last = str(at == len(folder.log)).lower()
        return [("NoError", f"<m:SyncState>{new}</m:SyncState><m:IncludesLastItemInRange>{last}"
                 f"</m:IncludesLastItemInRange><m:Changes>{''.join(changes)}</m:Changes>")]  # fmt: skip

    def GetItem(self) -> list[Answer]:
        wanted = any(
            one.get("FieldURI") == "item:MimeContent"
            for one in self._request.iterfind("m:ItemShape/t:AdditionalProperties/t:FieldURI", NS)
        )
        return [self._content(element.get("Id"), wanted) for element in self._request.find("m:ItemIds", NS)]

    def _content(self, mail_id: str, wanted: bool) -> Answer:
        folder = self._double.where.get(mail_id)
        if folder is None or not self._may(self._double.folders[folder.id][0]):
            return "ErrorItemNotFound", "<m:Items/>"  # X2: it does not exist, or the login can't see it
        mail = folder.items[mail_id]
        if mail.error:
            return mail.error, "<m:Items/>"
        head = f"<m:Items><t:{mail.tag}>".encode()
        mime = base64.b64encode(self._double.mime(mail)) if wanted and mail.mime else None
        inside = b"" if mime is None else b'<t:MimeContent CharacterSet="UTF-8">' + mime + b"</t:MimeContent>"
        tail = f'<t:ItemId Id={quoteattr(mail.id)} ChangeKey="CQAAABYA{mail.seq}"/></t:{mail.tag}></m:Items>'
        return "NoError", head + inside + tail.encode()

    def DeleteItem(self) -> list[Answer]:
        assert self._request.get("DeleteType") == "HardDelete"
        answers: list[Answer] = []
        for element in self._request.find("m:ItemIds", NS):
            folder = self._double.where.get(element.get("Id"))
            if folder is None:
                answers.append(("ErrorItemNotFound", ""))  # X1
                continue
            if code := folder.items[element.get("Id")].stays:
                answers.append((code, ""))
                continue
            person = self._double.folders[folder.id][0]
            if not self._may(person):
                answers.append(("ErrorAccessDenied", ""))
                continue
            person.remove(folder, element.get("Id"))
            answers.append(("NoError", ""))
        return answers

    def GetSearchableMailboxes(self) -> list[bytes]:
        response = f'<m:GetSearchableMailboxesResponse xmlns:m="{M}" xmlns:t="{T}" '
        if self._login not in self._double.searchers:
            error = "<m:MessageText>no</m:MessageText><m:ResponseCode>ErrorAccessDenied</m:ResponseCode>"
            return [f'{response}ResponseClass="Error">{error}</m:GetSearchableMailboxesResponse>'.encode()]
        named = [
            *((one, False, False) for one in self._double.people),
            *((one, True, False) for one in self._double.groups),
            *((one, False, True) for one in self._double.external),
        ]
        people = "".join(
            f"<t:SearchableMailbox><t:Guid>00000000-0000-0000-0000-{number:012}</t:Guid><t:PrimarySmtpAddress>{escape(address)}"
            f"</t:PrimarySmtpAddress><t:IsExternalMailbox>{str(external).lower()}</t:IsExternalMailbox>"
            f"<t:ExternalEmailAddress/><t:DisplayName>{escape(address)}</t:DisplayName>"
            f"<t:IsMembershipGroup>{str(group).lower()}</t:IsMembershipGroup>"
            f"<t:ReferenceId>{number}</t:ReferenceId></t:SearchableMailbox>"
            for number, (address, group, external) in enumerate(named)
        )
        return [f'{response}ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
                f"<m:SearchableMailboxes>{people}</m:SearchableMailboxes></m:GetSearchableMailboxesResponse>"
                .encode()]  # fmt: skip

    # --- owners -------------------------------------------------------------------------------

    def _may(self, person: Person) -> bool:
        acting = self._person or self._login
        return acting == person.address or (not self._person and self._login in person.delegates)

    def _folder(self, element: Any) -> Folder | str:
        """The folder that an id names, or the error that answers it."""
        if etree.QName(element).localname == "FolderId":
            found = self._double.folders.get(element.get("Id"))
            if found is None:
                return "ErrorItemNotFound"
            return found[1].sick or found[1] if self._may(found[0]) else "ErrorAccessDenied"
        address = element.findtext("t:Mailbox/t:EmailAddress", "", NS) or self._person or self._login
        person = self._double.people.get(address)
        if person is None:
            return "ErrorNonExistentMailbox"
        if not self._may(person):
            return "ErrorAccessDenied"
        if person.sick:
            return person.sick
        known = [
            f for p, f in self._double.folders.values() if p is person and f.known_as == element.get("Id")
        ]
        return known[0] if known else "ErrorFolderNotFound"
