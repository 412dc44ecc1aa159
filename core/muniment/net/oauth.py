"""Access tokens of OAuth 2: from Microsoft (Entra ID) with MSAL, from Google with google-auth.

Both libraries cache a token until it is about to expire. They are imported only when the first token is
needed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from muniment.errors import ConfigError, LoginRefused, SourceError
from muniment.net.limits import AnswerLimits
from muniment.net.retry import TransientError
from muniment.system.atomic_files import write_file

if TYPE_CHECKING:
    import msal

Way = Literal["app", "device", "google"]

MICROSOFT = "https://login.microsoftonline.com"
GOOGLE_SCOPE = "https://mail.google.com/"
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,80}\Z")
"""An error code of OAuth 2. Other text of a service is not shown, since it can repeat a secret."""
_PASSING = frozenset({"temporarily_unavailable", "server_error", "service_unavailable"})


class MailboxAccount(Protocol):
    """The mailbox and server that a token is for; a ServerEndpoint is one."""

    @property
    def mailbox(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port_number(self) -> int: ...


class TokenSource(Protocol):
    """A supply of access tokens for one mailbox or application."""

    def token(self, renew: bool = False) -> str:
        """A valid access token.

        Args:
            renew: Get a new token instead of the cached one, because the server refused that.

        Raises:
            LoginRefused: The token service refuses; the message says what to do.
            TransientError: The token service can't be reached, or can't answer now.
            ConfigError: A certificate or key file can't be used.
        """


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """The settings with which tokens are requested."""

    way: Way
    """"app": as an application; "device": for a person who has signed in; "google": as a service account."""
    scopes: tuple[str, ...]
    directory: str = ""
    """Microsoft: the tenant, by its domain or id."""
    client_id: str = ""
    secret: str | None = field(default=None, repr=False)
    """The secret of an application."""
    certificate: Path | None = None
    """An application's certificate with its private key (PEM), or a service account's key file (JSON)."""
    person: str = ""
    """The address of the person for whom a service account acts."""
    cache: Path | None = None
    """The file that keeps a sign-in between runs; only its owner can read it."""
    authority: str = MICROSOFT
    """URL of the token service, without the tenant."""
    ca_file: str = ""
    timeout: float = 60.0
    """Longest time for a request, in seconds."""
    sign_in: str = "muniment profile sign-in"
    """The command with which a person signs in, for error sentences."""
    limits: AnswerLimits = field(default_factory=AnswerLimits)
    """How slow the token service can be."""


def tokens(grant: TokenGrant) -> TokenSource:
    """The supply of tokens for these settings."""
    ways: dict[Way, Callable[[TokenGrant], TokenSource]] = {"app": _App, "device": _Device, "google": _Google}
    return ways[grant.way](grant)


def xoauth2(user: str, token: str) -> bytes:
    """The initial response of SASL XOAUTH2, in the form that Microsoft and Google document."""
    return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()


def oauthbearer(user: str, token: str, host: str, port: int) -> bytes:
    """The initial response of SASL OAUTHBEARER (RFC 7628, 3.1)."""
    name = user.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01".encode()


def sasl(way: str, endpoint: MailboxAccount, token: str) -> bytes:
    """The initial response that presents a token; `way` is XOAUTH2 or OAUTHBEARER."""
    if way == "XOAUTH2":
        return xoauth2(endpoint.mailbox, token)
    return oauthbearer(endpoint.mailbox, token, endpoint.host, endpoint.port_number)


def sign_in(grant: TokenGrant, say: Callable[[str], None]) -> None:
    """Let a person sign in with a code, on any device (RFC 8628), and keep the sign-in in `grant.cache`.

    It returns when the person has signed in.

    Args:
        grant: The settings.
        say: Called with the sentence that names the page to open and the code to enter.

    Raises:
        LoginRefused: The person did not sign in in time, or is not allowed to.
        TransientError: The token service can't be reached.
    """
    device = _Device(grant)
    app = device.app()
    with _translated(grant):
        flow = app.initiate_device_flow(scopes=list(grant.scopes))
    if "user_code" not in flow:
        raise _refusal(grant, flow)
    say(f"Open {flow['verification_uri']} on any device and enter the code {flow['user_code']}.")
    with _translated(grant):
        answer = app.acquire_token_by_device_flow(flow)
    _token_in(grant, answer)
    device.keep()


class _App:
    """Tokens of an application (client credentials, RFC 6749, 4.4)."""

    def __init__(self, grant: TokenGrant) -> None:
        self._grant = grant
        self._app: msal.ConfidentialClientApplication | None = None

    def token(self, renew: bool = False) -> str:
        with _translated(self._grant):
            if self._app is None:
                self._app = self._made()
            elif renew:
                self._app.remove_tokens_for_client()
            answer = self._app.acquire_token_for_client(scopes=list(self._grant.scopes))
        return _token_in(self._grant, answer)

    def _made(self) -> msal.ConfidentialClientApplication:
        import msal

        return msal.ConfidentialClientApplication(
            client_credential=_credential(self._grant), **_options(self._grant)
        )


class _Device:
    """Tokens of a person who has signed in once (device code, RFC 8628)."""

    def __init__(self, grant: TokenGrant) -> None:
        self._grant = grant
        self._cache: msal.SerializableTokenCache | None = None
        self._app: msal.PublicClientApplication | None = None

    def app(self) -> msal.PublicClientApplication:
        """MSAL's client, with the sign-in that was kept."""
        if self._app is None:
            import msal

            self._cache = msal.SerializableTokenCache()
            if self._grant.cache is not None:
                with suppress(OSError, ValueError):  # if it can't be read, the person signs in again
                    self._cache.deserialize(self._grant.cache.read_text())
            with _translated(self._grant):
                self._app = msal.PublicClientApplication(token_cache=self._cache, **_options(self._grant))
        return self._app

    def token(self, renew: bool = False) -> str:
        app = self.app()
        accounts = app.get_accounts()
        if not accounts:
            raise LoginRefused(f"no one has signed in to this mailbox: use `{self._grant.sign_in}`")
        with _translated(self._grant):
            answer = app.acquire_token_silent_with_error(
                list(self._grant.scopes), account=accounts[0], force_refresh=renew
            )
        token = _token_in(self._grant, answer or {"error": "interaction_required"})
        self.keep()
        return token

    def keep(self) -> None:
        """Write the sign-in to the cache file, if it has changed."""
        if self._cache is not None and self._cache.has_state_changed and self._grant.cache is not None:
            _write(self._grant.cache, self._cache.serialize())
            self._cache.has_state_changed = False


class _Google:
    """Tokens of a service account that acts for a person of its domain."""

    def __init__(self, grant: TokenGrant) -> None:
        self._grant = grant
        self._credentials: Any = None

    def token(self, renew: bool = False) -> str:
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request

        if self._credentials is None:
            self._credentials = self._read()
        try:
            if renew or not self._credentials.valid:
                self._credentials.refresh(Request(_session(self._grant)))
        except TransportError as error:
            raise TransientError(
                "Google can't be reached for a token: check the network, and run again."
            ) from error
        except GoogleAuthError as error:
            raise LoginRefused(
                f"Google gives no token for {self._grant.person}: allow the service account to act for "
                f"people of the domain, with the scope {GOOGLE_SCOPE}"
            ) from error
        return str(self._credentials.token)

    def _read(self) -> Any:
        from google.oauth2.service_account import Credentials

        try:
            return Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
                str(self._grant.certificate), scopes=list(self._grant.scopes), subject=self._grant.person
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{self._grant.certificate} is not a readable key file of a Google service account"
            ) from error


def _options(grant: TokenGrant) -> dict[str, Any]:
    own = grant.authority != MICROSOFT
    return {
        "client_id": grant.client_id,
        "authority": f"{grant.authority.rstrip('/')}/{grant.directory}",
        "instance_discovery": False if own else None,
        "http_client": _session(grant),
    }


def _session(grant: TokenGrant) -> Any:
    return http_session(grant.authority, grant.ca_file, grant.timeout, grant.limits)


def http_session(server: str, ca_file: str, timeout: float, limits: AnswerLimits) -> Any:
    """A requests.Session with our limits on time and size.

    Args:
        server: The server's name, for errors.
        ca_file: A PEM file of the authorities to trust; "" for the system's.
        timeout: Longest time for a request, in seconds.
        limits: How slow an answer can be.
    """
    import requests
    from requests.adapters import HTTPAdapter

    from muniment.net.http_answers import bound_heads, bound_response

    class LimitedAdapter(HTTPAdapter):
        """Sets the limits of each request, since neither library does."""

        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options)
            bound_heads(self.poolmanager)

        def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
            manager = super().proxy_manager_for(*args, **options)
            bound_heads(manager)
            return manager

        def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override]
            return super().send(request, **options | {"timeout": timeout})

        def build_response(self, req: Any, resp: Any) -> Any:
            response = super().build_response(req, resp)
            bound_response(response, server, timeout, limits)
            return response

    session = requests.Session()
    session.mount("https://", LimitedAdapter())
    if ca_file:
        session.trust_env = False  # otherwise authorities of the environment would replace ours
        session.verify = ca_file
    return session


def _credential(grant: TokenGrant) -> Any:
    if grant.certificate is None:
        return grant.secret
    try:
        pem = grant.certificate.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{grant.certificate} can't be read: it must be a PEM file") from error
    return {"private_key": pem, "thumbprint": _thumbprint(grant.certificate, pem), "public_certificate": pem}


def _thumbprint(path: Path, pem: str) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if not isinstance(load_pem_private_key(pem.encode(), None), RSAPrivateKey):
            raise ValueError
        return x509.load_pem_x509_certificate(pem.encode()).fingerprint(SHA1()).hex()  # noqa: S303 - its name
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{path} must hold a certificate and its private RSA key (PEM, without a passphrase)"
        ) from error


class _translated:  # noqa: N801 - reads as the statement it is used as
    """Turns the errors of the libraries into ours."""

    def __init__(self, grant: TokenGrant) -> None:
        self._grant = grant

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        import msal
        import requests

        if isinstance(error, msal.exceptions.MsalServiceError):  # an answer of 500 or above
            raise TransientError(
                f"{self._grant.authority} can't give a token now: run again later."
            ) from error
        if isinstance(error, requests.exceptions.SSLError):
            raise SourceError(f"the certificate of {self._grant.authority} is not trusted") from error
        if isinstance(error, (requests.RequestException, OSError)):
            raise TransientError(
                f"{self._grant.authority} can't be reached for a token: check the network, and run again."
            ) from error
        if isinstance(error, (KeyError, TypeError, AttributeError, RecursionError)):
            raise SourceError(
                f"{self._grant.authority} does not answer like a token service: check `authority`."
            ) from error
        if isinstance(error, ValueError):  # what MSAL raises for an authority or a key it can't use
            raise LoginRefused(
                f"{self._grant.authority} knows no directory {self._grant.directory!r}, or the application's "
                "certificate can't be used: check `directory`, `client_id` and `certificate`"
            ) from error


def _token_in(grant: TokenGrant, answer: dict[str, Any]) -> str:
    token = answer.get("access_token")
    if not isinstance(token, str):
        raise _refusal(grant, answer)
    return token


def _refusal(grant: TokenGrant, answer: dict[str, Any]) -> SourceError:
    """The error for an answer without a token. It has the service's codes, since its own text is long."""
    error = str(answer.get("error", ""))
    error = error if _CODE.match(error) else "no reason given"
    codes = "".join(f" AADSTS{code}" for code in _codes(answer))
    if error in _PASSING:
        return TransientError(f"{grant.authority} can't give a token now ({error}): run again later.")
    if error in ("interaction_required", "invalid_grant", "authorization_pending", "expired_token"):
        return LoginRefused(f"the sign-in has ended ({error}{codes}): sign in again with `{grant.sign_in}`")
    return LoginRefused(
        f"{grant.authority} refused the application ({error}{codes}): check `directory`, `client_id` and its "
        "secret or certificate"
    )


def _codes(answer: dict[str, Any]) -> Sequence[int]:
    codes = answer.get("error_codes", ())
    return [code for code in codes if isinstance(code, int)] if isinstance(codes, list) else ()


def _write(path: Path, text: str) -> None:
    """Replace a file that only its owner can read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_file(path, text.encode(), durable=True)


def encoded(response: bytes) -> str:
    """A SASL response in base64, as it is sent."""
    return base64.b64encode(response).decode()
