"""Rich text: how Outlook compresses it (MS-OXRTFCP), and what a person reads of it.

Text or HTML that Outlook wrapped in RTF comes back unchanged (MS-OXRTFEX). Hidden text is kept, as in HTML.
Pictures, fonts, styles and other tables are no text. Time and memory are linear in the input; nothing raises.

docs/decisions/13-containers.md says why no library does this.
"""

from __future__ import annotations

import re
import struct
import sys
from typing import NamedTuple

from muniment.mail.charsets.decode import to_text

_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_WINDOW = 4096
_HEADER = struct.Struct("<II4s4s")
_TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?[0-9]{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([\s\S])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_NOT_TEXT = frozenset(
    (
        *("fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "objdata", "themedata", "datastore"),
        *("colorschememapping", "latentstyles", "listtable", "listoverridetable", "rsidtbl", "generator"),
        *("fldinst", "filetbl", "revtbl", "xmlnstbl", "pgptbl", "userprops"),
    )
)
"""Destinations without text, even if no star precedes them."""
_SHOWN = frozenset({"shptxt", "footnote", "annotation", "htmltag"})
"""Destinations with text, even if a star precedes them."""
_CHARS = {
    "par": "\n", "line": "\n", "sect": "\n", "page": "\n", "row": "\n", "tab": "\t", "cell": "\t",
    "nestcell": "\t", "nestrow": "\n", "emdash": "\u2014", "endash": "\u2013", "emspace": "\u2003",
    "enspace": "\u2002", "bullet": "\u2022", "lquote": "\u2018", "rquote": "\u2019",
    "ldblquote": "\u201c", "rdblquote": "\u201d",
}  # fmt: skip
_SYMBOLS = {"~": "\u00a0", "_": "\u2011", "{": "{", "}": "}", "\\": "\\", "\n": "\n", "\r": "\n"}
_CHARSETS = {
    0: "cp1252", 128: "cp932", 129: "cp949", 134: "gbk", 136: "big5", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
"""Code pages by the number of a font's charset."""


def is_rtf(raw: bytes) -> bool:
    """Whether bytes begin like RTF."""
    return raw[:16].lstrip().startswith(b"{\\rtf")


def decompressed(raw: bytes, limit: int) -> bytes:
    """At most `limit` bytes of RTF that Outlook compressed. Broken data gives what comes before the fault."""
    if len(raw) < _HEADER.size:
        return b""
    _, size, kind, _ = _HEADER.unpack_from(raw)
    data = raw[_HEADER.size :]
    if kind == b"MELA":
        return data[: min(size, limit)]
    return _unpacked(data, min(limit, size or limit)) if kind == b"LZFu" else b""


def _unpacked(data: bytes, limit: int) -> bytes:
    window = bytearray(_DICTIONARY.ljust(_WINDOW, b"\0"))
    write, at, out = len(_DICTIONARY), 0, bytearray()
    while at < len(data) and len(out) < limit:
        flags = data[at]
        at += 1
        for bit in range(8):
            if at >= len(data):
                break
            if not flags >> bit & 1:
                piece = data[at : at + 1]
                at += 1
            else:
                token = int.from_bytes(data[at : at + 2])
                read, length = token >> 4, (token & 15) + 2
                at += 2
                if read == write or at > len(data):
                    return bytes(out[:limit])
                # The range may include bytes that are being written, which are then repeated.
                ahead = (write - read) % _WINDOW
                whole = bytes(window[read : read + length])
                whole += bytes(window[: length - len(whole)])
                piece = whole if ahead >= length else (whole[:ahead] * length)[:length]
            out += piece
            for byte in piece:
                window[write] = byte
                write = (write + 1) % _WINDOW
    return bytes(out[:limit])


class RichText(NamedTuple):
    """The content of RTF: text, or HTML that was wrapped in it."""

    text: str
    html: bool


class _State(NamedTuple):
    """What a group inherits from the group around it."""

    hidden: bool = False
    """Whether its content is no text."""
    skip: int = 1
    """How many characters replace one that is written as a number, for old programs."""
    charset: str = ""
    fonts: bool = False
    """Whether it is the table of fonts."""
    verbatim: bool = False
    """Whether it contains original HTML."""


def read_rtf(raw: bytes) -> RichText:
    """The text of RTF, or the HTML that is wrapped in it. Never raises."""
    return _Reader(raw.decode("latin-1")).read()


class _Reader:
    """One pass over an RTF document."""

    __slots__ = (
        "_bytes", "_charset", "_font", "_fonts", "_out", "_passed_over", "_rtf_only", "_skipping", "_stack",
        "_starred", "_state", "_text", "_units", "_wrapped",
    )  # fmt: skip

    def __init__(self, text: str) -> None:
        self._text = text
        self._out: list[str] = []
        self._bytes: list[str] = []
        """Characters that are bytes in the current charset."""
        self._units: list[int] = []
        """UTF-16 code units that were written as numbers."""
        self._stack: list[_State] = []
        self._state = _State()
        self._charset = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = -1
        self._starred = False
        self._skipping = 0
        self._wrapped = ""
        self._rtf_only = False
        """Whether the current text is for RTF programs only, and not part of the wrapped HTML or text."""

    def read(self) -> RichText:
        at, text = 0, self._text
        while (found := _TOKEN.match(text, at)) is not None:
            at = found.end()
            word, number, escaped, symbol, brace, plain = found.groups()
            if word:
                at += self._word(word.lower(), int(number) if number else None)
            elif brace:
                self._brace(brace)
            elif escaped:
                self._bare(chr(int(escaped, 16)))
            elif symbol:
                self._symbol(symbol)
            elif plain:
                self._bare(plain)
        self._flush()
        return RichText("".join(self._out), self._wrapped == "html")

    def _brace(self, brace: str) -> None:
        self._skipping = 0
        self._starred = False
        if brace == "{":
            self._stack.append(self._state)
            return
        state = self._stack.pop() if self._stack else _State()
        if state.charset != self._state.charset or state.hidden != self._state.hidden:
            self._flush()
        self._state = state

    def _symbol(self, symbol: str) -> None:
        if symbol == "*":
            self._starred = True
        elif symbol in _SYMBOLS:
            self._add(_SYMBOLS[symbol])

    def _word(self, word: str, number: int | None) -> int:
        """Take a control word. Returns how many of the next characters are no RTF."""
        starred, self._starred = self._starred, False
        if word == "bin":
            return max(number or 0, 0)
        if word == "u":
            self._unit(number or 0)
            return 0
        self._skipping = 0
        if word in _NOT_TEXT or (starred and word not in _SHOWN):
            self._flush()
            self._state = self._state._replace(hidden=True, fonts=word == "fonttbl")
        elif word == "htmltag":
            self._flush()
            self._state = self._state._replace(verbatim=True)
        elif word == "htmlrtf":
            self._rtf_only = number != 0
        elif word in ("fromhtml", "fromtext"):
            self._wrapped = word[4:]
        elif word in _CHARS:
            self._add(_CHARS[word])
        elif number is not None:
            self._set(word, number)
        return 0

    def _set(self, word: str, number: int) -> None:
        if word == "uc":
            self._state = self._state._replace(skip=min(max(number, 0), 16))
        elif word == "ansicpg":
            self._flush()
            self._charset = f"cp{number}" if number != 65001 else "utf-8"
        elif word == "f" and self._state.fonts:
            self._font = number
        elif word == "f":
            charset = self._fonts.get(number, "")
            if charset != self._state.charset:
                self._flush()
                self._state = self._state._replace(charset=charset)
        elif word == "fcharset" and self._state.fonts and number in _CHARSETS:
            self._fonts[self._font] = "" if number == 0 else _CHARSETS[number]

    def _bare(self, text: str) -> None:
        """Take characters that are bytes in the current charset."""
        if self._skipping:
            skipped = min(self._skipping, len(text))
            self._skipping -= skipped
            text = text[skipped:]
        if text and self._is_text():
            self._flush_units()
            self._bytes.append(text)

    def _unit(self, number: int) -> None:
        self._skipping = self._state.skip
        if self._is_text() and number <= sys.maxunicode:
            self._flush_bytes()
            if number > 0xFFFF:  # against the rules, as some programs write
                self._units += struct.unpack("<2H", chr(number).encode("utf-16-le"))
            else:
                self._units.append(number & 0xFFFF)

    def _add(self, text: str) -> None:
        self._skipping = 0
        if self._is_text():
            self._flush()
            self._out.append(text)

    def _is_text(self) -> bool:
        return not self._state.hidden and (self._state.verbatim or not (self._wrapped and self._rtf_only))

    def _flush(self) -> None:
        self._flush_bytes()
        self._flush_units()

    def _flush_bytes(self) -> None:
        if self._bytes:
            raw = "".join(self._bytes).encode("latin-1")
            self._out.append(to_text(raw, self._state.charset or self._charset))
            self._bytes.clear()

    def _flush_units(self) -> None:
        if self._units:
            raw = struct.pack(f"<{len(self._units)}H", *self._units)
            self._out.append(raw.decode("utf-16-le", "replace"))
            self._units.clear()
