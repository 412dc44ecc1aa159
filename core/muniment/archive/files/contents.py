"""Turns stored content into mail for the reading workers, or into a buffer; large content into a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from muniment.archive.files.temp_files import make_work
from muniment.mail.buffer import FileBuffer
from muniment.mail.model import MailBuffer
from muniment.parsing.reader import IN_MEMORY, OpenMail, mail_of


@contextmanager
def opened(content: Iterable[bytes], size: int, work: Path) -> Iterator[MailBuffer]:
    """Open content as a buffer: in memory, or if it is large in a temporary file without a name.

    Args:
        content: The content's chunks, as the ledger's reader yields them.
        size: The content's size, in bytes.
        work: The folder for the temporary file.

    Raises:
        LedgerDamaged: The ledger does not hold the content, or what it holds is damaged.
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
) -> OpenMail:
    """Make a mail for the reading workers of stored content.

    Args:
        content: The content's chunks, as the ledger's reader yields them.
        size: The content's size, in bytes.
        work: The folder for a temporary file, if the content is large.
        name: See parsing.reader.OpenMail.
        outline: See parsing.reader.OpenMail.

    Raises:
        LedgerDamaged: The ledger does not hold the content, or what it holds is damaged.
    """
    if size > IN_MEMORY:
        make_work(work)
    return mail_of(content, size, work, name, outline=outline)
