"""Likeness: what two copies of one message have alike when a service wrote the bytes of one anew.

Exchange and Graph make the MIME of a message when it is asked for: order of headers, boundaries, encodings
and charsets differ from the original's. Message-ID, From, Date, the decoded text and the parts' contents
do not.
"""

from __future__ import annotations

import hashlib

from muniment.mail.addresses import parse
from muniment.mail.headers import field
from muniment.mail.mime import attachments, content, header_at
from muniment.mail.model import Buffer
from muniment.mail.text import read_message

LIKENESS_VERSION = 1
"""Number of what is compared. Likenesses are never kept, so that it may change."""


def name_of(message_id: str) -> bytes:
    """A Message-ID as it is looked up: 8 bytes of its SHA-256; empty for none."""
    bare = "".join(message_id.split())
    return hashlib.sha256(bare.encode("utf-8", "surrogatepass")).digest()[:8] if bare else b""


def likeness(buf: Buffer, *, unnamed: bool = False) -> bytes:
    """SHA-256 of what a message says and carries, however it is written; empty without a Message-ID.

    Runs of white space count as one blank. Attachments count by their contents, in no order. `unnamed`: one
    without a Message-ID has a likeness as well, since something else says that two reads are of one message;
    the subject counts then, as people edit it.
    """
    summary, text = read_message(buf)
    if not summary.message_id and not unnamed:
        return b""
    senders = sorted(one.address for one in parse(field(header_at(buf, 0, len(buf)), b"from") or b""))
    parts = []
    for one in attachments(buf):
        digest = hashlib.sha256()
        for piece in content(buf, one.leaf):
            digest.update(piece)
        parts.append(digest.hexdigest())
    said = ("".join(summary.message_id.split()), senders, summary.date, text.body.split(), sorted(parts))
    subject = (" ".join(summary.subject.split()),) if unnamed else ()
    return hashlib.sha256(repr(said + subject).encode("utf-8", "surrogatepass")).digest()
