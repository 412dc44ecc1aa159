"""Makes a server's text safe to show: one line of limited length, without control characters and secrets."""

from __future__ import annotations

import base64
import re

from muniment.net.server_settings import ServerSettings
from muniment.system.sanitise import clean

LONGEST = 300
"""Largest number of characters of a server's text that are shown."""
HIDDEN = "[hidden]"
"""Replaces a password or token that a server repeats."""
_TOKEN = re.compile(r"[A-Za-z0-9+/=_.~-]{60,}")
"""A word that can be an access token, plain or encoded: servers send no other words of that length."""
_SHORT = 4
"""A secret with fewer characters can be in any text by chance, so the whole text is hidden then."""


def one_line(text: str) -> str:
    """A server's name for something, such as a folder: one line of limited length, made harmless."""
    line = clean(text[: 8 * LONGEST]).strip()
    return f"{line[:LONGEST].rstrip()}…" if len(line) > LONGEST else line


def quote(server: ServerSettings, text: str | bytes) -> str:
    """A server's text in quotation marks, for the brackets of an error sentence.

    Args:
        server: Whose password and tokens are hidden in the text.
        text: What the server sent.

    Returns:
        One line, or "no reason given" if the text is empty.
    """
    whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    # Search before and after cleaning: invisible characters in a secret, or its cut end, could hide it.
    line = _without_secrets(server, one_line(_without_secrets(server, whole)))
    return f'"{line}"' if line else "no reason given"


def _without_secrets(server: ServerSettings, text: str) -> str:
    for secret in _secrets(server):
        if secret in text:
            if len(secret) < _SHORT:
                return HIDDEN
            text = text.replace(secret, HIDDEN)
    return _TOKEN.sub(HIDDEN, text) if server.tokens is not None else text


def _secrets(server: ServerSettings) -> list[str]:
    """The password in every form in which it was sent, the longest first."""
    password, name = server.password, server.mailbox
    if not password:
        return []
    quoted = password.replace("\\", "\\\\").replace('"', '\\"')
    plain = (password, f"\0{name}\0{password}", f"{name}\0{name}\0{password}")
    encoded = (base64.b64encode(one.encode("utf-8", "replace")).decode() for one in plain)
    return sorted({password, quoted, *encoded}, key=len, reverse=True)
