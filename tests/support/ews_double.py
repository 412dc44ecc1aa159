"""A double of an Exchange Server's EWS: a small server that the unmodified exchangelib is driven against.

It speaks SOAP by Microsoft's public schema (Messages and Types): GetFolder, FindFolder (Deep),
SyncFolderItems, GetItem with MimeContent, DeleteItem (HardDelete), GetSearchableMailboxes; CreateFolder,
CreateItem of MIME with extended properties, FindItem by one of these; delegate access
and ExchangeImpersonation; NTLM (pyspnego's server side; no colons in passwords), Basic and bearer tokens.
`support.ews_requests` lists what it accepts, and everything else is refused. Each answer names its source
(`support.ews_answers`), and `support.ews_sources` says what rests on what, and what is unknown.
tests/sources/test_ews_double.py tests each.

It does not cover: other operations, search folders, public folders and archive mailboxes, calendars and
contacts as such, Exchange's own conversion of MIME (`regenerate` replaces it; sizes are those of the MIME),
other extended properties, autodiscovery, Kerberos, channel binding, redirects between servers, and real
throttling policies: it is busy when a test says so.
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
from collections import Counter, deque
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lxml import etree

from support.dovecot import Certificates, make_certificates
from support.ews_answers import Part, Refused, SoapRequest
from support.ews_mailboxes import ENGLISH, Folder, Mail, Person
from support.ews_requests import UnknownRequest, read
from support.ews_sources import UNKNOWN, checked, of_code, of_status
from support.ews_xml import M, T, back_off, envelope
from support.regenerating import regenerated, regenerated_report

PATH = "/EWS/Exchange.asmx"
ENCODINGS = ("base64", "8bit", "quoted-printable")


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
        self.given: deque[tuple[str, str]] = deque(maxlen=100)
        """The last answers: source, and code, status or reason. Those to parts come before the whole."""
        self.unknown: list[str] = []
        """What was refused since the double does not know it."""
        self.busy: list[int] = []
        """For each of the next requests: the milliseconds that it asks to wait; 0 to name no time."""
        self.fail: list[tuple[int, dict[str, str]]] = []
        """Status and headers of the next requests' answers."""
        self.takes: Callable[[bytes], str] = lambda content: ""
        """The code with which CreateItem refuses a message; "" if it takes it."""
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
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                if len(body) == length:  # else the client was killed
                    double._serve(self, body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    # --- HTTP -------------------------------------------------------------------------------

    def _note(self, source: str, what: str) -> None:
        self.given.append((source, what))
        if source == UNKNOWN:
            self.unknown.append(what)

    def _send(
        self, handler: Any, source: str, status: int, body: bytes, headers: dict[str, str], why: str = ""
    ) -> None:
        """Send a refusal."""
        self._note(checked(source, granted=False), why or f"{handler.command} {handler.path}: {status}")
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _look(self, handler: Any) -> None:
        """Answer GET and HEAD, with which clients find out how to log in."""
        if handler.path.lower() != PATH.lower():
            self._send(handler, UNKNOWN, 404, b"", {})
            return
        source = "X3" if handler.command == "GET" else UNKNOWN
        self._send(handler, source, 401, b"", {"WWW-Authenticate": ", ".join(self.offers)})

    def _serve(self, handler: Any, body: bytes) -> None:
        if handler.path.lower() != PATH.lower():  # X4
            self._send(handler, UNKNOWN, 404, b"", {})
            return
        if self.fail:
            status, headers = self.fail.pop(0)
            self._send(handler, of_status(status, headers), status, b"", headers)
            return
        login = self._logged_in(handler)
        if login is None:
            return
        time.sleep(self.slow)
        with self.lock:
            try:
                answer = self._answer(login, body)
                self._answers += 1
                cut = bool(self.cut_every) and self._answers % self.cut_every == 0
            except Refused as refusal:
                body = b"".join(refusal.body)
                typed = {"Content-Type": "text/xml; charset=utf-8"} if body else {}
                self._send(
                    handler,
                    refusal.source,
                    refusal.status,
                    body,
                    refusal.headers | typed,
                    str(refusal.__cause__ or refusal),
                )
                return
        handler.send_response(200)
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
        """The login of a request; None if the request was refused for lack of one (X12)."""
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
        self._send(handler, "X12", 401, b"", {"WWW-Authenticate": ", ".join(self.offers)})
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
        self._send(handler, "X12", 401, b"", {"WWW-Authenticate": shown})
        return None

    # --- SOAP -------------------------------------------------------------------------------

    def _answer(self, login: str, body: bytes) -> list[bytes]:
        try:
            person, request = read(body)
        except UnknownRequest as error:
            raise Refused(UNKNOWN, "UnknownToTheDouble") from error
        operation = etree.QName(request).localname
        self.asked[operation] += 1
        if self.busy:
            raise Refused("X13", "ErrorServerBusy", back_off(self.busy.pop(0)))
        if person:
            self._impersonate(login, person)
        asks = SoapRequest(self, login, person, request)
        if operation == "GetSearchableMailboxes":
            part = asks.GetSearchableMailboxes()
            self._note(part.source, part.code)
            pieces = [part.content]
        else:
            pieces = self._response(operation, getattr(asks, operation)())
        self.after(operation)
        return envelope(pieces)

    def _impersonate(self, login: str, person: str) -> None:
        """Raise the refusal of a login to act for a person."""
        if login not in self.impersonators:
            raise Refused("X5", "ErrorImpersonateUserDenied")
        if person not in self.people:
            raise Refused("X6", "ErrorNonExistentMailbox")
        if code := self.people[person].fault:
            raise Refused(of_code(code), code)
        if sick := self.people[person].status:
            status, headers = sick
            raise Refused(of_status(status, headers), status=status, **headers)

    def _response(self, operation: str, parts: list[Part]) -> list[bytes]:
        pieces = [f'<m:{operation}Response xmlns:m="{M}" xmlns:t="{T}"><m:ResponseMessages>'.encode()]
        for part in parts:
            self._note(part.source, part.code)
            kind = "Success" if part.code == "NoError" else "Error"
            text = "" if part.code == "NoError" else f"<m:MessageText>{part.code}</m:MessageText>"
            pieces.append(
                f'<m:{operation}ResponseMessage ResponseClass="{kind}">{text}'
                f"<m:ResponseCode>{part.code}</m:ResponseCode>".encode()
            )
            if text:
                pieces.append(b"<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>")
            pieces += [part.content, f"</m:{operation}ResponseMessage>".encode()]
        pieces.append(f"</m:ResponseMessages></m:{operation}Response>".encode())
        return pieces

    def mime(self, mail: Mail) -> bytes:
        """The MIME in the answer to GetItem."""
        if not self.regenerate:
            return mail.content
        write = regenerated_report if b"X-MS-Journal-Report:" in mail.content else regenerated
        return write(mail.content, ENCODINGS[next(self._reads) % len(ENCODINGS)])


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report nothing: clients close connections, and tests raise errors."""
