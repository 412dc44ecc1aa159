"""Notifies people by mail: through a relay (RFC 6409) or by Microsoft Graph."""

from __future__ import annotations

import base64
import json
import smtplib
import socket
import ssl
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP as LINES
from email.utils import formatdate, make_msgid
from pathlib import Path

from muniment.config.model import NotifyMail
from muniment.config.secrets import resolve
from muniment.errors import ConfigError, MunimentError
from muniment.net.oauth import xoauth2
from muniment.net.smtp import ReplyRefused, SmtpClient, SmtpTlsClient
from muniment.notify import online
from muniment.notify.model import NotifyEvent
from muniment.notify.online import GRAPH, HttpAnswer
from muniment.notify.telling import ArchiveOrigin, NotifyFailed, body, quote, subject
from muniment.system.sanitise import clean

SECONDS = 30.0
"""Longest time to connect to a relay, for one write, and for one reply, in seconds."""
WHOLE = 300.0
"""Longest time for all replies of a relay, in seconds, so that it can't hold up other notifications."""
TLS_PORT, SUBMISSION_PORT = 465, 587
XOAUTH2 = "XOAUTH2"
ACCEPTED, UNAUTHORIZED = 202, 401
ADVICE = {
    "5.7.30": 'Exchange Online no longer accepts passwords; set auth = "app" or by = "graph"',
    "5.7.139": "enable SMTP AUTH for it (Set-CASMailbox -SmtpClientAuthenticationDisabled $false), "
    'or set by = "graph"',
    "5.7.3": "grant the application SMTP.SendAsApp (or the person SMTP.Send), and let it use this mailbox",
}
"""Remedies for a login that Exchange Online refuses, by enhanced status code (RFC 3463)."""
WHAT_TO_DO = {
    "ErrorAccessDenied": "grant the application Mail.Send with an administrator's consent, and check that no "
    "application access policy excludes this mailbox",
    "Authorization_RequestDenied": "grant the application Mail.Send with an administrator's consent",
    "ErrorSendAsDenied": "set sender to an address of the mailbox that sends",
    "ErrorInvalidUser": "correct login: there is no such mailbox",
    "Request_ResourceNotFound": "correct login: there is no such mailbox",
    "ResourceNotFound": "correct login: there is no such mailbox",
    "MailboxNotEnabledForRESTAPI": "the mailbox is not in Exchange Online; send through a relay",
    "InvalidAuthenticationToken": "check directory, client_id and the secret or certificate",
}
"""Remedies for a refusal of Graph, by its code (learn.microsoft.com/graph/resolve-auth-errors, reports)."""


@dataclass(frozen=True, slots=True)
class MailWay:
    """A mail through a relay, over TLS unless vault.toml says otherwise."""

    settings: NotifyMail
    folder: Path
    seconds: float = SECONDS
    """Longest time to connect to the relay, for one write, and for one reply."""

    @property
    def name(self) -> str:
        """Its name, without secrets."""
        return f"mail by {self.settings.host}"

    def send(self, event: NotifyEvent, origin: ArchiveOrigin) -> None:
        """Send a mail to all recipients (see NotifyWay.send). Raises ConfigError if the password can't be
        read."""
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
            return online.token(self.settings, self.folder, renew)

    @contextmanager
    def logged_in(self) -> Iterator[SmtpClient]:
        """A connection on which mails can be sent. Raises NotifyFailed; ConfigError as `send`."""
        with ExitStack() as stack:
            if self.settings.auth == "password":
                password = self.settings.password and resolve(self.settings.password, self.folder)
                smtp = stack.enter_context(self._opened(password.reveal() if password else ""))
            else:
                try:
                    smtp = stack.enter_context(self._opened(self._token(renew=False)))
                except _TokenRefused:
                    smtp = stack.enter_context(self._opened(self._token(renew=True)))
            yield smtp

    @contextmanager
    def _opened(self, secret: str) -> Iterator[SmtpClient]:
        with _explained(self.name, _shown_as(self.settings, secret)), self._connected() as smtp:
            if self.settings.auth != "password":
                _log_in_by_token(smtp, self.settings.mailbox, secret)
            elif secret:
                smtp.login(self.settings.login, secret)
            yield smtp

    def _send(self, message: EmailMessage, secret: str) -> None:
        to = list(self.settings.to)
        shown = _shown_as(self.settings, secret)
        with self._opened(secret) as smtp:
            refused = smtp.send_message(message, sender_of(self.settings), to)
            if refused:
                _, words = next(iter(refused.values()))
                why = quote(words, *shown)
                raise NotifyFailed(
                    f"{self.name}: {len(refused)} of {len(to)} recipients were refused ({why})"
                )

    @contextmanager
    def _connected(self) -> Iterator[SmtpClient]:
        settings = self.settings
        context = self._context()
        port = settings.port or (TLS_PORT if settings.security == "tls" else SUBMISSION_PORT)
        place = (settings.host, port, socket.gethostname() or "localhost")
        smtp = (
            SmtpTlsClient(*place, seconds=self.seconds, whole=WHOLE, context=context)
            if settings.security == "tls"
            else SmtpClient(*place, seconds=self.seconds, whole=WHOLE)
        )
        with smtp:
            if settings.security == "starttls":
                smtp.starttls(context=context)
            yield smtp

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.settings.ca_file or None)
        except OSError:
            raise NotifyFailed(
                f"{self.name}: ca_file {self.settings.ca_file} can't be used; name a PEM file"
            ) from None


class _TokenRefused(NotifyFailed):
    """A relay refused an access token; it can accept a newer one."""


def _log_in_by_token(smtp: SmtpClient, mailbox: str, token: str) -> None:
    """Log in by SASL XOAUTH2, in the form that Microsoft and Google document.

    A server that refuses can first send the reason as a challenge. The answer to it is empty.
    """
    smtp.ehlo_or_helo_if_needed()
    if XOAUTH2 not in smtp.esmtp_features.get("auth", "").upper().split():
        raise smtplib.SMTPNotSupportedError
    first = xoauth2(mailbox, token).decode()
    smtp.auth(XOAUTH2, lambda challenge=None: first if challenge is None else "")


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Put the name of the way before an error about its token."""
    try:
        yield
    except ConfigError:
        raise
    except MunimentError as error:
        raise NotifyFailed(f"{name}: {error}") from None


def _shown_as(settings: NotifyMail, secret: str) -> list[str]:
    """A password or token in every form in which it is sent, the longest first."""
    if not secret:
        return []
    login = settings.login
    whole = (
        secret,
        f"\0{login}\0{secret}",
        f"{login}\0{login}\0{secret}",
        xoauth2(settings.mailbox, secret).decode(),
    )
    encoded = (base64.b64encode(one.encode()).decode() for one in whole)
    return sorted({secret, *encoded}, key=len, reverse=True)


@contextmanager
def _explained(name: str, secrets: list[str]) -> Iterator[None]:
    """Turn an error at a relay into a sentence that quotes the server, without secrets."""

    def words(error: smtplib.SMTPResponseException) -> str:
        return f"{error.smtp_code} {quote(error.smtp_error, *secrets)}".strip()

    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        refusal = words(error)
        advice = next((what for code, what in ADVICE.items() if f" {code} " in f"{refusal} "), "")
        raise _TokenRefused(
            f"{name}: the relay refused the login or password: {refusal}" + (f"; {advice}" if advice else "")
        ) from None
    except smtplib.SMTPRecipientsRefused as error:
        code, reason = next(iter(error.recipients.values()))
        raise NotifyFailed(
            f"{name}: the relay refused all recipients: {code} {quote(reason, *secrets)}"
        ) from None
    except smtplib.SMTPNotSupportedError:
        raise NotifyFailed(f"{name}: the relay does not offer STARTTLS or this kind of login") from None
    except smtplib.SMTPResponseException as error:
        raise NotifyFailed(f"{name}: the relay answered {words(error)}") from None
    except ReplyRefused as error:
        raise NotifyFailed(
            f"{name}: {error}; check host and port, and ask the people who run that relay"
        ) from None
    except smtplib.SMTPException as error:
        raise NotifyFailed(f"{name}: the relay could not be used ({type(error).__name__})") from None
    except ssl.SSLCertVerificationError as error:
        raise NotifyFailed(
            f"{name}: its certificate is not trusted ({clean(error.verify_message)})"
        ) from None
    except OSError as error:
        raise NotifyFailed(
            f"{name}: can't be reached ({clean(error.strerror or type(error).__name__)})"
        ) from None
    except ValueError:  # smtplib decodes challenges and encodes names and passwords
        raise NotifyFailed(
            f"{name}: the login can't be sent: the relay's challenge is invalid, or login or password have "
            "characters other than ASCII"
        ) from None


# --- Microsoft Graph ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GraphWay:
    """A mail by Microsoft Graph.

    It uses `POST /users/{id}/sendMail` with MIME in base64 (learn.microsoft.com/graph/api/user-sendmail).
    """

    settings: NotifyMail
    folder: Path

    @property
    def name(self) -> str:
        """Its name, without secrets."""
        return f"mail by {self._host}"

    @property
    def _host(self) -> str:
        return self.settings.host or GRAPH

    def send(self, event: NotifyEvent, origin: ArchiveOrigin) -> None:
        """Send a mail to all recipients (see NotifyWay.send). Raises ConfigError if the secret can't be
        read."""
        data = base64.b64encode(message_of(self.settings, event, origin).as_bytes(policy=LINES))
        with _named(self.name):
            answer = self._post(data, renew=False)
            if answer.status == UNAUTHORIZED:
                answer = self._post(data, renew=True)
        if answer.status != ACCEPTED:
            raise NotifyFailed(f"{self.name}: {_refusal(answer)}")

    def _post(self, data: bytes, renew: bool) -> HttpAnswer:
        token = online.token(self.settings, self.folder, renew)
        port = f":{self.settings.port}" if self.settings.port else ""
        user = urllib.parse.quote(self.settings.mailbox, safe="")
        url = f"https://{self._host}{port}/v1.0/users/{user}/sendMail"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
        return online.post(self.settings, url, headers, data)


def _refusal(answer: HttpAnswer) -> str:
    """Why Graph does not send the mail: its status, its code, its text, and a remedy."""
    code, words = "", ""
    try:
        error = json.loads(answer.text)["error"]
        code, words = quote(str(error["code"])), quote(str(error.get("message", "")))
    except (ValueError, KeyError, TypeError, RecursionError):
        words = "its answer is not in the format of Graph's errors"
    what = next((advice for name, advice in WHAT_TO_DO.items() if name.lower() == code.lower()), "")
    refusal = f"Microsoft Graph refused it ({answer.status} {code}): {words}".rstrip(" :")
    return f"{refusal}; {what}" if what else refusal


# --- the message ----------------------------------------------------------------------------------


def sender_of(settings: NotifyMail) -> str:
    """The address in From."""
    return settings.sender or (settings.to[0] if settings.auth == "password" else settings.mailbox)


def message_of(settings: NotifyMail, event: NotifyEvent, origin: ArchiveOrigin) -> EmailMessage:
    """The mail for an event."""
    sender = sender_of(settings)
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(settings.to)
    message["Subject"] = subject(event, origin)
    message["Date"] = formatdate(event.time)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: asks for no automatic reply
    message.set_content(body(event, origin))
    return message
