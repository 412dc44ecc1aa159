"""Likeness: a hash of what two copies of one message share, though a service rewrote one of them.

Exchange and Graph generate the MIME of a message at each read: the order of headers, boundaries, encodings
and charsets differ from the original's. These do not differ: Message-ID, Date, Subject, the addresses of
From, Sender, Reply-To, To and Cc, the words of every text part in order, the dates of nested messages, and
the names and contents of attachments.

Equal likeness only means that two messages show the same. It does not decide which of the two replaces the
other: that depends on who brought them (`runs.pipeline.link_copies`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from muniment.mail.charsets.decode import Others
from muniment.mail.content.fork import is_transport
from muniment.mail.headers.addresses import normalise, parse
from muniment.mail.headers.dates import parse_date
from muniment.mail.headers.fields import decode, fields, gather, unfold
from muniment.mail.mime.stated_charsets import labels_of
from muniment.mail.mime.walker import AttachmentInfo, attachments, content, header_at, leaves
from muniment.mail.model import Likeness, MailBuffer, MimeLeaf
from muniment.mail.notes import CUT
from muniment.mail.text.read_text import read_leaf, read_message

_PEOPLE = (b"from", b"sender", b"reply-to", b"to", b"cc")
_WRITTEN = (b"mime-version", b"content-", b"bcc")
"""Prefixes of the names of fields that a service writes itself, or leaves out for some readers."""


def likeness(buf: MailBuffer) -> Likeness:
    """The hashes by which a rewritten message is recognised. Never raises.

    A run of white space counts as one blank. Attachments count by name and content; their order does not
    count, since services do not keep it. A message whose text is read only in part has no likeness.
    """
    found = leaves(buf)
    senders, *others = _people(buf)
    summary, text = read_message(buf, found)
    if CUT in text.notes:
        return Likeness(senders=senders)  # the part of the text that is not read may differ
    labels = labels_of(buf, found)
    files = attachments(buf, found, labels)
    message_id = "".join(summary.message_id.split())
    shown = (
        message_id, summary.date, summary.subject.split(), senders, *others, text.body.split(),
        [read_leaf(buf, leaf, found).body.split() for leaf in found if leaf.content_type == "text/html"],
        sorted((file.filename, _digest(buf, file)) for file in files),
        _dates_within(buf, found),
    )  # fmt: skip
    item = (shown, sorted(_header(buf, labels)))
    return Likeness(_hash(shown) if message_id else b"", _hash(item), senders)


def _people(buf: MailBuffer) -> Iterator[tuple[str, ...]]:
    """Yield the addresses of each field that names people, of all its occurrences together."""
    for values in gather(header_at(buf, 0, len(buf)), _PEOPLE):
        yield tuple(sorted({normalise(one.address) for value in values for one in parse(value)} - {""}))


def _dates_within(buf: MailBuffer, found: Sequence[MimeLeaf]) -> list[int | None]:
    """The date of each nested message, in order. Their people and subjects are part of the text."""
    begun = dict.fromkeys(leaf.message for leaf in found if leaf.message)
    stated = (gather(header_at(buf, start, len(buf)), (b"date",))[0] for start in begun)
    return [parse_date(values[0] if values else b"") for values in stated]


def _header(buf: MailBuffer, others: Others) -> Iterable[tuple[str, str]]:
    """The header's fields, without those that a service writes itself. White space counts as one blank."""
    header = header_at(buf, 0, len(buf))
    for name, start, end in fields(header):
        if name and not name.startswith(_WRITTEN) and not is_transport(name):
            value = decode(unfold(header[start:end].partition(b":")[2]), others)
            yield name.decode("ascii", "replace"), " ".join(value.split())


def _digest(buf: MailBuffer, file: AttachmentInfo) -> str:
    digest = hashlib.sha256()
    for piece in content(buf, file.leaf):
        digest.update(piece)
    return digest.hexdigest()


def _hash(value: object) -> bytes:
    return hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).digest()
