"""Reads what can be searched and listed of a message: its headers and its decoded text.

`mail.mime.walker` finds headers and leaves, and each leaf is read by itself: at most PART_LIMIT bytes of one
and TEXT_LIMIT characters of all. Nothing here raises on any bytes. What went wrong becomes a note.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence

from muniment.mail.buffer import JoinedBuffer
from muniment.mail.charsets.decode import Others, codec, none_stated, to_text
from muniment.mail.content.public import body_text, hidden_bytes, is_usual, stray_text
from muniment.mail.headers.domains import readable
from muniment.mail.headers.fields import BLOCK_LIMIT, NO_FIELD, decode, gather
from muniment.mail.headers.message_ids import bare_id, bare_ids
from muniment.mail.headers.routing import PEOPLE, people_in, people_of
from muniment.mail.mime import rtf
from muniment.mail.mime.parts import (
    HEADER,
    MESSAGE,
    NOTE,
    PACKED,
    RICH,
    TEXT,
    WORDS,
    FilePart,
    MessagePart,
    is_html,
    opened,
    parts,
)
from muniment.mail.mime.stated_charsets import charset_of_text, charset_within, labels_of, stated_charset
from muniment.mail.mime.walker import DEPTH, UUENCODED, content, decoded, header_at, is_text, leaves
from muniment.mail.model import MailBuffer, MessageSummary, MessageText, MimeLeaf
from muniment.mail.notes import CUT
from muniment.mail.text.html import lines_of, link_targets, raw_text
from muniment.mail.text.links import LINKS
from muniment.mail.text.listing import SUMMARY_FIELDS, joined, summary_of

PART_LIMIT = 1024 * 1024
"""Bytes of one leaf's decoded content that are read."""
TEXT_LIMIT = 4 * 1024 * 1024
"""Characters of text of one message that are read."""
_LINE_ENDS = io.IncrementalNewlineDecoder(None, translate=True)
"""Turns CRLF and CR into LF. It gets whole texts only, so it keeps no state between them."""
_WORD = re.compile(r"\w+")
_TITLES = (b"from", b"to", b"cc", b"date", b"subject")
"""Fields of an attached message that are put before its text. `Bcc` is for its sender only."""
_SHOWN = (*SUMMARY_FIELDS, b"cc", b"bcc", b"references", b"in-reply-to")
_CC, _BCC, _REFERENCES, _IN_REPLY_TO = range(len(SUMMARY_FIELDS), len(_SHOWN))
_PEOPLE = tuple(map(_SHOWN.index, PEOPLE))
"""The positions of PEOPLE in _SHOWN."""
_BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r")


def read_text(buf: MailBuffer, found: Sequence[MimeLeaf] | None = None) -> MessageText:
    """All text of a message. Never raises.

    Args:
        buf: the message.
        found: the result of `mime.walker.leaves`, if it is there already.
    """
    return read_message(buf, found)[1]


def read_leaf(buf: MailBuffer, leaf: MimeLeaf, found: Sequence[MimeLeaf] | None = None) -> MessageText:
    """The text of one leaf, also if it is shown as a file; empty if the leaf is no text. Never raises.

    Args:
        buf: the message.
        leaf: a leaf of `buf`.
        found: the result of `mime.walker.leaves`, if it is there already.
    """
    reader = TextReader()
    reader.others = lambda: labels_of(buf, leaves(buf) if found is None else found)()
    if is_text(leaf.content_type):
        reader._text(MessagePart(buf, leaf, 0, None, TEXT))
    return reader.text()


def read_file(file: FilePart, limit: int = PART_LIMIT) -> MessageText:
    """The text of a file, as a person reads it; empty if the file is no text. Never raises.

    `limit`: bytes of a leaf's decoded content that are read.
    """
    reader = TextReader(limit)
    if file.reading in (MESSAGE, HEADER):
        inner = opened(file.buf, file.leaf)
        if inner is not None:
            header, found = header_at(inner, 0, len(inner)), leaves(inner)
            others = labels_of(inner, found)
            for name, values in zip(_TITLES, gather(header, _TITLES), strict=True):
                for value in values:
                    reader._add(f"{name.decode().capitalize()}: {decode(value, others)}")
            reader._add("\n")
            reader.message(inner, found, header, others)
    else:
        shown = (file.filename, file.inline)
        reader._read(MessagePart(file.buf, file.leaf, 1, shown, file.reading, file.cuts, others=file.others))
    return reader.text()


def read_message(
    buf: MailBuffer, found: Sequence[MimeLeaf] | None = None
) -> tuple[MessageSummary, MessageText]:
    """Summary and text in one pass. Never raises.

    Args:
        buf: the message.
        found: the result of `mime.walker.leaves`, if it is there already.
    """
    header = header_at(buf, 0, len(buf))
    usual = is_usual(header)
    known = leaves(buf) if found is None else found
    others = labels_of(buf, known)
    stated = gather(header, _SHOWN)
    reader = TextReader()
    reader.known = stated[0]
    reader.message(buf, known, b"" if usual else header, others)
    summary = summary_of(stated, reader.attached, hidden_bytes(buf, header, usual), others)
    text = MessageText(
        subject=summary.subject,
        sender=summary.sender,
        to=summary.to,
        cc=readable(joined(stated[_CC], others)),
        bcc=readable(joined(stated[_BCC], others)),
        body="\n".join(reader.texts),
        filenames=tuple(reader.names),
        notes=tuple(reader.notes),
        links=tuple(reader.links),
        message_id=bare_id(summary.message_id),
        references=bare_ids(" ".join(map(decode, (*stated[_REFERENCES], *stated[_IN_REPLY_TO])))),
        people=people_of([stated[at] for at in _PEOPLE]) if usual else people_in(buf),
    )
    return summary, text


class TextReader:
    """Collects the text of one message, and of the messages in it, leaf by leaf."""

    __slots__ = (
        "_bare_words",
        "_cut",
        "_limit",
        "_room",
        "_unread",
        "_words",
        "attached",
        "known",
        "links",
        "names",
        "notes",
        "others",
        "texts",
    )

    def __init__(self, limit: int = PART_LIMIT) -> None:
        """`limit`: bytes of a leaf's decoded content that are read."""
        self._limit = limit
        self.texts: list[str] = []
        self.names: list[str] = []
        self.notes: dict[str, None] = {}
        self.links: dict[str, None] = {}
        self.attached = 0
        self.known: Sequence[bytes] = ()
        """The values of the message's own Subject, whose words are not repeated in the text."""
        self.others: Others = none_stated
        self._unread: list[str] = []
        self._words: set[str] = set()
        self._bare_words: set[str] | None = None
        self._room = max(TEXT_LIMIT, limit)
        self._cut = False

    def text(self) -> MessageText:
        """What was collected, as a message without header fields."""
        return MessageText("", "", "", "", "", "\n".join(self.texts), (), tuple(self.notes))

    def message(self, buf: MailBuffer, found: Sequence[MimeLeaf], header: bytes, others: Others) -> None:
        """Add all parts of a message, and the headers of the messages nested in it.

        Args:
            buf: the message.
            found: its leaves.
            header: its own header; b"" if that holds fields only.
            others: gives the charsets that it names.
        """
        self.others = others
        self._stray(header)
        for part in parts(buf, found, others):
            if part.file is not None:
                self.attached += not part.file[1]
                if part.file[0]:
                    self.names.append(part.file[0])
            self._read(part)

    def _read(self, part: MessagePart) -> None:
        """Add the text of a part, if it has any."""
        self.others, reading = part.others, part.reading
        if reading == TEXT:
            self._text(part)
        elif reading == HEADER:
            self._nested_header(header_at(part.buf, part.leaf.body, part.leaf.end))
        elif reading in (RICH, PACKED):
            self._rich(part)
        elif reading == NOTE:
            self._note(part.words)
        elif reading == WORDS and part.words not in map(decode, self.known):
            self._add(part.words)

    def _nested_header(self, header: bytes) -> None:
        for values in gather(header, (b"subject", b"from", b"to", b"cc")):
            for value in values:
                self._add(decode(value, self.others))
        self._stray(header)

    def _stray(self, header: bytes) -> None:
        """Add the lines of a header that are no fields, and what may be prose behind them.

        A message without a blank line has its text there. Fields that transport writes, and `Bcc`, stay out:
        they may name recipients whom not every reader may know.
        """
        if not NO_FIELD.search(header):
            return
        for line in stray_text(header):
            self._add(to_text(line.rstrip(), "", self.others))

    def _text(self, part: MessagePart) -> None:
        buf, leaf = part.buf, part.leaf
        if leaf.content_type.startswith("multipart/"):
            self._note("a multipart whose parts could not be told apart was read as text")
        elif leaf.content_type.startswith("message/") and not is_text(leaf.content_type):
            self._note(f"parts more than {DEPTH} levels deep were not told apart")
        header = buf[leaf.head : min(leaf.body, leaf.head + BLOCK_LIMIT)]
        if leaf.head != leaf.message:
            self._stray(header)
        self._name_unknown(leaf.stated)
        headless = not (leaf.head or header.endswith(_BLANK_LINES)) and (part.level == 0 or not part.file)
        for raw in self._contents(part):
            if headless:
                raw = body_text(header, raw)
            html = is_html(leaf, part.file[0] if part.file else "")
            text = self._readable(raw, leaf, "text/html" if html else leaf.content_type, part.cuts)
            if html:
                self._page(text, part)
            else:
                self._plain(text, part)

    def _plain(self, text: str, part: MessagePart) -> None:
        """Add a text that is no HTML."""
        self._unread.append(text)
        self._add(text)

    def _page(self, html: str, part: MessagePart) -> None:
        """Add an HTML document and the targets of its links."""
        self._links(html)
        self._html(raw_text(html))

    def _links(self, html: str) -> None:
        """Add the targets of the links of an HTML leaf."""
        if len(self.links) < LINKS:
            self.links.update(dict.fromkeys(link_targets(html)[: LINKS - len(self.links)]))

    def _readable(self, raw: bytes, leaf: MimeLeaf, kind: str, cuts: tuple[tuple[int, int], ...]) -> str:
        """A leaf's content as text, by its label, or by another of the message if that says little.

        If a file was cut off the beginning, the first bytes of the rest are no byte order mark.
        """
        begin = b"" if cuts and cuts[0][0] == 0 else raw

        def others() -> Iterator[str]:
            yield charset_within(raw, kind)
            yield from self.others()

        return to_text(raw, charset_of_text(leaf.stated, begin, kind), others, cut=self._cut)

    def _rich(self, part: MessagePart) -> None:
        """Add RTF in the way HTML is added, since it repeats the plain text."""
        for raw in self._contents(part):
            if part.reading == PACKED:
                raw = rtf.decompressed(raw, self._limit)
                if len(raw) == self._limit:
                    self._note(CUT)
            text, html = rtf.read_rtf(raw)
            if html:
                self._page(text, part)
            else:
                self._html(text.replace("\f", " ").replace("\n", "\f"))

    def _html(self, raw: str) -> None:
        """Add an HTML leaf's text, unless the plain text before it has all its words.

        `raw` is not yet split into lines, since most of it is not needed.
        """
        words = raw.split()
        if len(self._unread) == 1:
            plain = self._unread.pop().split()
            if plain == words:  # as in most mail: either of them will do as the plain text
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

    def _contents(self, part: MessagePart) -> list[bytes]:
        """A part's decoded content. Broken base64 is also given undecoded, as it may be plain text."""
        buf, leaf = part.buf, part.leaf
        limit = min(self._limit, self._room * 4)
        if part.cuts or leaf.encoding in UUENCODED:
            return [self._picked(part, limit)]
        most = limit if leaf.encoding != "base64" else limit * 3 // 2
        end = min(leaf.end, leaf.body + most)
        raw = buf[leaf.body : end]
        found, whole = decoded(raw, leaf.encoding)
        self._cut = end < leaf.end or len(found) > limit
        if self._cut:
            self._note(CUT)
        elif not whole:
            self._note("broken base64 was read as far as it could be")
            return [found[:limit], raw]
        return [found[:limit]]

    def _picked(self, part: MessagePart, limit: int) -> bytes:
        """The content of a uuencoded part, or a text without the files inside it."""
        if not part.cuts:
            pieces, size = [], 0
            for piece in content(part.buf, part.leaf):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    break
            text: MailBuffer = b"".join(pieces)
        else:
            whole = opened(part.buf, part.leaf) or b""
            ends = (0, *(end for _, end in part.cuts))
            starts = (*(start for start, _ in part.cuts), len(whole))
            text = JoinedBuffer(whole, list(zip(ends, starts, strict=True)))
        self._cut = len(text) > limit
        if self._cut:
            self._note(CUT)
        return text[:limit]

    def _name_unknown(self, stated: bytes) -> None:
        """Note a charset that is not known."""
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
