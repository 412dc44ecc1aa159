"""A worker that reads attachments, and dies on those whose names begin with `kill` or `spin`."""

from __future__ import annotations

import os
import signal

from muniment.contents import worker
from muniment.contents.message import read_attachment as real
from muniment.contents.model import ReadFile, WantedContents
from muniment.mail.mime.parts import FilePart


def read(file: FilePart, wanted: WantedContents) -> tuple[ReadFile, ...]:
    """Read an attachment, die as by a bug in native code, or use up the time."""
    if file.filename.startswith("kill"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if file.filename.startswith("spin"):
        signal.setitimer(signal.ITIMER_PROF, 0.2)
        while True:
            pass
    if file.filename.startswith("swell"):
        held = []
        while True:
            held.append(bytes(64 * 1024 * 1024))
    return real(file, wanted)


if __name__ == "__main__":
    vars(worker)["read_attachment"] = read
    worker.main()
