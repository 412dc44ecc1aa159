"""Access tokens and HTTP requests for notifications that use OAuth 2, with the limits that sources have."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from muniment.config.model import NotifyMail
from muniment.config.secrets import resolve
from muniment.errors import SourceError
from muniment.net.oauth import Grant, Way, http_session, tokens
from muniment.notify.mail import GRAPH
from muniment.notify.telling import Answer
from muniment.service.host.profile_source import sign_in_file
from muniment.system.paths import as_path

SECONDS = 30.0
"""Longest time for a request."""
SCOPES = {
    ("smtp", "app"): ("https://outlook.office365.com/.default",),
    ("smtp", "device"): ("https://outlook.office.com/SMTP.Send",),
    ("graph", "app"): ("https://{host}/.default",),
    ("graph", "device"): ("https://{host}/Mail.Send",),
}
"""The scopes of access tokens, by the way of sending and by `auth`."""


def notify_grant(mail: NotifyMail, folder: Path, secret: str | None) -> Grant:
    """The credentials with which access tokens for [notify.mail] are requested.

    `folder` is the vault's; `secret` is the application's secret, if it has one.
    """
    host = mail.host or GRAPH
    return Grant(
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


class Lent:
    """Implements `notify.telling.Online`."""

    def token(self, mail: NotifyMail, folder: Path, renew: bool) -> str:
        secret = resolve(mail.password, folder).reveal() if mail.password else None
        return tokens(notify_grant(mail, folder, secret)).token(renew)

    def post(self, mail: NotifyMail, url: str, headers: dict[str, str], data: bytes) -> Answer:
        # A redirect is not followed: it would send the token to another server.
        import requests

        session = http_session(mail.host or GRAPH, as_path(mail.ca_file), SECONDS)
        try:
            with session.post(url, data=data, headers=headers, allow_redirects=False) as response:
                return Answer(response.status_code, response.text)
        except requests.exceptions.SSLError as error:
            raise SourceError(f"the certificate of {mail.host or GRAPH} is not trusted") from error
        except (requests.RequestException, OSError) as error:
            raise SourceError("can't be reached: check the network") from error
