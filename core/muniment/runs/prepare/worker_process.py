"""A worker process: reads jobs from its standard input, prepares them, and writes the results.

It is started as `python -P -m muniment.runs.prepare.worker_process`. It ends when its input ends, so it never
outlives the service. `parsing.pipe_frames` describes the data on the pipes.
"""

from __future__ import annotations

import os
import sys

from muniment.parsing.budget import CpuBudgets
from muniment.parsing.confinement import confine, last_words
from muniment.parsing.pipe_frames import PipeReader, send
from muniment.runs.prepare.messages import REQUESTS, WorkerReply
from muniment.runs.prepare.prepare import CopyPreparer
from muniment.runs.prepare.prepared_copy import CopyJob
from muniment.system.gc_tuning import ease_collector

MEMORY_LIMIT = 2 * 1024**3
"""Bytes of address space that a worker may use. A mail that needs more kills the worker."""
NICE = 5
"""Increase of a worker's nice value over that of the run's threads, which itself is raised (see
`system.priority`)."""


SAMPLE = b"From: a@example.com\r\nTo: b@example.com\r\nContent-Type: text/html\r\n\r\n<p>Text</p>\r\n"
"""A mail that every working worker can read."""


def reply_to(preparer: CopyPreparer, jobs: list[CopyJob], outline: bool = False) -> WorkerReply:
    """Prepare jobs.

    If the parser raises, it can't read that mail, and the service keeps the mail unread. If the machine lacks
    something (disk, a module), the reply is a fault, since any mail would fail.

    Args:
        preparer: prepares the jobs.
        jobs: the copies to prepare.
        outline: read no text.
    """
    try:
        prepared = preparer.prepare(jobs, outline)
    except (OSError, ImportError) as error:
        return WorkerReply([], f"{type(error).__name__}: {error}")
    problems = [copy for copy in prepared if isinstance(copy, str)]
    return WorkerReply([None if isinstance(copy, str) else copy for copy in prepared], problems=problems)


def main() -> None:
    """Serve requests until the input ends."""
    confine(MEMORY_LIMIT)
    requests = PipeReader(os.fdopen(os.dup(0), "rb"), REQUESTS)
    replies = last_words()
    os.nice(NICE)
    preparer = CopyPreparer({}, CpuBudgets)
    send(replies, reply_to(preparer, [CopyJob(SAMPLE, "", journal=True)]))
    ease_collector()
    while (request := requests.receive()) is not None:
        if request.dictionaries is not None:
            preparer = CopyPreparer(request.dictionaries, CpuBudgets)
        for job, size in zip(request.jobs, request.sizes, strict=True):
            job.content = requests.behind(size)
        send(replies, reply_to(preparer, request.jobs, request.outline))


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, EOFError, KeyboardInterrupt):
        sys.exit(0)
