"""What is read in attachments, and what comes out; the frames between the service and the worker."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["text", "mail", "office", "opendocument", "pdf", "archive"]
"""A group of file formats that [contents] in vault.toml can name."""
KINDS: tuple[Kind, ...] = ("text", "mail", "office", "opendocument", "pdf", "archive")
LARGEST_FILE = 64 * 1024 * 1024
"""Bytes of the largest attachment that is read, unless vault.toml says otherwise."""

ENCRYPTED = "encrypted"
DAMAGED = "damaged, or not what its name says"
TOO_LARGE = "larger than [contents] in vault.toml allows"
LEFT_OUT = "left out by [contents] in vault.toml"
IN_PART = "long, so only its beginning was read"
PACKED = "packed too deeply or too tightly, so only a part of it was read"
GAVE_UP = "it took too much time or memory"
NO_MAIL = "the message itself could not be parsed"


class ReadFile(msgspec.Struct, frozen=True, array_like=True):
    """What was read in one attachment, or in one file inside it."""

    name: str
    """Its name with those of the files around it, such as "reports.zip/may.pdf". It is not sanitised."""
    text: str = ""
    """Its words as `mail.text.folding.plain` returns them; "" if there are none."""
    spelled: tuple[str, ...] = ()
    """Words of it that have another spelling, written out."""
    why: str = ""
    """Why it could not be read, or only in part; "" if all of it was read."""
    number: int = 0
    """The number of the attachment, from 1; 0 if that is not known."""


class WantedContents(msgspec.Struct, frozen=True, array_like=True):
    """What is to be read."""

    kinds: tuple[Kind, ...] = KINDS
    largest_file: int = LARGEST_FILE
    """Bytes of the largest attachment that is read."""


class ContentsRequest(msgspec.Struct, frozen=True, array_like=True):
    """A request to the worker about one message."""

    size: int
    """Bytes of the message, which follow the frame; -1 if it is in a file, whose descriptor is passed."""
    wanted: WantedContents
    first: int = 1
    """The number of the first attachment to read: the worker has died on those before it, or has read
    them."""


class ContentsAnswer(msgspec.Struct, frozen=True, array_like=True):
    """A part of the answer. The last part has the number 0."""

    number: int
    """The number of the attachment, from 1."""
    name: str = ""
    """Its name."""
    files: tuple[ReadFile, ...] | None = None
    """What was read in it; None in the answer that says that reading it begins."""


# Made once, by the thread that loads this module: see client.protocol.
REQUESTS = msgspec.msgpack.Decoder(ContentsRequest)
ANSWERS = msgspec.msgpack.Decoder(ContentsAnswer)
