"""The ways on which people are told: a mail, an Apprise URL, a program."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from muniment.config.model import Notify, NotifyCommand
from muniment.config.program import TooMuchOutput, TooSlow, owner_of, run_program
from muniment.config.secrets import resolve
from muniment.notify.mail import GraphWay, MailWay
from muniment.notify.model import Event
from muniment.notify.telling import NotTold, Online, Origin, body, subject
from muniment.system.sanitise import clean

MOST_OUTPUT = 16 * 1024 * 1024
"""Bytes that a program may print; they are dropped."""


class Way(Protocol):
    """One way to tell people."""

    @property
    def name(self) -> str:
        """What it is called in logs and messages; no secret is in it, and two ways have two names."""

    def tell(self, event: Event, origin: Origin) -> None:
        """Tell it; returns when it was taken. Raises MunimentError otherwise."""


def ways(notify: Notify, folder: Path, online: Online) -> list[Way]:
    """All ways that vault.toml has; secrets are had when something is told. `folder` is the vault's."""
    found: list[Way] = []
    if notify.mail.by == "graph":
        found.append(GraphWay(notify.mail, folder, online))
    elif notify.mail.host:
        found.append(MailWay(notify.mail, folder, online))
    found += [UrlWay(number, url, folder) for number, url in enumerate(notify.urls, 1)]
    if notify.command.run:
        found.append(CommandWay(notify.command, folder))
    return found


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
