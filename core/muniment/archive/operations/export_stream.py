"""Makes an export as a stream of files for a client; only the manifest is written to a temporary file.

The files are the same as those of `export.export_messages`.
"""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from time import gmtime
from typing import IO, NamedTuple

from muniment.archive.catalog import MessageRow
from muniment.archive.operations.export import ExportView
from muniment.archive.operations.export_targets import MANIFEST, PIECE, ZIP_FIRST, ZIP_LAST, mbox_entry


class StreamedFile(NamedTuple):
    """The start of a file in the stream; the bytes that follow are its content."""

    name: str
    """Path relative to the folder of the export."""


Piece = StreamedFile | bytes
Progress = Callable[[int], None]
"""Called with the number of messages that are done. It may raise an error to stop the export."""


def stream_export(edition: ExportView, path: Path, work: Path, progress: Progress) -> Iterator[Piece]:
    """Yield the files of an export, and their content in pieces of at most PIECE bytes.

    Args:
        edition: The messages to export.
        path: The path of the export at the client; `.zip` and `.mbox` decide its form, else it is a folder.
        work: A folder for the temporary file with the manifest.
        progress: Called with the number of messages that are done.

    Raises:
        QueryError: The query is not valid.
        NotFound: A name or an id is unknown.
        LedgerDamaged: A message can't be read back.
    """
    pages = edition.pages()
    rows = itertools.chain.from_iterable(itertools.chain([next(pages, [])], pages))
    form = {".zip": _zip, ".mbox": _mbox}.get(path.suffix.lower(), _folder)
    with TemporaryFile(dir=work) as manifest:
        _line(manifest, edition.header())
        yield from form(_Export(edition, rows, path.name, manifest, progress))


class _Export(NamedTuple):
    edition: ExportView
    rows: Iterable[MessageRow]
    name: str
    manifest: IO[bytes]
    progress: Progress

    def messages(self) -> Iterator[tuple[str, MessageRow]]:
        """Yield name and row of each message; its line goes into the manifest after its content was read."""
        for done, row in enumerate(self.rows, start=1):
            name = self.edition.name(row)
            yield name, row
            _line(self.manifest, self.edition.entry(row, name))
            self.progress(done)

    def proof(self) -> Iterator[bytes]:
        """Yield the manifest."""
        self.manifest.seek(0)
        while data := self.manifest.read(PIECE):
            yield data


def _line(file: IO[bytes], value: dict[str, object]) -> None:
    file.write(json.dumps(value, ensure_ascii=True).encode() + b"\n")


def _folder(export: _Export) -> Iterator[Piece]:
    for name, row in export.messages():
        yield StreamedFile(f"{export.name}/{name}")
        yield from _cut(export.edition.content(row))
    yield StreamedFile(f"{export.name}/{MANIFEST}")
    yield from export.proof()


def _mbox(export: _Export) -> Iterator[Piece]:
    yield StreamedFile(export.name)
    for _, row in export.messages():
        yield from mbox_entry(row.date, export.edition.content(row))
    yield StreamedFile(f"{export.name}.{MANIFEST}")
    yield from export.proof()


def _zip(export: _Export) -> Iterator[Piece]:
    yield StreamedFile(export.name)
    drain = Drain()
    with zipfile.ZipFile(drain, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for name, row in export.messages():
            info = zipfile.ZipInfo(name, gmtime(min(max(row.date, ZIP_FIRST), ZIP_LAST))[:6])
            yield from _zipped(archive, info, export.edition.content(row), drain)
        explanation = export.edition.explanation()
        for _ in explanation.read():
            yield b""
        for name, pieces in explanation.files():
            yield from _zipped(archive, zipfile.ZipInfo(name, gmtime()[:6]), pieces, drain)
        info = zipfile.ZipInfo(MANIFEST, gmtime()[:6])
        yield from _zipped(archive, info, export.proof(), drain)
    yield from drain.taken()


def _zipped(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, content: Iterable[bytes], drain: Drain
) -> Iterator[bytes]:
    info.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(info, "w", force_zip64=True) as file:
        for data in _cut(content):
            file.write(data)
            yield from drain.taken()
    yield from drain.taken()


class Drain(io.RawIOBase):
    """A file for the zip writer whose bytes are read as soon as they are written. It can't seek."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._written.append(bytes(data))  # type: ignore[call-overload]
        return len(self._written[-1])

    def taken(self) -> Iterator[bytes]:
        """Yield the bytes that were written since the last call."""
        written, self._written = self._written, []
        yield from filter(None, written)


def _cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        yield from (chunk[start : start + PIECE] for start in range(0, len(chunk), PIECE))
