"""A worker process: reads jobs from its standard input, prepares them, writes what came of it.

Started as `python -m muniment.runs.worker`. It ends when its input does, so it never outlives the
service. What is on the pipes: see runs.frames.
"""

from __future__ import annotations

import os
import resource
import sys

import msgspec

from muniment.collector import ease_collector
from muniment.runs.copy import Job, PreparedCopy
from muniment.runs.frames import FrameReader, send
from muniment.runs.prepare import Preparer

MEMORY_LIMIT = 2 * 1024**3
"""Address space a worker may take, in bytes: a mail that bloats its parser ends here."""
NICE = 5
"""Steps by which a worker lets the threads of the run go first, which themselves let others: see
runs.priority."""


class Request(msgspec.Struct, array_like=True):
    """Jobs for a worker; `dictionaries` when there are new ones since its last request."""

    jobs: list[Job]
    """Without their contents, which follow the frame."""
    sizes: list[int]
    """Bytes of the contents."""
    dictionaries: dict[int, bytes] | None = None


class Reply(msgspec.Struct, array_like=True):
    """One copy a job, None for a job over which the parser failed; or a fault that is no mail's."""

    copies: list[PreparedCopy | None]
    fault: str = ""


# Made once, by the thread that loads this: see line.wire.
REQUESTS = msgspec.msgpack.Decoder(Request)
REPLIES = msgspec.msgpack.Decoder(Reply)

SAMPLE = b"From: a@example.com\r\nTo: b@example.com\r\nContent-Type: text/html\r\n\r\n<p>Text</p>\r\n"
"""A mail that every worker can read."""


def reply_to(preparer: Preparer, jobs: list[Job]) -> Reply:
    """Prepare jobs.

    A parser that raises has met a mail it can't read: that one is for the service to keep unread. What
    the machine lacks (disk, a module) is a fault, as it would befall any mail.
    """
    try:
        prepared = preparer.prepare(jobs)
    except (OSError, ImportError) as error:
        return Reply([], f"{type(error).__name__}: {error}")
    for copy in prepared:
        if isinstance(copy, str):
            print(f"muniment worker: the parser failed ({copy})", file=sys.stderr)  # noqa: T201
    return Reply([None if isinstance(copy, str) else copy for copy in prepared])


def main() -> None:
    """Serve requests until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests = FrameReader(os.fdopen(os.dup(0), "rb"), REQUESTS)
    replies = os.dup(1)
    os.nice(NICE)
    os.dup2(2, 1)  # whatever a library prints must not get between the frames
    preparer = Preparer({})
    send(replies, reply_to(preparer, [Job(SAMPLE, "", journal=True)]))
    ease_collector()
    while (request := requests.receive()) is not None:
        if request.dictionaries is not None:
            preparer = Preparer(request.dictionaries)
        for job, size in zip(request.jobs, request.sizes, strict=True):
            job.content = requests.behind(size)
        send(replies, reply_to(preparer, request.jobs))


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, EOFError, KeyboardInterrupt):
        sys.exit(0)
