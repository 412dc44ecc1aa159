"""Receivers of notifications: a real mail relay, and a web server for the posts of Apprise."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import threading
from asyncio import Server
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from support.certs import ServerCertificate


class Relay:
    """A mail relay that requires STARTTLS and a login (aiosmtpd)."""

    def __init__(self, certificate: ServerCertificate, login: str, password: str) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.certificate)
        self._wanted = LoginPassword(login.encode(), password.encode())
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=0,
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=self._authenticate,
        )

    def _authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        return AuthResult(success=data == self._wanted, handled=False)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Record a mail."""
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"

    @property
    def port(self) -> int:
        """The port on which it listens."""
        server = self._controller.server
        assert isinstance(server, Server)
        return int(server.sockets[0].getsockname()[1])

    def __enter__(self) -> Self:
        # aiosmtpd tests whether it runs by connecting to the given port, which is 0 here.
        self._controller._trigger_server = self._knock  # type: ignore[method-assign]
        self._controller.start()
        return self

    def _knock(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 10) as sock:
            sock.recv(1024)

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


class OAuthRelay(Relay):
    """Exchange Online's SMTP AUTH (smtp.office365.com), as far as its documentation and public reports say.

    XOAUTH2 by Microsoft's "Authenticate an IMAP, POP or SMTP connection using OAuth"; a password is answered
    as techcommunity.microsoft.com/blog/exchange/4114750 announces for the time after it ends; SMTP AUTH
    that is off as aka.ms/smtp_auth_disabled has it. Refusals of tokens and of another sender are those of
    public reports (535 5.7.3, 554 5.2.252). It does not cover: how Exchange Online checks scopes, and its
    limits.
    """

    def __init__(self, certificate: ServerCertificate, mailbox: str, good: Callable[[str], bool]) -> None:
        super().__init__(certificate, "", "")
        self.mailbox = mailbox
        self.strings: list[str] = []
        """The XOAUTH2 strings that it received."""
        self.off = False
        """Whether SMTP AUTH is disabled for the tenant."""
        self.challenges = False
        """Whether it refuses by a challenge first (developers.google.com/gmail/imap/xoauth2-protocol)."""
        self.repeats = False
        """Whether it repeats the received token, which no real server is known to do."""
        self._good = good

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> AuthResult:
        """A token."""
        if len(args) < 2:
            return AuthResult(success=False, handled=False, message="501 5.5.4 Initial response missing")
        shown = base64.b64decode(args[1]).decode()
        self.strings.append(shown)
        found = re.fullmatch(r"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01", shown)
        if self.off:
            refusal = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled."
        elif found and found[1] == self.mailbox and self._good(found[2]):
            return AuthResult(success=True, auth_data=found[1])
        else:
            refusal = "535 5.7.3 Authentication unsuccessful [DB8PR.prod.outlook.com]"
        if self.repeats:
            refusal = f"535 5.7.3 not these: {args[1]} {shown[-300:-2].rpartition(' ')[2]}"
        if self.challenges:
            reason = base64.b64encode(b'{"status":"400","schemes":"Bearer","scope":"x"}')
            await server.push(b"334 " + reason)
            assert await server._reader.readline() == b"\r\n"
        return AuthResult(success=False, handled=False, message=refusal)

    def _authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        words = "550 5.7.30 Basic authentication is not supported for Client Submission."
        return AuthResult(success=False, handled=False, message=words)

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Only the mailbox itself may be the sender."""
        if address != self.mailbox:
            return f"554 5.2.252 SendAsDenied; {self.mailbox} not allowed to send as {address}"
        envelope.mail_from = address
        return "250 2.1.0 Sender OK"


class Web:
    """A web server that keeps what is posted to it; answers `status`."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.status = 200
        self.port = 0


@contextmanager
def web() -> Iterator[Web]:
    """A web server on a free port."""
    kept = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.paths.append(self.path)
            if kept.status == 200:
                kept.posts.append(json.loads(body))
            self.send_response(kept.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
