"""HTTP connections to an Exchange Server: TLS, a login by NTLM, Basic or token, and limits on answers."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from muniment.errors import SourceError
from muniment.net import tls
from muniment.net.dial import lost
from muniment.net.http_answers import bound_heads, bound_response
from muniment.net.oauth import TokenSource
from muniment.net.retry import TransientError
from muniment.sources.endpoint import EwsEndpoint, Scheme

PATH = "/EWS/Exchange.asmx"


class LoginFailed(Exception):
    """The server answered 401."""


class NoEwsService(Exception):
    """There is no EWS at this address."""


class _Bearer(AuthBase):
    """Sends an access token; with `renew`, the first request gets a new one."""

    def __init__(self, tokens: TokenSource, renew: bool) -> None:
        self._tokens = tokens
        self._renew = renew

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._tokens.token(self._renew)}"
        self._renew = False
        return request


class _Adapter(HTTPAdapter):
    """One connection, whose certificate is checked according to the endpoint."""

    def __init__(self, endpoint: EwsEndpoint) -> None:
        self._endpoint = endpoint
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        if self._endpoint.secured_by == "tls":
            options["ssl_context"] = tls.make_context(self._endpoint)
            if self._endpoint.fingerprint:
                options["assert_fingerprint"] = self._endpoint.fingerprint.replace(" ", "")
        super().init_poolmanager(*args, **options)
        bound_heads(self.poolmanager)

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}  # requests would add its own authorities to those of the context

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the context checks the certificate."""

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        response = super().build_response(req, resp)
        limits = self._endpoint.limits
        largest = 2 * limits.largest_message  # in base64
        bound_response(response, self._endpoint.address, self._endpoint.timeout, limits, largest)
        return response


def path_of(endpoint: EwsEndpoint) -> str:
    """The URL of EWS at the endpoint's server."""
    scheme, usual = ("http", 80) if endpoint.secured_by == "none" else ("https", 443)
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    port = "" if endpoint.port_number == usual else f":{endpoint.port_number}"
    return f"{scheme}://{host}{port}{PATH}"


def make_session(endpoint: EwsEndpoint, auth: Any) -> requests.Session:
    """A session for the endpoint's server only; proxies and authorities of the environment are ignored."""
    session = requests.Session()
    session.trust_env = False
    session.auth = auth
    session.headers.update({"Content-Type": "text/xml; charset=utf-8", "User-Agent": "Muniment",
                            "Accept-Encoding": "gzip, deflate"})  # fmt: skip
    session.mount(path_of(endpoint), _Adapter(endpoint))
    return session


def make_auth(endpoint: EwsEndpoint, renew: bool = False) -> Any:
    """The authentication for requests, by the endpoint's scheme.

    Args:
        endpoint: The server and the login.
        renew: Use a new token, because the server refused the cached one.
    """
    if endpoint.tokens is not None:
        return _Bearer(endpoint.tokens, renew)
    name, password = endpoint.mailbox, endpoint.password or ""
    if endpoint.scheme == "basic":
        return HTTPBasicAuth(name.encode(), password.encode())
    from requests_ntlm import HttpNtlmAuth

    # The backslash marks an address as a user principal name, without a domain before it.
    return HttpNtlmAuth(f"\\{name}" if "@" in name else name, password)


def offered(endpoint: EwsEndpoint) -> Scheme:
    """The safest way to send a password that the server offers: NTLM, or else Basic.

    Raises:
        SourceError: The server offers neither, or has no EWS.
        TransientError: It can help to try again.
    """
    try:
        with make_session(endpoint, None) as session:
            answer = session.post(
                path_of(endpoint), data=b"", timeout=endpoint.timeout, allow_redirects=False
            )
    except requests.RequestException as error:
        raise lost(endpoint, error) from error
    if answer.status_code == 429 or answer.status_code >= 500:
        raise TransientError(f"{endpoint.address} is busy (status {answer.status_code}).", waits_for(answer))
    offers = answer.headers.get("WWW-Authenticate", "").lower()
    if answer.status_code == 401 and "ntlm" in offers:
        return "ntlm"
    if answer.status_code == 401 and "basic" in offers:
        return "basic"
    if answer.status_code == 401:
        raise SourceError(f"{endpoint.address} accepts no password (NTLM or Basic): use OAuth 2, see `auth`.")
    raise SourceError(
        f"There is no EWS at {path_of(endpoint)} (status {answer.status_code}): check `host` and `port`."
    )


def waits_for(response: requests.Response) -> float:
    """The seconds to wait according to an answer's Retry-After (RFC 9110, 10.2.3); 0 without one."""
    stated = response.headers.get("Retry-After", "")
    return float(stated) if stated.isdecimal() else 0.0
