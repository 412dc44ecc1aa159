"""Which charset a label means, as browsers and mail programs read it.

The labels of the WHATWG list come from `webencodings`, those of Python from its own table. The tables here
add what neither knows: labels of the IANA registry and of real mail, and numbers of code pages. Only letters
and digits of a label are compared, so `"x-cp1250"`, `cp-1250` and `CP1250;` are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from encodings.aliases import aliases
from functools import lru_cache

from webencodings.labels import LABELS

LENGTH_LIMIT = 64
"""Characters of a label that are read."""
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")
_NOT_TEXT = frozenset(
    {
        *("base64_codec", "bz2_codec", "hex_codec", "mbcs", "quopri_codec", "rot_13", "tactis", "uu_codec"),
        "zlib_codec",
    }
)
"""Python's codecs that do not turn bytes into text. Three more are missing from all tables: idna and
punycode, which take quadratic time, unicode_escape, which warns, and raw_unicode_escape."""

_MEANT = {
    "latin_1": "cp1252",
    "iso8859_1": "cp1252",
    "iso8859_9": "cp1254",
    "iso8859_11": "cp874",
    "tis_620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "cp950": "big5hkscs",
    "utf_8_sig": "utf_8",
    **dict.fromkeys((f"iso2022_jp_{n}" for n in ("1", "2", "3", "2004", "ext")), "iso2022_jp"),
}
"""By the name of a charset: the superset that mail means by it."""

_WITHOUT_ALIASES = (
    *("cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_t", "koi8_u", "mac_arabic"),
    *("mac_croatian", "mac_farsi", "mac_romanian", "palmos"),
)
"""Codecs that have no other names in Python's table."""

_WHATWG = {
    "ibm866": "cp866",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "iso-8859-8-i": "iso8859_8",
}
"""Names of the WHATWG list that Python does not know in this form."""

_BY_CHARSET = {
    "ascii": "usascii ascii7 isoir6us usaskey ascii7bit",
    "utf_8": "utf8mb4 utf8mb3 unicode11utf8 unicode20utf8 cesu8 utf8n utf8nobom utf8withbom",
    "utf_7": "unicode11utf7 unicode20utf7 utf7imap utf7optional xunicode20utf7",
    "utf_16": "unicode ucs2 iso10646ucs2 unicodefeff unicode11 unicode20 utf16 u16 isoiec10646 iso10646",
    "utf_16_le": "utf16le unicodelittle unicodelittleunmarked ucs2le",
    "utf_16_be": "utf16be unicodebig unicodebigunmarked unicodefffe ucs2be iso10646ucsbasic",
    "utf_32": "ucs4 iso10646ucs4 utf32",
    "utf_32_le": "ucs4le utf32le",
    "utf_32_be": "ucs4be utf32be",
    "cp1252": "ansi ansix31101983 ansix3110 isoir99 csat5001983 naplps latin west western westerneuropean"
    " iso88591windows30latin1 iso88591windows31latin1 isounicodelatin1 unicodelatin1 isolatin1 uslatin1",
    "cp1250": "iso88592windowslatin2 centraleurope easteurope msee",
    "cp1251": "win cyr ansicyrillic mscyrl",
    "cp1253": "msgreek",
    "cp1254": "iso88599windowslatin5 iso88599e msturk",
    "cp874": "thai tis62025330 tis6202533 windowsthai iso885911thai macthai",
    "iso8859_6": "iso88596e iso88596i",
    "iso8859_8": "iso88598i iso88598e logical visual",
    "cp1255": "machebrew mshebr",
    "cp1256": "msarab",
    "cp1257": "winbaltrim",
    "cp858": "pcmultilingual850euro",
    "mac_roman": "macroman appleroman applemacroman",
    "mac_latin2": "macce maccentraleurope maccentraleurroman mac_ce",
    "mac_cyrillic": "maccyrillic macukrainian macukraine",
    "mac_romanian": "macromania",
    "mac_iceland": "macicelandic",
    "gb18030": "xgbk gb231280 gb23121980 euccn cngb csgb231280 gb18030usascii chinesegb macchinesesimp"
    " macchinesesimplified simplifiedchinese hzgbk gb13000 isoir165",
    "big5hkscs": "xxbig5 cnbig5 big5eten bigfive big5plus chinesebig5 traditionalchinese macchinesetrad"
    " macchinesetraditional big5hkscs1999 big5hkscs2001 big5hkscs2004 big52003 big5uao eten",
    "cp932": "xsjis mskanji windows31j csshiftjis shiftjiscp932 cp932ibm ms932 sjiswin shiftjiswin"
    " macjapanese shiftjisms shiftjisx japanesesjis",
    "euc_jp": "xeucjp eucjpms eucjpwin eucjpopen extendedunixcodepackedformatforjapanese japaneseeuc ujis"
    " eucjpascii eucjaja",
    "cp949": "ksc56011987 ksc56011989 ksc56011992 kscxxxx ksx1001 windows949 uhc mackorean eucksc koreaneuc"
    " isoir149 ksc5601",
    "johab": "ksc56011992johab",
    "iso2022_jp": "iso2022jpms iso2022jpcp932 cp50221 cp50220raw jis jis7 jis8 jisencoding csjisencoding"
    " iso2022 isojp",
    "iso2022_kr": "csiso2022kr",
    "iso2022_cn": "iso2022cn iso2022cnext iso2022cngb",
    "hz": "hzgb2312 hzgb",
    "koi8_r": "koi koi8 koi8rasc koi8rus",
    "koi8_u": "koi8ru koi8ukr",
    "kz1048": "kz1048 strk10482002 rk1048",
    "ptcp154": "cyrillicasian pt154",
}  # fmt: skip
"""Further labels of a charset, which add to or override those of Python and the WHATWG."""

_PAGES: dict[str, tuple[int, ...]] = {
    "ascii": (367, 20127),
    "utf_8": (1208, 65001),
    "utf_7": (65000,),
    "utf_16_le": (1200,),
    "utf_16_be": (1201,),
    "utf_32_le": (12000,),
    "utf_32_be": (12001,),
    **{f"iso8859_{part}": (28590 + part,) for part in (10, 11, 14, 16)},
    "iso8859_1": (819, 28591),
    "iso8859_2": (912, 28592),
    "iso8859_3": (913, 28593),
    "iso8859_4": (914, 28594),
    "iso8859_5": (915, 28595),
    "iso8859_6": (1089, 28596, 708),
    "iso8859_7": (813, 28597),
    "iso8859_8": (916, 28598, 38598),
    "iso8859_9": (920, 28599),
    "iso8859_13": (921, 28603),
    "iso8859_15": (923, 28605),
    "cp874": (1162,),
    "koi8_r": (878, 20866),
    "koi8_u": (1168, 21866),
    "gb18030": (936, 1381, 1386, 1392, 5488, 10008, 20936, 51936, 54936),
    "big5hkscs": (950, 951, 1370, 1375, 5471, 10002, 51950),
    "cp932": (941, 942, 943, 10001),
    "euc_jp": (20932, 33722, 51932),
    "cp949": (970, 1363, 10003, 20949, 51949),
    "johab": (1361,),
    "iso2022_jp": (50220, 50221, 50222),
    "iso2022_kr": (50225,),
    "iso2022_cn": (50227, 50229),
    "hz": (52936,),
    "mac_roman": (10000,),
    "mac_arabic": (10004,),
    "cp1255": (10005,),
    "mac_greek": (10006,),
    "mac_cyrillic": (10007, 10017),
    "mac_romanian": (10010,),
    "mac_latin2": (10029,),
    "mac_iceland": (10079,),
    "mac_turkish": (10081,),
    "mac_croatian": (10082,),
    "cp273": (20273,),
    "cp424": (20424,),
    "cp500": (20297,),
}
"""Code pages of Microsoft and IBM whose number alone names no codec of Python."""
_BY_PAGE = {page: name for name, pages in _PAGES.items() for page in pages}
_PAGE = re.compile(
    r"(?:cp|windows|win|ms|msdos|mscp|ibm|ibmcp|dos|codepage|ansi|oem|pc|pcp|ccsid|db2|microsoftcp|"
    r"windowscodepage|mscodepage)0*([1-9][0-9]{2,4})"
)
_BEFORE = ("3d", "charset", "x", "cs", "ms", "pc")
"""Prefixes of a label: an escape of quoted-printable, the name of the parameter, marks of private labels."""
_SHORTEST = 4
"""Fewest letters and digits of a label that is recognised as the beginning of another."""


def _compact(label: str) -> str:
    return _NOT_ALPHANUMERIC.sub("", label.lower())


def _table() -> dict[str, str]:
    """The charset of each label, reduced to letters and digits."""
    found = {}
    python = {**aliases, **{name: name for name in (*aliases.values(), *_WITHOUT_ALIASES)}}
    for label, name in LABELS.items():
        named = python.get(re.sub("[^a-z0-9]", "_", _WHATWG.get(name, name)))
        if named is not None:  # neither x-user-defined nor a charset that the standard refuses to read
            found[_compact(label)] = named
    found |= {_compact(label): name for label, name in python.items() if name not in _NOT_TEXT}
    for name, labels in _BY_CHARSET.items():
        found |= dict.fromkeys((_compact(label) for label in labels.split()), name)
    return {label: _MEANT.get(name, name) for label, name in found.items()}


_CHARSETS = _table()
KNOWN = frozenset(_CHARSETS)
"""Every label that is known directly, reduced to letters and digits."""


@lru_cache(maxsize=512)
def charset_of(label: str) -> str:
    """The name of the charset that a label means; "" for a label that means none.

    Labels are cached, so the caller cuts them to LENGTH_LIMIT characters.
    """
    compact = _compact(label)
    if compact in _CHARSETS:
        return _CHARSETS[compact]
    if compact.startswith(("unicodeescape", "rawunicode", "xuserdefined")):
        return ""
    spellings = [*_spellings(compact), *_spellings(_compact(label.partition(":")[0]))]
    for read in (_CHARSETS.get, _by_number, _by_beginning):
        for one in spellings:
            found = read(one)
            if found:
                return found
    return ""


def _spellings(compact: str) -> Iterator[str]:
    """Yield a label, and what is left of it without its prefixes."""
    prefix: str | None = ""
    while prefix is not None:
        compact = compact[len(prefix) :]
        yield compact
        prefix = next((one for one in _BEFORE if compact.startswith(one)), None)


def _by_number(compact: str) -> str:
    """The charset of a code page."""
    page = _PAGE.fullmatch(compact)
    if page is None:
        return ""
    name = _BY_PAGE.get(int(page[1])) or _CHARSETS.get(f"cp{page[1]}", "")
    return _MEANT.get(name, name)


def _by_beginning(compact: str) -> str:
    """The charset of the longest label at the beginning of this one, as in `utf-8http-equiv`."""
    for end in range(len(compact) - 1, _SHORTEST - 1, -1):
        if compact[end].isdigit() and compact[end - 1].isdigit():
            continue  # never cut a number
        if compact[:end] in _CHARSETS:
            return _CHARSETS[compact[:end]]
    return ""
