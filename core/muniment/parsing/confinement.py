"""What a worker process gives up before it sees its first mail.

A mail may take over the parser that reads it. What it then has is this process: no network, no further
processes, no password of the service, and a bounded amount of memory. Each step that a kernel or a container
does not allow is left out, and the others still hold (docs/security.md has the table).
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from contextlib import suppress

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
"""unshare(2), from linux/sched.h."""
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38
"""prctl(2), from linux/prctl.h."""
CAPABILITIES_V3 = 0x20080522
"""capset(2), from linux/capability.h."""


def confine(memory: int) -> None:
    """Give up what reading mail does not need. To be called before any thread is started.

    `memory`: bytes of address space that this process may take.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        _leave_network(libc)
        _drop_capabilities(libc)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _leave_network(libc: ctypes.CDLL) -> bool:
    """Move into a network namespace that has no interface; whether the kernel allows that.

    A user namespace of its own allows it to a process without rights. Root has the right anyway, also where
    user namespaces are switched off.
    """
    return any(libc.unshare(flags) == 0 for flags in (CLONE_NEWUSER | CLONE_NEWNET, CLONE_NEWNET))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up all capabilities: those of root, and those within a user namespace of its own."""
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0)
    none = (ctypes.c_uint32 * 6)()
    libc.capset(header, none)


def last_words() -> int:
    """A copy of standard output that answers go to; what a library prints goes nowhere from now on."""
    answers = os.dup(1)
    os.dup2(2, 1)
    return answers
