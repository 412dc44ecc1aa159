"""Reads 7-bit text that switches its charset: ISO-2022, HZ, UTF-7. Never raises.

The standard library's codecs stop at the first fault, or misread everything behind it. Here a fault costs one
character:

- A switch that lost one of its bytes is recognised by a later one: a switch that ends two-byte text shows
  that such text has begun.
- A text of two bytes a character stays in step. Whether a byte was changed, inserted or lost follows from
  whether the numbers of bytes in front of it and behind it are even.
- A line end ends two-byte text that the line did not end itself (RFC 1468, RFC 1557), unless the switch
  comes later.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from muniment.mail.charsets.grids import BAD, grid
from muniment.mail.charsets.recovery import as_microsoft

_FAULTY = rb"[\x00-\x08\x0b\x0c\x10-\x1a\x1c-\x1f\x7f-\xff]"
"""A byte that no such text contains."""
_SHIFT_OUT, _SHIFT_IN = b"\x0e", b"\x0f"
_SWITCHES = {
    "iso2022": re.compile(
        rb"[\x0e\x0f]|\x1b(?:\$[@AB]|\$[(-/][0-~]|[(-/][0-~]|[NO]|%(?:\$?[(-/]?[@-~])?|\$%|\(%)|[\r\n]+|"
        rb"%(?:\$[@B]|\([BIJ])?".replace(b"%", _FAULTY)
    ),
    "hz": re.compile(rb"~(?:[{}~]|\r?\n|%)|[\r\n]+|(?:%|[\x0e\x0f])[{}]?".replace(b"%", _FAULTY)),
}
_ESCAPE = 0x1B
"""As a number: searching for it takes a fifth of the time that a search for bytes takes."""
_JAPANESE = re.compile(rb"\x1b(?:\$[@AB]|\$\([A-Q]|\([IJ]|\$[)*][ACG])")
"""Escapes that show that a text without a label is ISO-2022: no other text has them."""
_RUN = re.compile(rb"[\x21-\x7e]+|[\t\r\n ]+|[^\t\r\n\x20-\x7e]+")
_SINGLE = {b"B": "ascii", b"J": "roman", b"I": "kana", b"H": "ascii"}
_DOUBLE = {
    b"$@": "jis",
    b"$B": "jis",
    b"$A": "gb",
    b"$(@": "jis",
    b"$(A": "gb",
    b"$(B": "jis",
    b"$(C": "ks",
    b"$(D": "jis2",
    b"$(O": "jis2004",
    b"$(P": "jis2004-2",
    b"$(Q": "jis2004",
    b"$)A": "gb",
    b"$)B": "jis",
    b"$)C": "ks",
    b"$)E": "gb",
    b"$)G": "cns1",
    b"$*H": "cns2",
}
_SHIFTED = {"iso2022_jp": "kana", "iso2022_kr": "ks", "iso2022_cn": "gb"}
"""The set to which a shift leads if the text named none."""
_KANA = {number: chr(0xFF40 + number) for number in range(0x21, 0x60)}
_ROMAN = {0x5C: "\u00a5", 0x7E: "\u203e"}
_HIGH_KANA = {number: chr(0xFEC0 + number) for number in range(0xA1, 0xE0)}
_UTF_7 = re.compile(rb"\+([A-Za-z0-9+/\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]*)(-?)")
_NO_DIGIT = re.compile(rb"[^A-Za-z0-9+/]")
_FAULT = re.compile(_FAULTY)
_CR_SWITCH = re.compile(rb"\r[\x0e\x0f\x1b]")
"""A CR in front of a switch. With an LF in between it would be an ordinary line end."""
_SOUND = bytes((9, 10, 13, 14, 15, 27, *range(0x20, 0x7F)))
_LINE_IN_KANJI = re.compile(rb"\x1b\$[^\x1b\n]*\n")
_LINE_IN_KANA = re.compile(rb"\x1b\(I[^\x1b\n]*\n")
_LINE_SHIFTED = re.compile(rb"\x0e[^\x0e\x0f\n]*\n")
_BY_PYTHON = {"iso2022_jp": "iso2022_jp_ext", "iso2022_kr": "iso2022_kr"}
_ESCAPES = {
    "iso2022_jp": (b"\x1b$B", b"\x1b(B", b"\x1b(J", b"\x1b$@", b"\x1b(I", b"\x1b$(D"),
    "iso2022_kr": (b"\x1b$)C",),
}
"""The escapes that Python's codec reads."""
_UNENDED_LINES = {"iso2022_jp": (_LINE_IN_KANJI, _LINE_IN_KANA), "iso2022_kr": (_LINE_SHIFTED,)}
"""Lines that end in a set other than ASCII: the set of the next line must be guessed. Several patterns that
begin with different bytes are ten times faster than one for all."""
_UNENDED = re.compile(rb"(?:\x1b\$?[(-/]?|~)\Z")
"""A switch that is cut off by the end of a text."""


def switches(raw: bytes) -> bool:
    """Whether a text without a label is ISO-2022, by its escapes."""
    return _ESCAPE in raw and _JAPANESE.search(raw) is not None


def read_iso2022(raw: bytes, charset: str = "iso2022_jp", cut: bool = False) -> str:
    """Text in ISO-2022-JP, -KR or -CN and their variants.

    Args:
        raw: the bytes of the text.
        charset: "iso2022_jp", "iso2022_kr" or "iso2022_cn".
        cut: the end may lie inside a character, which is then left out.
    """
    if charset in _BY_PYTHON and _is_sound(raw, charset):
        end = raw.rfind(b"\n") + 1 if cut else len(raw)
        with suppress(UnicodeDecodeError):  # without faults, the codec needs a tenth of the time
            text = as_microsoft(raw[:end].decode(_BY_PYTHON[charset]))
            return text + _Reader("iso2022", _SHIFTED[charset], cut).read(raw[end:])
    return _Reader("iso2022", _SHIFTED[charset], cut).read(raw)


def _is_sound(raw: bytes, charset: str) -> bool:
    """Whether Python's codec may read this.

    It misreads faulty escapes, and never guesses the set of a line.
    """
    if raw.translate(None, _SOUND) or _CR_SWITCH.search(raw):
        return False
    if charset == "iso2022_jp" and _SHIFT_OUT in raw:
        return False
    if raw.count(_ESCAPE) != sum(map(raw.count, _ESCAPES[charset])):
        return False
    return not any(pattern.search(raw) for pattern in _UNENDED_LINES[charset])


def read_hz(raw: bytes, cut: bool = False) -> str:
    """Text in HZ (RFC 1843). `cut`: the end may lie inside a character, which is then left out."""
    return _Reader("hz", "gb", cut).read(raw)


class _Switch(NamedTuple):
    """A token at which the charset may change."""

    start: int
    end: int
    to: str
    """The set that is named; "in" or "out" for a shift, "line" for line ends, "fault" for a faulty byte,
    "text" for an escaped character, "once" for one character of the next set."""
    into: str = ""
    """What it sets: "" for the set in use, "shifted", or "next" for the set of single characters."""


class _Reader:
    """One pass over a text."""

    def __init__(self, kind: str, shifted: str, cut: bool) -> None:
        self._pattern = _SWITCHES[kind]
        self._hz = kind == "hz"
        self._plain, self._shifted, self._next = "ascii", shifted, "latin1"
        self._kana = shifted == "kana"
        self._out = False
        self._cut = cut
        self._pieces: list[str] = []
        self._held: list[bytes] = []

    def read(self, raw: bytes) -> str:
        """The decoded text."""
        unended = _UNENDED.search(raw)
        if unended is not None:
            raw = raw[: unended.start()] + (b"" if self._cut else b"\xff")
        found = [self._switch(match) for match in self._pattern.finditer(raw)]
        doubles = _what_follows(found)
        at = 0
        for number, switch in enumerate(found):
            if switch.start < at:
                continue  # it was part of a single character
            self._held.append(raw[at : switch.start])
            stop = found[number + 1].start if number + 1 < len(found) else len(raw)
            at = self._take(raw, switch, doubles[number], raw[switch.end : stop])
        self._held.append(raw[at:])
        self._flush(last=True)
        return "".join(self._pieces)

    @property
    def _set(self) -> str:
        return self._shifted if self._out else self._plain

    def _switch(self, match: re.Match[bytes]) -> _Switch:
        start, end, token = match.start(), match.end(), match[0]
        return _Switch(start, end, *(_hz_switch(token) if self._hz else _iso_switch(token)))

    def _take(self, raw: bytes, switch: _Switch, double: bool | None, behind: bytes) -> int:
        """Handle a switch. Returns the offset at which the text continues.

        `double`: whether a later switch ends two-byte text. `behind`: the bytes up to the next switch.
        """
        token = raw[switch.start : switch.end]
        if switch.to == "fault":
            return self._fault(token, switch, double)
        if switch.to == "line":
            if self._set not in ("ascii", "roman") and not self._goes_on(double, behind):
                self._flush()
                self._plain, self._out = "ascii", False
            lone = token.endswith(b"\r") and raw[switch.end : switch.end + 1] in (
                _SHIFT_OUT,
                _SHIFT_IN,
                b"\x1b",
            )
            self._held.append(token[:-1] + b"\n" if lone else token)
            return switch.end
        self._flush()
        if switch.to in ("in", "out"):
            self._out = switch.to == "out"
        elif switch.to == "text":
            self._pieces.append(token[1:].strip(b"\r\n").decode())
        elif switch.to == "once":
            return self._one(raw, switch.end)
        elif switch.into == "shifted":
            self._shifted = switch.to
        elif switch.into == "next":
            self._next = switch.to
        elif switch.to:
            self._plain, self._out = switch.to, False
        else:
            self._pieces.append(BAD)
        return switch.end

    def _goes_on(self, double: bool | None, behind: bytes) -> bool:
        """Whether the next line, `behind`, is in the same set as the one that ends."""
        return bool(double) if double is not None else _looks_double(behind, self._set)

    def _one(self, raw: bytes, at: int) -> int:
        """Take one character of the set that is named for single ones (RFC 1554, RFC 1922)."""
        size = 2 if _is_double(self._next) else 1
        one = raw[at : at + size]
        if size == 2:
            self._pieces.append(_double(one, self._next, self._cut and at + size >= len(raw)))
        else:
            high = bytes(byte | 0x80 for byte in one)
            self._pieces.append(high.decode("iso8859_7" if self._next == "greek" else "latin-1", "replace"))
        return at + size

    def _fault(self, token: bytes, switch: _Switch, double: bool | None) -> int:
        """Handle a faulty byte. It replaces a missing switch, or lies in the text."""
        inside = _is_double(self._set)
        by_shift = not (self._hz or self._kana)
        if by_shift and len(token) > 1:  # it named the set to which a shift leads anyway
            self._flush()
            self._pieces.append(BAD)
            return switch.end if token[:1] == b"\x1b" else switch.start + 1
        missing = double is False or (double is None and len(token) > 1) if inside else bool(double)
        if not missing or not (len(token) > 1 or by_shift):
            self._held.append(token if token[:1] not in (b"\x1b", b"~") else b"\xff" + token[2:])
            return switch.end
        self._flush()
        self._pieces.append(BAD)
        if inside:
            self._plain, self._out = "ascii", False
        elif by_shift:
            self._out = True
        else:
            self._plain = "gb" if self._hz else "jis"
        return switch.end

    def _flush(self, last: bool = False) -> None:
        held = b"".join(self._held)
        self._held.clear()
        if held:
            self._pieces.append(self._text(held, self._cut and last))

    def _text(self, raw: bytes, cut: bool) -> str:
        """The text of the bytes in the set that is in use."""
        if _is_double(self._set):
            return _double(raw, self._set, cut)
        if raw.isascii() and self._set == "ascii":
            return raw.decode("ascii")
        return raw.decode("latin-1").translate(_single(self._set, self._kana))


def _iso_switch(token: bytes) -> tuple[str, str]:
    """What a token of ISO-2022 switches to, and what it sets (`_Switch.to` and `into`)."""
    if token[:1] in b"\r\n":
        return "line", ""
    if token == _SHIFT_OUT:
        return "out", ""
    if token == _SHIFT_IN:
        return "in", ""
    if token[:1] != b"\x1b" or _FAULT.search(token, 1):
        return "fault", ""
    name = token[1:]
    if name in (b"N", b"O"):
        return "once", ""
    if name[:1] == b"$":
        into = "shifted" if name[1:2] == b")" else "next" if name[1:2] in b"*+./" else ""
        return _DOUBLE.get(name, ""), into if name in _DOUBLE else ""
    if name[:1] in b".*":
        return ("greek" if name[1:] == b"F" else "latin1"), "next"
    into = {b"(": "", b")": "shifted"}.get(name[:1], "next")
    return _SINGLE.get(name[1:], "ascii"), into


def _hz_switch(token: bytes) -> tuple[str, str]:
    """The same for a token of HZ."""
    if token[:1] in b"\r\n":
        return "line", ""
    if token[:1] != b"~" or (len(token) == 2 and token[1] not in b"{}~\n"):
        return "fault", ""
    return {b"~{": "gb", b"~}": "ascii"}.get(token, "text"), ""


def _what_follows(found: Sequence[_Switch]) -> list[bool | None]:
    """For each switch: whether the next real one ends two-byte text; None if there is none."""
    following: list[bool | None] = []
    ends: bool | None = None
    for switch in reversed(found):
        following.append(ends)
        if switch.to in ("in", "out"):
            ends = switch.to == "in"
        elif switch.to not in ("line", "fault", "text", "once") and not switch.into:
            ends = not _is_double(switch.to)
    return following[::-1]


def _is_double(name: str) -> bool:
    return name not in ("ascii", "roman", "kana", "latin1", "greek", "")


def _looks_double(raw: bytes, name: str) -> bool:
    """Whether the bytes behind a line end look like more two-byte text, though no switch says so."""
    text = raw.strip(b"\r\n")
    if not _is_double(name) or not text or len(text) % 2 or b" " in text or not text.isascii():
        return False
    return BAD not in text.decode("utf-16-be").translate(grid(name))


@lru_cache(maxsize=8)
def _single(name: str, kana: bool) -> dict[int, str]:
    """The characters of the bytes for which a set differs from ASCII."""
    table = dict.fromkeys(range(127, 256), BAD)
    if kana:  # half-width kana as bytes with the eighth bit (JIS X 0201)
        table |= _HIGH_KANA
    return table | {"roman": _ROMAN, "kana": _KANA}.get(name, {})


def _double(raw: bytes, name: str, cut: bool) -> str:
    """Text of two bytes a character. After a fault that shifts it by one byte, it comes back into step."""
    to = grid(name)
    runs = _RUN.findall(raw)
    pieces: list[str] = []
    lost = False
    for number, run in enumerate(runs):
        if not run:
            continue
        if run[0] in b"\t\r\n ":
            pieces.append(run.decode())
            lost = False
        elif run[0] < 0x21 or run[0] > 0x7E:
            pieces.append(BAD * ((len(run) + 1) // 2))
            lost = True
        else:
            pieces.append(_run(runs, number, run, lost, to, cut))
            lost = False
    return "".join(pieces)


def _run(runs: list[bytes], number: int, run: bytes, lost: bool, to: dict[int, str], cut: bool) -> str:
    """The text of one run of good bytes. `lost`: a faulty byte precedes it."""
    if len(run) % 2 == 0:
        return run.decode("utf-16-be").translate(to)
    if lost:  # in place of the first of a pair
        return run[1:].decode("utf-16-be").translate(to)
    text = run[:-1].decode("utf-16-be").translate(to)
    behind = runs[number + 1] if number + 1 < len(runs) else b""
    if not behind:
        return text if cut else text + BAD
    if behind[0] in b"\t\r\n ":
        return text + BAD
    after = runs[number + 2] if number + 2 < len(runs) else b""
    if len(behind) == 1 and after[:1] > b" " and len(after) % 2 and after[0] < 0x7F:
        runs[number + 1] = b""  # it was inserted between the two
        return text + BAD + (run[-1:] + after[:1]).decode("utf-16-be").translate(to) + _rest(runs, number + 2)
    runs[number + 1] = behind[1:]
    return text + BAD


def _rest(runs: list[bytes], number: int) -> str:
    """Remove the first byte of a run, which was read already."""
    runs[number] = runs[number][1:]
    return ""


def read_utf7(raw: bytes, cut: bool = False) -> str:
    """Text in UTF-7 (RFC 2152). A faulty byte in an encoded piece costs the characters that contain it.

    `cut`: the end may lie inside a character, which is then left out.
    """
    pieces: list[str] = []
    at = 0
    for match in _UTF_7.finditer(raw):
        pieces.append(raw[at : match.start()].decode("ascii", "replace"))
        pieces.append(_encoded(match[1], bool(match[2]), cut and match.end() == len(raw)))
        at = match.end()
    pieces.append(raw[at:].decode("ascii", "replace"))
    return "".join(pieces)


def _encoded(digits: bytes, ended: bool, cut: bool) -> str:
    """The text of one encoded piece of UTF-7, given without its `+` and `-`."""
    if not digits:
        return "+" if ended or not cut else ""
    whole, replaced, rest = _units(_NO_DIGIT.sub(b"A", digits))
    if _NO_DIGIT.search(digits) is not None:
        return _faulty(digits, replaced, rest)
    if not whole:
        return "" if cut else f"+{digits.decode()}{'-' * ended}"
    return whole if cut or not rest else whole + BAD


def _units(digits: bytes) -> tuple[str, list[str], bool]:
    """The text of base64 digits, its single units, and whether bits are left over that should not be."""
    size = len(digits) * 6 // 16 * 2
    raw = base64.b64decode(digits + b"A" * (-len(digits) % 4))
    units = [raw[at : at + 2].decode("utf-16-be", "replace") for at in range(0, size, 2)]
    return raw[:size].decode("utf-16-be", "replace"), units, any(raw[size:]) or len(digits) * 6 % 16 >= 6


def _faulty(digits: bytes, units: list[str], rest: bool) -> str:
    """The text of a piece with faulty bytes.

    Each replaces a digit; if the piece ends badly, each was inserted.
    """
    if rest:
        kept = _NO_DIGIT.sub(b"", digits)
        whole, _, left = _units(kept)
        if not left:
            return BAD + whole
    for fault in _NO_DIGIT.finditer(digits):
        for unit in {fault.start() * 6 // 16, (fault.start() * 6 + 5) // 16}:
            if unit < len(units):
                units[unit] = BAD
    return "".join(units) or BAD


READERS: dict[str, Callable[[bytes, bool], str]] = {
    "iso2022_jp": lambda raw, cut: read_iso2022(raw, "iso2022_jp", cut),
    "iso2022_kr": lambda raw, cut: read_iso2022(raw, "iso2022_kr", cut),
    "iso2022_cn": lambda raw, cut: read_iso2022(raw, "iso2022_cn", cut),
    "hz": read_hz,
    "utf_7": read_utf7,
}
"""The readers by the name of a charset."""
