"""The worker that reads attachments: one message after the other, and in it one attachment after the other.

It is started as `python -P -m muniment.contents.worker N`, where N is the socket that receives descriptors of
files. Before each attachment it says which one begins, so that the service knows on which one it died. It
ends when its input ends, so it never outlives the service. Nothing of the service may import this module.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

from muniment.contents.message import attachments_of, read_attachment
from muniment.contents.model import GAVE_UP, REQUESTS, ContentsAnswer, ContentsRequest, ReadFile
from muniment.mail.buffer import FileBuffer
from muniment.mail.mime.parts import FilePart
from muniment.mail.model import MailBuffer
from muniment.parsing.budget import CpuBudgets
from muniment.parsing.confinement import confine, last_words
from muniment.parsing.pipe_frames import PipeReader, send
from muniment.system.gc_tuning import ease_collector

MEMORY_LIMIT = 1024**3
"""Bytes of address space that the worker may use."""
NICENESS = 15
"""How far the worker steps back behind other processes."""
MOST_FILES = 500
"""Attachments of one message that are read."""
MESSAGE_TEXT = 40_000_000
"""Characters of text of one message that are read."""


def answers(message: MailBuffer, request: ContentsRequest) -> Iterator[ContentsAnswer]:
    """Yield, for each attachment, that it begins and what was read in it."""
    budget = CpuBudgets([len(message)])
    budget.begin(0)
    found = attachments_of(message)
    budget.end()
    room = MESSAGE_TEXT
    for number, file in enumerate(found[:MOST_FILES], start=1):
        if number < request.first or room <= 0:
            continue
        yield ContentsAnswer(number, file.filename)
        files = _read(file, request)
        room -= sum(len(one.text) for one in files)
        yield ContentsAnswer(number, file.filename, files)
    yield ContentsAnswer(0)


def _read(file: FilePart, request: ContentsRequest) -> tuple[ReadFile, ...]:
    budget = CpuBudgets([file.size])
    budget.begin(0)
    try:
        return read_attachment(file, request.wanted)
    except MemoryError:
        return (ReadFile(file.filename, why=GAVE_UP),)
    finally:
        budget.end()


def _serve(
    request: ContentsRequest, requests: PipeReader[ContentsRequest], files: socket.socket, out: int
) -> None:
    with ExitStack() as stack:
        if request.size >= 0:
            message: MailBuffer = requests.behind(request.size)
        else:
            _, descriptors, _, _ = socket.recv_fds(files, 1, 1)
            for one in descriptors:
                stack.callback(os.close, one)
            message = stack.enter_context(FileBuffer(descriptors[0]))
        for answer in answers(message, request):
            send(out, answer)


def main() -> None:
    """Serve requests until the input ends."""
    confine(MEMORY_LIMIT)
    os.nice(NICENESS)
    files = socket.socket(fileno=int(sys.argv[1]))
    requests = PipeReader(os.fdopen(os.dup(0), "rb"), REQUESTS)
    out = last_words()
    send(out, ContentsAnswer(0))
    ease_collector()
    while (request := requests.receive()) is not None:
        _serve(request, requests, files, out)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, EOFError, KeyboardInterrupt):
        sys.exit(0)
