"""Packs the files of a production into a folder or a zip, as a stream for its writer."""

from __future__ import annotations

import zipfile
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from time import gmtime
from typing import IO

from muniment.archive.operations.export_stream import Drain, StreamedFile
from muniment.archive.operations.export_stream import Piece as Packed
from muniment.archive.operations.export_targets import ZIP_FIRST, ZIP_LAST
from muniment.archive.productions.production import FileStart, Piece


def packed(pieces: Iterable[Piece], path: Path) -> Generator[Packed, None, None]:
    """Yield the files of a production as they are to be written, each followed by its content.

    Args:
        pieces: The files of the production.
        path: The path of the production; if it ends in `.zip` it is one zip, otherwise a folder.
    """
    if path.suffix.lower() == ".zip":
        yield StreamedFile(path.name)
        yield from _zipped(pieces)
        return
    for piece in pieces:
        yield StreamedFile(f"{path.name}/{piece.name}") if isinstance(piece, FileStart) else piece


def _zipped(pieces: Iterable[Piece]) -> Iterator[bytes]:
    drain = Drain()
    with zipfile.ZipFile(drain, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        file: IO[bytes] | None = None
        try:
            for piece in pieces:
                if isinstance(piece, FileStart):
                    if file is not None:
                        file.close()
                    file = archive.open(_entry(piece), "w", force_zip64=True)
                elif file is not None:
                    file.write(piece)
                if not piece:
                    yield b""  # so that the reader can report progress and be stopped
                yield from drain.taken()
        finally:
            if file is not None:  # an archive with an open file can't be closed
                file.close()
    yield from drain.taken()


def _entry(file: FileStart) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(file.name, gmtime(min(max(file.date, ZIP_FIRST), ZIP_LAST))[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    return info
