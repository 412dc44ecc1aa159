"""Decodes 8-bit charsets with one or several bytes a character, as supersets, and loses little to a bad byte.

Each charset with one byte a character has one table. Where the charset itself has no character, or a control
character, the table has that of Windows. So „quotes“ and the euro sign are read in mail that names an ISO
charset. Where Windows has none either, the table has U+FFFD.

Charsets with several bytes a character are Python's codecs, with the characters of supersets added. After a
bad byte, a codec may take the second byte of each character for the first, until the next ASCII character. So
reading continues at the offset from which the fewest further faults follow.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from functools import lru_cache

from muniment.mail.charsets.grids import BAD, UNDEFINED, grid

_FILLED = {
    "iso8859_2": "cp1250",
    "iso8859_3": "cp1254",
    "iso8859_4": "cp1257",
    "iso8859_5": "cp1251",
    "iso8859_6": "cp1256",
    "iso8859_7": "cp1253",
    "iso8859_8": "cp1255",
    "iso8859_10": "cp1257",
    "iso8859_13": "cp1257",
    "iso8859_14": "cp1252",
    "iso8859_15": "cp1252",
    "iso8859_16": "cp1250",
}
"""By an ISO charset: the Windows one that fills its gaps."""
_CODECS = {"cp932": "shift_jis"}
"""Codecs that replace others once there are bad bytes, because the others take bad bytes for characters."""
MULTIBYTE = frozenset(
    {
        *("gb18030", "big5hkscs", "cp949", "cp932", "johab", "euc_jp"),
        *("euc_jis_2004", "euc_jisx0213", "shift_jis_2004", "shift_jisx0213"),
    }
)
_CHARACTERLESS = "\x80\xa0\uf8f0\uf8f1\uf8f2\uf8f3"
"""What Python's cp932 makes of bytes that are no characters."""
_OF_JIS, _OF_MICROSOFT = "\u301c\u2016\u2212\u00a2\u00a3\u00ac", "\uff5e\u2225\uff0d\uffe0\uffe1\uffe2"
"""Characters of JIS X 0208, and those of Windows and browsers in their place, which Japanese mail is written
with."""
_HONG_KONG = (
    "㡵𡵓𣚞𦀡㻬𥣞㫵竼龗𤅡𨤍𣇪𠪊𣉞䌊蒄龖鐯䤰蘓墖靊鈘秐稲晠権袝瑌篅枂稬剏遆"
    "㓦珄𥶹瓆鿇垳䤯呌䄱𣚎堘穲𧭥讏䚮𦺈䆁𥶙箮𢒼鿈𢓁𢓉𢓌鿉蔄𣖻䂴鿊䓡𪷿拁灮鿋"
)
"""Characters that HKSCS-2008 added from 0x877A on. Python's codec of 2004 lacks them."""
_NO_LONGER_PRIVATE = dict(
    zip(
        "\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796"
        "\ue7c7\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864",
        "\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19"
        "\u1e3f\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb",
        strict=True,
    )
)
"""Characters to which GB 18030 of 2022 gives their own places in Unicode."""
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f](?=[\x80-\xff])")
"""A byte that replaces the first byte of a character, or is no text anyway."""
_IN_STEP = re.compile(rb"[\x00-\x2f]")
"""A byte that is never part of a longer character."""
_PARTED = re.compile(rb"!\r?\n ?([\x40-\x7e\x80-\xfe])")
"""What old mail servers inserted between the bytes of a character, to break a line that was too long for
them."""
_NO_CHARACTER = re.compile("[\ue000-\uf8ff\ufffd]")
"""What a misaligned text contains: bad bytes, and characters for private use."""
_WINDOW = 512
_TRIES = 1000
"""Faults of a text after which the best offset to continue is sought."""


@lru_cache(maxsize=128)
def table(name: str) -> str:
    """The characters of the 256 bytes in a charset of one byte a character."""
    filled = _FILLED.get(name, name)
    return "".join(_one(byte, name) or _one(byte, filled) or UNDEFINED for byte in range(256))


def _one(byte: int, name: str) -> str:
    """The character of a byte; "" for none. EBCDIC's control character for a new line counts as one."""
    try:
        found = bytes((byte,)).decode(name)
    except UnicodeDecodeError:
        return ""
    if found == "\x85":
        return "\n"
    return "" if "\x80" <= found <= "\x9f" else found


def read_single(raw: bytes, name: str) -> str:
    """Text in a charset of one byte a character. A byte without a character becomes U+FFFD."""
    return codecs.charmap_decode(raw, "replace", table(name))[0]


def read_strictly(raw: bytes, name: str, cut: bool = False) -> str | None:
    """Text in a charset of several bytes a character; None if a byte of it is bad.

    `cut`: an incomplete character at the end is left out.
    """
    try:
        text = codecs.getincrementaldecoder(name)().decode(raw) if cut else raw.decode(name)
    except UnicodeDecodeError:
        return None
    if name == "cp932" and any(char in text for char in _CHARACTERLESS):
        return None
    return _as_now(text, name)


def _as_now(text: str, name: str) -> str:
    """Correct what Python's codecs read differently from browsers and today's standards."""
    if name == "gb18030":
        for char, other in _NO_LONGER_PRIVATE.items():
            if char in text:
                text = text.replace(char, other)
    return as_microsoft(text) if name in ("euc_jp", "cp932") else text


def as_microsoft(text: str) -> str:
    """Japanese text with Windows' characters for some of JIS X 0208."""
    for char, other in zip(_OF_JIS, _OF_MICROSOFT, strict=True):
        if char in text:
            text = text.replace(char, other)
    return text


def read_with_faults(raw: bytes, name: str, cut: bool = False) -> str:
    """Text in a charset of several bytes a character, with U+FFFD for each fault.

    `cut`: an incomplete character at the end is left out.
    """
    errors = f"muniment-{name}{'-cut' if cut else ''}"
    return _as_now(_CONTROL.sub(b"\xff", raw).decode(_CODECS.get(name, name), errors), name)


def _handler(name: str, cut: bool) -> Callable[[UnicodeError], tuple[str, int]]:
    """The error handler of a codec.

    It returns the replacement for a fault, and the offset at which to continue.
    """
    added = _ADDED.get(name)

    def handle(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        raw, start = error.object, error.start
        if added is not None:
            text, size = added(raw, start)
            if text:
                return text, start + size
        parted = _PARTED.match(raw, start + 1)
        if parted is not None:
            text = _two(raw[start : start + 1] + parted[1], 0, name)
            if text:
                return text, parted.end()
        if start + 1 >= len(raw):
            return "" if cut else BAD, len(raw)
        tries = getattr(error, "tries", 0)
        error.tries = tries + 1  # type: ignore[attr-defined]
        step = _step(raw, start, _CODECS.get(name, name)) if tries < _TRIES else 1
        if name == "gb18030" and raw[start] == 0x80 and step == 1:
            return "\u20ac", start + 1
        return BAD, start + step

    return handle


def _step(raw: bytes, start: int, name: str) -> int:
    """How many bytes to skip so that the fewest faults follow before the codec is in step again."""
    most = 1
    while most < 3 and raw[start + most : start + most + 1] > b"\x7f":
        most += 1
    if most == 1:
        return 1
    found = _IN_STEP.search(raw, start + most, start + _WINDOW)
    end = found.end() if found is not None else start + _WINDOW
    read = (raw[start + step : end].decode(name, "replace") for step in range(1, most + 1))
    faults = [len(_NO_CHARACTER.findall(text)) for text in read]
    return faults.index(min(faults)) + 1


def _chinese(raw: bytes, start: int) -> tuple[str, int]:
    """A character that Microsoft's Big5 or the newest Hong Kong set adds, and its bytes."""
    place = int.from_bytes(raw[start : start + 2], "big") - 0x877A
    if place >= 0x27:  # no character ends with a byte between 0x7F and 0xA0
        place -= 0x22
    if 0 <= place < len(_HONG_KONG) and raw[start + 1] not in range(0x7F, 0xA1):
        return _HONG_KONG[place], 2
    return _two(raw, start, "cp950"), 2


def _shift_jis(raw: bytes, start: int) -> tuple[str, int]:
    """A character that NEC, IBM or Microsoft added to Shift_JIS, and its bytes."""
    text = _two(raw, start, "cp932")
    return ("" if text in _CHARACTERLESS else text), 2


def _two(raw: bytes, start: int, name: str) -> str:
    """The character of the two bytes at `start`; "" for none, or for one of private use."""
    try:
        text = raw[start : start + 2].decode(name)
    except UnicodeDecodeError:
        return ""
    return "" if len(text) != 1 or "\ue000" <= text <= "\uf8ff" else text


def _euc_jp(raw: bytes, start: int) -> tuple[str, int]:
    """A character that NEC or IBM added to EUC-JP (eucJP-ms), and its bytes."""
    third = raw[start : start + 1] == b"\x8f"
    pair = raw[start + 1 : start + 3] if third else raw[start : start + 2]
    if len(pair) < 2 or min(pair) < 0xA1 or max(pair) > 0xFE:
        return "", 0
    text = grid("jis2" if third else "jis")[(pair[0] & 0x7F) << 8 | pair[1] & 0x7F]
    return ("" if text == BAD else text), 3 if third else 2


_ADDED: dict[str, Callable[[bytes, int], tuple[str, int]]] = {
    "big5hkscs": _chinese,
    "cp932": _shift_jis,
    "euc_jp": _euc_jp,
}
for _name in MULTIBYTE:
    codecs.register_error(f"muniment-{_name}", _handler(_name, cut=False))
    codecs.register_error(f"muniment-{_name}-cut", _handler(_name, cut=True))
