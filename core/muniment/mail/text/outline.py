"""The outline of a message: what the index gets when its text can't be read.

It is what `mail.text.listing` gives, and the names of the files. No HTML is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from muniment.mail.headers.domains import readable
from muniment.mail.headers.fields import decode, gather
from muniment.mail.headers.message_ids import bare_id, bare_ids
from muniment.mail.headers.routing import people_in
from muniment.mail.mime.parts import parts
from muniment.mail.mime.stated_charsets import labels_of
from muniment.mail.mime.walker import header_at, leaves
from muniment.mail.model import MailBuffer, MessageSummary, MessageText, MimeLeaf
from muniment.mail.notes import UNREAD
from muniment.mail.text.listing import joined, read_summary

_FIELDS = (b"cc", b"bcc", b"references", b"in-reply-to")


def read_outline(
    buf: MailBuffer, found: Sequence[MimeLeaf] | None = None
) -> tuple[MessageSummary, MessageText]:
    """Summary and searchable fields of a message, with an empty body and the note UNREAD. Never raises.

    Args:
        buf: the message.
        found: the result of `mime.walker.leaves`, if it is there already.
    """
    known = leaves(buf) if found is None else found
    summary = read_summary(buf, known)
    cc, bcc, *named = gather(header_at(buf, 0, len(buf)), _FIELDS)
    others = labels_of(buf, known)
    files = [part.file for part in parts(buf, known, others, inside=False)]
    text = MessageText(
        subject=summary.subject,
        sender=summary.sender,
        to=summary.to,
        cc=readable(joined(cc, others)),
        bcc=readable(joined(bcc, others)),
        body="",
        filenames=tuple(file[0] for file in files if file is not None and file[0]),
        notes=(UNREAD,),
        message_id=bare_id(summary.message_id),
        references=bare_ids(" ".join(decode(value) for values in named for value in values)),
        people=people_in(buf),
    )
    return summary, text
