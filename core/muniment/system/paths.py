"""Paths as UTF-8 text, for requests, settings and screens, without losing bytes of a file's name.

A path whose bytes are UTF-8 is itself. Any other is written as a `file:` URL (RFC 8089), in which each byte
that is no plain character is `%` and two digits. Neither depends on the locale, which may differ between
client and service.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

_URL = "file://"


def typed(argument: str) -> str | None:
    """The text of an argument in any locale; None if its bytes are no UTF-8."""
    try:
        argument.encode()
        return argument
    except UnicodeEncodeError:
        pass
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        return None


def as_text(path: Path | str) -> str:
    """A path as text. One that is no UTF-8 must be absolute, and becomes a URL."""
    name = os.fsencode(path)
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return _URL + quote(name)


def as_path(text: str) -> str:
    """The path that a text means, in the form of the system's calls."""
    if text.startswith(f"{_URL}/"):
        return os.fsdecode(unquote_to_bytes(text[len(_URL) :]))
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def readable(text: str) -> str:
    """Text that can be written as UTF-8. Bytes that are no UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
