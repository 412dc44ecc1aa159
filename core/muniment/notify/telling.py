"""What all ways of notifying share: the archive's name, the text of a message, and the error."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from muniment.config.model import NotifyMail
from muniment.errors import MunimentError
from muniment.notify.model import Event
from muniment.system.sanitise import clean

_TOKEN = re.compile(r"[A-Za-z0-9+/=_.~-]{60,}")
"""A word that can be an access token, plain or encoded."""
WORDS = 300
"""Largest number of characters of a server's text that are shown."""


class NotTold(MunimentError):
    """A notification could not be sent. The message says why, and contains no secret."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The archive that a message is about."""

    name: str
    """The organisation's name, or the name of the vault's folder."""
    vault: str
    """The vault's folder."""


class Answer(NamedTuple):
    """Status and text of an HTTP answer."""

    status: int
    text: str


class Online(Protocol):
    """What the service provides for sending by OAuth 2: access tokens, and HTTP requests with limits."""

    def token(self, mail: NotifyMail, folder: Path, renew: bool) -> str:
        """An access token for sending mail.

        Args:
            mail: The section [notify.mail].
            folder: The vault's folder.
            renew: Get a new token instead of the cached one.

        Raises:
            MunimentError: There is no token.
        """

    def post(self, mail: NotifyMail, url: str, headers: dict[str, str], data: bytes) -> Answer:
        """Send an HTTP POST request.

        Raises:
            MunimentError: There is no answer.
        """


def _hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text


def quote(words: str | bytes, *secrets: str) -> str:
    """A server's text on one line, without any of the secrets."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    line = " ".join(clean(_hidden(text, secrets)).split())
    line = _TOKEN.sub("***", _hidden(line, secrets))  # again: invisible characters can have split a secret
    return line if len(line) <= WORDS else line[: WORDS - 3] + "..."


def subject(event: Event, origin: Origin) -> str:
    """The title of a message, on one line."""
    return clean(f"{origin.name}: {event.title}")


def body(event: Event, origin: Origin) -> str:
    """The text of a message, of several lines."""
    text = clean(event.text, newline=True)
    return f"{clean(event.title)}\n\n{text}\n\nVault {clean(origin.vault)} on {clean(socket.gethostname())}\n"
