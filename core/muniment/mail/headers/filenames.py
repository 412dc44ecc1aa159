"""The name of a file, which the header of its part gives in any of four ways.

These are `filename*` and `filename` of Content-Disposition, `name*` and `name` of Content-Type (RFC 2183,
2231, 6266). The form with a star names its charset, so it precedes the plain one, which is there for old
programs. Against the rules, programs write plain values with blanks and no quotes, with quotes inside quotes,
and with encoded words (RFC 2047). Such values are read as they are meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from muniment.mail.charsets.decode import Others, none_stated, to_text
from muniment.mail.headers.fields import decode, decode_words

_PARAMETER = re.compile(rb";\s*+([^\s=;]++)\s*+=\s*+")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)"?+', re.DOTALL)
_WORD = re.compile(rb"=\?[^?;]{1,64}\?[BbQq]\?[^?]*\?=")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_EXTENDED = re.compile(rb"([A-Za-z0-9_.:-]{1,40}+)'[A-Za-z-]{0,20}+'")
_LOST = re.compile(r"\?\?|\ufffd")
"""What a name contains if a program could not write its characters."""


def name_stated(disposition: bytes, content_type: bytes, others: Others = none_stated) -> str:
    """The best name in the values of these two fields; "" for none. Never raises.

    Args:
        disposition: the value of Content-Disposition.
        content_type: the value of Content-Type.
        others: gives the charsets that the message names.
    """
    found: list[str] = []
    for value, parameter in ((disposition, b"filename"), (content_type, b"name")):
        if b"name" in value.lower():
            found += filter(None, _names(value, parameter, others))
    return next((name for name in found if not _LOST.search(name)), found[0] if found else "")


def _names(value: bytes, parameter: bytes, others: Others) -> Iterator[str]:
    """Yield the name of the parameter with a star, then that of the plain one."""
    plain, extended = b"", _Extended()
    for name, content in _parameters(value):
        base, star, rest = name.partition(b"*")
        if base != parameter:
            continue
        if star:
            extended.add(rest, content)
        else:
            plain = plain or content
    yield extended.text(others)
    yield _plain(plain, others)


def _parameters(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the parameters of a field's value: names in lower case, and contents without quotes."""
    at = value.find(b";")
    while at >= 0:
        stated = _PARAMETER.match(value, at)
        if stated is None:
            at = value.find(b";", at + 1)
            continue
        content, end = _content(value, stated.end())
        yield stated[1].lower(), content
        at = value.find(b";", end)


def _content(value: bytes, at: int) -> tuple[bytes, int]:
    """The content that begins at `at`, and where it ends."""
    quoted = _QUOTED.match(value, at)
    if quoted is None:
        end = _bare_end(value, at)
        return value[at:end].strip(b' \t\r\n"'), end
    end = value.find(b";", quoted.end())
    whole = value[at : end if end >= 0 else len(value)].rstrip()
    if quoted.end() < at + len(whole) and whole.endswith(b'"'):
        return whole[1:-1], at + len(whole)  # quotes inside quotes
    return _ESCAPED.sub(rb"\1", quoted[1]), quoted.end()


def _bare_end(value: bytes, at: int) -> int:
    """Where a value without quotes ends: at the next semicolon outside an encoded word."""
    end = at
    while (end := value.find(b";", at)) >= 0:
        begun = value.rfind(b"=?", at, end)
        word = _WORD.match(value, begun) if begun >= 0 else None
        if word is None or word.end() <= end:
            return end
        at = word.end()
    return len(value)


def _plain(raw: bytes, others: Others) -> str:
    """The text of a plain value: a form of RFC 2231 in the wrong place, encoded words, or raw 8-bit text."""
    stray = _EXTENDED.match(raw)
    if stray and _PERCENT.search(raw):
        return _one_line(to_text(_unescaped(raw[stray.end() :]), stray[1].decode("ascii"), others))
    return _one_line(decode(raw, others))


@dataclass(slots=True)
class _Extended:
    """A value in the form of RFC 2231: whole, or in numbered pieces."""

    charset: str = ""
    pieces: dict[int, tuple[bool, bytes]] = field(default_factory=dict)
    """By number: whether the piece writes bytes with percent signs, and its content."""

    def add(self, rest: bytes, content: bytes) -> None:
        """Take a piece. The first one of each number counts.

        `rest` is the part of its name behind the first star.
        """
        digits = rest.removesuffix(b"*")
        number = int(digits) if digits.isdigit() and len(digits) < 4 else 0
        if number in self.pieces:
            return
        escaped = rest.endswith(b"*") or not rest
        if escaped and number == 0 and content.count(b"'") >= 2:
            charset, _, content = content.split(b"'", 2)
            self.charset = charset.strip(b' "').decode("ascii", "replace")
        self.pieces[number] = escaped, content

    def text(self, others: Others) -> str:
        """The text of all pieces. A percent escape may be cut in two between pieces."""
        ordered = (self.pieces[number] for number in sorted(self.pieces))
        joined = ((escaped, b"".join(raw for _, raw in run)) for escaped, run in groupby(ordered, _first))
        raw = b"".join(_unescaped(raw) if escaped else raw for escaped, raw in joined)
        text = to_text(raw, self.charset, others) if self.charset else decode(raw, others)
        return _one_line(decode_words(text, others))


def _first(piece: tuple[bool, bytes]) -> bool:
    return piece[0]


def _unescaped(value: bytes) -> bytes:
    return _PERCENT.sub(lambda found: bytes.fromhex(found[1].decode()), value)


def _one_line(name: str) -> str:
    return " ".join(name.split())
