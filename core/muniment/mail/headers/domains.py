"""Internationalised domains: one form for all spellings of a domain (UTS 46, RFC 5890 to 5893).

`xn--mnchen-3ya.example`, `münchen.example` and `MÜNCHEN。example` are one domain. It is compared and shown in
Unicode if that is safe. Otherwise the unsafe labels stay in their `xn--` form: labels that IDNA 2008 refuses
(symbols, controls), that contain joiners, that mix scripts with similar letters, or whose letters all look
like Latin ones.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

PREFIX = "xn--"
_LONGEST = 255
"""Characters of a domain (RFC 1035). Longer ones are not mapped."""
_LONGEST_LABEL = 63
_STOPS = re.compile("[\u3002\uff0e\uff61]")
"""Characters that UTS 46 takes for a dot."""
_LABEL = re.compile(r"(?<![\w-])[Xx][Nn]--[A-Za-z0-9-]{1,59}(?![\w-])")
"""A label in a text for people."""
_IN_TEXT = re.compile(r"(?<![\w.-])[\w-]++[.\u3002\uff0e\uff61][\w.\u3002\uff0e\uff61-]++(?![\w@])")
"""A domain in a text."""
_JOINERS = re.compile("[\u200c\u200d]")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
"""Scripts whose letters look alike."""
_LATIN_LIKE = frozenset("асԁеһіјӏорԛѕԝхуъьҽпгѵѡαικνρυωηοτ")
"""Letters of other scripts that look like Latin ones, by the rules of browsers."""


@lru_cache(maxsize=4096)
def canonical(domain: str) -> str:
    """The form in which a domain is compared and shown. Never raises.

    Text that is no domain comes back in lower case.
    """
    lower = domain.lower()
    if lower.isascii() and PREFIX not in lower:
        return lower.rstrip(".")
    if len(lower) > _LONGEST:
        return unicodedata.normalize("NFC", lower[: 4 * _LONGEST]) + lower[4 * _LONGEST :]
    mapped = _mapped(_STOPS.sub(".", lower)).rstrip(".")
    if "@" in mapped:  # a character that maps to an at sign is none: the domain would begin behind it
        return lower
    return ".".join(_shown(_encoded(label)) for label in mapped.split("."))


def ascii_form(domain: str) -> str:
    """A domain in the spelling of the DNS, with `xn--` labels.

    Text that is no domain comes back as `canonical` gives it.
    """
    found = canonical(domain)
    return found if "@" in found else ".".join(_encoded(label) for label in found.split("."))


def readable(text: str) -> str:
    """A text for people, with its `xn--` labels in Unicode where that is safe."""
    return _LABEL.sub(lambda found: _shown(found[0].lower()), text) if "n--" in text.lower() else text


def spellings(text: str) -> tuple[str, ...]:
    """The spellings of a text with domains: first itself, then those that differ.

    These are the text with its domains in Unicode, and with its domains as in the DNS.
    """
    if text.isascii() and PREFIX not in text.lower():
        return (text,)
    shown = _IN_TEXT.sub(lambda found: canonical(found[0]), text)
    encoded = _IN_TEXT.sub(lambda found: ascii_form(found[0]), text)
    return tuple(dict.fromkeys((text, shown, encoded, readable(text))))


def _mapped(text: str) -> str:
    """The text as UTS 46 maps it, non-transitional. Text that UTS 46 refuses, in lower case and NFKC."""
    import idna  # loading its tables takes time, and little mail needs them

    try:
        return idna.uts46_remap(text, std3_rules=False, transitional=False)
    except (idna.IDNAError, UnicodeError):
        return unicodedata.normalize("NFKC", text).lower()


def _encoded(label: str) -> str:
    """A mapped label in ASCII. A label that is too long for the DNS stays as it is."""
    if label.isascii():
        return label
    try:
        made = PREFIX + label.encode("punycode").decode("ascii")
    except UnicodeError:
        return label
    return made if len(made) <= _LONGEST_LABEL else label


@lru_cache(maxsize=4096)
def _shown(label: str) -> str:
    """An ASCII label in Unicode, if that is safe. Other and broken labels stay as they are."""
    if not label.startswith(PREFIX):
        return label
    try:
        found = label[len(PREFIX) :].encode("ascii").decode("punycode")
    except (UnicodeError, OverflowError, ValueError):
        return label
    return found if _encoded(found) == label and _mapped(found) == found and _is_safe(found) else label


def _is_safe(label: str) -> bool:
    """Whether people can see which label it is."""
    import idna

    if _JOINERS.search(label):
        return False
    try:
        idna.check_label(label)
    except (idna.IDNAError, UnicodeError, ValueError):
        return False
    names = [unicodedata.name(char, "") for char in label]
    scripts = {script for script in _SCRIPTS for name in names if name.startswith(script)}
    return len(scripts) < 2 and not all(char in _LATIN_LIKE or char in "-0123456789" for char in label)
