"""A worker that reports what it can still do, as a mail that has taken it over would try."""

from __future__ import annotations

import os
import resource
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from muniment.parsing.confinement import confine, last_words
from muniment.parsing.pipe_frames import PipeReader, send

MEMORY = 512 * 1024 * 1024


def _works(act: Callable[[], object]) -> str:
    try:
        act()
    except (OSError, MemoryError, RuntimeError) as error:
        return type(error).__name__
    return "works"


def _dial(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), 5).close()


def _status(name: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{name}:")), "")


def probe(port: int) -> dict[str, object]:
    """What this process has and can do."""
    return {
        "environment": dict(os.environ),
        "files": sorted(int(name) for name in os.listdir("/proc/self/fd")),  # noqa: PTH208
        "socket": int(sys.argv[1]),
        "umask": os.umask(0o077),
        "session": os.getsid(0) == os.getpid(),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "connect": _works(lambda: _dial(port)),
        "memory": _works(lambda: bytearray(MEMORY)),
        "fork": _works(lambda: os._exit(0) if os.fork() == 0 else None),
        "thread": _works(lambda: threading.Thread(target=int).start()),
        "no_new_privileges": _status("NoNewPrivs"),
        "capabilities": _status("CapEff"),
    }


if __name__ == "__main__":
    confine(MEMORY)
    requests = PipeReader(os.fdopen(os.dup(0), "rb"), msgspec.msgpack.Decoder(int))
    answers = last_words()
    print("what a library prints")
    while (port := requests.receive()) is not None:
        send(answers, probe(port))
    sys.exit(0)
