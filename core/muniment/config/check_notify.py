"""Checks the section [notify], so that notifications can be sent.

`config.check` says what form problems have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from muniment.config.model import NotifyCommand, NotifyMail, NotifySection
from muniment.config.setting_fields import FIELDS, MAX_HOURS, MAX_TIMEOUT
from muniment.profiles.fields import MAX_PORT, is_address, is_loopback

Problems = Iterator[tuple[str, str]]
"""Dotted keys of wrong settings, each with a sentence."""
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S")
_WAYS = ("keyring", "file", "env", "command")
_LIMITED = ("silent_hours", "certificate_days", "disk_percent", "disk_bytes", "behind_minutes")


def notify_problems(notify: NotifySection) -> Problems:
    """Yield what is wrong with the section [notify]. No sentence contains a secret."""
    yield from _mail(notify.mail)
    yield from _command(notify.command)
    for number, url in enumerate(notify.urls, 1):
        yield from _url(number, url)
    for name in _LIMITED:
        most = FIELDS[f"notify.{name}"].most
        if not 0 <= getattr(notify, name) <= most:
            yield f"notify.{name}", f"{{{name}}} must be from 0 (never) to {most}"
    for name, hours in notify.silent.items():
        if not 1 <= hours <= MAX_HOURS:
            yield "notify.silent", f"silent hours of profile {name[:80]!r} must be from 1 to {MAX_HOURS}"
    if notify.daily and not is_time_of_day(notify.daily):
        yield "notify.daily", '{daily} must be a local time of day, such as "07:30"'


def is_time_of_day(text: str) -> bool:
    """Whether a text is a time of day, such as "07:30"."""
    return _TIME.match(text) is not None


def _mail(mail: NotifyMail) -> Problems:
    if not mail.on:
        if mail != NotifyMail():
            yield (
                "notify.mail.host",
                '{host} is missing; name the mail relay that messages go through, or set {by="graph"} for '
                "Microsoft Graph",
            )
        return
    if any(c.isspace() or c in "/@" for c in mail.host):
        yield "notify.mail.host", "{host} must be only a server's name or address"
    if mail.port is not None and not 1 <= mail.port <= MAX_PORT:
        yield "notify.mail.port", f"{{port}} must be from 1 to {MAX_PORT}"
    if not mail.to:
        yield "notify.mail.to", "{to} is missing; list the addresses that messages go to"
    senders = [mail.sender] if mail.sender else []
    for key, address in (*(("to", one) for one in mail.to), *(("sender", one) for one in senders)):
        if not is_address(address) or not address.isprintable():
            yield f"notify.mail.{key}", f"{address[:80]!r} is not a mail address"
    yield from _password(mail) if mail.auth == "password" else _tokens(mail)
    if mail.login and mail.security == "none" and not is_loopback(mail.host):
        yield (
            "notify.mail.security",
            '{security="none"} would send the password unencrypted; use {security="starttls"} or '
            '{security="tls"}',
        )


def _password(mail: NotifyMail) -> Problems:
    if mail.by == "graph":
        yield (
            "notify.mail.auth",
            '{by="graph"} can\'t use a password; set {auth="app"} or {auth="device"}',
        )
    if bool(mail.login) != (mail.password is not None):
        key = "password" if mail.login else "login"
        yield f"notify.mail.{key}", "{login} and {password} belong together; give both or neither"
    for key in ("directory", "client_id", "certificate"):
        if getattr(mail, key):
            sentence = f'{{{key}}} is for OAuth 2; set {{auth="app"}} or {{auth="device"}} as well'
            yield f"notify.mail.{key}", sentence


def _tokens(mail: NotifyMail) -> Problems:
    """Yield what is wrong with the settings for tokens (see net.oauth.TokenGrant)."""
    if not is_address(mail.mailbox) or not mail.mailbox.isprintable():
        yield (
            "notify.mail.login",
            f'{{auth="{mail.auth}"}} needs the address of the mailbox that sends; give it as {{login}}',
        )
    for key in ("directory", "client_id"):
        if not getattr(mail, key):
            yield (
                f"notify.mail.{key}",
                f'{{{key}}} is missing; {{auth="{mail.auth}"}} needs {{directory}} and {{client_id}} of an '
                "application that is registered in Entra ID",
            )
    if not mail.authority.startswith("https://"):
        yield "notify.mail.authority", "{authority} must be an https:// address"
    if mail.auth == "app" and (mail.password is not None) == bool(mail.certificate):
        yield (
            "notify.mail.password",
            '{auth="app"} needs the application\'s secret as {password}, or its {certificate}; give one of '
            "them",
        )
    if mail.auth == "device" and (mail.password is not None or mail.certificate):
        yield (
            "notify.mail.auth",
            '{auth="device"} needs no password and no certificate: a person signs in with '
            "`muniment notify sign-in`",
        )


def _command(command: NotifyCommand) -> Problems:
    if command != NotifyCommand() and not (command.run and command.run[0]):
        yield "notify.command.run", '{run} is missing; name the program, such as "/usr/local/bin/page"'
    if any("\0" in word for word in command.run):
        yield "notify.command.run", "{run} must not contain a null character"
    if not 1 <= command.timeout <= MAX_TIMEOUT:
        yield "notify.command.timeout", f"{{timeout}} must be from 1 to {MAX_TIMEOUT} (seconds)"


def _url(number: int, url: str | dict[str, Any]) -> Problems:
    """Check an Apprise URL. It can contain a secret, so sentences name only its number."""
    if isinstance(url, str):
        if not _SCHEME.match(url) or not url.isprintable():
            yield (
                "notify.urls",
                f"{{urls}}, number {number}, is not an Apprise URL; write it like ntfy://topic, or say where "
                'it is stored, such as { file = "ntfy.url" }',
            )
    elif len(url) != 1 or next(iter(url)) not in _WAYS:
        yield "notify.urls", f"{{urls}}, number {number}, must name exactly one of {', '.join(_WAYS)}"
