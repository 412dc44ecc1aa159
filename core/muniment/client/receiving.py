"""Writes the files of an export that the engine sends, under temporary names until they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from muniment.api import Chunk, Done, ExportFile, WireWord
from muniment.errors import UsageError
from muniment.system.partial_files import discard, partial_path, publish_file, publish_folder

DEEPEST = 4
"""Most parts of a file's path, with the name of the export's folder."""


def receive(words: Iterator[WireWord], path: Path) -> Iterator[WireWord]:
    """Write the files of an export, and pass on its other words. An incomplete export is removed.

    Args:
        words: The stream of an Export request.
        path: The file or folder that the user named.

    Yields:
        The words that are not part of a file.

    Raises:
        UsageError: A file exists already, can't be written, or is outside of `path`.
    """
    received = _ReceivedFiles(path)
    with ExitStack() as stack:
        stack.callback(received.discard)
        for word in words:
            if isinstance(word, ExportFile):
                received.begin(word.name)
            elif isinstance(word, Chunk):
                received.write(word.data)
            else:
                if isinstance(word, Done):
                    received.publish()
                yield word
        received.publish()


class _ReceivedFiles:
    """The files of one export under their temporary names."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder: Path | None = None
        """The temporary folder, if the export is one."""
        self._made: set[Path] = set()
        """The folders in the temporary folder."""
        self._files: list[tuple[Path, Path]] = []
        """Each single file: its temporary and its final path."""
        self._file: BinaryIO | None = None
        """The file that is being written."""

    def begin(self, name: str) -> None:
        """Close the file before, and make the next one of the export, which only its owner can read.

        Raises:
            UsageError: It exists already, can't be written, or does not belong to the export.
        """
        self._close()
        path, parts = self._path, Path(name).parts
        inside = 2 <= len(parts) <= DEEPEST and parts[0] == path.name
        if ".." in parts or not (inside or (len(parts) == 1 and name.startswith(path.name))):
            raise UsageError(f"the service sent a file that does not belong to {path}")
        final = path.parent.joinpath(*parts)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if final.exists() or (inside and path.is_file()):
                raise FileExistsError
            handle = os.open(
                self._place(final, parts[1:] if inside else ()),
                os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
                0o600,
            )
        except FileExistsError:
            raise UsageError(f"{final} exists already: name a new file or folder") from None
        except OSError as error:
            raise UsageError(f"{final} can't be written ({error.strerror}): name another place") from error
        self._file = os.fdopen(handle, "wb")

    def write(self, data: bytes) -> None:
        """Add to the file that was begun last.

        Raises:
            UsageError: It can't be written, for example to a full disk.
        """
        if self._file is not None:
            with self._writing():
                self._file.write(data)

    def _close(self) -> None:
        """Close the file. Closing writes what is still in memory, so it can fail like `write`."""
        file, self._file = self._file, None
        if file is not None:
            with self._writing():
                file.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"{self._path} could not be written ({error.strerror}): make room and try again"
            ) from error

    def _place(self, final: Path, inside: tuple[str, ...]) -> Path:
        """The temporary path of a file; `inside` is its path in the export's folder, or empty."""
        if not inside:
            part = partial_path(final)
            self._files.append((part, final))
            return part
        if self._folder is None:
            if self._path.is_dir() and any(self._path.iterdir()):
                raise UsageError(f"{self._path} is not empty: name a new folder")
            self._folder = partial_path(self._path)
            self._folder.mkdir(mode=0o700)
        folder = self._folder
        for name in inside[:-1]:  # each is made by itself, since `mode` is only that of the last one
            folder = folder / name
            if folder not in self._made:
                folder.mkdir(mode=0o700)
                self._made.add(folder)
        return folder / final.name

    def publish(self) -> None:
        """Give everything its name. Safe to call twice.

        Raises:
            UsageError: That is not possible.
        """
        self._close()
        try:
            if self._folder is not None:
                publish_folder(self._folder, self._path)
            while self._files:
                publish_file(*self._files[0])
                self._files.pop(0)
        except OSError as error:
            raise UsageError(
                f"{self._path} can't be written ({error.strerror}): name another place"
            ) from error
        self._folder = None

    def discard(self) -> None:
        """Close the file, and remove what was not published."""
        if self._file is not None:
            with suppress(OSError):  # why it could not be written was said already
                self._file.close()
        if self._folder is not None:
            discard(self._folder)
        for part, _ in self._files:
            discard(part)
