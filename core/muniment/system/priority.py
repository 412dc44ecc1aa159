"""Gives way to others: people who use the service meanwhile, the app, the mail server."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

NICE = 5
"""Nice value (nice(2)) of a run's threads."""


def go_behind() -> None:
    """Lower the priority of this thread, and of all threads and processes that it starts from now on.

    Only Linux can do this for a single thread, and lets others inherit it. Elsewhere nothing is done.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(NICE, os.getpriority(os.PRIO_PROCESS, thread)))
