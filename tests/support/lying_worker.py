"""A worker that a mail has taken over: its replies do not fit the requests."""

from __future__ import annotations

import os
import time
from itertools import repeat

import msgspec

from muniment.parsing.pipe_frames import LENGTH, PipeReader, send

if __name__ == "__main__":
    asked = PipeReader(os.fdopen(0, "rb"), msgspec.msgpack.Decoder(str)).receive()
    match asked:
        case "half":
            os.write(1, LENGTH.pack(100) + b"half of it")
        case "endless":
            os.write(1, LENGTH.pack(2**63))
            for piece in repeat(bytes(65536)):
                os.write(1, piece)
        case "rubbish":
            os.write(1, LENGTH.pack(5) + b"\xc1\xc1\xc1\xc1\xc1")
        case "huge":
            os.write(1, LENGTH.pack(2**40))
        case _:
            send(1, ["another", "kind of answer"])
    time.sleep(600)
