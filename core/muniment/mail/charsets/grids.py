"""Character sets of 94 rows by 94 columns, as tables for `str.translate`.

A text of two bytes a character, read as UTF-16, is a string of positions. A grid turns each position into its
character, and a position without one into U+FFFD.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

BAD = "\ufffd"
UNDEFINED = "\ufffe"
"""What `codecs.charmap_decode` takes for "no character"."""
_GL = range(0x21, 0x7F)


class CharsetGrid(dict[int, str]):
    """The characters at the positions 0x2121 to 0x7e7e. A position without one gives U+FFFD."""

    def __missing__(self, position: int) -> str:
        return BAD


def _grid(of_bytes: Callable[[int, int], str]) -> CharsetGrid:
    found = CharsetGrid()
    for row in _GL:
        for column in _GL:
            text = of_bytes(row, column)
            if text:
                found[row << 8 | column] = text
    return found


def _by_codecs(*names: str, before: bytes = b"") -> Callable[[int, int], str]:
    """A function that reads a position, with both bytes above 0x80, by the first codec that knows it."""

    def read(row: int, column: int) -> str:
        raw = before + bytes((row | 0x80, column | 0x80))
        return next(filter(None, (_strict(raw, name) for name in names)), "")

    return read


def _strict(raw: bytes, name: str) -> str:
    try:
        return raw.decode(name)
    except UnicodeDecodeError:
        return ""


def _japanese(row: int, column: int) -> str:
    """JIS X 0208 with the rows of NEC and IBM, taken from Microsoft's Shift_JIS."""
    first = (row + 1) // 2 + (0x70 if row < 0x5F else 0xB0)
    second = column + (0x7E if row % 2 == 0 else 0x20 if column > 0x5F else 0x1F)
    return _strict(bytes((first, second)), "cp932")


_IBM = (
    "ⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩ＇＂㈱№℡炻仼僴凬匇匤﨎咊坙﨏塚增寬峵嵓﨑德悅愠敎昻晥晴朗栁﨓﨔橫"
    "櫢淸淲瀨凞猪甁皂皞益礰礼神祥福竧靖精綠緖羽荢﨟薰蘒﨡蠇諸譿賴赶﨣﨤逸郞都鄕﨧﨨閒隆﨩霻靍靑飯飼館馞髙魲鶴黑"
)
"""Characters that IBM added to JIS X 0212 from row 83, column 83 on, as eucJP-ms has them."""
_IBM_AT = 0x7373
_CNS_BY_BIG5 = {
    1: (
        *((0x2121, 0xA140, 5), (0x2127, 0xA146, 8), (0x2130, 0xA14F, 6), (0x2136, 0xA157, 2)),
        *((0x2139, 0xA156, 1), (0x213E, 0xA15D, 44), (0x216A, 0xA1AC, 1), (0x216B, 0xA1AB, 1)),
        *((0x216C, 0xA1AD, 22), (0x2225, 0xA1C4, 1), (0x2227, 0xA1C6, 27), (0x2242, 0xA1E2, 1)),
        *((0x2243, 0xA1E1, 1), (0x2244, 0xA1E3, 19), (0x2257, 0xA1F7, 1), (0x2258, 0xA1F6, 1)),
        *((0x2259, 0xA1F8, 4), (0x225E, 0xA155, 1), (0x225F, 0xA1FE, 2), (0x2263, 0xA243, 1)),
        *((0x2265, 0xA245, 1), (0x2268, 0xA248, 69), (0x2421, 0xA2AF, 29), (0x243F, 0xA2CD, 1)),
        *((0x2441, 0xA2CF, 142), (0x2621, 0xC6A1, 30), (0x2728, 0xC6C2, 1), (0x272F, 0xC6C5, 1)),
        *((0x2734, 0xC6C6, 1), (0x4421, 0xA440, 17), (0x4432, 0xA2CC, 1), (0x4433, 0xA452, 86)),
        *((0x452B, 0xA2CE, 1), (0x452C, 0xA4CB, 1307), (0x5323, 0xAD40, 424), (0x5753, 0xACFE, 1)),
        *((0x5754, 0xAFD0, 1876), (0x6B50, 0xBE52, 1), (0x6B51, 0xBBC8, 387), (0x6F5C, 0xBE53, 525)),
        *((0x7535, 0xC2CB, 1), (0x7536, 0xC1AB, 105), (0x7642, 0xC256, 83), (0x7737, 0xC2CC, 84)),
        *((0x782D, 0xC456, 1), (0x782E, 0xC361, 54), (0x7864, 0xC3BA, 1), (0x7865, 0xC3B9, 1)),
        *((0x7866, 0xC3BB, 90), (0x7962, 0xC457, 354)),
    ),
    2: (
        *((0x2121, 0xC940, 10), (0x212B, 0xC94B, 33), (0x214C, 0xC9BE, 1), (0x214D, 0xC96C, 48)),
        *((0x217D, 0xC9BF, 46), (0x224D, 0xCAF7, 1), (0x224E, 0xC9ED, 167), (0x2439, 0xCAF8, 1840)),
        *((0x376F, 0xDADF, 1), (0x3770, 0xD6CD, 108), (0x387E, 0xD77B, 537), (0x3E63, 0xD6CC, 1)),
        *((0x3E64, 0xDAE0, 100), (0x3F6A, 0xD77A, 1), (0x3F6B, 0xDBA7, 399), (0x4424, 0xDDFD, 1637)),
        *((0x554B, 0xEBF1, 1), (0x554C, 0xE8A3, 146), (0x5722, 0xECDE, 1), (0x5723, 0xE976, 287)),
        *((0x5A28, 0xF0CB, 1), (0x5A29, 0xEB5B, 116), (0x5B3F, 0xEBF2, 137), (0x5C6A, 0xECDF, 104)),
        *((0x5D74, 0xF056, 1), (0x5D75, 0xEDAA, 222), (0x6039, 0xEEEC, 198), (0x6243, 0xF057, 82)),
        *((0x6337, 0xF0CC, 86), (0x642F, 0xEEEB, 1), (0x6430, 0xF163, 8), (0x6438, 0xF16C, 153)),
        *((0x6573, 0xF269, 56), (0x664D, 0xF4B5, 1), (0x664E, 0xF2C3, 113), (0x6761, 0xF16B, 1)),
        *((0x6762, 0xF375, 142), (0x6934, 0xF268, 1), (0x6935, 0xF466, 45), (0x6962, 0xF4B6, 71)),
        *((0x6A4B, 0xF663, 1), (0x6A4C, 0xF4FD, 194), (0x6C52, 0xF664, 490), (0x7166, 0xF9C4, 1)),
        *((0x7167, 0xF977, 43), (0x7234, 0xF9C5, 1), (0x7235, 0xF9C7, 11), (0x7240, 0xF9C6, 1)),
        (0x7241, 0xF9D2, 4),
    ),
}  # fmt: skip
"""Runs of a plane of CNS 11643: the first position, its position in Big5, and the length in both."""


def _second_japanese(row: int, column: int) -> str:
    """JIS X 0212 with the rows of IBM."""
    added = (row - (_IBM_AT >> 8)) * 94 + column - (_IBM_AT & 0xFF)
    if 0 <= added < len(_IBM):
        return _IBM[added]
    return _strict(bytes((0x8F, row | 0x80, column | 0x80)), "euc_jp")


def _taiwanese(plane: int) -> CharsetGrid:
    """A plane of CNS 11643. Big5 has the characters of the first two planes in nearly the same order."""
    found = CharsetGrid()
    for position, big5, count in _CNS_BY_BIG5[plane]:
        for at in range(count):
            row, column = divmod((position >> 8) * 94 + (position & 0xFF) - 0x21 + at, 94)
            text = _strict(_big5(big5, at), "big5hkscs")
            if text:
                found[row << 8 | column + 0x21] = text
    return found


def _big5(first: int, at: int) -> bytes:
    """The Big5 code `at` places behind `first`. A row has 157 places, in two pieces."""
    second = first & 0xFF
    place = (first >> 8) * 157 + (second - 0x40 if second < 0x7F else second - 0x62) + at
    row, column = divmod(place, 157)
    return bytes((row, column + 0x40 if column < 63 else column + 0x62))


@lru_cache(maxsize=16)
def grid(name: str) -> CharsetGrid:
    """The grid of that name, made at its first use.

    `name`: a key of _READS, "cns1" or "cns2".
    """
    if name in ("cns1", "cns2"):
        return _taiwanese(int(name[-1]))
    return _grid(_READS[name])


_READS: dict[str, Callable[[int, int], str]] = {
    "jis": _japanese,
    "jis2": _second_japanese,
    "jis2004": _by_codecs("euc_jis_2004"),
    "jis2004-2": _by_codecs("euc_jis_2004", before=b"\x8f"),
    "gb": _by_codecs("gb2312", "gbk"),
    "ks": _by_codecs("cp949"),
}
