"""The rights that a worker process gives up before it sees its first mail.

A mail may take over the parser that reads it. It then has only this process: no network, no further
processes, no password of the service, and a limited amount of memory. If a kernel or a container does not
allow a step, that step is left out, and the others still hold (docs/security.md has the table).
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
    """Give up everything that reading mail does not need. Call it before any thread starts.

    `memory`: bytes of address space that this process may use.
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
    """Move into a network namespace without interfaces. Returns whether the kernel allows that.

    A new user namespace allows it to a process without rights. Root may do it anyway, even if user namespaces
    are disabled.
    """
    return any(libc.unshare(flags) == 0 for flags in (CLONE_NEWUSER | CLONE_NEWNET, CLONE_NEWNET))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up all capabilities: those of root, and those in a new user namespace."""
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0)
    none = (ctypes.c_uint32 * 6)()
    libc.capset(header, none)


def last_words() -> int:
    """A copy of standard output, for answers.

    Anything that a library prints goes to standard error from now on.
    """
    answers = os.dup(1)
    os.dup2(2, 1)
    return answers
