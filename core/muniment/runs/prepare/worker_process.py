"""A worker process: reads jobs from its standard input, prepares them, writes what came of it.

Started as `python -m muniment.runs.prepare.worker_process`. It ends when its input does, so it never
outlives the service. What is on the pipes: see parsing.pipe_frames.
"""

from __future__ import annotations

import os
import sys

from muniment.parsing.budget import CpuBudgets
from muniment.parsing.confinement import confine, last_words
from muniment.parsing.pipe_frames import FrameReader, send
from muniment.runs.prepare.messages import REQUESTS, Reply
from muniment.runs.prepare.prepare import Preparer
from muniment.runs.prepare.prepared_copy import Job
from muniment.system.gc_tuning import ease_collector

MEMORY_LIMIT = 2 * 1024**3
"""Address space a worker may take, in bytes: a mail that bloats its parser ends here."""
NICE = 5
"""Steps by which a worker lets the threads of the run go first, which themselves let others: see
system.priority."""


SAMPLE = b"From: a@example.com\r\nTo: b@example.com\r\nContent-Type: text/html\r\n\r\n<p>Text</p>\r\n"
"""A mail that every worker can read."""


def reply_to(preparer: Preparer, jobs: list[Job], outline: bool = False) -> Reply:
    """Prepare jobs; `outline`: without their text.

    A parser that raises has met a mail it can't read: that one is for the service to keep unread. What
    the machine lacks (disk, a module) is a fault, as it would befall any mail.
    """
    try:
        prepared = preparer.prepare(jobs, outline)
    except (OSError, ImportError) as error:
        return Reply([], f"{type(error).__name__}: {error}")
    problems = [copy for copy in prepared if isinstance(copy, str)]
    return Reply([None if isinstance(copy, str) else copy for copy in prepared], problems=problems)


def main() -> None:
    """Serve requests until the input ends."""
    confine(MEMORY_LIMIT)
    requests = FrameReader(os.fdopen(os.dup(0), "rb"), REQUESTS)
    replies = last_words()
    os.nice(NICE)
    preparer = Preparer({}, CpuBudgets)
    send(replies, reply_to(preparer, [Job(SAMPLE, "", journal=True)]))
    ease_collector()
    while (request := requests.receive()) is not None:
        if request.dictionaries is not None:
            preparer = Preparer(request.dictionaries, CpuBudgets)
        for job, size in zip(request.jobs, request.sizes, strict=True):
            job.content = requests.behind(size)
        send(replies, reply_to(preparer, request.jobs, request.outline))


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, EOFError, KeyboardInterrupt):
        sys.exit(0)
