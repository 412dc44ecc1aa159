"""The text of a checkpoint as others read it (C2SP tlog-checkpoint): origin, size and root, a line each.

example.com/muniment/4f2a09c1d2e3f405
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from muniment.errors import MunimentError

ROOT_SIZE = 32
"""Bytes of a root: one SHA-256."""
LONGEST_ORIGIN = 255
"""Most bytes of an origin. A signature by ML-DSA-44 has no room for more."""
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_MOST = (1 << 63) - 1


class NoteInvalid(MunimentError):
    """A note, a checkpoint or a key is not in its form, or its signature is wrong."""


@dataclass(frozen=True, slots=True)
class CheckpointBody:
    """Which log, how many leaves, and the Merkle root over them (RFC 9162, 2.1)."""

    origin: str
    """The permanent name of the log."""
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Further lines. Nothing here writes any; a log of others may."""

    @property
    def text(self) -> str:
        """The text that is signed; it ends with a line feed."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def read_body(text: str) -> CheckpointBody:
    """Parse the text of a checkpoint.

    Raises:
        NoteInvalid: It is none.
    """
    origin, size, root, *extensions = [*text.split("\n"), "", "", ""]
    if not text.endswith("\n") or len(extensions) < 4 or not origin:
        raise NoteInvalid("this is no checkpoint: its text is not an origin, a size and a root, a line each")
    more = tuple(extensions[:-4])
    if not all(more):
        raise NoteInvalid("this is no checkpoint: a line of its text is empty")
    return CheckpointBody(origin, read_size(size), read_hash(root), more)


def is_key_name(text: str) -> bool:
    """Whether a text can be the name of a key: not empty, no white space, no plus."""
    return text != "" and not any(one.isspace() or one == "+" for one in text)


def is_plain_origin(text: str) -> bool:
    """Whether a text is fit for the origin of a new log, and for the name of its key.

    Origins of other logs may be any text.
    """
    return is_key_name(text) and text.isprintable() and len(text.encode()) <= LONGEST_ORIGIN


def read_size(text: str) -> int:
    """Parse the number of leaves, which has one spelling alone.

    Raises:
        NoteInvalid: It is not such a number.
    """
    if not _SIZE.fullmatch(text) or int(text) > _MOST:
        raise NoteInvalid("this is no checkpoint: its size is not a number without leading zeros")
    return int(text)


def read_hash(text: str) -> bytes:
    """Parse a SHA-256 in base64.

    Raises:
        NoteInvalid: It is none.
    """
    value = read_base64(text)
    if len(value) != ROOT_SIZE:
        raise NoteInvalid("a hash is not 32 bytes in base64")
    return value


def read_base64(text: str) -> bytes:
    """Parse base64 that is spelled as every encoder spells it.

    Raises:
        NoteInvalid: It is not.
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise NoteInvalid("base64 is expected, and this is none") from None
    if base64.b64encode(value).decode() != text:
        raise NoteInvalid("base64 is expected in its usual spelling, and this is another")
    return value
