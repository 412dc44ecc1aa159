"""An export as a stream of files, for a caller elsewhere: nothing but its manifest is written down here.

The files are those that `export.export_messages` writes.
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
from muniment.archive.operations.export import MANIFEST, PIECE, ZIP_FIRST, ZIP_LAST, Edition, mbox_entry


class File(NamedTuple):
    """A file of an export begins; the bytes that follow are its content."""

    name: str
    """Relative to the folder that the export stands in."""


Piece = File | bytes
Progress = Callable[[int], None]
"""Is told how many messages are done; may raise to stop the export."""


def stream_export(edition: Edition, path: Path, work: Path, progress: Progress) -> Iterator[Piece]:
    """The files of an export to `path`, whose ending says its form, and their content in pieces.

    `work` is a folder for the manifest, which is a line a message, until it is sent.

    Raises:
        QueryError, NotFound: as searching.find; before the first file, if the first page can't be had.
    """
    pages = edition.pages()
    rows = itertools.chain.from_iterable(itertools.chain([next(pages, [])], pages))
    form = {".zip": _zip, ".mbox": _mbox}.get(path.suffix.lower(), _folder)
    with TemporaryFile(dir=work) as manifest:
        _line(manifest, edition.header())
        yield from form(_Export(edition, rows, path.name, manifest, progress))


class _Export(NamedTuple):
    edition: Edition
    rows: Iterable[MessageRow]
    name: str
    manifest: IO[bytes]
    progress: Progress

    def messages(self) -> Iterator[tuple[str, MessageRow]]:
        """Name and row of each message; its line of the manifest is written once its content was taken."""
        for done, row in enumerate(self.rows, start=1):
            name = self.edition.name(row)
            yield name, row
            _line(self.manifest, self.edition.entry(row, name))
            self.progress(done)

    def proof(self) -> Iterator[bytes]:
        """The manifest."""
        self.manifest.seek(0)
        while data := self.manifest.read(PIECE):
            yield data


def _line(file: IO[bytes], value: dict[str, object]) -> None:
    file.write(json.dumps(value, ensure_ascii=True).encode() + b"\n")


def _folder(export: _Export) -> Iterator[Piece]:
    for name, row in export.messages():
        yield File(f"{export.name}/{name}")
        yield from _cut(export.edition.content(row))
    yield File(f"{export.name}/{MANIFEST}")
    yield from export.proof()


def _mbox(export: _Export) -> Iterator[Piece]:
    yield File(export.name)
    for _, row in export.messages():
        yield from mbox_entry(row.date, export.edition.content(row))
    yield File(f"{export.name}.{MANIFEST}")
    yield from export.proof()


def _zip(export: _Export) -> Iterator[Piece]:
    yield File(export.name)
    drain = _Drain()
    with zipfile.ZipFile(drain, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for name, row in export.messages():
            info = zipfile.ZipInfo(name, gmtime(min(max(row.date, ZIP_FIRST), ZIP_LAST))[:6])
            yield from _zipped(archive, info, export.edition.content(row), drain)
        info = zipfile.ZipInfo(MANIFEST, gmtime()[:6])
        yield from _zipped(archive, info, export.proof(), drain)
    yield from drain.taken()


def _zipped(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, content: Iterable[bytes], drain: _Drain
) -> Iterator[bytes]:
    info.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(info, "w", force_zip64=True) as file:
        for data in _cut(content):
            file.write(data)
            yield from drain.taken()
    yield from drain.taken()


class _Drain(io.RawIOBase):
    """Where a zip is written: what was written last is taken off at once. It can't be sought in."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._written.append(bytes(data))  # type: ignore[call-overload]
        return len(self._written[-1])

    def taken(self) -> Iterator[bytes]:
        """What was written since it was last asked."""
        written, self._written = self._written, []
        yield from filter(None, written)


def _cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        yield from (chunk[start : start + PIECE] for start in range(0, len(chunk), PIECE))
