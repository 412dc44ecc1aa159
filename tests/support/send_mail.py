"""A double of Graph's sendMail over HTTPS on loopback, with a MIME message in base64.

Each answer names its source; unknown requests are refused (501). It does not cover JSON messages, the
mailbox's Sent Items, and what happens to an accepted message.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import ssl
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.entra import Entra

INVALID_TOKEN = (401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")
"""learn.microsoft.com/graph/resolve-auth-errors: a token is missing, invalid or expired."""
DENIED = (403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
"""learn.microsoft.com/graph/resolve-auth-errors: the application lacks Mail.Send."""
POLICY = (403, "ErrorAccessDenied", "Access to OData is disabled: [RAOP] : Blocked by tenant configured "
          "AppOnly AccessPolicy settings.")  # fmt: skip
"""Public reports about an application access policy (learn.microsoft.com/graph/auth-limit-mailbox-access)."""
NO_USER = (404, "ErrorInvalidUser", "The requested user 'x@contoso.example' is invalid.")
"""Public reports about a mailbox that does not exist."""
NO_MAILBOX = (404, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is "
              "hosted on-premise.")  # fmt: skip
"""Public reports about a mailbox outside Exchange Online."""
SEND_AS = (403, "ErrorSendAsDenied", "The user account which was used to submit this request does not "
           "have the right to send mail on behalf of the specified sending account.")  # fmt: skip
"""Public reports about a From that is no address of the mailbox."""
THROTTLED = (429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
"""learn.microsoft.com/graph/throttling."""
BAD_BASE64 = (400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.")
"""learn.microsoft.com/graph/outlook-send-mime-message requires base64; the code is from public reports."""
UNKNOWN = (501, "NotImplemented", "What Graph answers to this is not known here.")
_PATH = re.compile(r"/v1\.0/users/([^/?]+)/sendMail")


class SendMail:
    """A running double. Use it as a context manager."""

    def __init__(self, entra: Entra, mailbox: str) -> None:
        self.mails: list[EmailMessage] = []
        self.refusals: list[tuple[int, str, str]] = []
        """Answers to give instead of the next ones."""
        self.asked = 0
        self._entra = entra
        self._mailbox = mailbox
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                double.asked += 1
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                refusal = double._refusal(self, body)
                if refusal is None:
                    self._answer(202, b"")  # learn.microsoft.com/graph/api/user-sendmail: 202, and no body
                else:
                    status, code, message = refusal
                    self._answer(status, json.dumps({"error": {"code": code, "message": message}}).encode())

            def _answer(self, status: int, data: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(entra.certificates.certificate, entra.certificates.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port

    def __enter__(self) -> SendMail:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _refusal(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, str] | None:
        scheme, _, token = handler.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not self._entra.good(token):
            return INVALID_TOKEN
        if self.refusals:
            return self.refusals.pop(0)
        path = _PATH.fullmatch(handler.path)
        if path is None or handler.headers.get("Content-Type") != "text/plain":
            return UNKNOWN
        if path[1].replace("%40", "@") != self._mailbox:
            return NO_USER
        try:
            mail = message_from_bytes(base64.b64decode(body, validate=True), policy=policy.default)
        except binascii.Error:
            return BAD_BASE64
        assert isinstance(mail, EmailMessage)
        if mail["From"] != self._mailbox:
            return SEND_AS
        self.mails.append(mail)
        return None
