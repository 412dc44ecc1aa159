"""What all ways of notifying share: the archive's name, the text of a message, and the error."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from muniment.errors import MunimentError
from muniment.notify.model import NotifyEvent
from muniment.system.sanitise import clean

_TOKEN = re.compile(r"[A-Za-z0-9+/=_.~-]{60,}")
"""A word that can be an access token, plain or encoded."""
WORDS = 300
"""Largest number of characters of a server's text that are shown."""


class NotifyFailed(MunimentError):
    """A notification could not be sent. The message says why, and contains no secret."""


@dataclass(frozen=True, slots=True)
class ArchiveOrigin:
    """The archive that a message is about."""

    name: str
    """The organisation's name, or the name of the vault's folder."""
    vault: str
    """The vault's folder."""


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


def subject(event: NotifyEvent, origin: ArchiveOrigin) -> str:
    """The title of a message, on one line."""
    return clean(f"{origin.name}: {event.title}")


def body(event: NotifyEvent, origin: ArchiveOrigin) -> str:
    """The text of a message, of several lines."""
    text = clean(event.text, newline=True)
    return f"{clean(event.title)}\n\n{text}\n\nVault {clean(origin.vault)} on {clean(socket.gethostname())}\n"
