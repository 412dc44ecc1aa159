"""What a server says, as people may read it: one line, bounded, without controls, and without secrets."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from muniment.system.sanitise import clean

if TYPE_CHECKING:
    from muniment.sources.endpoint import Endpoint

LONGEST = 300
"""Characters of a server's words that are shown."""
HIDDEN = "[hidden]"
"""Stands where a server repeats the password."""
_TOKEN = re.compile(r"[A-Za-z0-9+/=_.~-]{60,}")
"""What may be an access token, as it is or encoded: servers say nothing of that length in one word."""
_SHORT = 4
"""A secret of fewer characters may stand in any text by chance, so that all of the text is hidden then."""


def shown(text: str) -> str:
    """A server's name for something, such as a folder: one line, bounded, without controls."""
    line = clean(text[: 8 * LONGEST]).strip()
    return f"{line[:LONGEST].rstrip()}…" if len(line) > LONGEST else line


def said(endpoint: Endpoint, text: str | bytes) -> str:
    """A server's words in quotes, as a sentence has them in brackets; "no reason given" for none."""
    whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    # Both before and after: what is cut or invisible must not keep a secret from being seen.
    line = _without_secrets(endpoint, shown(_without_secrets(endpoint, whole)))
    return f'"{line}"' if line else "no reason given"


def _without_secrets(endpoint: Endpoint, text: str) -> str:
    for secret in _secrets(endpoint):
        if secret in text:
            if len(secret) < _SHORT:
                return HIDDEN
            text = text.replace(secret, HIDDEN)
    return _TOKEN.sub(HIDDEN, text) if endpoint.tokens is not None else text


def _secrets(endpoint: Endpoint) -> list[str]:
    """The password, and all that it was sent as, the longest first."""
    password, name = endpoint.password, endpoint.mailbox
    if not password:
        return []
    quoted = password.replace("\\", "\\\\").replace('"', '\\"')
    plain = (password, f"\0{name}\0{password}", f"{name}\0{name}\0{password}")
    encoded = (base64.b64encode(one.encode("utf-8", "replace")).decode() for one in plain)
    return sorted({password, quoted, *encoded}, key=len, reverse=True)
