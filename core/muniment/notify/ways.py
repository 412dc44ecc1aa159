"""The ways to notify people: a mail, an Apprise URL, a program."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from muniment.config.model import NotifyCommand, NotifySection
from muniment.config.notify_urls import scheme_of
from muniment.config.program import TooMuchOutput, TooSlow, owner_of, run_program
from muniment.config.secrets import resolve
from muniment.notify.mail import GraphWay, MailWay
from muniment.notify.model import NotifyEvent
from muniment.notify.telling import ArchiveOrigin, NotifyFailed, body, subject
from muniment.system.sanitise import clean

MOST_OUTPUT = 16 * 1024 * 1024
"""Most bytes that a program can print; its output is discarded."""


class NotifyWay(Protocol):
    """One way to notify people."""

    @property
    def name(self) -> str:
        """Its name in logs and messages. It has no secret in it, and no two ways have the same name."""

    def send(self, event: NotifyEvent, origin: ArchiveOrigin) -> None:
        """Send an event, and return when it was accepted.

        Args:
            event: What to send.
            origin: The archive that it is about.

        Raises:
            MunimentError: It could not be sent; the message says why.
        """


def ways(notify: NotifySection, folder: Path) -> list[NotifyWay]:
    """All ways that are set up in vault.toml. They read their secrets only when they send.

    Args:
        notify: The section [notify].
        folder: The vault's folder.
    """
    found: list[NotifyWay] = []
    if notify.mail.by == "graph":
        found.append(GraphWay(notify.mail, folder))
    elif notify.mail.host:
        found.append(MailWay(notify.mail, folder))
    found += [UrlWay(number, url, folder) for number, url in enumerate(notify.urls, 1)]
    if notify.command.run:
        found.append(CommandWay(notify.command, folder))
    return found


# --- Apprise --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UrlWay:
    """A service that Apprise supports. Its URL can contain a secret, so only the scheme is shown."""

    number: int
    url: str | dict[str, Any] = field(repr=False)
    folder: Path

    @property
    def name(self) -> str:
        """Its name, without secrets."""
        return f"URL {self.number}" + (f" ({scheme_of(self.url)})" if isinstance(self.url, str) else "")

    def send(self, event: NotifyEvent, origin: ArchiveOrigin) -> None:
        """Send an event to the service (see NotifyWay.send). Raises ConfigError if the URL can't be read."""
        _require_owner(self)
        url = self.url if isinstance(self.url, str) else resolve(self.url, self.folder).reveal()
        import apprise

        _keep_quiet()
        asset = apprise.AppriseAsset(app_id="Muniment", async_mode=False, secure_logging=True)
        service = apprise.Apprise(asset=asset)
        if not service.add(url):
            raise NotifyFailed(f"{self.name}: Apprise does not support this URL; see its documentation")
        accepted = service.notify(
            body=body(event, origin),
            title=subject(event, origin),
            notify_type=getattr(apprise.NotifyType, _TYPES[event.state]),
            body_format=apprise.NotifyFormat.TEXT,
        )
        if not accepted:
            raise NotifyFailed(f"{self.name}: the service did not accept it; check the URL and the network")


_TYPES = {"trouble": "WARNING", "well": "SUCCESS", "note": "INFO"}


def _keep_quiet() -> None:
    """Keep libraries that log URLs from writing to the log."""
    for name in ("apprise", "urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


# --- a program ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommandWay:
    """A program that gets the event as JSON on its standard input. It gets no arguments from the event."""

    settings: NotifyCommand
    folder: Path

    @property
    def name(self) -> str:
        """Its name, without secrets."""
        return f"command {clean(Path(self.settings.run[0]).name)}"

    def send(self, event: NotifyEvent, origin: ArchiveOrigin) -> None:
        """Run the program (see NotifyWay.send).

        Raises:
            NotifyFailed: It can't start, fails, or takes too long.
        """
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
            raise NotifyFailed(
                f"{self.name}: can't be started ({type(error).__name__}); give its full path"
            ) from None
        except TooSlow:
            raise NotifyFailed(
                f"{self.name}: took longer than {self.settings.timeout} s and was stopped"
            ) from None
        except TooMuchOutput:
            raise NotifyFailed(
                f"{self.name}: printed more than {MOST_OUTPUT:,} bytes and was stopped"
            ) from None
        if code:
            raise NotifyFailed(f"{self.name}: failed (exit code {code}); try it by hand")


def _require_owner(way: UrlWay | CommandWay) -> None:
    """Refuse a way that can run programs if the vault belongs to another account, which could misuse ours."""
    owner = owner_of(way.folder)
    if owner is not None:
        raise NotifyFailed(f"{way.name}: only the vault's owner can use it; become uid {owner}")


def as_json(event: NotifyEvent, origin: ArchiveOrigin) -> bytes:
    """The JSON for a program, on one line: the event's fields, `organisation` and `vault`."""
    fields = msgspec.to_builtins(event) | {"organisation": origin.name, "vault": origin.vault}
    return msgspec.json.encode(fields) + b"\n"
