"""Access tokens for sending by OAuth 2, and HTTP requests with limits."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, cast

from muniment.config.model import NotifyMail
from muniment.config.password_store import sign_in_file
from muniment.config.secrets import resolve
from muniment.errors import SourceError
from muniment.net.limits import AnswerLimits
from muniment.net.oauth import TokenGrant, Way, http_session, tokens
from muniment.system.paths import as_path

GRAPH = "graph.microsoft.com"
SECONDS = 30.0
"""Longest time for a request, in seconds."""
SCOPES = {
    ("smtp", "app"): ("https://outlook.office365.com/.default",),
    ("smtp", "device"): ("https://outlook.office.com/SMTP.Send",),
    ("graph", "app"): ("https://{host}/.default",),
    ("graph", "device"): ("https://{host}/Mail.Send",),
}
"""The scopes of tokens, by the way of sending (`by`) and of logging in (`auth`)."""


class HttpAnswer(NamedTuple):
    """Status and text of an HTTP answer."""

    status: int
    text: str


def notify_grant(mail: NotifyMail, folder: Path, secret: str | None) -> TokenGrant:
    """The settings with which tokens for [notify.mail] are requested; `folder` is the vault's."""
    host = mail.host or GRAPH
    return TokenGrant(
        way=cast("Way", mail.auth),
        scopes=tuple(scope.format(host=host) for scope in SCOPES[mail.by, mail.auth]),
        directory=mail.directory,
        client_id=mail.client_id,
        secret=secret,
        certificate=folder / as_path(mail.certificate) if mail.certificate else None,
        person=mail.mailbox,
        cache=sign_in_file(folder, "notify", mail.directory, mail.client_id, mail.mailbox),
        authority=mail.authority,
        ca_file=as_path(mail.ca_file),
        timeout=SECONDS,
        sign_in="muniment notify sign-in",
    )


def token(mail: NotifyMail, folder: Path, renew: bool) -> str:
    """An access token for sending mail.

    Args:
        mail: The section [notify.mail].
        folder: The vault's folder.
        renew: Get a new token instead of the cached one.

    Raises:
        MunimentError: There is no token.
    """
    secret = resolve(mail.password, folder).reveal() if mail.password else None
    return tokens(notify_grant(mail, folder, secret)).token(renew)


def post(mail: NotifyMail, url: str, headers: dict[str, str], data: bytes) -> HttpAnswer:
    """Send an HTTP POST request. Redirects are not followed, since the token goes with it.

    Raises:
        SourceError: There is no answer.
    """
    import requests

    session = http_session(mail.host or GRAPH, as_path(mail.ca_file), SECONDS, AnswerLimits())
    try:
        with session.post(url, data=data, headers=headers, allow_redirects=False) as response:
            return HttpAnswer(response.status_code, response.text)
    except requests.exceptions.SSLError as error:
        raise SourceError(f"the certificate of {mail.host or GRAPH} is not trusted") from error
    except (requests.RequestException, OSError) as error:
        raise SourceError("can't be reached: check the network") from error
