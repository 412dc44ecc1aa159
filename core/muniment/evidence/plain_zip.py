"""Zips of one exact form: nothing is compressed, and every byte of the file is determined by its contents.

So a stand-alone script can compare the whole file, byte for byte, with what its contents make of it, and no
byte can be changed unseen: an ordinary zip has dates, flags and gaps that no reader looks at.
`docs/ledger-format.md`, section "Proof files", specifies the form.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from typing import IO

UNIX = 3
MODE = 0o600 << 16
LARGEST = 2_000_000_000
"""Most bytes of all contents together: beyond 2 GiB, a zip has further fields."""


class PlainZip:
    """A zip that is written to a file that can seek. A context that leaves the file as it is at its end."""

    def __init__(self, file: IO[bytes]) -> None:
        """Begin a zip at the start of an empty file, which the caller closes after `finish`."""
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False)
        self.left = LARGEST
        """Bytes that still fit into it."""

    def add(self, name: str, content: Iterable[bytes]) -> None:
        """Add a file.

        Args:
            name: Its name, in ASCII.
            content: Its bytes, in pieces.

        Raises:
            ValueError: It does not fit any more.
            OSError: It can't be written.
        """
        info = zipfile.ZipInfo(name)  # its date is the earliest that a zip knows
        info.create_system, info.external_attr = UNIX, MODE
        with self._zip.open(info, "w") as file:
            for piece in content:
                self.left -= len(piece)
                if self.left < 0:
                    raise ValueError("a proof file holds at most 2 GB")
                file.write(piece)

    def __enter__(self) -> PlainZip:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.fp = None  # an incomplete zip gets no directory of its files

    def finish(self) -> None:
        """Write the directory of the zip.

        Raises:
            OSError: It can't be written.
        """
        self._zip.close()
