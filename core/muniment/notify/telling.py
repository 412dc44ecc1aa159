"""What all ways of telling people share: who speaks, in which words, and why it did not work."""

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
"""What may be an access token, as it is or encoded."""
WORDS = 300
"""Characters of a server's own words that are repeated."""


class NotTold(MunimentError):
    """A way did not work; says why, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which archive speaks."""

    name: str
    """The organisation's name, or the vault's folder."""
    vault: str


class Answer(NamedTuple):
    """An answer over HTTP."""

    status: int
    text: str


class Online(Protocol):
    """What the service lends to those who tell by OAuth 2: tokens, and HTTP with its limits."""

    def token(self, mail: NotifyMail, folder: Path, renew: bool) -> str:
        """An access token for sending; with `renew` another one than before. Raises MunimentError."""

    def post(self, mail: NotifyMail, url: str, headers: dict[str, str], data: bytes) -> Answer:
        """Post something. Raises MunimentError where there is no answer."""


def _hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text


def said(words: str | bytes, *secrets: str) -> str:
    """A server's own words, on one line, without any of the secrets."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    line = " ".join(clean(_hidden(text, secrets)).split())
    line = _TOKEN.sub("***", _hidden(line, secrets))  # once more: what is invisible may have parted it
    return line if len(line) <= WORDS else line[: WORDS - 3] + "..."


def subject(event: Event, origin: Origin) -> str:
    """A message's title, on one line."""
    return clean(f"{origin.name}: {event.title}")


def body(event: Event, origin: Origin) -> str:
    """A message's text."""
    text = clean(event.text, newline=True)
    return f"{clean(event.title)}\n\n{text}\n\nVault {clean(origin.vault)} on {clean(socket.gethostname())}\n"
