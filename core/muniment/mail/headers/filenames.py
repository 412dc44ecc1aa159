"""The name of a file, as the header of its part states it in any of four ways.

`filename*` and `filename` of Content-Disposition, `name*` and `name` of Content-Type (RFC 2183, 2231, 6266).
The form with a star says its charset, so it counts before the plain one, which stands in for it in old
programs. Programs write plain values without quotes though they hold blanks, with quotes within quotes, and
with encoded words (RFC 2047), all against the rules; such values are read as they are meant.
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
"""What is in a name whose characters a program could not write."""


def name_stated(disposition: bytes, content_type: bytes, others: Others = none_stated) -> str:
    """The best name that the values of these two fields state; "" for none.

    `others`: the charsets that the message states.
    """
    found: list[str] = []
    for value, parameter in ((disposition, b"filename"), (content_type, b"name")):
        if b"name" in value.lower():
            found += filter(None, _names(value, parameter, others))
    return next((name for name in found if not _LOST.search(name)), found[0] if found else "")


def _names(value: bytes, parameter: bytes, others: Others) -> Iterator[str]:
    """The name by the parameter with a star, and by the plain one."""
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
    """The parameters of a field's value: lower-case names, and contents without quotes."""
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
        return whole[1:-1], at + len(whole)  # quotes within quotes
    return _ESCAPED.sub(rb"\1", quoted[1]), quoted.end()


def _bare_end(value: bytes, at: int) -> int:
    """Where a value without quotes ends: at the next semicolon that is not within an encoded word."""
    end = at
    while (end := value.find(b";", at)) >= 0:
        begun = value.rfind(b"=?", at, end)
        word = _WORD.match(value, begun) if begun >= 0 else None
        if word is None or word.end() <= end:
            return end
        at = word.end()
    return len(value)


def _plain(raw: bytes, others: Others) -> str:
    """The text of a plain value: a stray RFC 2231 form, encoded words, or raw 8-bit text."""
    stray = _EXTENDED.match(raw)
    if stray and _PERCENT.search(raw):
        return _one_line(to_text(_unescaped(raw[stray.end() :]), stray[1].decode("ascii"), others))
    return _one_line(decode(raw, others))


@dataclass(slots=True)
class _Extended:
    """A value in the form of RFC 2231: whole, or in numbered pieces."""

    charset: str = ""
    pieces: dict[int, tuple[bool, bytes]] = field(default_factory=dict)
    """By number: whether the piece has percent signs for bytes, and what it holds."""

    def add(self, rest: bytes, content: bytes) -> None:
        """Take a piece; `rest` is what its name has behind the star. The first of a number counts."""
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
        """The text of all pieces; what stands for a byte may be cut in two between them."""
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
