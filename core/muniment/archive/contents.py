"""Kept content as a buffer that parsers can read: in memory if it is small, else from a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from muniment.archive.work import make_work
from muniment.mail.buffer import FileBuffer
from muniment.mail.model import Buffer

IN_MEMORY = 8 * 1024 * 1024
"""Content above this many bytes is read from a temporary file."""


@contextmanager
def opened(content: Iterable[bytes], size: int, work: Path) -> Iterator[Buffer]:
    """Content of `size` bytes, as the ledger's reader yields it; a file without a name is made in `work`.

    Raises:
        LedgerDamaged: the ledger does not give these bytes.
    """
    if size <= IN_MEMORY:
        yield b"".join(content)
        return
    make_work(work)
    with tempfile.TemporaryFile(dir=work) as file:
        file.writelines(content)
        file.flush()
        with FileBuffer(Path(f"/proc/self/fd/{file.fileno()}")) as buffer:
            yield buffer
