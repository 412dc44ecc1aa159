"""Requests to archiving workers and their replies: frames on their pipes (see `parsing.pipe_frames`)."""

from __future__ import annotations

import msgspec

from muniment.runs.prepare.prepared_copy import CopyJob, PreparedCopy


class WorkerRequest(msgspec.Struct, array_like=True):
    """Jobs for a worker, in one frame."""

    jobs: list[CopyJob]
    """Without their contents, which follow the frame."""
    sizes: list[int]
    """Bytes of each job's content."""
    dictionaries: dict[int, bytes] | None = None
    """The compression dictionaries by id; None if they have not changed since the worker's last request."""
    outline: bool = False
    """Whether no text is read: for mail on whose text a worker has died."""


class WorkerReply(msgspec.Struct, array_like=True):
    """One copy for each job, None for a job on which the parser failed."""

    copies: list[PreparedCopy | None]
    fault: str = ""
    """A fault that has nothing to do with the mail; "" for none. Then there are no copies."""
    problems: list[str] = []
    """The names of the errors that the parser raised, for the log."""


# Made once, by the thread that loads this module: see client.protocol.
REQUESTS = msgspec.msgpack.Decoder(WorkerRequest)
REPLIES = msgspec.msgpack.Decoder(WorkerReply)
