"""Targets of links as words that can be searched: host, path, and what a rewriting gateway has wrapped.

`reduced` makes the same of a target in a mail and of an address that is typed or pasted into a query, so that
the one finds the other. Ids of trackers are no words: left out is what mixes letters and digits at length.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from muniment.mail.text.folding import halfway

TARGET_LIMIT = 2_000
"""Characters of one target that are read."""
LINKS = 200
"""Targets of one message that are read."""
_UNSEEN = ("javascript:", "vbscript:", "data:", "cid:", "mid:", "about:", "#")
_ADDRESS = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{1,20}:|//|\\\\|www\.)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}:")
_PUNY = re.compile(r"\bxn--([a-z0-9-]{1,59})", re.IGNORECASE)
_WORD = 24
"""Letters of a word of a target; longer ones are ids or encoded."""
_ID = 8
"""Letters and digits of what is an id, where both are mixed."""


def is_target(written: str) -> bool:
    """Whether what a link names is an address that somebody may ask for."""
    return _ADDRESS.match(written) is not None and not written.lower().startswith(_UNSEEN)


def reduced(target: str) -> str:
    """The words of a target as `folding.halfway` gives them, in order, with one blank between."""
    text = target[:TARGET_LIMIT]
    if "%" in text:
        text = unquote(text, errors="replace")
    text = _SCHEME.sub("", text, count=1)
    if "xn--" in text.lower():
        text = _PUNY.sub(_unicode, text)
    # What is left out is an id: a long word, or one that mixes letters and digits.
    return " ".join(
        word
        for word in halfway(text).split()
        if len(word) < _ID or (len(word) <= _WORD and (word.isalpha() or word.isdigit()))
    )


def is_reduced(word: str) -> bool:
    """Whether `reduced` plainly changes nothing of a word but its case."""
    return len(word) <= _WORD and word.isascii() and word.isalpha()


def _unicode(label: re.Match[str]) -> str:
    """A label of an internationalised host name as people write it; short, so that it takes no time."""
    try:
        return label[1].encode("ascii").decode("punycode")
    except (UnicodeError, OverflowError):
        return label[0]
