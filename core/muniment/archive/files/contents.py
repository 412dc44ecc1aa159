"""Kept content as mail for the reading workers, or as a buffer: in memory or, if it is large, in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from muniment.archive.files.temp_files import make_work
from muniment.mail.buffer import FileBuffer
from muniment.mail.model import Buffer
from muniment.parsing.reader import IN_MEMORY, Mail, mail_of


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


def mail_from(
    content: Iterable[bytes], size: int, work: Path, name: bytes = b"", *, outline: bool = False
) -> Mail:
    """Content of `size` bytes for the reading workers (see parsing.reader.Mail, also for `name`, `outline`).

    Raises:
        LedgerDamaged: the ledger does not give these bytes.
    """
    if size > IN_MEMORY:
        make_work(work)
    return mail_of(content, size, work, name, outline=outline)
