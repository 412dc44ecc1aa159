"""The charsets that a message names: in a Content-Type, inside a text, and in encoded words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from muniment.mail.charsets.decode import Others, codec, marked, says_little
from muniment.mail.headers.fields import gather, parameters, remembered
from muniment.mail.mime.walker import decoded, header_at
from muniment.mail.model import MailBuffer, MimeLeaf

_CHARSET = re.compile(rb"charset\*?\s*=\s*[\"']?([^\s\"';>]+)", re.IGNORECASE)
_WITHIN = re.compile(
    rb"(?:<meta\b[^>]{0,400}?\bcharset|<\?xml\b[^>]{0,200}?\bencoding|\ncontent-type:[^\n]{0,200}?\bcharset)"
    rb"\s*=\s*[\"']?\s*([^\s\"'/;>]{1,64}+)",
    re.IGNORECASE,
)
"""The last alternative is in the header of a part. Such a header is in the text if the parts could not be
separated."""
_PROPERTY = re.compile(rb";charset=\"?([^\s\";:,]{1,64}+)", re.IGNORECASE)
"""A parameter of a property in vCard 2.1 and vCalendar 1.0."""
_WORD = re.compile(rb"=\?([!#-)+->@-~]{2,40}+)(?:\*[!-)+->@-~]{0,20}+)?\?[BbQq]\?")
"""The beginning of an encoded word."""
_WRITTEN = (b"subject", b"from", b"to")
"""Header fields whose encoded words show which charset the sender uses. All are content: fields of transport
must not change how a text is read."""
_LOOK = 4096
"""Bytes at its beginning in which a text may name its charset."""
_ENCODED = 2 * _LOOK
_LABELS = 20
"""Labels of one message that are tried."""
_LEAVES = 50
"""Leaves in which labels are sought."""


@remembered
def stated_charset(stated: bytes) -> str:
    """The charset in the value of a Content-Type field, also if it is malformed; "" for none."""
    loose = _CHARSET.search(stated) if b"=" in stated else None
    if loose is None:
        return ""
    found = parameters(stated)[1].get(b"charset", b"") if b"*" in loose[0] else loose[1]
    return found.decode("ascii", "replace")


def charset_of_text(stated: bytes, begin: bytes, kind: str) -> str:
    """The label by which a text is read; "" for none.

    The content hash asks the same function whether line ends are content (`mail.content.content_hash`).

    Args:
        stated: the value of the part's Content-Type field.
        begin: the first bytes of the text.
        kind: `type/subtype` in lower case.
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
    """The charset that a text names itself; "" for none, or for one in which it can't be written."""
    pattern = _PROPERTY if kind.endswith(("card", "calendar", "directory")) else _WITHIN
    found = pattern.search(begin, 0, _LOOK)
    label = found[1].decode("ascii", "replace") if found else ""
    return label if codec(label) and not codec(label).startswith(("utf_16", "utf_32")) else ""


def labels_of(buf: MailBuffer, found: Sequence[MimeLeaf]) -> Others:
    """A function that gives the labels of a message, in the order of preference.

    First come those of its parts, then those of its texts and encoded words. The function searches at its
    first call.

    Args:
        buf: the message.
        found: the result of `mime.walker.leaves`.
    """
    known: list[str] | None = None

    def labels() -> list[str]:
        nonlocal known
        if known is None:
            known = list(islice(dict.fromkeys(_labels(buf, found)), _LABELS))
        return known

    return labels


def _labels(buf: MailBuffer, found: Sequence[MimeLeaf]) -> Iterator[str]:
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
