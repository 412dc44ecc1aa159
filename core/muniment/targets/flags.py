"""The flags of messages: from the words of a source to those of IMAP (RFC 9051, 2.3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable

SEEN, DRAFT = "\\Seen", "\\Draft"
_MAILDIR = {"D": DRAFT, "F": "\\Flagged", "P": "$Forwarded", "R": "\\Answered", "S": SEEN}
"""Letters of a Maildir. `T`, a message in the trash, has no counterpart here."""
SYSTEM = {one.lower(): one for one in (SEEN, DRAFT, "\\Answered", "\\Flagged")}
"""Flags that can be set. `\\Deleted` would delete what was just given back, and no client sets `\\Recent`."""
_KEYWORD = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|~]{1,100}\Z")
"""An atom of IMAP, without brackets and wildcards."""
MOST = 50
"""Most flags that are set."""


def imap_flags(words: Iterable[str]) -> tuple[str, ...]:
    """The flags in the words of IMAP, each once; those that can't be set are left out."""
    found: dict[str, None] = {}
    for word in words:
        flag = _MAILDIR.get(word) or SYSTEM.get(word.lower())
        if flag is None and len(word) > 1 and _KEYWORD.match(word):
            flag = word
        if flag is not None:
            found[flag] = None
    return tuple(found)[:MOST]


def allowed(flags: Iterable[str], permanent: Iterable[str]) -> tuple[str, ...]:
    """The flags that a folder keeps, by its PERMANENTFLAGS; all of them if it names none."""
    named = {one.lower() for one in permanent}
    if not named or "\\*" in named:
        return tuple(flags)
    return tuple(one for one in flags if one.lower() in named)
