"""Calendars and cards (RFC 5545, RFC 6350): lines that are folded, escaped and sometimes encoded."""

from __future__ import annotations

import quopri
import re

_FOLD = re.compile(r"\r?\n[ \t]")
_QUOTED = re.compile(r"(?im)^([^:\n]*;ENCODING=QUOTED-PRINTABLE[^:\n]*:)((?:.*=\n)*.*)$")
_BINARY = re.compile(r"(?im)^[^:\n]*;ENCODING=(?:B|BASE64)\b[^:\n]*:.*$|^[^:\n]*:data:[^\n]*;base64,.*$")
_ESCAPE = re.compile(r"\\([nN,;\\])")


def is_card(name: str, content_type: str) -> bool:
    """Return whether a file is a calendar or a card."""
    end = name.rpartition(".")[2].lower()
    return end in ("ics", "ifb", "vcf", "vcard") or content_type in (
        *("text/calendar", "text/vcard", "text/x-vcard", "text/directory"),
    )


def unfolded(text: str) -> str:
    """Return the text of a calendar or card with its lines joined and decoded, without pictures."""
    text = _FOLD.sub("", text)
    if "QUOTED-PRINTABLE" in text.upper():
        text = _QUOTED.sub(_decoded, text)
    return _ESCAPE.sub(" ", _BINARY.sub("", text))


def _decoded(line: re.Match[str]) -> str:
    return line[1] + quopri.decodestring(line[2].encode()).decode("utf-8", "replace")
