"""What can be searched and listed of a message: its headers and its text, decoded.

Headers and leaves are found by `mail.mime`, and each leaf is read by itself: at most PART_LIMIT bytes of
one and TEXT_LIMIT characters of all, whatever the message's size. Nothing here raises on any bytes; what
went wrong is noted.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence

from muniment.mail.charsets import Others, codec, none_stated, to_text
from muniment.mail.headers import BLOCK_LIMIT, NO_FIELD, decode, field, gather
from muniment.mail.html import lines_of, link_targets, raw_text
from muniment.mail.ids import bare_id, bare_ids
from muniment.mail.links import LINKS
from muniment.mail.listing import SUMMARY_FIELDS, joined, summary_of
from muniment.mail.mime import DEPTH, decoded, file_of, header_at, is_text, leaves
from muniment.mail.model import Buffer, Leaf, MessageText, Summary
from muniment.mail.notes import CUT
from muniment.mail.public import body_text, hidden_bytes, stray_text
from muniment.mail.stated import charset_of_text, charset_within, labels_of, stated_charset

PART_LIMIT = 1024 * 1024
"""Bytes of one leaf's decoded content that are read."""
TEXT_LIMIT = 4 * 1024 * 1024
"""Characters of text of one message that are read."""
_ENCAPSULATED = 5
"""Levels of messages that lie encoded within one another."""
_LINE_ENDS = io.IncrementalNewlineDecoder(None, translate=True)
"""Makes CRLF and CR to LF; given whole texts only, it remembers nothing."""
_WORD = re.compile(r"\w+")
_SHOWN = (*SUMMARY_FIELDS, b"cc", b"bcc", b"references", b"in-reply-to")
_CC, _BCC, _REFERENCES, _IN_REPLY_TO = range(len(SUMMARY_FIELDS), len(_SHOWN))
"""Where in _SHOWN they are."""
_BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r")


def read_text(buf: Buffer, found: Sequence[Leaf] | None = None) -> MessageText:
    """All text of a message. `found` is what `mime.leaves` gave, if it was called already."""
    return read_message(buf, found)[1]


def read_leaf(buf: Buffer, leaf: Leaf, found: Sequence[Leaf] | None = None) -> MessageText:
    """The text of one leaf, whether or not it is shown as a file; none of what is no text.

    `found` is what `mime.leaves` gave, if it was called already.
    """
    reader = _Reader()
    reader.others = lambda: labels_of(buf, leaves(buf) if found is None else found)()
    if is_text(leaf.content_type):
        reader._text(buf, leaf)
    return MessageText("", "", "", "", "", "\n".join(reader.texts), (), tuple(reader.notes))


def read_message(buf: Buffer, found: Sequence[Leaf] | None = None) -> tuple[Summary, MessageText]:
    """Summary and text in one pass; `found` is what `mime.leaves` gave, if it was called already."""
    header = header_at(buf, 0, len(buf))
    known = leaves(buf) if found is None else found
    reader = _Reader()
    reader.message(buf, known, header)
    stated = gather(header, _SHOWN)
    others = labels_of(buf, known)
    summary = summary_of(stated, reader.attached, hidden_bytes(buf), others)
    text = MessageText(
        subject=summary.subject,
        sender=summary.sender,
        to=summary.to,
        cc=joined(stated[_CC], others),
        bcc=joined(stated[_BCC], others),
        body="\n".join(reader.texts),
        filenames=tuple(reader.names),
        notes=tuple(reader.notes),
        links=tuple(reader.links),
        message_id=bare_id(summary.message_id),
        references=bare_ids(" ".join(map(decode, (*stated[_REFERENCES], *stated[_IN_REPLY_TO])))),
    )
    return summary, text


class _Reader:
    """Gathers the text of one message, and of those within it, leaf by leaf."""

    __slots__ = (
        "_bare_words",
        "_cut",
        "_level",
        "_room",
        "_unread",
        "_words",
        "attached",
        "links",
        "names",
        "notes",
        "others",
        "texts",
    )

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.names: list[str] = []
        self.notes: dict[str, None] = {}
        self.links: dict[str, None] = {}
        self.attached = 0
        self.others: Others = none_stated
        self._unread: list[str] = []
        self._words: set[str] = set()
        self._bare_words: set[str] | None = None
        self._room = TEXT_LIMIT
        self._level = 0
        self._cut = False

    def message(self, buf: Buffer, found: Sequence[Leaf], header: bytes) -> None:
        """Take all leaves of a message, and the headers of the messages nested in it."""
        outer, self.others = self.others, labels_of(buf, found)
        self._stray(header)
        begun = {0}
        for leaf in found:
            if leaf.message not in begun:
                begun.add(leaf.message)
                self._nested_header(header_at(buf, leaf.message, leaf.body))
            file = file_of(buf, leaf, self.others)
            if file is not None:
                self.attached += not file[1]
                if file[0]:
                    self.names.append(file[0])
            self._leaf(buf, leaf)
        self.others = outer

    def _nested_header(self, header: bytes) -> None:
        for name in (b"subject", b"from", b"to", b"cc"):
            value = field(header, name)
            self._add(decode(value, self.others) if value else "")
        self._stray(header)

    def _stray(self, header: bytes) -> None:
        """Add the lines of a header that are no fields, and what may be prose behind them.

        A message without a blank line has its text there. Fields that transport writes, and `Bcc`,
        stay out: they may name recipients that not everybody who reads the text may know.
        """
        if not NO_FIELD.search(header):
            return
        for line in stray_text(header):
            self._add(to_text(line.rstrip(), "", self.others))

    def _leaf(self, buf: Buffer, leaf: Leaf) -> None:
        kind = leaf.content_type
        if is_text(kind):
            self._text(buf, leaf)
        elif kind.startswith("message/") and leaf.body < leaf.end:
            self._encapsulated(buf, leaf)

    def _text(self, buf: Buffer, leaf: Leaf) -> None:
        if leaf.content_type.startswith("multipart/"):
            self._note("a multipart whose parts could not be told apart was read as text")
        header = buf[leaf.head : min(leaf.body, leaf.head + BLOCK_LIMIT)]
        if leaf.head != leaf.message:
            self._stray(header)
        self._name_unknown(leaf.stated)
        for raw in self._contents(buf, leaf):
            if not (leaf.head or header.endswith(_BLANK_LINES)):
                raw = body_text(header, raw)
            text = self._readable(raw, leaf)
            if leaf.content_type == "text/html":
                self._links(text)
                self._html(raw_text(text))
            else:
                self._unread.append(text)
                self._add(text)

    def _links(self, html: str) -> None:
        """Take where the links of an HTML leaf lead."""
        if len(self.links) < LINKS:
            self.links.update(dict.fromkeys(link_targets(html)[: LINKS - len(self.links)]))

    def _readable(self, raw: bytes, leaf: Leaf) -> str:
        """A leaf's content as text, by its own label or, where that says little, by the message's others."""
        kind = leaf.content_type

        def others() -> Iterator[str]:
            yield charset_within(raw, kind)
            yield from self.others()

        return to_text(raw, charset_of_text(leaf.stated, raw, kind), others, cut=self._cut)

    def _html(self, raw: str) -> None:
        """Add an HTML leaf's text, unless the plain text before it has all its words.

        `raw` is without its lines yet, as most is not needed.
        """
        words = raw.split()
        if len(self._unread) == 1:
            plain = self._unread.pop().split()
            if plain == words:  # as in most mail; the one stands for the other until more is asked
                self._unread.append(raw)
                return
            self._learn(plain)
        for each in self._unread:
            self._learn(each.split())
        self._unread.clear()
        extra = set(words) - self._words
        if extra and not self._bare().issuperset(_WORD.findall(" ".join(extra))):
            self._add(lines_of(raw))

    def _learn(self, plain: list[str]) -> None:
        new = set(plain) - self._words
        self._words |= new
        if self._bare_words is not None:
            self._bare_words.update(_WORD.findall(" ".join(new)))

    def _bare(self) -> set[str]:
        """The words of the plain text so far, without the punctuation around them."""
        if self._bare_words is None:
            self._bare_words = set(_WORD.findall(" ".join(self._words)))
        return self._bare_words

    def _encapsulated(self, buf: Buffer, leaf: Leaf) -> None:
        """A message that is encoded, against the rules (RFC 2046 5.2.1), or lies too deep."""
        if leaf.encoding not in ("base64", "quoted-printable"):
            self._note(f"parts more than {DEPTH} levels deep were not told apart")
            self._add(to_text(self._contents(buf, leaf)[0], "", self.others))
        elif self._level < _ENCAPSULATED and self._room > 0:
            inner = self._contents(buf, leaf)[0]
            header = header_at(inner, 0, len(inner))
            self._level += 1
            found = leaves(inner)
            outer, self.others = self.others, labels_of(inner, found)
            self._nested_header(header)
            self.message(inner, found, b"")
            self.others = outer
            self._level -= 1

    def _contents(self, buf: Buffer, leaf: Leaf) -> list[bytes]:
        """A leaf's decoded content; of broken base64 also as it stands, as it may be plain text."""
        limit = min(PART_LIMIT, self._room * 4)
        most = limit if leaf.encoding != "base64" else limit * 3 // 2
        end = min(leaf.end, leaf.body + most)
        stands = buf[leaf.body : end]
        content, whole = decoded(stands, leaf.encoding)
        self._cut = end < leaf.end or len(content) > limit
        if self._cut:
            self._note(CUT)
        elif not whole:
            self._note("broken base64 was read as far as it could be")
            return [content[:limit], stands]
        return [content[:limit]]

    def _name_unknown(self, stated: bytes) -> None:
        """Note a charset that nobody knows."""
        charset = stated_charset(stated)
        if charset and not codec(charset):
            self._note("unknown charset " + ascii(charset[:40]))

    def _note(self, note: str) -> None:
        self.notes[note] = None

    def _add(self, text: str) -> None:
        if "\r" in text:
            text = _LINE_ENDS.decode(text, True)
        if len(text) > self._room:
            self._note(CUT)
            text = text[: self._room]
        if text:
            self._room -= len(text)
            self.texts.append(text)
