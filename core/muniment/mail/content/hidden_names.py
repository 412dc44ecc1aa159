"""Whether what the public form of a message leaves out could name other people than those it shows.

If it could not, the bytes of the message as they were archived can be given to one of its people.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from muniment.mail.content.public import names_recipients, public_header
from muniment.mail.headers.addresses import normalise
from muniment.mail.headers.fields import BLOCK_LIMIT
from muniment.mail.model import MailBuffer

_OF_ADDRESS = r"[^\s<>\"'(),;:=\[\]]"
# It begins only where such characters begin. Otherwise long text without "@" would be read again and again.
_ADDRESS = re.compile(rf"(?<!{_OF_ADDRESS}){_OF_ADDRESS}+@{_OF_ADDRESS}+")
_FIELD = re.compile(r"(?:\ufeff)?([!-9;-~]{1,100})[ \t]*:(.*)", re.DOTALL)
_LINE = re.compile(r"[^\r\n]+(?:(?:\r\n|\r|\n)[ \t][^\r\n]*)*")
_BETWEEN = re.compile(r"[\s<>,;:]+")


def hides_others(buf: MailBuffer, own: Collection[str]) -> bool:
    """Whether the public form leaves out something that may name other people.

    An address that the public form shows itself is no secret. A field that is known to name recipients must
    have nothing but such addresses, or those of `own`; no other field may have any other address.

    Args:
        buf: The message.
        own: The reader's own addresses, normalised.
    """
    spans, end = public_header(buf)
    if end > BLOCK_LIMIT:
        return True
    shown = b"\n".join(buf[start:stop] for start, stop in spans).decode("latin-1")
    allowed = frozenset(own) | frozenset(map(normalise, _ADDRESS.findall(shown)))
    at, hidden = 0, []
    for start, stop in (*spans, (end, end)):
        hidden.append(buf[at:start].decode("latin-1"))
        at = stop
    return any(_names_others(line, allowed) for text in hidden for line in _LINE.findall(text))


def _names_others(line: str, allowed: Collection[str]) -> bool:
    """Whether a field, or a line that is none, names anyone but those who are allowed."""
    if any(normalise(address) not in allowed for address in _ADDRESS.findall(line)):
        return True
    field = _FIELD.match(line)
    if field is None:
        return bool(line.strip())
    if not names_recipients(field[1].encode("latin-1")):
        return False
    rest = _ADDRESS.sub(" ", field[2])
    return bool(_BETWEEN.sub("", rest))
