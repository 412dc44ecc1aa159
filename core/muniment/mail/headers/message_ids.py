"""Message-IDs in the form in which they are compared: without angle brackets and blanks, in lower case."""

from __future__ import annotations

import re

ID_LIMIT = 1_000
"""Longest id, in characters. No program writes longer ones."""
IDS = 100
"""Ids in References and In-Reply-To of one message that are read."""
_BRACKETED = re.compile(r"<([^<>\s]{1,1000})>")


def bare_id(written: str) -> str:
    """The id in the value of a Message-ID field, or in what a person types; "" for none."""
    found = _BRACKETED.search(written)
    bare = (found[1] if found else written.strip().strip("<>")).lower()
    return bare if len(bare) <= ID_LIMIT and bare.split() == [bare] else ""


def bare_ids(written: str) -> tuple[str, ...]:
    """The ids in the value of References or In-Reply-To, each once.

    If there are more than IDS, they are the first one and the last IDS - 1.
    """
    found = [one.lower() for one in _BRACKETED.findall(written)]
    if not found:
        found = [bare_id(word) for word in written.split() if "@" in word]
    ids = dict.fromkeys(one for one in found if 0 < len(one) <= ID_LIMIT)
    first, *others = ids or ("",)
    return (first, *others[-(IDS - 1) :]) if first else ()
