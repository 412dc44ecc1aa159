"""Internationalised domains: one form for all spellings of a domain (UTS 46, RFC 5890 to 5893).

`xn--mnchen-3ya.example`, `münchen.example` and `MÜNCHEN。example` are one domain. It is compared and shown in
Unicode where that is safe, else by its `xn--` labels: those that IDNA 2008 refuses (symbols, controls), that
hold joiners, that mix scripts which look alike, or that are of such letters throughout.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

PREFIX = "xn--"
_LONGEST = 255
"""Characters of a domain (RFC 1035); longer ones are compared as they are."""
_LONGEST_LABEL = 63
_STOPS = re.compile("[\u3002\uff0e\uff61]")
"""What UTS 46 takes for a dot."""
_LABEL = re.compile(r"(?<![\w-])[Xx][Nn]--[A-Za-z0-9-]{1,59}(?![\w-])")
"""A label in a text for people."""
_IN_TEXT = re.compile(r"(?<![\w.-])[\w-]++[.\u3002\uff0e\uff61][\w.\u3002\uff0e\uff61-]++(?![\w@])")
"""A domain in a text."""
_JOINERS = re.compile("[\u200c\u200d]")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
"""Scripts whose letters look alike."""
_LATIN_LIKE = frozenset("асԁеһіјӏорԛѕԝхуъьҽпгѵѡαικνρυωηοτ")
"""Letters of other scripts that look like Latin ones, as browsers have it."""


@lru_cache(maxsize=4096)
def canonical(domain: str) -> str:
    """The form in which a domain is compared and shown. Never raises; of what is no domain, lower case."""
    lower = domain.lower()
    if lower.isascii() and PREFIX not in lower:
        return lower.rstrip(".")
    if len(lower) > _LONGEST:
        return unicodedata.normalize("NFC", lower[: 4 * _LONGEST]) + lower[4 * _LONGEST :]
    mapped = _mapped(_STOPS.sub(".", lower)).rstrip(".")
    if "@" in mapped:  # what looks like one is none: the domain would begin behind it
        return lower
    return ".".join(_shown(_encoded(label)) for label in mapped.split("."))


def ascii_form(domain: str) -> str:
    """A domain as it is spelled in the DNS, with `xn--` labels; what is no domain as it is compared."""
    found = canonical(domain)
    return found if "@" in found else ".".join(_encoded(label) for label in found.split("."))


def readable(text: str) -> str:
    """A text for people with its `xn--` labels in Unicode, where that is safe."""
    return _LABEL.sub(lambda found: _shown(found[0].lower()), text) if "n--" in text.lower() else text


def spellings(text: str) -> tuple[str, ...]:
    """A text as it stands; then, where that differs, with its domains in Unicode, and as the DNS has them."""
    if text.isascii() and PREFIX not in text.lower():
        return (text,)
    shown = _IN_TEXT.sub(lambda found: canonical(found[0]), text)
    encoded = _IN_TEXT.sub(lambda found: ascii_form(found[0]), text)
    return tuple(dict.fromkeys((text, shown, encoded, readable(text))))


def _mapped(text: str) -> str:
    """As UTS 46 maps it, without transition; what that refuses, in lower case and in NFKC."""
    import idna  # its tables take time, and hardly any mail needs them

    try:
        return idna.uts46_remap(text, std3_rules=False, transitional=False)
    except (idna.IDNAError, UnicodeError):
        return unicodedata.normalize("NFKC", text).lower()


def _encoded(label: str) -> str:
    """A mapped label in ASCII; one that is too long for the DNS as it is."""
    if label.isascii():
        return label
    try:
        made = PREFIX + label.encode("punycode").decode("ascii")
    except UnicodeError:
        return label
    return made if len(made) <= _LONGEST_LABEL else label


@lru_cache(maxsize=4096)
def _shown(label: str) -> str:
    """A label of ASCII in Unicode, where that is safe; others, and broken ones, as they are."""
    if not label.startswith(PREFIX):
        return label
    try:
        found = label[len(PREFIX) :].encode("ascii").decode("punycode")
    except (UnicodeError, OverflowError, ValueError):
        return label
    return found if _encoded(found) == label and _mapped(found) == found and _is_safe(found) else label


def _is_safe(label: str) -> bool:
    """Whether people see which label it is."""
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
