"""Likeness: what two copies of one message have in common when a service wrote the bytes of one.

Exchange and Graph write the MIME of a message each time it is read: the order of headers, boundaries,
encodings and charsets differ from the original's. Message-ID, Date, Subject, the addresses of From, Sender,
Reply-To, To and Cc, the words of every text part in order, the dates of messages within, and the names and
contents of attachments do not.

Likeness only says that two messages show the same. It is no authority: which of the two may stand for the
other is decided by who brought them (`runs.pipeline.link_copies`).
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
from muniment.mail.model import Buffer, Leaf, Likeness
from muniment.mail.notes import CUT
from muniment.mail.text.read_text import read_leaf, read_message

_PEOPLE = (b"from", b"sender", b"reply-to", b"to", b"cc")
_WRITTEN = (b"mime-version", b"content-", b"bcc")
"""Beginnings of the names of fields that a service writes for itself, or leaves out for some readers."""


def likeness(buf: Buffer) -> Likeness:
    """What a message is compared by, however it is written.

    A run of white space counts as one blank. Attachments count by name and content, in no order, since
    services do not keep it. A message whose text is read in part is like no other.
    """
    found = leaves(buf)
    senders, *others = _people(buf)
    summary, text = read_message(buf, found)
    if CUT in text.notes:
        return Likeness(senders=senders)  # the rest of such a text may differ unseen
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


def _people(buf: Buffer) -> Iterator[tuple[str, ...]]:
    """The addresses of each field that names people, all its occurrences together."""
    for values in gather(header_at(buf, 0, len(buf)), _PEOPLE):
        yield tuple(sorted({normalise(one.address) for value in values for one in parse(value)} - {""}))


def _dates_within(buf: Buffer, found: Sequence[Leaf]) -> list[int | None]:
    """The date of each message within the message, in order; their people and subjects are in its text."""
    begun = dict.fromkeys(leaf.message for leaf in found if leaf.message)
    stated = (gather(header_at(buf, start, len(buf)), (b"date",))[0] for start in begun)
    return [parse_date(values[0] if values else b"") for values in stated]


def _header(buf: Buffer, others: Others) -> Iterable[tuple[str, str]]:
    """The header's fields without those that a service writes for itself; white space counts as one blank."""
    header = header_at(buf, 0, len(buf))
    for name, start, end in fields(header):
        if name and not name.startswith(_WRITTEN) and not is_transport(name):
            value = decode(unfold(header[start:end].partition(b":")[2]), others)
            yield name.decode("ascii", "replace"), " ".join(value.split())


def _digest(buf: Buffer, file: AttachmentInfo) -> str:
    digest = hashlib.sha256()
    for piece in content(buf, file.leaf):
        digest.update(piece)
    return digest.hexdigest()


def _hash(said: object) -> bytes:
    return hashlib.sha256(repr(said).encode("utf-8", "surrogatepass")).digest()
