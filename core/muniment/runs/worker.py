"""A worker process: reads jobs from its standard input, prepares them, writes what came of it.

Started as `python -m muniment.runs.worker`. It ends when its input does, so it never outlives the
service. Frames on the pipes: a length (8 bytes, little endian), then MessagePack.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
from typing import IO

import msgspec

from muniment.collector import ease_collector
from muniment.runs.copy import Job, PreparedCopy
from muniment.runs.prepare import Preparer

LENGTH = struct.Struct("<Q")
MEMORY_LIMIT = 2 * 1024**3
"""Address space a worker may take, in bytes: a mail that bloats its parser ends here."""


NICE = 5
"""Steps by which a worker lets the threads of the run go first, which themselves let others: see
runs.priority."""


class Request(msgspec.Struct, array_like=True):
    """Jobs for a worker; `dictionaries` when there are new ones since its last request."""

    jobs: list[Job]
    dictionaries: dict[int, bytes] | None = None


class Reply(msgspec.Struct, array_like=True):
    """One copy a job, None for a job over which the parser failed; or a fault that is no mail's."""

    copies: list[PreparedCopy | None]
    fault: str = ""


def send(stream: IO[bytes], value: object, encoder: msgspec.msgpack.Encoder) -> None:
    """Write one frame."""
    data = encoder.encode(value)
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Read one frame; None at the end of the stream."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else None


SAMPLE = b"From: a@example.com\r\nTo: b@example.com\r\nContent-Type: text/html\r\n\r\n<p>Text</p>\r\n"
"""A mail that every worker can read."""


def prepared(preparer: Preparer, jobs: list[Job]) -> Reply:
    """Prepare jobs one after the other.

    A parser that raises has met a mail it can't read: that one is for the service to keep unread. What
    the machine lacks (disk, a module) is a fault, as it would befall any mail.
    """
    copies: list[PreparedCopy | None] = []
    for job in jobs:
        try:
            copies.append(preparer.prepare(job))
        except (OSError, ImportError) as error:
            return Reply([], f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever a hostile mail brings about
            print(f"muniment worker: the parser failed ({type(error).__name__})", file=sys.stderr)  # noqa: T201
            copies.append(None)
    return Reply(copies)


def main() -> None:
    """Serve requests until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source = os.fdopen(os.dup(0), "rb", buffering=1 << 20)
    target = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.nice(NICE)
    os.dup2(2, 1)  # whatever a library prints must not get between the frames
    decoder = msgspec.msgpack.Decoder(Request)
    encoder = msgspec.msgpack.Encoder()
    preparer = Preparer({})
    send(target, prepared(preparer, [Job(SAMPLE, "", journal=True)]), encoder)
    ease_collector()
    while (data := receive(source)) is not None:
        request = decoder.decode(data)
        if request.dictionaries is not None:
            preparer = Preparer(request.dictionaries)
        send(target, prepared(preparer, request.jobs), encoder)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)
