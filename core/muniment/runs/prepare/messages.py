"""What archiving workers are asked, and what they answer: frames on their pipes (see parsing.pipe_frames)."""

from __future__ import annotations

import msgspec

from muniment.runs.prepare.prepared_copy import Job, PreparedCopy


class Request(msgspec.Struct, array_like=True):
    """Jobs for a worker; `dictionaries` when there are new ones since its last request."""

    jobs: list[Job]
    """Without their contents, which follow the frame."""
    sizes: list[int]
    """Bytes of the contents."""
    dictionaries: dict[int, bytes] | None = None
    outline: bool = False
    """Whether no text is read: for mail over whose text a worker has died."""


class Reply(msgspec.Struct, array_like=True):
    """One copy a job, None for a job over which the parser failed; or a fault that is no mail's."""

    copies: list[PreparedCopy | None]
    fault: str = ""
    problems: list[str] = []
    """What the parser raised, for the log: names of errors alone."""


# Made once, by the thread that loads this: see client.protocol.
REQUESTS = msgspec.msgpack.Decoder(Request)
REPLIES = msgspec.msgpack.Decoder(Reply)
