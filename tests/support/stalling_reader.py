"""A reading worker that stops at the first mail, as on a machine that is suspended."""

from __future__ import annotations

import time

from muniment.parsing import worker


def stall(*_: object) -> object:
    """Sleep, which uses no processor time."""
    time.sleep(600)
    raise AssertionError


if __name__ == "__main__":
    real = dict(worker.TASKS)

    def begin(*question: object) -> object:
        """Read the sample, and stop at the next mail."""
        for name in worker.TASKS:
            worker.TASKS[name] = stall  # type: ignore[assignment]
        return real[worker.VIEW.name](*question)  # type: ignore[arg-type]

    worker.TASKS[worker.VIEW.name] = begin  # type: ignore[assignment]
    worker.main()
