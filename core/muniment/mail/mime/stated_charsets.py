"""The charsets that a message states: in a Content-Type, in the text itself, anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from muniment.mail.charsets.decode import Others, codec, marked, says_little
from muniment.mail.headers.fields import gather, parameters, remembered
from muniment.mail.mime.walker import decoded, header_at
from muniment.mail.model import Buffer, Leaf

_CHARSET = re.compile(rb"charset\*?\s*=\s*[\"']?([^\s\"';>]+)", re.IGNORECASE)
_WITHIN = re.compile(
    rb"(?:<meta\b[^>]{0,400}?\bcharset|<\?xml\b[^>]{0,200}?\bencoding|\ncontent-type:[^\n]{0,200}?\bcharset)"
    rb"\s*=\s*[\"']?\s*([^\s\"'/;>]{1,64}+)",
    re.IGNORECASE,
)
"""The last is in the header of a part, which stands in the text where parts could not be told apart."""
_PROPERTY = re.compile(rb";charset=\"?([^\s\";:,]{1,64}+)", re.IGNORECASE)
"""A parameter of a property in vCard 2.1 and vCalendar 1.0."""
_WORD = re.compile(rb"=\?([!#-)+->@-~]{2,40}+)(?:\*[!-)+->@-~]{0,20}+)?\?[BbQq]\?")
"""What an encoded word begins with."""
_WRITTEN = (b"subject", b"from", b"to")
"""Header fields whose encoded words tell what the sender writes in. All are content: what transport adds must
not decide how a text is read."""
_LOOK = 4096
"""Bytes at its beginning in which a text may state its charset."""
_ENCODED = 2 * _LOOK
_LABELS = 20
"""Labels of one message that are tried."""
_LEAVES = 50
"""Leaves that are looked into for labels."""


@remembered
def stated_charset(stated: bytes) -> str:
    """The charset that the value of a Content-Type states, in broken ways too; "" for none."""
    loose = _CHARSET.search(stated) if b"=" in stated else None
    if loose is None:
        return ""
    found = parameters(stated)[1].get(b"charset", b"") if b"*" in loose[0] else loose[1]
    return found.decode("ascii", "replace")


def charset_of_text(stated: bytes, begin: bytes, kind: str) -> str:
    """The label that a text is read by, from the value of its Content-Type, its first bytes, and its type.

    What decides whether line ends are content asks the same (`mail.content.content_hash`).
    """
    charset = stated_charset(stated)
    if says_little(charset):
        mark = marked(begin)
        if mark:
            return mark
    if codec(charset):
        return charset
    return charset_within(begin, kind) if kind == "text/html" else ""


def charset_within(begin: bytes, kind: str) -> str:
    """The charset that a text states itself; "" for none, or one that it can't be in."""
    pattern = _PROPERTY if kind.endswith(("card", "calendar", "directory")) else _WITHIN
    found = pattern.search(begin, 0, _LOOK)
    label = found[1].decode("ascii", "replace") if found else ""
    return label if codec(label) and not codec(label).startswith(("utf_16", "utf_32")) else ""


def labels_of(buf: Buffer, found: Sequence[Leaf]) -> Others:
    """What gives the labels of a message: those of its parts, those that its texts state, those of its words.

    They are looked for when they are first needed. `found` is what `mime.leaves` gave.
    """
    known: list[str] | None = None

    def labels() -> list[str]:
        nonlocal known
        if known is None:
            known = list(islice(dict.fromkeys(_labels(buf, found)), _LABELS))
        return known

    return labels


def _labels(buf: Buffer, found: Sequence[Leaf]) -> Iterator[str]:
    for leaf in found:
        if leaf.stated and not says_little(label := stated_charset(leaf.stated)):
            yield label
    header = header_at(buf, 0, len(buf))
    words = [_WORD.findall(value[:_LOOK]) for values in gather(header, _WRITTEN) for value in values]
    texts = (leaf for leaf in found if leaf.content_type.startswith("text/"))
    for leaf in islice(texts, _LEAVES):
        begin, _ = decoded(buf[leaf.body : min(leaf.end, leaf.body + _ENCODED)], leaf.encoding)
        if not says_little(label := charset_within(begin, leaf.content_type)):
            yield label
        words.append(_WORD.findall(begin, 0, _LOOK))
    for word in dict.fromkeys(chain.from_iterable(words)):
        if not says_little(label := word.decode("ascii")):
            yield label
