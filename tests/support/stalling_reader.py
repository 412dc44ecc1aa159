"""A reading worker that stops at the first mail, as on a machine that is suspended."""

from __future__ import annotations

import time

from muniment.mail.model import MailBuffer
from muniment.parsing import worker
from muniment.parsing.tasks import VIEW, ReaderRequest


def stall(buffer: MailBuffer, ask: ReaderRequest, into: int) -> object:
    """Sleep, which uses no processor time."""
    time.sleep(600)
    raise AssertionError


if __name__ == "__main__":
    real = dict(worker.TASKS)

    def begin(buffer: MailBuffer, ask: ReaderRequest, into: int) -> object:
        """Read the sample, and stop at the next mail."""
        for name in worker.TASKS:
            worker.TASKS[name] = stall
        return real[VIEW.name](buffer, ask, into)

    worker.TASKS[VIEW.name] = begin
    worker.main()
