"""Text from bytes in the charset that mail names, also if the name is wrong. Never raises.

Labels are read as browsers and Outlook read them, as supersets (`mail.charsets.labels`), and doubted if the
bytes contradict them. A wrong label costs no text, and a bad byte costs one character:

- Bytes that are valid UTF-8 and not just ASCII are UTF-8 under any label, unless the label's charset
  gives a plausible text, too.
- Text without a label is read by its first bytes or its escapes, otherwise by the message's other labels,
  otherwise as Windows-1252. So is text that is labelled as UTF-8 or ASCII and is neither.
- A guess never gives control characters of the upper half (C1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

from muniment.mail.charsets import escapes
from muniment.mail.charsets.grids import BAD
from muniment.mail.charsets.labels import LENGTH_LIMIT, charset_of
from muniment.mail.charsets.recovery import MULTIBYTE, read_single, read_strictly, read_with_faults, table

Others = Callable[[], Iterable[str]]
"""Gives the labels that a message names elsewhere, the likeliest first. Called only if one is needed."""
_UNSURE = frozenset({"", "ascii", "utf_8"})
"""Labels that do not help with bytes that are no UTF-8."""
_ESCAPE = 0x1B
_WIDE = {"utf_16": 2, "utf_16_le": 2, "utf_16_be": 2, "utf_32": 4, "utf_32_le": 4, "utf_32_be": 4}
"""Bytes of a unit."""
_LATIN = frozenset(
    {"cp1252", "cp1250", "cp1254", "cp1257", "iso8859_2", "iso8859_15", "mac_roman", "cp850", "cp437"}
)
"""Charsets of Latin letters, in which two letters of the upper half are seldom adjacent."""
_BOMS = (
    (b"\xef\xbb\xbf", "utf_8"),
    (b"\xff\xfe\0\0", "utf_32_le"),
    (b"\0\0\xfe\xff", "utf_32_be"),
    (b"\xff\xfe", "utf_16_le"),
    (b"\xfe\xff", "utf_16_be"),
)
_MARKS = tuple(mark for mark, _ in _BOMS)
_LOOK = 1024
"""Bytes at its beginning that decide the byte order of a text."""
_UNLIKELY = re.compile("[\u0180-\u036f\u0500-\u058f\u0700-\u07ff]")
"""What a capital letter followed by a quote or a dash in Windows-1252 looks like, read as UTF-8."""
_WITHIN_WORD = re.compile("[A-Za-z][\u00c0-\u024f]|[\u00c0-\u024f][A-Za-z]")
_SEVERAL = 6
"""Number of characters of several bytes that can't be UTF-8 by chance."""
_SHORT = 200
_BAD_BYTES = BAD.encode()
_UPPER_RUN = re.compile(rb"[\x80-\xff]+")
_CESU = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
"""A character beyond 16 bits as Java and Oracle write it in UTF-8: two surrogates."""
_TAIL = re.compile(rb"(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z")
"""An incomplete character of UTF-8 at the end of a text."""
_NOISE = b"\x81\x8d\x8f\x90\x9d\xff"
"""Bytes that have no character in Windows-1252, or one that few texts use."""
_FAULTS = re.compile(f"{BAD}{{2,4}}")
_RELATIVES = {
    "iso2022_jp": ("euc_jp", "cp932"),
    "cp932": ("euc_jp",),
    "euc_jp": ("cp932",),
    "iso2022_kr": ("cp949",),
    "iso2022_cn": ("gb18030",),
    "hz": ("gb18030",),
}
"""Charsets of the same language that are often mistaken for this one."""


def none_stated() -> Iterable[str]:
    """No labels: for text that is not part of a message."""
    return ()


def codec(charset: str) -> str:
    """The name of the charset that a label means; "" for a label that is not known."""
    return charset_of(charset[:LENGTH_LIMIT])


def says_little(charset: str) -> bool:
    """Whether a label does not help with bytes that are no UTF-8.

    Such labels are none, an unknown one, UTF-8's and ASCII's.
    """
    return charset_of(charset[:LENGTH_LIMIT]) in _UNSURE


def writes_lines(charset: str) -> bool:
    """Whether text with that label has line ends as in ASCII: not UTF-16, EBCDIC, or HZ with its `~` LF."""
    name = codec(charset)
    if name in _WIDE or name == "hz":
        return False
    return name in _UNSURE or name in MULTIBYTE or name in escapes.READERS or table(name)[10] == "\n"


def marked(raw: bytes) -> str:
    """The charset of the UTF-16 or UTF-32 byte order mark at the beginning; "" for none."""
    name = _mark(raw) if raw.startswith(_MARKS) else ""
    return name if name in _WIDE else ""


def _mark(raw: bytes) -> str:
    """The charset of the byte order mark at the beginning; "" for none."""
    return next((name for mark, name in _BOMS if raw.startswith(mark)), "")


def to_text(raw: bytes, charset: str = "", others: Others = none_stated, *, cut: bool = False) -> str:
    """The text of bytes in a charset. It never contains a lone surrogate. Never raises.

    Args:
        raw: the bytes.
        charset: the label that the mail gives; "" for none.
        others: gives the labels that the message names elsewhere.
        cut: the end may lie inside a character, which is then left out.
    """
    name = charset_of(charset[:LENGTH_LIMIT]) if charset else ""
    if name in _UNSURE:
        if raw.isascii():
            if _ESCAPE not in raw:
                return raw.decode("ascii")
        else:
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError:
                pass
            else:
                return text[1:] if text[0] == "\ufeff" else text
        return _guessed(raw, name, others, cut)
    if name in escapes.READERS:
        return _switching(raw, name, others, cut)
    if name in _WIDE:
        return _in_units(raw, name, others, cut)
    if raw.isascii() and _ESCAPE not in raw and table_is_ascii(name):
        return raw.decode("ascii")
    if escapes.switches(raw):
        return escapes.read_iso2022(raw, cut=cut)
    if name in MULTIBYTE:
        return _multibyte(raw, name, others, cut)
    utf8 = _utf8(raw, cut)
    if utf8 is not None and _is_utf8(utf8, name):
        return utf8
    return read_single(raw, name)


def table_is_ascii(name: str) -> bool:
    """Whether the lower half of a charset, given by its name, is that of ASCII."""
    return name in MULTIBYTE or table(name)[65:91] == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _utf8(raw: bytes, cut: bool) -> str | None:
    """The text in UTF-8; None if it is not valid."""
    if len(raw) < _SHORT and not cut and BAD in raw.decode("utf-8", "replace") and _BAD_BYTES not in raw:
        return None  # the same result as by the exception, in a third of the time
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if not (cut and error.end == len(raw) and _TAIL.search(raw, error.start) is not None):
            return None
        text = raw[: error.start].decode("utf-8")
    return text[1:] if text.startswith("\ufeff") else text


def _is_utf8(text: str, name: str) -> bool:
    """Whether bytes that are valid UTF-8 are UTF-8, though the label names a charset of one byte a character.

    Two letters of a Latin charset are seldom valid UTF-8. Those of other charsets can be: `รถ` in Thai is
    `ö`. So for those the characters must be in that charset, or be many, or be inside words of Latin letters.
    """
    upper = [char for char in text if char > "\x7f"]
    if not upper:
        return False
    if len(upper) >= _SEVERAL:
        return True
    if name in _LATIN:
        return _UNLIKELY.search(text) is None
    if _WITHIN_WORD.search(text) is not None:
        return True
    known = set(table(name))
    return sum(char in known for char in upper) * 2 > len(upper)


def _guessed(raw: bytes, name: str, others: Others, cut: bool) -> str:
    """Text whose label is missing or useless: `name` is "", "ascii" or "utf_8"."""
    text = _utf8(raw, cut)
    if escapes.switches(raw) and (text is None or raw.isascii()):
        return escapes.read_iso2022(raw, cut=cut)
    if text is not None:
        return text
    text, good, bad = _faulty_utf8(raw)
    if raw.startswith(b"\xef\xbb\xbf") or good >= bad * (1 if name == "utf_8" else 2):
        return text
    for label in others():
        read = _by_other(raw, codec(label), cut)
        if read is not None:
            return read
    if name == "utf_8" and _TAIL.sub(b"", raw).translate(None, _NOISE).isascii():
        return text
    return read_single(raw, "cp1252")


def _by_other(raw: bytes, name: str, cut: bool) -> str | None:
    """Text in a charset that the message names elsewhere, or in a relative of it; None if neither fits."""
    for one in (name, *_RELATIVES.get(name, ())):
        if one in MULTIBYTE:
            read = _other_multibyte(raw, one, cut)
            if read is not None:
                return read
        elif not (one in _UNSURE or one in _WIDE or one in escapes.READERS) and table_is_ascii(one):
            return read_single(raw, one)
    return None


def _other_multibyte(raw: bytes, name: str, cut: bool) -> str | None:
    """Text in the charset of another label, if nearly all of it is valid; None otherwise.

    If most bytes of the upper half are single, they are letters with accents.
    """
    runs = _UPPER_RUN.findall(raw)
    if sum(len(run) > 1 for run in runs) * 2 < len(runs):
        return None
    text = read_strictly(raw, name, cut)
    if text is None:
        text = read_with_faults(raw, name, cut)
        if not _mostly_good(text):
            return None
    return text


def _faulty_utf8(raw: bytes) -> tuple[str, int, int]:
    """Text with U+FFFD for each fault in UTF-8.

    Returns:
        The text, and the numbers of good and bad characters of several bytes.
    """
    if b"\xed" in raw:
        raw = _CESU.sub(_joined, raw)
    text = _FAULTS.sub(BAD, raw.decode("utf-8", "replace"))
    bad = text.count(BAD)
    good = len(text) - len(text.encode("ascii", "ignore")) - bad
    return text.removeprefix("\ufeff"), good, bad


def _joined(pair: re.Match[bytes]) -> bytes:
    units = pair[0].decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass")
    return units.decode("utf-16").encode()


def _mostly_good(text: str, share: int = 4) -> bool:
    """Whether there are `share` times as many good characters beyond ASCII as bad ones."""
    bad = text.count(BAD)
    return len(text) - len(text.encode("ascii", "ignore")) - bad >= bad * share


@cache
def _asian() -> re.Pattern[str]:
    """Matches a character of East Asia. Few mails need it, and it takes long to compile."""
    return re.compile("[\u2e80-\ud7ff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


def _multibyte(raw: bytes, name: str, others: Others, cut: bool) -> str:
    """Text whose label names a charset with several bytes a character."""
    utf8 = _utf8(raw, cut)
    if utf8 is not None:
        upper = len(utf8) - len(utf8.encode("ascii", "ignore"))
        if len(_asian().findall(utf8)) * 2 > upper:
            return utf8
    text = read_strictly(raw, name, cut)
    if text is not None:
        return text
    if utf8 is not None:
        return utf8
    text = None if cut else read_strictly(raw, name, cut=True)
    if text is not None:
        return text + BAD
    text = read_strictly(raw, "euc_jp", cut) if name == "cp932" else None
    if text is not None:  # Shift_JIS would read it as half-width kana
        return text
    text = read_with_faults(raw, name, cut)
    if _mostly_good(text):
        return text
    for relative in _RELATIVES.get(name, ()):
        read = read_strictly(raw, relative, cut)
        if read is not None:
            return read
    return text if _mostly_good(text, 1) else _guessed(raw, "", others, cut)


def _switching(raw: bytes, name: str, others: Others, cut: bool) -> str:
    """Text whose label names a charset of seven bits."""
    if not raw.isascii() and not _has_switches(raw, name):
        text = _utf8(raw, cut)
        if text is not None:
            return text
        for relative in _RELATIVES.get(name, ()):
            text = _other_multibyte(raw, relative, cut)
            if text is not None:
                return text
        return _guessed(raw, "", others, cut)
    if name == "hz" and b"~{" not in raw and escapes.switches(raw):
        name = "iso2022_jp"
    return escapes.READERS[name](raw, cut).removeprefix("\ufeff")


def _has_switches(raw: bytes, name: str) -> bool:
    return any(mark in raw for mark in {"hz": (b"~{", b"~}"), "utf_7": (b"+",)}.get(name, (b"\x1b", b"\x0e")))


def _in_units(raw: bytes, name: str, others: Others, cut: bool) -> str:
    """Text labelled as UTF-16 or UTF-32. If it is clearly text of single bytes, the label is ignored."""
    if b"\0" not in raw and not _mark(raw):
        words = len(raw.split()) > 1 or len(raw) % _WIDE[name]
        if words and (raw.isascii() or _utf8(raw, cut) is not None):
            return _guessed(raw, "", others, cut)
    return _units(raw, _order(raw, name), cut)


def _order(raw: bytes, name: str) -> str:
    """The charset with its byte order: by a mark, by the label, or by where the zeros are."""
    mark = marked(raw)
    if mark or name not in ("utf_16", "utf_32"):
        return mark or name
    begin = raw[: min(_LOOK, len(raw) // 4 * 4)]
    if name == "utf_32":
        return f"{name}_be" if begin[::4].count(0) > begin[3::4].count(0) else f"{name}_le"
    even, odd = begin[::2].count(0), begin[1::2].count(0)
    if even == odd:
        # The upper bytes of a text have few values, since it is in one script. In doubt they come first
        # (RFC 2781).
        even, odd = -len(set(begin[::2])), -len(set(begin[1::2]))
    return f"{name}_le" if odd > even else f"{name}_be"


def _units(raw: bytes, name: str, cut: bool) -> str:
    over = len(raw) % _WIDE[name]
    if over and (cut or not raw[-over:].strip()):  # such as the line end that an mbox file adds
        raw = raw[: len(raw) - over]
    text = raw.decode(name, "replace")
    if (
        cut
        and name.startswith("utf_16")
        and text.endswith(BAD)
        and raw[-2:] not in (b"\xff\xfd", b"\xfd\xff")
    ):
        text = text[:-1]
    return text[1:] if text.startswith("\ufeff") else text
