"""Letting others go first: whoever looks at the service meanwhile, the app, the mail server."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

NICE = 5
"""Steps (nice(2)) by which a run's threads go behind."""


def go_behind() -> None:
    """This thread, and all threads and processes that it starts from now on, let others go first.

    Linux alone has this for a single thread, and lets it inherit; elsewhere nothing is done.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(NICE, os.getpriority(os.PRIO_PROCESS, thread)))
