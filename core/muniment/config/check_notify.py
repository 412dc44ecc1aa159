"""Checks the section [notify], so that notifications can be sent."""

from __future__ import annotations

import re
from typing import Any

from muniment.config.model import NotifyCommand, NotifyMail, NotifySection
from muniment.errors import ConfigError
from muniment.profiles.fields import MAX_PORT, is_address, is_loopback

_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S")
_WAYS = ("keyring", "file", "env", "command")
MAX_HOURS = 366 * 24
MAX_TIMEOUT = 600


def check_notify(notify: NotifySection) -> None:
    """Check the section [notify].

    Raises:
        ConfigError: A value is wrong or missing. The message contains no secret.
    """
    _check_mail(notify.mail)
    _check_command(notify.command)
    for number, url in enumerate(notify.urls, 1):
        _check_url(number, url)
    for name, most in _LIMITS.items():
        if not 0 <= getattr(notify, name) <= most:
            raise ConfigError(f"notify: {name} must be from 0 (never) to {most}")
    for name, hours in notify.silent.items():
        if not 1 <= hours <= MAX_HOURS:
            raise ConfigError(f"notify: silent hours of profile {name[:80]!r} must be from 1 to {MAX_HOURS}")
    if notify.daily and not _TIME.match(notify.daily):
        raise ConfigError('notify: daily must be a local time of day, such as "07:30"')


_LIMITS = {
    "silent_hours": MAX_HOURS,
    "certificate_days": 366,
    "disk_percent": 90,
    "disk_bytes": 1 << 50,
    "behind_minutes": 366 * 24 * 60,
}


def _check_mail(mail: NotifyMail) -> None:
    if not mail.on:
        if mail != NotifyMail():
            raise ConfigError(
                "notify.mail: host is missing; name the mail relay that messages go through, or set "
                'by = "graph" for Microsoft Graph'
            )
        return
    if any(c.isspace() or c in "/@" for c in mail.host):
        raise ConfigError("notify.mail: host must be only a server's name or address")
    if mail.port is not None and not 1 <= mail.port <= MAX_PORT:
        raise ConfigError(f"notify.mail: port must be from 1 to {MAX_PORT}")
    if not mail.to:
        raise ConfigError("notify.mail: to is missing; list the addresses that messages go to")
    for address in (*mail.to, *filter(None, [mail.sender])):
        if not is_address(address) or not address.isprintable():
            raise ConfigError(f"notify.mail: {address[:80]!r} is not a mail address")
    if mail.auth == "password":
        _check_password(mail)
    else:
        _check_oauth(mail)
    if mail.login and mail.security == "none" and not is_loopback(mail.host):
        raise ConfigError(
            'notify.mail: security = "none" would send the password unencrypted; use "starttls" or "tls"'
        )


def _check_password(mail: NotifyMail) -> None:
    if mail.by == "graph":
        raise ConfigError('notify.mail: by = "graph" can\'t use a password; set auth = "app" or "device"')
    if bool(mail.login) != (mail.password is not None):
        raise ConfigError("notify.mail: login and password belong together; give both or neither")
    for key in ("directory", "client_id", "certificate"):
        if getattr(mail, key):
            raise ConfigError(f'notify.mail: {key} is for OAuth 2; set auth = "app" or "device" as well')


def _check_oauth(mail: NotifyMail) -> None:
    """Check the settings for tokens (see net.oauth.TokenGrant)."""
    if not is_address(mail.mailbox) or not mail.mailbox.isprintable():
        raise ConfigError(
            f'notify.mail: auth = "{mail.auth}" needs the address of the mailbox that sends; give it as login'
        )
    for key in ("directory", "client_id"):
        if not getattr(mail, key):
            raise ConfigError(
                f'notify.mail: {key} is missing; auth = "{mail.auth}" needs directory and client_id of an '
                "application that is registered in Entra ID"
            )
    if not mail.authority.startswith("https://"):
        raise ConfigError("notify.mail: authority must be an https:// address")
    if mail.auth == "app" and (mail.password is not None) == bool(mail.certificate):
        raise ConfigError(
            'notify.mail: auth = "app" needs the application\'s secret as password, or its certificate; '
            "give one of them"
        )
    if mail.auth == "device" and (mail.password is not None or mail.certificate):
        raise ConfigError(
            'notify.mail: auth = "device" needs no password and no certificate: a person signs in with '
            "`muniment notify sign-in`"
        )


def _check_command(command: NotifyCommand) -> None:
    if command != NotifyCommand() and not (command.run and command.run[0]):
        raise ConfigError('notify.command: run is missing; write, for example, run = ["/usr/local/bin/page"]')
    if any("\0" in word for word in command.run):
        raise ConfigError("notify.command: run must not contain a null character")
    if not 1 <= command.timeout <= MAX_TIMEOUT:
        raise ConfigError(f"notify.command: timeout must be from 1 to {MAX_TIMEOUT} (seconds)")


def _check_url(number: int, url: str | dict[str, Any]) -> None:
    """Check an Apprise URL. It can contain a secret, so messages name only its number."""
    if isinstance(url, str):
        if not _SCHEME.match(url) or not url.isprintable():
            raise ConfigError(
                f"notify: urls, number {number}, is not an Apprise URL; write it like ntfy://topic, "
                'or say where it is stored, such as { file = "ntfy.url" }'
            )
    elif len(url) != 1 or next(iter(url)) not in _WAYS:
        raise ConfigError(f"notify: urls, number {number}, must name exactly one of {', '.join(_WAYS)}")
