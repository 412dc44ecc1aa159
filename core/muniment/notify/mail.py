"""Telling people by mail: through a relay (RFC 6409), or by Microsoft Graph."""

from __future__ import annotations

import base64
import json
import smtplib
import socket
import ssl
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP as LINES
from email.utils import formatdate, make_msgid
from pathlib import Path

from muniment.config.model import NotifyMail
from muniment.config.secrets import resolve
from muniment.errors import ConfigError, MunimentError
from muniment.notify.model import Event
from muniment.notify.telling import Answer, NotTold, Online, Origin, body, said, subject
from muniment.system.sanitise import clean

SECONDS = 30.0
"""How long a network operation may take."""
TLS_PORT, SUBMISSION_PORT = 465, 587
XOAUTH2 = "XOAUTH2"
GRAPH = "graph.microsoft.com"
ACCEPTED, UNAUTHORIZED = 202, 401
ADVICE = {
    "5.7.30": 'Exchange Online takes no passwords any more; set auth = "app" or by = "graph"',
    "5.7.139": "turn SMTP AUTH on for it (Set-CASMailbox -SmtpClientAuthenticationDisabled $false), "
    'or set by = "graph"',
    "5.7.3": "grant the application SMTP.SendAsApp (or the person SMTP.Send), and let it use this mailbox",
}
"""What helps against what Exchange Online refuses a login with, by enhanced status code."""
WHAT_TO_DO = {
    "ErrorAccessDenied": "grant the application Mail.Send with an administrator's consent, and let an "
    "application access policy not leave this mailbox out",
    "Authorization_RequestDenied": "grant the application Mail.Send with an administrator's consent",
    "ErrorSendAsDenied": "let sender be an address of the mailbox that sends",
    "ErrorInvalidUser": "correct login: there is no such mailbox",
    "Request_ResourceNotFound": "correct login: there is no such mailbox",
    "ResourceNotFound": "correct login: there is no such mailbox",
    "MailboxNotEnabledForRESTAPI": "the mailbox is not in Exchange Online; send through a relay",
    "InvalidAuthenticationToken": "check directory, client_id and the secret or certificate",
}
"""What helps against a refusal of Graph's (learn.microsoft.com/graph/resolve-auth-errors, public reports)."""


@dataclass(frozen=True, slots=True)
class MailWay:
    """A mail through a relay, over TLS unless vault.toml says otherwise."""

    settings: NotifyMail
    folder: Path
    online: Online

    @property
    def name(self) -> str:
        """What it is called."""
        return f"mail by {self.settings.host}"

    def tell(self, event: Event, origin: Origin) -> None:
        """Send a mail to all recipients. Raises NotTold, or ConfigError when the password can't be had."""
        message = message_of(self.settings, event, origin)
        if self.settings.auth == "password":
            password = self.settings.password and resolve(self.settings.password, self.folder)
            self._send(message, password.reveal() if password else "")
            return
        try:
            self._send(message, self._token(renew=False))
        except _TokenRefused:
            self._send(message, self._token(renew=True))

    def _token(self, renew: bool) -> str:
        with _named(self.name):
            return self.online.token(self.settings, self.folder, renew)

    def _send(self, message: EmailMessage, secret: str) -> None:
        to = list(self.settings.to)
        shown = _shown_as(self.settings, secret)
        with _explained(self.name, shown), self._connected() as smtp:
            if self.settings.auth != "password":
                _show_token(smtp, self.settings.mailbox, secret)
            elif secret:
                smtp.login(self.settings.login, secret)
            refused = smtp.send_message(message, sender_of(self.settings), to)
            if refused:
                _, words = next(iter(refused.values()))
                why = said(words, *shown)
                raise NotTold(f"{self.name}: {len(refused)} of {len(to)} recipients were refused ({why})")

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        settings = self.settings
        context = self._context()
        port = settings.port or (TLS_PORT if settings.security == "tls" else SUBMISSION_PORT)
        host = socket.gethostname() or "localhost"
        if settings.security == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(settings.host, port, host, timeout=SECONDS, context=context)
        else:
            smtp = smtplib.SMTP(settings.host, port, host, timeout=SECONDS)
        with smtp:
            if settings.security == "starttls":
                smtp.starttls(context=context)
            yield smtp

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.settings.ca_file or None)
        except OSError:
            raise NotTold(
                f"{self.name}: ca_file {self.settings.ca_file} can't be used; name a PEM file"
            ) from None


class _TokenRefused(NotTold):
    """A relay did not take an access token; it may take a newer one."""


def _show_token(smtp: smtplib.SMTP, mailbox: str, token: str) -> None:
    """Log in by SASL XOAUTH2, as Microsoft and Google describe it.

    A server that refuses may first send its reason as a challenge, which is answered with nothing.
    """
    smtp.ehlo_or_helo_if_needed()
    if XOAUTH2 not in smtp.esmtp_features.get("auth", "").upper().split():
        raise smtplib.SMTPNotSupportedError
    first = _xoauth2(mailbox, token)
    smtp.auth(XOAUTH2, lambda challenge=None: first if challenge is None else "")


def _xoauth2(mailbox: str, token: str) -> str:
    return f"user={mailbox}\x01auth=Bearer {token}\x01\x01"


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Say of which way trouble with its token is."""
    try:
        yield
    except ConfigError:
        raise
    except MunimentError as error:
        raise NotTold(f"{name}: {error}") from None


def _shown_as(settings: NotifyMail, secret: str) -> list[str]:
    """A password or token, and all that it goes over the line as, the longest first."""
    if not secret:
        return []
    login = settings.login
    whole = (
        secret,
        f"\0{login}\0{secret}",
        f"{login}\0{login}\0{secret}",
        _xoauth2(settings.mailbox, secret),
    )
    encoded = (base64.b64encode(one.encode()).decode() for one in whole)
    return sorted({secret, *encoded}, key=len, reverse=True)


@contextmanager
def _explained(name: str, secrets: list[str]) -> Iterator[None]:
    """Turn what goes wrong at a relay into a sentence, with the server's own words but no secret in them."""

    def words(error: smtplib.SMTPResponseException) -> str:
        return f"{error.smtp_code} {said(error.smtp_error, *secrets)}".strip()

    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        refusal = words(error)
        advice = next((what for code, what in ADVICE.items() if f" {code} " in f"{refusal} "), "")
        raise _TokenRefused(
            f"{name}: the relay refused login or password: {refusal}" + (f"; {advice}" if advice else "")
        ) from None
    except smtplib.SMTPRecipientsRefused as error:
        code, reason = next(iter(error.recipients.values()))
        raise NotTold(f"{name}: the relay refused all recipients: {code} {said(reason, *secrets)}") from None
    except smtplib.SMTPNotSupportedError:
        raise NotTold(
            f"{name}: the relay does not offer what is asked: STARTTLS, or a login of that kind"
        ) from None
    except smtplib.SMTPResponseException as error:
        raise NotTold(f"{name}: the relay answered {words(error)}") from None
    except smtplib.SMTPException as error:
        raise NotTold(f"{name}: the relay could not be used ({type(error).__name__})") from None
    except ssl.SSLCertVerificationError as error:
        raise NotTold(f"{name}: its certificate is not trusted ({clean(error.verify_message)})") from None
    except OSError as error:
        raise NotTold(f"{name}: can't be reached ({clean(error.strerror or type(error).__name__)})") from None


# --- Microsoft Graph ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GraphWay:
    """A mail by Microsoft Graph: `POST /users/{id}/sendMail` with MIME in base64
    (learn.microsoft.com/graph/api/user-sendmail)."""

    settings: NotifyMail
    folder: Path
    online: Online

    @property
    def name(self) -> str:
        """What it is called."""
        return f"mail by {self._host}"

    @property
    def _host(self) -> str:
        return self.settings.host or GRAPH

    def tell(self, event: Event, origin: Origin) -> None:
        """Have it sent. Raises NotTold, or ConfigError when the application's secret can't be had."""
        data = base64.b64encode(message_of(self.settings, event, origin).as_bytes(policy=LINES))
        with _named(self.name):
            answer = self._post(data, renew=False)
            if answer.status == UNAUTHORIZED:
                answer = self._post(data, renew=True)
        if answer.status != ACCEPTED:
            raise NotTold(f"{self.name}: {_refusal(answer)}")

    def _post(self, data: bytes, renew: bool) -> Answer:
        token = self.online.token(self.settings, self.folder, renew)
        port = f":{self.settings.port}" if self.settings.port else ""
        user = urllib.parse.quote(self.settings.mailbox, safe="")
        url = f"https://{self._host}{port}/v1.0/users/{user}/sendMail"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
        return self.online.post(self.settings, url, headers, data)


def _refusal(answer: Answer) -> str:
    """Why Graph does not send: its status, its code, its words, and what helps."""
    code, words = "", ""
    try:
        error = json.loads(answer.text)["error"]
        code, words = said(str(error["code"])), said(str(error.get("message", "")))
    except (ValueError, KeyError, TypeError, RecursionError):
        words = "its answer is no error that Graph describes"
    what = next((advice for name, advice in WHAT_TO_DO.items() if name.lower() == code.lower()), "")
    refusal = f"Microsoft Graph refused it ({answer.status} {code}): {words}".rstrip(" :")
    return f"{refusal}; {what}" if what else refusal


# --- the message ----------------------------------------------------------------------------------


def sender_of(settings: NotifyMail) -> str:
    """The address that messages come from."""
    default = settings.to[0] if settings.auth == "password" else settings.mailbox
    return settings.sender or default


def message_of(settings: NotifyMail, event: Event, origin: Origin) -> EmailMessage:
    """An event as a mail."""
    sender = sender_of(settings)
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(settings.to)
    message["Subject"] = subject(event, origin)
    message["Date"] = formatdate(event.time)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence note comes back
    message.set_content(body(event, origin))
    return message
