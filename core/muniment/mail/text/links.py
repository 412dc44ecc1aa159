"""The targets of links as words that can be searched: host, path, and the target inside a rewritten link.

`reduced` treats a target in a mail and an address in a query alike, so that the address finds the target. Ids
of trackers are left out: long words, and words that mix letters and digits.
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
"""Longest word of a target, in letters. Longer ones are ids or encoded data."""
_ID = 8
"""Length from which a word that mixes letters and digits is an id."""


def is_target(written: str) -> bool:
    """Whether a link leads to an address that somebody may search for."""
    return _ADDRESS.match(written) is not None and not written.lower().startswith(_UNSEEN)


def reduced(target: str) -> str:
    """The words of a target as `folding.halfway` gives them, in order, separated by one blank."""
    text = target[:TARGET_LIMIT]
    if "%" in text:
        text = unquote(text, errors="replace")
    text = _SCHEME.sub("", text, count=1)
    if "xn--" in text.lower():
        text = _PUNY.sub(_unicode, text)
    return " ".join(word for word in halfway(text).split() if not _is_id(word))


def _is_id(word: str) -> bool:
    """Whether a word is long, or mixes letters and digits. Vowel signs are neither, and stay with letters."""
    if len(word) < _ID or word.isalpha() or word.isdigit():
        return len(word) > _WORD
    return len(word) > _WORD or any(map(str.isdigit, word))


def is_reduced(word: str) -> bool:
    """Whether `reduced` surely changes nothing of a word but its case."""
    return len(word) <= _WORD and word.isascii() and word.isalpha()


def _unicode(label: re.Match[str]) -> str:
    """A label of an internationalised host name in Unicode. Labels are short, so decoding is fast."""
    try:
        return label[1].encode("ascii").decode("punycode")
    except (UnicodeError, OverflowError):
        return label[0]
