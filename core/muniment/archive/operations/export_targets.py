"""The folder, zip or mbox file that an export is written to."""

from __future__ import annotations

import os
import re
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import gmtime, strftime
from types import TracebackType
from typing import IO

from muniment.errors import UsageError
from muniment.system.partial_files import discard, partial_path, publish_file, publish_folder

PIECE = 1024 * 1024
"""Most bytes that are handed on at a time."""
MANIFEST = "manifest.jsonl"
ZIP_FIRST, ZIP_LAST = 315_532_800, 4_354_819_198
"""The earliest and the latest date of a file in a zip, in seconds since 1970 UTC: 1980 to 2107."""
_FROM = re.compile(rb"(\n>*)From ")


class ExportTarget(ABC):
    """The file or folder that an export is written to, under a temporary name until it is complete."""

    explains = False
    """Whether it also holds what explains and proves the messages, for readers without this program."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = partial_path(path)
        """Where it is while it is not complete."""

    @abstractmethod
    def add(self, name: str, date: int, content: Iterable[bytes]) -> None:
        """Write one message.

        Args:
            name: The name of the message's file.
            date: The message's date, in seconds since 1970 UTC.
            content: The message's bytes, in chunks.

        Raises:
            OSError: The message can't be written.
        """

    @abstractmethod
    def finish(self, manifest: Path) -> None:
        """Complete the export, and give it its name.

        Args:
            manifest: A file beside the export that becomes its manifest.

        Raises:
            OSError: The export can't be written.
        """

    def close(self) -> None:
        """Close its files, and remove them if the export is not complete. Safe to call twice."""
        discard(self.part)

    def __enter__(self) -> ExportTarget:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def new_file(path: Path) -> IO[bytes]:
    """Open a new file with mode 0600 for writing.

    Raises:
        FileExistsError: The file exists already.
        OSError: The file can't be made.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return os.fdopen(handle, "wb")


class FolderTarget(ExportTarget):
    """A folder of .eml files."""

    def __init__(self, path: Path) -> None:
        if path.is_dir() and any(path.iterdir()):
            raise UsageError(f"{path} is not empty: name a new folder")
        if path.exists() and not path.is_dir():
            raise FileExistsError
        super().__init__(path)
        self.part.mkdir(mode=0o700)

    def add(self, name: str, date: int, content: Iterable[bytes]) -> None:
        with new_file(self.part / name) as file:
            file.writelines(content)

    def finish(self, manifest: Path) -> None:
        manifest.rename(self.part / MANIFEST)
        publish_folder(self.part, self.path)


class ZipTarget(ExportTarget):
    """A zip of .eml files."""

    explains = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if path.exists():
            raise FileExistsError
        self._file = new_file(self.part)
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, allowZip64=True)

    def add(self, name: str, date: int, content: Iterable[bytes]) -> None:
        info = zipfile.ZipInfo(name, gmtime(min(max(date, ZIP_FIRST), ZIP_LAST))[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(info, "w", force_zip64=True) as file:
            for chunk in content:
                file.write(chunk)

    def finish(self, manifest: Path) -> None:
        self._zip.write(manifest, MANIFEST)
        with self._file:
            self._zip.close()
        publish_file(self.part, self.path)

    def close(self) -> None:
        self._zip.fp = None  # an incomplete zip gets no directory of its files
        self._file.close()
        super().close()


class MboxTarget(ExportTarget):
    """One mboxrd file, with its manifest beside it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._manifest = path.with_name(f"{path.name}.{MANIFEST}")
        if self._manifest.exists():
            raise UsageError(f"{self._manifest} exists already: name a new file")
        if path.exists():
            raise FileExistsError
        self._file = new_file(self.part)

    def add(self, name: str, date: int, content: Iterable[bytes]) -> None:
        self._file.writelines(mbox_entry(date, content))

    def finish(self, manifest: Path) -> None:
        self._file.close()
        publish_file(self.part, self.path)
        try:
            publish_file(manifest, self._manifest)
        except BaseException:
            self.path.unlink(missing_ok=True)  # mail without its manifest is no complete export
            raise

    def close(self) -> None:
        self._file.close()
        super().close()


def mbox_entry(date: int, content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield one message in mbox form; `date` is in seconds since 1970 UTC."""
    stamp = strftime("%a %b %e %H:%M:%S %Y", gmtime(max(date, 0)))
    yield f"From muniment@localhost {stamp}\n".encode()
    last = b"\n"
    for data in quoted(content):
        yield data
        last = data[-1:] or last
    yield b"\n" if last == b"\n" else b"\n\n"


def quoted(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes with one more `>` in each line that begins with `>*From ` (mboxrd).

    The `>` is put before `From `, which makes the same line as at its beginning. So at most four bytes are
    held back, however long a line is.
    """
    held, begun = b"", True
    for chunk in _cut(chunks):
        data = b"".join((b"\n" if begun else b"", held, chunk))
        data = _FROM.sub(rb"\1>From ", data)[begun:]
        line = data[data.rfind(b"\n") + 1 :] if begun or b"\n" in data else None
        rest = None if line is None else line.lstrip(b">")
        begun = rest is not None and b"From".startswith(rest)
        held = rest if begun and rest else b""
        yield data[: len(data) - len(held)]
    yield held


def _cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces of at most PIECE bytes."""
    for chunk in chunks:
        yield from (chunk[start : start + PIECE] for start in range(0, len(chunk), PIECE))


def open_target(path: Path) -> ExportTarget:
    """Open the target for a path: a zip for `.zip`, an mbox for `.mbox`, else a folder.

    Raises:
        UsageError: The path exists already, or can't be written.
    """
    kinds: dict[str, type[ExportTarget]] = {".zip": ZipTarget, ".mbox": MboxTarget}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return kinds.get(path.suffix.lower(), FolderTarget)(path)
    except FileExistsError as error:
        raise UsageError(f"{path} exists already: name a new file") from error
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another place") from error
