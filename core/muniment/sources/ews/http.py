"""HTTP to an Exchange Server: TLS as for all sources; NTLM, Basic or a token; answers in large pieces."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from muniment.errors import SourceError
from muniment.sources import tls
from muniment.sources.endpoint import Endpoint, Scheme
from muniment.sources.http_answers import bound_heads, bound_response
from muniment.sources.network import lost
from muniment.sources.oauth import Tokens
from muniment.sources.retry import Passing

PATH = "/EWS/Exchange.asmx"


class LoginFailed(Exception):
    """The server answered 401."""


class NoService(Exception):
    """Nobody speaks EWS there."""


class _Bearer(AuthBase):
    """Shows an access token; one that was just refused is replaced."""

    def __init__(self, tokens: Tokens, renew: bool) -> None:
        self._tokens = tokens
        self._renew = renew

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._tokens.token(self._renew)}"
        self._renew = False
        return request


class _Adapter(HTTPAdapter):
    """One connection whose certificate is checked as the endpoint says."""

    def __init__(self, endpoint: Endpoint) -> None:
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
        return host, {}  # the context says whom to trust, and requests would add authorities of its own

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Done by the context."""

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        response = super().build_response(req, resp)
        bound_response(response, self._endpoint.address, self._endpoint.timeout)
        return response


def path_of(endpoint: Endpoint) -> str:
    """The address of the service."""
    scheme, usual = ("http", 80) if endpoint.secured_by == "none" else ("https", 443)
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    port = "" if endpoint.port_number == usual else f":{endpoint.port_number}"
    return f"{scheme}://{host}{port}{PATH}"


def make_session(endpoint: Endpoint, auth: Any) -> requests.Session:
    """Speaks to the endpoint's server alone; the environment's proxies and authorities don't count."""
    session = requests.Session()
    session.trust_env = False
    session.auth = auth
    session.headers.update({"Content-Type": "text/xml; charset=utf-8", "User-Agent": "Muniment",
                            "Accept-Encoding": "gzip, deflate"})  # fmt: skip
    session.mount(path_of(endpoint), _Adapter(endpoint))
    return session


def make_auth(endpoint: Endpoint, renew: bool = False) -> Any:
    """How the endpoint's login is shown; with `renew`, not by the token that was shown before."""
    if endpoint.tokens is not None:
        return _Bearer(endpoint.tokens, renew)
    name, password = endpoint.mailbox, endpoint.password or ""
    if endpoint.scheme == "basic":
        return HTTPBasicAuth(name.encode(), password.encode())
    from requests_ntlm import HttpNtlmAuth

    # Without a domain before it, an address is taken for a name of no domain (a UPN).
    return HttpNtlmAuth(f"\\{name}" if "@" in name else name, password)


def offered(endpoint: Endpoint) -> Scheme:
    """The safer of the ways to show a password that the server takes.

    Raises:
        SourceError: it takes none, or speaks no EWS; Passing when it may help to wait.
    """
    try:
        with make_session(endpoint, None) as session:
            answer = session.post(
                path_of(endpoint), data=b"", timeout=endpoint.timeout, allow_redirects=False
            )
    except requests.RequestException as error:
        raise lost(endpoint, error) from error
    if answer.status_code == 429 or answer.status_code >= 500:
        raise Passing(f"{endpoint.address} is busy (status {answer.status_code}).", waits_for(answer))
    offers = answer.headers.get("WWW-Authenticate", "").lower()
    if answer.status_code == 401 and "ntlm" in offers:
        return "ntlm"
    if answer.status_code == 401 and "basic" in offers:
        return "basic"
    if answer.status_code == 401:
        raise SourceError(f"{endpoint.address} takes no password (NTLM or Basic): use OAuth 2, see `auth`.")
    raise SourceError(
        f"There is no EWS at {path_of(endpoint)} (status {answer.status_code}): check `host` and `port`."
    )


def waits_for(response: requests.Response) -> float:
    """The seconds that an answer says to wait (Retry-After); 0 where it does not."""
    stated = response.headers.get("Retry-After", "")
    return float(stated) if stated.isdecimal() else 0.0
