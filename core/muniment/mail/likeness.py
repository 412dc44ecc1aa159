"""Likeness: what two copies of one message have in common when a service wrote the bytes of one.

Exchange and Graph write the MIME of a message each time it is read: the order of headers, boundaries,
encodings and charsets differ from the original's. Message-ID, Date, Subject, the addresses of From, Sender,
Reply-To, To and Cc, the words of every text part in order, and the names and contents of attachments do not.

Likeness only says that two messages show the same. It is no authority: which of the two may stand for the
other is decided by who brought them (`runs.linking`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from muniment.mail.addresses import normalise, parse
from muniment.mail.fork import is_transport
from muniment.mail.headers import decode, fields, gather, unfold
from muniment.mail.mime import AttachmentInfo, attachments, content, header_at, leaves
from muniment.mail.model import Buffer, Leaf, Likeness
from muniment.mail.text import PART_LIMIT, read_leaf, read_message

LIKENESS_VERSION = 2
"""Number of what is compared. Likenesses are never stored, so that it may change."""
_PEOPLE = (b"from", b"sender", b"reply-to", b"to", b"cc")
_WRITTEN = (b"mime-version", b"content-", b"bcc")
"""Beginnings of the names of fields that a service writes for itself, or leaves out for some readers."""


def likeness(buf: Buffer) -> Likeness:
    """What a message is compared by, however it is written.

    A run of white space counts as one blank. Attachments count by their contents, in no order, since
    services do not keep it.
    """
    found = leaves(buf)
    senders, *others = _people(buf)
    if any(leaf.end - leaf.body > PART_LIMIT and _is_read(leaf) for leaf in found):
        return Likeness(senders=senders)  # the rest of such a text may differ unseen
    summary, text = read_message(buf, found)
    files = attachments(buf, found)
    message_id = "".join(summary.message_id.split())
    shown = (
        message_id, summary.date, summary.subject.split(), senders, *others, text.body.split(),
        [read_leaf(buf, leaf).body.split() for leaf in found if leaf.content_type == "text/html"],
        sorted(file.filename for file in files if file.filename),
        sorted(_digest(buf, file) for file in files),
    )  # fmt: skip
    item = (shown, sorted(_header(buf)))
    return Likeness(_hash(shown) if message_id else b"", _hash(item), senders)


def _people(buf: Buffer) -> Iterator[tuple[str, ...]]:
    """The addresses of each field that names people, all its occurrences together."""
    for values in gather(header_at(buf, 0, len(buf)), _PEOPLE):
        yield tuple(sorted({normalise(one.address) for value in values for one in parse(value)} - {""}))


def _is_read(leaf: Leaf) -> bool:
    return not leaf.content_type or leaf.content_type.startswith(("text/", "multipart/", "message/"))


def _header(buf: Buffer) -> Iterable[tuple[str, str]]:
    """The header's fields without those that a service writes for itself; white space counts as one blank."""
    header = header_at(buf, 0, len(buf))
    for name, start, end in fields(header):
        if name and not name.startswith(_WRITTEN) and not is_transport(name):
            value = decode(unfold(header[start:end].partition(b":")[2]))
            yield name.decode("ascii", "replace"), " ".join(value.split())


def _digest(buf: Buffer, file: AttachmentInfo) -> str:
    digest = hashlib.sha256()
    for piece in content(buf, file.leaf):
        digest.update(piece)
    return digest.hexdigest()


def _hash(said: object) -> bytes:
    return hashlib.sha256(repr(said).encode("utf-8", "surrogatepass")).digest()
