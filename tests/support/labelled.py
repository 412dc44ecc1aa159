"""Labels of charsets, each with a codec that writes text in the charset, and a text for it.

The labels are those of the WHATWG list and of Python, and those seen in mail. The codecs are those of Python,
found without the code under test.
"""

from __future__ import annotations

import base64
import codecs
import pkgutil
import re
from collections.abc import Iterator
from encodings import __path__ as codecs_path
from encodings.aliases import aliases
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from webencodings.labels import LABELS

NO_CHARSETS = frozenset(
    {
        *("aliases", "base64_codec", "bz2_codec", "charmap", "hex_codec", "idna", "mbcs", "oem", "punycode"),
        *("quopri_codec", "raw_unicode_escape", "rot_13", "tactis", "undefined", "unicode_escape"),
        *("uu_codec", "zlib_codec"),
    }
)
"""Python's codecs that are no charsets of mail."""
WHATWG_CODECS = {
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "iso-2022-jp": "iso2022_jp_ext",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "iso-8859-8-i": "iso8859_8",
    "windows-874": "cp874",
    "utf-16le": "utf_16_le",
    "utf-16be": "utf_16_be",
}
"""Python's names for charsets that the WHATWG list names differently."""
REFUSED_BY_BROWSERS = {
    "hz-gb-2312": "hz",
    "iso-2022-kr": "iso2022_kr",
    "csiso2022kr": "iso2022_kr",
    "iso-2022-cn": "iso2022_cn",
    "iso-2022-cn-ext": "iso2022_cn",
    "replacement": "",
    "x-user-defined": "",
}
"""Labels that the standard refuses to read, for the safety of web pages. Text in mail is no danger."""
SEEN = {
    "utf_8": "utf8 utf-8; 'utf-8' =utf-8 3Dutf-8 utf-8http-equiv utf-8return-path utf8mb4 UTF_8 utf-8\\n"
    " cp65001 unicode-1-1-utf-8 charset=utf-8 x-utf-8 csUTF8 utf-8-sig"
    " cesu-8 utf8mb3 utf-8-nobom utf8-with-bom",
    "ascii": "us-ascii*en charset=us-ascii ansi_x3.4-1968 ansi_x3.4-1986 ISO646-US 646 cp367"
    " iso_646.irv:1991"
    " ascii7 ascii-7bit iso-ir-6us usaskey",
    "cp1252": "iso-8859-1;format=flowed iso8859_1 x-iso-8859-1 latin-1 iso-latin-1 ansi_x3.110 win-1252"
    " ansi_x3.110-1983 windows-1252http-equivcontent-type cp-1252 ms-ansi windows1252 3Diso-8859-1 ansi"
    " ISO-8859-1-Windows-3.1-Latin-1 cswindows1252 ibm819 us-latin1"
    " iso-ir-99 csa_t500-1983 naplps west western western-european"
    " iso-8859-1-windows-3.0-latin-1 iso-unicode-latin-1 unicode-latin-1",
    "cp1250": "x-cp1250 win-1250 ms1250 cp-1250"
    " central-europe easteurope ms-ee iso-8859-2-windows-latin-2",
    "cp1251": "x-cp1251 win-1251 cp-1251 win windows1251 ms-cyrl ansi-1251"
    " ansi-cyrillic cyr",
    "cp1253": "x-cp1253 ms-greek",
    "cp1254": "iso-8859-9 latin5 x-cp1254 ms-turk iso-8859-9-e"
    " iso-8859-9-windows-latin-5",
    "cp1255": "x-cp1255 ms-hebr x-mac-hebrew"
    " mac-hebrew",
    "cp1256": "x-cp1256 ms-arab",
    "cp1257": "winbaltrim x-cp1257",
    "cp1258": "x-cp1258",
    "cp437": "ibm437 cp-437 oem-437 dos-437 cspc8codepage437",
    "cp850": "ibm850 cp-850 cp850 dos-850 pc850 cspc850multilingual",
    "cp852": "cp-852 dos-852 cspcp852 ibm852",
    "cp858": "cp00858 ibm00858 pc-multilingual-850+euro",
    "cp866": "ibm866 dos-866 cp-866 csIBM866",
    "cp874": "windows-874 dos-874 x-windows-874 tis-620 tis620.2533 iso-8859-11 ms874 cp-874 iso-ir-166"
    " iso-8859-11-thai mac-thai tis620.2533-0 windows-thai",
    "iso8859_2": "latin2 iso_8859-2:1987 3Diso-8859-2 x-iso-8859-2 cp28592 ibm912",
    "iso8859_5": "iso-ir-144 cp28595",
    "iso8859_6": "iso-8859-6-i iso-8859-6-e asmo-708 arabic",
    "iso8859_7": "elot_928 ecma-118 iso-ir-126 greek8",
    "iso8859_8": "iso-8859-8-i iso-8859-8-e logical visual csISO88598I",
    "iso8859_15": "latin-9 latin9 cp28605 iso-8859-15:1999 iso_8859-15",
    "koi8_r": "koi8 koi koi-8-r koi8-r koi8r cskoi8r cp20866 cp878 x-koi8-r"
    " koi8-rasc koi8-rus",
    "koi8_u": "koi8-ru koi8-u cp21866"
    " koi8-ukr",
    "mac_roman": "x-mac-roman macintosh x-macroman apple-roman cp10000 csmacintosh x-mac"
    " apple-mac-roman",
    "mac_latin2": "x-mac-ce x-mac-centraleurroman macce"
    " mac-centraleurroman",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian maccyrillic cp10007"
    " mac-ukraine mac-ukrainian",
    "mac_greek": "x-mac-greek",
    "mac_turkish": "x-mac-turkish",
    "mac_iceland": "x-mac-icelandic"
    " mac-icelandic",
    "mac_croatian": "x-mac-croatian",
    "mac_romanian": "x-mac-romanian"
    " mac-romania",
    "mac_arabic": "x-mac-arabic",
    "gb18030": "gb2312 gb_2312-80 gb2312-80 x-gbk gbk cp936 ms936 windows-936 gb2312_charset euc-cn x-euc-cn"
    " gb-18030 x-mac-chinesesimp cn-gb csgb2312 csISO58GB231280 gb2312;"
    " chinese-gb csgb231280 gb13000 gb18030-usascii hz-gbk iso-ir-165 mac-chinesesimp"
    " mac-chinese-simplified simplified-chinese",
    "big5": "big-5 x-x-big5 cn-big5 chinesebig5 big5-eten cp950 ms950 windows-950 x-mac-chinesetrad csbig5"
    " big5-2003 big5-plus bigfive eten mac-chinesetrad mac-chinese-traditional"
    " traditional-chinese",
    "big5hkscs": "big5-hkscs big5hk hkscs big5-hkscs:2004"
    " big5-hkscs:1999 big5-hkscs:2001 big5-uao",
    "cp949": "ks_c_5601-1987 ks_c_5601 ksc5601 ks_c_5601-1989 euc-kr cp949 windows-949 x-windows-949 uhc"
    " x-mac-korean korean ms949 euckr"
    " euc-ksc korean-euc ks_c_5601-1992 ks_c_xxxx mac-korean",
    "johab": "johab ms1361 cp1361"
    " ks_c_5601-1992-johab",
    "cp932": "shift_jis shift-jis x-sjis sjis windows-31j ms932 cp932 ms_kanji csWindows31J csShiftJIS"
    " x-ms-cp932 windows-932 x-mac-japanese shift_jis-ms ibm943"
    " cp932-ibm japanese-sjis mac-japanese shift_jis-cp932 shift_jis-win shift_jisx sjis-win",
    "euc_jp": "x-euc-jp eucjp euc-jp-ms eucjp-ms eucjp-win eucjp-open ujis cp51932 cseucpkdfmtjapanese"
    " euc-ja-ja eucjp-ascii extended_unix_code_packed_format_for_japanese japanese-euc",
    "iso2022_jp_ext": "iso-2022-jp iso-2022-jp-ms cp50220 cp50221 cp50222 iso-2022-jp-1 iso-2022-jp-2"
    " csiso2022jp _iso-2022-jp$esc jis x-iso-2022-jp iso2022jp"
    " cp50220raw csJISEncoding iso-2022 iso-2022-jp-cp932 iso-jp jis7 jis8 jis_encoding",
    "iso2022_kr": "iso-2022-kr csiso2022kr iso2022kr cp50225",
    "iso2022_cn": "iso-2022-cn iso-2022-cn-ext iso-2022-cn-gb",
    "hz": "hz-gb-2312 hz x-hz-gb-2312 cp52936",
    "utf_7": "utf-7 unicode-1-1-utf-7 utf7 x-unicode-2-0-utf-7 cp65000 csunicode11utf7 utf-7-imap"
    " unicode-2-0-utf-7 utf-7-optional",
    "utf_16": "utf-16 unicode ucs-2 iso-10646-ucs-2 csunicode utf16 unicode-1-1"
    " iso-10646 iso/iec-10646 unicode-2-0",
    "utf_16_le": "utf-16le ucs-2le cp1200 utf16-le"
    " unicodelittle",
    "utf_16_be": "utf-16be ucs-2be unicodefffe cp1201 unicodebigunmarked"
    " iso-10646-ucs-basic unicodebig",
    "utf_32": "utf-32 ucs-4 iso-10646-ucs-4 utf32",
    "utf_32_le": "utf-32le cp12000"
    " ucs-4le",
    "utf_32_be": "utf-32be cp12001"
    " ucs-4be",
    "cp037": "ebcdic-cp-us ibm037 cp-037 csIBM037",
    "cp500": "ebcdic-cp-be ibm500 ebcdic-cp-ch",
    "cp273": "ibm273 csIBM273",
    "cp1140": "ibm1140 cp-1140",
    "hp_roman8": "hp-roman8 roman8 r8 csHPRoman8",
    "kz1048": "kz-1048 rk1048 strk1048-2002",
    "ptcp154": "pt154 csPTCP154 cyrillic-asian",
}  # fmt: skip
"""By the codec to write with: labels seen in mail, in lists of mail programs, in the IANA registry."""
UNKNOWN = (
    *("x-unknown", "unknown-8bit", "unknown", "8bit", "7bit", "none", "default", "default_charset", "binary"),
    *(
        "x-user-defined",
        "fakescii",
        "rot13",
        "zlib",
        "base64",
        "punycode",
        "idna",
        "unicode_escape",
        "en",
        "-",
    ),
)
"""Labels seen in mail that mean no charset."""
TEXTS = (
    ("Japanese", "御見積書"), ("Japanese", "ﾐﾂﾓﾘ"), ("Traditional Chinese", "報價單"), ("Chinese", "报价单"),
    ("Korean", "견적서"), ("Thai", "ใบเสนอราคา"), ("Hebrew", "הצעתמחיר"), ("Arabic", "عرضسعر"),
    ("Kazakh", "ұсыныс"), ("Ukrainian", "пропозиція"), ("Russian", "предложение"), ("Greek", "προσφορά"),
    ("Vietnamese", "bảnchàogiá"), ("Icelandic", "þjónustugjaldið"), ("Turkish", "çağrışım"),
    ("Romanian", "ofertăpreţ"), ("Latvian", "piedāvājums"), ("Polish", "świadczyłą"),
    ("Croatian", "narudžbenica"),
    ("Welsh", "cynigŵyl"), ("Maltese", "offertaħaġa"), ("German", "größenmaßstäbe"), ("English", "quotation"),
)  # fmt: skip
"""A word of each language. Scripts with many characters come first."""
PREFERRED = {
    "gb": "Chinese",
    "hz": "Chinese",
    "big5": "Traditional Chinese",
    "cp950": "Traditional Chinese",
    "cp949": "Korean",
    "euc_kr": "Korean",
    "iso2022_kr": "Korean",
    "johab": "Korean",
}
"""By the beginning of a codec's name: the language that is written with it."""


class Labelled(NamedTuple):
    """A label, and the codec that writes its charset."""

    label: str
    codec: str
    source: str


@lru_cache(maxsize=1)
def labelled() -> tuple[Labelled, ...]:
    """Every known label once, by the list that has it."""
    found: dict[str, Labelled] = {}
    for one in (*_of_mail(), *_of_the_whatwg(), *_of_python()):
        found.setdefault(one.label.lower(), one)
    return tuple(found.values())


def _of_mail() -> Iterator[Labelled]:
    for codec, labels in SEEN.items():
        for label in labels.split():
            yield Labelled(label, codec, "mail")


def _of_the_whatwg() -> Iterator[Labelled]:
    for label, name in LABELS.items():
        codec = REFUSED_BY_BROWSERS.get(label, WHATWG_CODECS.get(name, name))
        if label in ("utf-16", "unicode", "ucs-2", "iso-10646-ucs-2", "csunicode", "unicodefeff"):
            codec = "utf_16"
        if codec:
            yield Labelled(label, codec, "WHATWG")


def _of_python() -> Iterator[Labelled]:
    names = {info.name for info in pkgutil.iter_modules(codecs_path)} - NO_CHARSETS
    for label, name in {**aliases, **{name: name for name in names}}.items():
        if name in names:
            yield Labelled(label, name, "Python")


def encoded(text: str, codec: str) -> bytes:
    """Text in a charset: by Python's codec, or in ISO-2022-CN, for which Python has none."""
    if codec != "iso2022_cn":
        return codecs.encode(text, codec)
    lines = []
    for line in text.split("\r\n"):
        runs = re.sub(r"[^\0-\x7f]+", lambda run: f"\x0e{_seven_bits(run[0])}\x0f", line)
        lines.append(("\x1b$)A" if "\x0e" in runs else "") + runs)  # each line names its set again
    return "\r\n".join(lines).encode("ascii")


def _seven_bits(text: str) -> str:
    return bytes(byte & 0x7F for byte in text.encode("gb2312")).decode("ascii")


@lru_cache(maxsize=256)
def sample(codec: str) -> tuple[str, str]:
    """A language and a word of it that the codec can write and read back."""
    if codec == "iso2022_cn":
        return "Chinese", "报价单"
    wanted = next((each for begin, each in PREFERRED.items() if codec.startswith(begin)), "")
    for language, word in sorted(TEXTS, key=lambda text: text[0] != wanted):
        try:
            if codecs.decode(codecs.encode(word, codec), codec) == word:
                return language, word
        except UnicodeError:
            continue
    raise AssertionError(f"no word for {codec}")


def number_word(number: int) -> str:
    """A word of letters only that represents a number, so that a query finds this message and no other."""
    return "mark" + "".join(chr(ord("a") + int(digit)) for digit in f"{number:04d}")


def letter(one: Labelled, number: int, *, quoted: bool = True) -> bytes:
    """A message whose body, subject and file name are in that charset, with its label.

    `quoted`: the label is in quotes in the Content-Type, where it may contain any characters.
    """
    language, word = sample(one.codec)
    mark = number_word(number)
    label = one.label.replace('"', "")
    body = encoded(f"{mark} {word}\r\nzzend\r\n", one.codec)
    subject = base64.b64encode(encoded(word, one.codec)).decode()
    name = quote_from_bytes(encoded(f"{word}.txt", one.codec), safe="")
    stated = f'"{label}"' if quoted else label
    token = label.encode("ascii").decode().translate(str.maketrans("", "", " ?*'\"\t;=\\"))
    lines = [
        "From: Nora <nora@example.net>",
        "To: bob@example.com",
        "Date: Tue, 03 Nov 2026 09:15:00 +0100",
        f"Message-ID: <{mark}@example.net>",
        f"Subject: {mark} =?{token}?B?{subject}?=",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="bb"',
        "",
        "--bb",
        f"Content-Type: text/plain; charset={stated}",
        "Content-Transfer-Encoding: base64",
        "",
        base64.encodebytes(body).decode(),
        "--bb",
        "Content-Type: image/png",
        f"Content-Disposition: attachment; filename*={token}''{name}",
        "Content-Transfer-Encoding: base64",
        "",
        base64.b64encode(mark.encode()).decode(),
        "--bb--",
        "",
    ]
    assert language
    return "\r\n".join(lines).encode("ascii")
