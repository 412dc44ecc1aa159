"""A double of Microsoft's token service (Entra ID), which the unmodified MSAL uses over HTTPS on loopback.

It has what MSAL asks for: OpenID configuration, client credentials by secret or signed assertion, device
code, refresh tokens. Tokens are JWTs signed with HS256, so that a Dovecot can check them by itself. It does
not cover: consent, conditional access, checking an assertion's signature or scopes against an application's
permissions, national clouds, and the sign-in page itself (`approve` is the person's part).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import ssl
import threading
import time
import urllib.parse
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from support.dovecot import Certificates, make_certificates

DIRECTORY = "contoso.example"
CLIENT_ID = "11111111-2222-3333-4444-555555555555"
SECRET = 's3cret of an "application" \\ with ~ signs'


def _plain(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Entra:
    """A running token service; use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.certificates: Certificates = make_certificates(folder, "localhost", "127.0.0.1")
        self.key = secrets.token_bytes(32)
        self.lifetime = 3600
        """Seconds for which a token is valid."""
        self.person = "anna@contoso.example"
        """The person who signs in by device code; also the name in an application's tokens."""
        self.asked: Counter[str] = Counter()
        """Requests for tokens, by grant type."""
        self.fail: list[tuple[int, dict[str, Any]]] = []
        """Answers to give instead of the next ones: status and JSON."""
        self.revoked: set[str] = set()
        self._codes: dict[str, bool] = {}
        self._scope = ""
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                double._configuration(self)

            def do_POST(self) -> None:
                double._post(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificates.certificate, self.certificates.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.authority = f"https://localhost:{self._server.server_port}"

    def __enter__(self) -> Entra:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def approve(self, code: str) -> None:
        """The person enters the code and agrees."""
        self._codes[code] = True

    def token(self, person: str, lifetime: int | None = None) -> str:
        """A new token, as the service issues it."""
        now = int(time.time())
        head = {"alg": "HS256", "typ": "JWT", "kid": "one"}
        claims = {
            "sub": person, "azp": "double", "iat": now, "nbf": now - 5, "jti": secrets.token_hex(8),
            "exp": now + (self.lifetime if lifetime is None else lifetime), "scope": "mail",
        }  # fmt: skip
        signed = ".".join(_plain(json.dumps(part).encode()) for part in (head, claims))
        return f"{signed}.{_plain(hmac.digest(self.key, signed.encode(), hashlib.sha256))}"

    def good(self, token: str) -> bool:
        """Whether a token was issued here, was not revoked, and is still valid."""
        signed, _, signature = token.rpartition(".")
        if (
            token in self.revoked
            or _plain(hmac.digest(self.key, signed.encode(), hashlib.sha256)) != signature
        ):
            return False
        claims = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        return bool(claims["exp"] > time.time())

    # --- the protocol -----------------------------------------------------------------------

    def _configuration(self, handler: BaseHTTPRequestHandler) -> None:
        tenant = handler.path.strip("/").partition("/")[0]
        if tenant != DIRECTORY or "openid-configuration" not in handler.path:
            _answer(handler, 400, {"error": "invalid_tenant", "error_codes": [90002]})
            return
        base = f"{self.authority}/{tenant}/oauth2/v2.0"
        _answer(handler, 200, {
            "issuer": f"{self.authority}/{tenant}/v2.0",
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "device_authorization_endpoint": f"{base}/devicecode",
        })  # fmt: skip

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", 0))
        form = dict(urllib.parse.parse_qsl(handler.rfile.read(length).decode()))
        if handler.path.endswith("/devicecode"):
            self._device_code(handler, form.get("scope", ""))
            return
        grant = form.get("grant_type", "").rpartition(":")[2]
        self.asked[grant] += 1
        if self.fail:
            _answer(handler, *self.fail.pop(0))
            return
        if form.get("client_id") != CLIENT_ID:
            _answer(handler, 400, {"error": "unauthorized_client", "error_codes": [700016]})
            return
        status, value = self._grant(grant, form)
        _answer(handler, status, value)

    def _grant(self, grant: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if grant == "client_credentials":
            if form.get("client_secret") != SECRET and not form.get("client_assertion"):
                return 401, {"error": "invalid_client", "error_codes": [7000215]}
            return 200, self._tokens()
        if grant == "device_code":
            if not self._codes.get(form.get("device_code", "")):
                return 400, {"error": "authorization_pending"}
            return 200, self._tokens() | self._person(form)
        if grant == "refresh_token" and form.get("refresh_token") not in self.revoked:
            return 200, self._tokens() | self._person(form)
        return 400, {"error": "invalid_grant", "error_codes": [70008]}

    def _tokens(self) -> dict[str, Any]:
        return {
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "access_token": self.token(self.person),
        }

    def _person(self, form: dict[str, str]) -> dict[str, Any]:
        claims = {"preferred_username": self.person, "oid": "1", "tid": "2", "aud": CLIENT_ID,
                  "exp": int(time.time()) + 3600, "iss": self.authority, "sub": "1"}  # fmt: skip
        return {
            "refresh_token": "the-refresh-token",
            "scope": form.get("scope", self._scope),
            "client_info": _plain(json.dumps({"uid": "1", "utid": "2"}).encode()),
            "id_token": f"{_plain(b'{}')}.{_plain(json.dumps(claims).encode())}.",
        }

    def _device_code(self, handler: BaseHTTPRequestHandler, scope: str) -> None:
        code = secrets.token_hex(4).upper()
        self._scope = scope
        self._codes[code] = False
        _answer(handler, 200, {
            "user_code": code, "device_code": code, "verification_uri": "https://microsoft.com/devicelogin",
            "expires_in": 60, "interval": 0, "message": "to sign in",
        })  # fmt: skip


def _answer(handler: BaseHTTPRequestHandler, status: int, value: dict[str, Any]) -> None:
    data = json.dumps(value).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)
