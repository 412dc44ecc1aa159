"""A journal report of one huge message of any size."""

from __future__ import annotations

import base64
import random
from pathlib import Path

from benchmarks.corpus import DOMAIN, EOL, SHARED, TENANT


def write_large_report(path: Path, size: int, seed: int = 7) -> int:
    """Write a report whose original has about `size` bytes because of an attachment. Returns its size in
    bytes.

    It is written piece by piece, so that the measuring process does not need the memory that the measured one
    is denied.
    """
    rng = random.Random(seed)
    head, tail = _large_report_frame()
    line = 57
    with path.open("wb") as stream:
        stream.write(head)
        for _ in range(size // (line * 1000 // 3 * 4 + 2 * 1000)):
            data = rng.randbytes(line * 1000)
            stream.write(base64.encodebytes(data).replace(b"\n", b"\r\n"))
        stream.write(tail)
    return path.stat().st_size


def _large_report_frame() -> tuple[bytes, bytes]:
    """The parts of a large report before and after the base64 lines."""
    sender, message_id = f"big@{DOMAIN}", f"<large@{DOMAIN}>"
    lines = [
        f"Sender: <{TENANT}>",
        f"From: {sender}",
        "X-MS-Journal-Report:",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="outer"',
        "",
        "--outer",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"Sender: {sender}",
        "Subject: large",
        f"Message-Id: {message_id}",
        f"Recipient: {SHARED}",
        "",
        "--outer",
        "Content-Type: message/rfc822",
        "",
        f"From: {sender}",
        f"To: {SHARED}",
        "Subject: large",
        "Date: Wed, 01 Jan 2025 12:00:00 +0000",
        f"Message-ID: {message_id}",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="inner"',
        "",
        "--inner",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        "the drawings",
        "--inner",
        'Content-Type: application/zip; name="drawings.zip"',
        'Content-Disposition: attachment; filename="drawings.zip"',
        "Content-Transfer-Encoding: base64",
        "",
        "",
    ]
    return EOL.join(lines).encode(), EOL.join(["--inner--", "", "--outer--", ""]).encode()
