"""The one sanitiser: makes text from mail safe for a terminal, a list or a file name.

Characters that move the cursor, hide or reorder text become U+FFFD, so that a reader sees that something was
there. Characters that are merely invisible (zero-width joiners, soft hyphens, direction marks, variation
selectors, tags) are left out. So what is shown is what can be read, and found (mail/text/folding.py).
"""

from __future__ import annotations

import re
import unicodedata

REPLACEMENT = "\ufffd"
NAME_LIMIT = 120
"""Bytes of a file name in UTF-8."""
_ESCAPES = re.compile(
    # CSI, in its 7-bit and its 8-bit form; then strings (OSC, DCS, SOS, PM, APC) up to their terminator;
    # then two- and three-character escapes. ECMA-48 5.4, 5.6. An unterminated string hides no text.
    "(?:\x1b\\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]{0,256}+(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]{1,4}[0-~]"
    "|\x1b[0-Z\\\\`-~]"
)
_BEGINS = "\x1b\x90\x98\x9b\x9d\x9e\x9f"
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u2064\u206a-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U0001bca0-\U0001bca3\U000e0000-\U000e0fff]"
)
_SPACES = frozenset("\t\x0b\x0c\u2028\u2029")
_BREAK = re.compile("\r\n?|\n|\u2028|\u2029")
_MAYBE_MARKS = re.compile(r"[^\w\0-\u02ff]{5,}")
"""Combining marks are neither letters nor digits, so a long run of them lies in such a run."""
_JAMO = re.compile("[\u1160-\u11ff\ud7b0-\ud7ff]{9,}")
"""Vowels and final consonants of Korean syllables, which take no space of their own either."""
_OVERLAYS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
"""Marks that belong to no script. Any letter may have them, one above the other."""
_MARKS = 8
"""Largest number of marks on one character. Burmese has up to 7, pointed and accented Hebrew 5."""
_OVERLAID = 4
"""Largest number of them that belong to no script."""
_NAME_READ = 1024
"""Characters of a file name that are read: the first ones, and the last ones, which may be its extension."""
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)
_SEPARATORS = str.maketrans(dict.fromkeys('/\\:*?"<>|', "_"))
_EXTENSION = 16


def clean(text: str, *, newline: bool = False) -> str:
    r"""Text that a terminal only shows: without control, escape, bidi and invisible characters.

    It is one line, in which every line end and tab became a space. With `newline`, "\n" stays.
    """
    if text.isascii() and text.isprintable():
        return text
    text = without_escapes(text)
    if newline:
        return "\n".join(map(_line, _BREAK.split(text)))
    return _line(_BREAK.sub(" ", text))


def without_escapes(text: str) -> str:
    """The text with a replacement character in place of each escape sequence."""
    return _ESCAPES.sub(REPLACEMENT, text) if any(begin in text for begin in _BEGINS) else text


def without_hidden(text: str) -> str:
    """The text without invisible characters, and without more marks than a character may have."""
    text = _MAYBE_MARKS.sub(_thinned, _INVISIBLE.sub("", text))
    return _JAMO.sub(lambda run: run[0][:_MARKS], text)


def _line(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    text = without_hidden(text)
    if text.isprintable():
        return text
    return text.translate({ord(char): _shown(char) for char in set(text) if not char.isprintable()})


def _thinned(run: re.Match[str]) -> str:
    """The run without marks beyond the limit of a character. They hide text above and below it."""
    kept: list[str] = []
    marks = overlaid = 0
    of_marks = {char for char in set(run[0]) if unicodedata.category(char)[0] == "M"}
    if not of_marks:  # such as dashes and emoji
        return run[0]
    for char in run[0]:
        if char not in of_marks:
            marks = overlaid = 0
        else:
            marks += 1
            overlaid += _OVERLAYS.match(char) is not None
            if marks > _MARKS or overlaid > _OVERLAID:
                continue
        kept.append(char)
    return "".join(kept)


def _shown(char: str) -> str:
    """The replacement for a character that is not printable."""
    if char in _SPACES or unicodedata.category(char) == "Zs":
        return " "
    return REPLACEMENT


def filename(text: str) -> str:
    """A file name that is safe on every system: one component, not hidden, not reserved, not an option.

    It has at most NAME_LIMIT bytes in UTF-8, keeps its extension, and is never empty.
    """
    if len(text) > _NAME_READ:
        text = text[: _NAME_READ - _EXTENSION] + text[-_EXTENSION:]
    name = unicodedata.normalize("NFC", clean(text)).replace(REPLACEMENT, "_").translate(_SEPARATORS)
    name = name.lstrip(" .-~").rstrip(" .")
    if _RESERVED.match(name):
        name = f"_{name}"
    return _shortened(name).rstrip(" .") or "unnamed"


def _shortened(name: str) -> str:
    if len(name.encode()) <= NAME_LIMIT:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > _EXTENSION:
        stem, dot, extension = name, "", ""
    room = NAME_LIMIT - len(f"{dot}{extension}".encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + dot + extension
