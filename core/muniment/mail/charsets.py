"""Text from bytes in the charset that mail names, whatever it names. Never raises."""

from __future__ import annotations

import codecs
import re
from encodings.aliases import aliases
from functools import lru_cache

_NOT_TEXT = frozenset(
    {
        "base64_codec",
        "bz2_codec",
        "hex_codec",
        "mbcs",
        "quopri_codec",
        "rot_13",
        "tactis",
        "uu_codec",
        "zlib_codec",
    }
)
_KNOWN = frozenset(aliases) | frozenset(aliases.values()) | {"cp720", "cp737", "cp856", "cp874", "koi8_u"}
"""Names that Python has a codec for. Only these are looked up: a failed look-up is slow, and is remembered
for ever. Codecs that are missing here on purpose: idna and punycode (quadratic), unicode_escape (warns)."""
_WIDER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso8859_1": "cp1252",
    "latin_1": "cp1252",
    "iso8859_9": "cp1254",
}
"""Supersets that mail means when it names the smaller set; the set itself is what is tried next."""
_EXTRA = {
    "unicode_1_1_utf_7": "utf_7",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "x_sjis": "cp932",
    "x_gbk": "gb18030",
    "x_euc_jp": "euc_jp",
    "x_mac_roman": "mac_roman",
    "win_1251": "cp1251",
    "utf8mb4": "utf_8",
}
_PUNCTUATION = re.compile(r"[^a-z0-9]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


def codec(charset: str) -> str:
    """Python's name of the codec for a charset's label; "" for one that nobody knows."""
    return _codec(charset[:64])


@lru_cache(maxsize=512)
def _codec(label: str) -> str:
    name = _PUNCTUATION.sub("_", label.lower()).strip("_")
    name = _EXTRA.get(name, name)
    if name not in _KNOWN or aliases.get(name, name) in _NOT_TEXT:
        return ""
    try:
        return codecs.lookup(name).name.replace("-", "_")
    except LookupError:
        return ""


def to_text(raw: bytes, charset: str = "") -> str:
    """The text that `raw` is in `charset`; undeclared, unknown or mistaken: UTF-8, else Latin-1.

    Bytes that a known charset can't read become U+FFFD. There is never a lone surrogate in it.
    """
    if raw.isascii() and not charset:
        return raw.decode("ascii")
    name = codec(charset) if charset else ""
    if name in ("", "ascii", "utf_8"):
        return _undeclared(raw) if name != "utf_8" else raw.decode("utf-8", "replace")
    for candidate in (_WIDER.get(name, name), name):
        try:
            return _SURROGATE.sub("\ufffd", raw.decode(candidate))
        except UnicodeError:
            continue
    return _SURROGATE.sub("\ufffd", raw.decode(name, "replace"))


def _undeclared(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
