"""A worker that works longer than a mail may take, on one mail or between two."""

from __future__ import annotations

import os
import time

import msgspec

from muniment.parsing.budget import CpuBudgets
from muniment.parsing.pipe_frames import PipeReader, send


def work(seconds: float) -> None:
    """Use processor time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


if __name__ == "__main__":
    seconds = PipeReader(os.fdopen(0, "rb"), msgspec.msgpack.Decoder(float)).receive() or 0
    budgets = CpuBudgets([0, 0], seconds=0.2)
    for _ in range(2):
        budgets.begin(0)
        work(max(seconds, 0) / 2)
        budgets.begin(1)
    budgets.end()
    work(max(-seconds, 0))
    budgets.begin(1)
    budgets.end()
    send(1, "works")
