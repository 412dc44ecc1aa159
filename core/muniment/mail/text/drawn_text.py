"""A message's text as a person reads it on a screen: HTML is drawn, quotes and signatures are marked.

This is not the text of the index, which `read_text.read_message` gives. All words of that text are in this
one, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from msgspec import Struct

from muniment.mail.content.public import is_usual
from muniment.mail.headers.fields import gather
from muniment.mail.mime.parts import MessagePart
from muniment.mail.mime.stated_charsets import labels_of
from muniment.mail.mime.walker import header_at, leaves
from muniment.mail.model import MailBuffer, MimeLeaf
from muniment.mail.text.drawn_line import BROAD, FIXED, NARROW, QUOTES, SIGNATURE, DrawnLine
from muniment.mail.text.html_drawing import draw
from muniment.mail.text.read_text import TextReader

STYLES = 20_000
"""Most spans with a style."""
_WORD = re.compile(r"\w+")
_QUOTE = re.compile(r"(?:> ?){1,50}")


class DrawnText(Struct, frozen=True, array_like=True):
    """A text to read."""

    text: str = ""
    styles: tuple[tuple[int, int, str], ...] = ()
    """(start, end, kind) in order, without overlaps. The kinds are those of `drawn_line`."""


def read_drawn(buf: MailBuffer, width: int, found: Sequence[MimeLeaf] | None = None) -> DrawnText:
    """The text of a message as a person reads it; empty if it is too long to be drawn. Never raises.

    Args:
        buf: the message.
        width: cells that a table may take, from NARROW to BROAD.
        found: the result of `mime.walker.leaves`, if it is there already.
    """
    header = header_at(buf, 0, len(buf))
    known = leaves(buf) if found is None else found
    reader = DrawnReader(min(max(width, NARROW), BROAD))
    reader.known = gather(header, (b"subject",))[0]
    reader.message(buf, known, b"" if is_usual(header) else header, labels_of(buf, known))
    return reader.drawn()


class DrawnReader(TextReader):
    """Collects the text of a message, with its HTML drawn.

    A drawn page replaces the plain text before it of which it is another version, as a multipart/alternative
    says, if that has no word of its own.
    """

    __slots__ = ("_drawn", "_plains", "_seen", "_short", "_width")

    def __init__(self, width: int) -> None:
        super().__init__()
        self._width = width
        self._drawn: list[list[DrawnLine]] = []
        self._plains: dict[tuple[int, int], dict[int, list[tuple[int, MailBuffer]]]] = {}
        """The plain texts that a page may replace, by their multipart/alternative and branch: the
        place of each in `_drawn`, and its buffer, whose identity is in the key."""
        self._seen: set[str] = set()
        self._short = False
        """Whether text was left out, since it was too long."""

    def drawn(self) -> DrawnText:
        """What was collected."""
        if self._short:
            return DrawnText()
        return styled(line for lines in self._drawn for line in lines)

    def _add(self, text: str) -> None:
        before = len(self.texts)
        length = len(text)
        super()._add(text)
        if len(self.texts) > before:
            kept = self.texts[-1]
            self._short = self._short or len(kept) < length - text.count("\r")
            self._drawn.append([DrawnLine(line) for line in kept.split("\n")])
        elif text:
            self._short = True

    def _plain(self, text: str, part: MessagePart) -> None:
        before = len(self._drawn)
        self._add(text)
        self._seen |= _words(text)
        choice = part.leaf.choice
        if part.file is None and choice is not None and len(self._drawn) > before:
            branches = self._plains.setdefault((id(part.buf), choice[0]), {})
            branches.setdefault(choice[1], []).append((before, part.buf))

    def _page(self, html: str, part: MessagePart) -> None:
        lines = draw(html, self._width)
        text = _text(lines)
        words = _words(text)
        if part.file is None:
            self._replace_plains(part, words.union(text.split()))
        elif words <= self._seen:
            return
        self._seen |= words
        before = len(self._drawn)
        self._add(text)
        if len(self._drawn) > before:
            self._drawn[before] = lines

    def _replace_plains(self, page: MessagePart, words: set[str]) -> None:
        """Remove the plain texts of which a page with these words is another version."""
        if page.leaf.choice is None:
            return
        multipart, own = page.leaf.choice
        branches = self._plains.get((id(page.buf), multipart), {})
        for branch in [one for one in branches if one != own]:
            for place, _ in branches.pop(branch):
                if _words(_text(self._drawn[place])) <= words:
                    self._drawn[place] = []

    def _html(self, raw: str) -> None:
        """Add rich text, unless its words are there."""
        lines = [" ".join(line.split()) for line in raw.split("\f")]
        words = _words("\n".join(lines))
        if not words <= self._seen:
            self._seen |= words
            self._add("\n".join(filter(None, lines)))


def _text(lines: Iterable[DrawnLine]) -> str:
    return "\n".join(line.text for line in lines)


def _words(text: str) -> set[str]:
    """The words of a text, and its symbols, such as emoji; if it has neither, what is between blanks."""
    words = set(_WORD.findall(text))
    if not text.isascii():
        words.update(char for char in set(text) if unicodedata.category(char) == "So")
    return words or set(text.split())


def styled(lines: Iterable[DrawnLine]) -> DrawnText:
    """Lines as one text, with the spans of headings, targets, quotes and signatures."""
    texts: list[str] = []
    styles: list[tuple[int, int, str]] = []
    at = 0
    signed = False
    for line in lines:
        quote = _QUOTE.match(line.text)
        signed = (signed or line.text.rstrip() == "--") and bool(line.text) and line.kind in ("", FIXED)
        kind = line.kind
        if quote is not None and kind in ("", FIXED):
            kind = QUOTES[min(quote[0].count(">"), len(QUOTES)) - 1]
        elif signed:
            kind = SIGNATURE
        end = at + len(line.text)
        if kind not in ("", FIXED) and at < end:
            if styles and styles[-1][1:] == (at - 1, kind):
                styles[-1] = styles[-1][0], end, kind
            elif len(styles) < STYLES:
                styles.append((at, end, kind))
        texts.append(line.text)
        at = end + 1
    return DrawnText("\n".join(texts), tuple(styles))
