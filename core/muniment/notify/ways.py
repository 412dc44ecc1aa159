"""The ways on which people are told: a mail relay, an Apprise URL, a program."""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any, Protocol

import msgspec

from muniment.config.model import Notify, NotifyCommand, NotifyMail
from muniment.config.program import TooMuchOutput, TooSlow, owner_of, run_program
from muniment.config.secrets import resolve
from muniment.errors import MunimentError
from muniment.mail.sanitise import clean
from muniment.notify.model import Event

SECONDS = 30.0
"""How long a network operation may take."""
TLS_PORT, SUBMISSION_PORT = 465, 587
MOST_OUTPUT = 16 * 1024 * 1024
"""Bytes that a program may print; they are dropped."""


class NotTold(MunimentError):
    """A way did not work; says why, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which archive speaks."""

    name: str
    """The organisation's name, or the vault's folder."""
    vault: str


class Way(Protocol):
    """One way to tell people."""

    @property
    def name(self) -> str:
        """What it is called in logs and messages; no secret is in it, and two ways have two names."""

    def tell(self, event: Event, origin: Origin) -> None:
        """Tell it; returns when it was taken. Raises MunimentError otherwise."""


def ways(notify: Notify, folder: Path) -> list[Way]:
    """All ways that vault.toml has; secrets are had when something is told. `folder` is the vault's."""
    found: list[Way] = []
    if notify.mail.host:
        found.append(MailWay(notify.mail, folder))
    found += [UrlWay(number, url, folder) for number, url in enumerate(notify.urls, 1)]
    if notify.command.run:
        found.append(CommandWay(notify.command, folder))
    return found


# --- mail -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MailWay:
    """A mail through a relay (RFC 6409), over TLS unless vault.toml says otherwise."""

    settings: NotifyMail
    folder: Path

    @property
    def name(self) -> str:
        """What it is called."""
        return f"mail by {self.settings.host}"

    def tell(self, event: Event, origin: Origin) -> None:
        """Send a mail to all recipients. Raises NotTold, or ConfigError when the password can't be had."""
        password = self.settings.password and resolve(self.settings.password, self.folder)
        with _explained(self.name), self._connected() as smtp:
            if password:
                smtp.login(self.settings.login, password.reveal())
            refused = smtp.send_message(self._message(event, origin), self._sender, list(self.settings.to))
            if refused:
                raise NotTold(
                    f"{self.name}: {len(refused)} of {len(self.settings.to)} recipients were refused"
                )

    @property
    def _sender(self) -> str:
        return self.settings.sender or self.settings.to[0]

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

    def _message(self, event: Event, origin: Origin) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = ", ".join(self.settings.to)
        message["Subject"] = subject(event, origin)
        message["Date"] = formatdate(event.time)
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence note comes back
        message.set_content(body(event, origin))
        return message


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what goes wrong at a relay into a sentence; what servers say is left out but for its number."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        raise NotTold(f"{name}: the relay refused login or password ({error.smtp_code})") from None
    except smtplib.SMTPRecipientsRefused:
        raise NotTold(f"{name}: the relay refused all recipients") from None
    except smtplib.SMTPNotSupportedError:
        raise NotTold(f"{name}: the relay does not offer what is asked: STARTTLS, or a login") from None
    except smtplib.SMTPResponseException as error:
        raise NotTold(f"{name}: the relay answered {error.smtp_code}") from None
    except smtplib.SMTPException as error:
        raise NotTold(f"{name}: the relay could not be used ({type(error).__name__})") from None
    except ssl.SSLCertVerificationError as error:
        raise NotTold(f"{name}: its certificate is not trusted ({clean(error.verify_message)})") from None
    except OSError as error:
        raise NotTold(f"{name}: can't be reached ({clean(error.strerror or type(error).__name__)})") from None


# --- Apprise --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UrlWay:
    """Any service that Apprise knows, by its URL; that may hold a secret, so only its scheme is shown."""

    number: int
    url: str | dict[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """What it is called."""
        return f"URL {self.number}" + (f" ({scheme(self.url)})" if isinstance(self.url, str) else "")

    def tell(self, event: Event, origin: Origin) -> None:
        """Tell the service. Raises NotTold, or ConfigError when the URL can't be had."""
        _require_owner(self)
        url = self.url if isinstance(self.url, str) else resolve(self.url, self.folder).reveal()
        import apprise

        _keep_quiet()
        asset = apprise.AppriseAsset(app_id="Muniment", async_mode=False, secure_logging=True)
        service = apprise.Apprise(asset=asset)
        if not service.add(url):
            raise NotTold(f"{self.name}: Apprise knows no such URL; its documentation lists what there is")
        taken = service.notify(
            body=body(event, origin),
            title=subject(event, origin),
            notify_type=getattr(apprise.NotifyType, _TYPES[event.state]),
            body_format=apprise.NotifyFormat.TEXT,
        )
        if not taken:
            raise NotTold(f"{self.name}: the service did not take it; check the URL and the network")


_TYPES = {"trouble": "WARNING", "well": "SUCCESS", "note": "INFO"}


def scheme(url: str) -> str:
    """A URL's scheme: all of it that may be shown."""
    return clean(url.partition("://")[0])


def _keep_quiet() -> None:
    """Have nothing that repeats URLs write to a log."""
    for name in ("apprise", "urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


# --- a program ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommandWay:
    """A program that is given the event as JSON on its standard input, and nothing of it as an argument."""

    settings: NotifyCommand
    folder: Path

    @property
    def name(self) -> str:
        """What it is called."""
        return f"command {clean(Path(self.settings.run[0]).name)}"

    def tell(self, event: Event, origin: Origin) -> None:
        """Run the program. Raises NotTold when it can't be started, fails, or takes too long."""
        _require_owner(self)
        try:
            code, _ = run_program(
                self.settings.run,
                self.folder,
                given=as_json(event, origin),
                seconds=self.settings.timeout,
                most=MOST_OUTPUT,
            )
        except (OSError, ValueError) as error:
            raise NotTold(
                f"{self.name}: can't be started ({type(error).__name__}); give its full path"
            ) from None
        except TooSlow:
            raise NotTold(f"{self.name}: took longer than {self.settings.timeout} s and was ended") from None
        except TooMuchOutput:
            raise NotTold(f"{self.name}: printed more than {MOST_OUTPUT:,} bytes and was ended") from None
        if code:
            raise NotTold(f"{self.name}: failed (exit code {code}); try it by hand")


def _require_owner(way: UrlWay | CommandWay) -> None:
    """See that a way that can run programs is used with no other rights than those of vault.toml's writer."""
    owner = owner_of(way.folder)
    if owner is not None:
        raise NotTold(f"{way.name}: is used for the vault's owner alone; become uid {owner}")


def as_json(event: Event, origin: Origin) -> bytes:
    """An event as a program is given it, on one line."""
    told = msgspec.to_builtins(event) | {"organisation": origin.name, "vault": origin.vault}
    return msgspec.json.encode(told) + b"\n"


# --- words ----------------------------------------------------------------------------------------


def subject(event: Event, origin: Origin) -> str:
    """A message's title, on one line."""
    return clean(f"{origin.name}: {event.title}")


def body(event: Event, origin: Origin) -> str:
    """A message's text."""
    text = clean(event.text, newline=True)
    return f"{clean(event.title)}\n\n{text}\n\nVault {clean(origin.vault)} on {clean(socket.gethostname())}\n"
