"""Export: writes messages as files that any mail program reads, with a manifest that proves them.

The manifest is JSON with one object on each line: first the export itself, then each message with its
SHA-256, its place in the export, and all its envelopes, which are the evidence of Bcc and of distribution
lists. Folders and zips hold the exact bytes. An mbox quotes lines that begin with `From ` (mboxrd), so there
the SHA-256 is that of the message before quoting.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from time import gmtime, strftime
from types import TracebackType
from typing import IO

from muniment.archive.catalog import EnvelopeRow, MessageRow
from muniment.archive.index import SearchPage
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.operations.search import find
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError, VaultError
from muniment.people.directory import User
from muniment.system.time_zones import zone_of

PAGE = 500
"""Messages that are looked up at a time."""
PIECE = 1024 * 1024
"""Most bytes that are handed on at a time."""
MANIFEST = "manifest.jsonl"
FORMAT = 1
CHECK = (
    "`checkpoint` is the archive's ledger when this was made: `muniment verify --was CHECKPOINT` there, or "
    "`verify_ledger.py LEDGER --was CHECKPOINT`, proves that nothing before it was changed or removed since"
)
"""What a manifest says about its checkpoint."""
ZIP_FIRST, ZIP_LAST = 315_532_800, 4_354_819_198
"""The earliest and the latest date of a file in a zip, in seconds since 1970 UTC: 1980 to 2107."""
_FROM = re.compile(rb"(\n>*)From ")


class ExportTarget(ABC):
    """The file or folder that an export is written to. As a context manager, it closes its files."""

    def __init__(self, path: Path) -> None:
        self.path = path

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
        """Move the manifest from the file `manifest`, beside the export, to its place.

        Raises:
            OSError: The manifest can't be written.
        """

    def __enter__(self) -> ExportTarget:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


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
        super().__init__(path)
        if path.is_dir() and any(path.iterdir()):
            raise UsageError(f"{path} is not empty: name a new folder")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def add(self, name: str, date: int, content: Iterable[bytes]) -> None:
        with new_file(self.path / name) as file:
            file.writelines(content)

    def finish(self, manifest: Path) -> None:
        manifest.rename(self.path / MANIFEST)


class ZipTarget(ExportTarget):
    """A zip of .eml files."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = new_file(path)
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, allowZip64=True)

    def add(self, name: str, date: int, content: Iterable[bytes]) -> None:
        info = zipfile.ZipInfo(name, gmtime(min(max(date, ZIP_FIRST), ZIP_LAST))[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(info, "w", force_zip64=True) as file:
            for chunk in content:
                file.write(chunk)

    def finish(self, manifest: Path) -> None:
        self._zip.write(manifest, MANIFEST)
        manifest.unlink()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            self._zip.close()


class MboxTarget(ExportTarget):
    """One mboxrd file, with its manifest beside it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._manifest = path.with_name(f"{path.name}.{MANIFEST}")
        if self._manifest.exists():
            raise UsageError(f"{self._manifest} exists already: name a new file")
        self._file = new_file(path)

    def add(self, name: str, date: int, content: Iterable[bytes]) -> None:
        self._file.writelines(mbox_entry(date, content))

    def finish(self, manifest: Path) -> None:
        manifest.rename(self._manifest)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


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


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """The messages of an export: those in `ids`, else those in a folder of `user`, else those of a query."""

    query: str = ""
    user: str = ""
    """The person whose mail is exported; "" for all mail."""
    ids: tuple[str, ...] = ()
    folder: str = ""
    zone: str = ""
    """The time zone of the days in the query, as a name for muniment.system.time_zones."""

    @property
    def tz(self) -> tzinfo:
        """The time zone of the days in the query."""
        return zone_of(self.zone)


class ExportView:
    """What an export holds of each message: everything. Subclasses leave out what a reader must not see."""

    def __init__(self, vault: Vault, choice: ExportChoice) -> None:
        self.vault = vault
        self.choice = choice

    def header(self) -> dict[str, object]:
        """Return the manifest's first line."""
        head = self.vault.head
        return {
            "format": FORMAT,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            **self.chosen(),
            "tree_size": head.tree_size,
            "root": head.root.hex(),
            "checkpoint": str(Checkpoint(head.tree_size, head.root)),
            "about": CHECK,
        }

    def chosen(self) -> dict[str, object]:
        """Return the part of the manifest's first line that says which messages these are."""
        choice = self.choice
        how: dict[str, object] = {"query": choice.query, "user": choice.user}
        if choice.ids:
            how["selected"] = len(choice.ids)
        elif choice.folder:
            how["folder"] = choice.folder
        elif choice.zone:
            how["zone"] = choice.zone
        return how

    def pages(self) -> Iterator[list[MessageRow]]:
        """Yield the messages in pages.

        Raises:
            QueryError: The query is not valid.
            NotFound: A name or an id is unknown.
        """
        if self.choice.ids:
            return self._named()
        return self._placed() if self.choice.folder else self._found()

    def _named(self) -> Iterator[list[MessageRow]]:
        seen: set[int] = set()
        for start in range(0, len(self.choice.ids), PAGE):
            rows = [self.row(one) for one in self.choice.ids[start : start + PAGE]]
            new = {row.sequence: row for row in rows if row.sequence not in seen}
            seen.update(new)
            yield list(new.values())

    def owner(self) -> User:
        """Return the user whose folder is exported.

        Raises:
            NotFound: There is no such user.
        """
        return self.vault.directory.find(self.choice.user)

    def _placed(self) -> Iterator[list[MessageRow]]:
        user = self.owner()
        after = ""
        while True:
            page = self.vault.catalog.page(user.id, self.choice.folder, PAGE, after)
            yield page.rows
            after = page.after
            if not after:
                return

    def _found(self) -> Iterator[list[MessageRow]]:
        after = ""
        while True:
            found = self.find(after)
            yield self.vault.catalog.rows(list(found.ids))
            after = found.after
            if not after:
                return

    def find(self, after: str) -> SearchPage:
        """Return a page of the query's results, after the position `after`."""
        return find(self.vault, self.choice.query, self.choice.user, PAGE, after, zone=self.choice.tz)

    def row(self, id_: str) -> MessageRow:
        """Return the message with an id.

        Raises:
            NotFound: There is no such message, or more than one.
        """
        return self.vault.catalog.message_by_prefix(id_)

    def name(self, row: MessageRow) -> str:
        """Return the name of a message's file."""
        return file_name(row.date, row.sha.hex())

    def content(self, row: MessageRow) -> Iterable[bytes]:
        """Return a message's bytes, in chunks.

        Raises:
            LedgerDamaged: The message can't be read back.
        """
        return self.vault.reader.content(row.sha)

    def entry(self, row: MessageRow, name: str) -> dict[str, object]:
        """Return a message's line of the manifest; call it after its content was read."""
        return _entry(self.vault, row, name)


def export_messages(edition: ExportView, path: Path) -> Iterator[int]:
    """Write an export.

    Args:
        edition: The messages to export.
        path: The export's path; `.zip` and `.mbox` decide its form, else it is a folder.

    Yields:
        The number of messages that are done.

    Raises:
        UsageError: The path exists already, or can't be written.
        VaultError: The export could not be completed.
        QueryError: The query is not valid.
        NotFound: A name or an id is unknown.
        LedgerDamaged: A message can't be read back.
    """
    pages = edition.pages()
    first = next(pages, [])
    try:
        with open_target(path) as target:
            yield from _write(edition, target, itertools.chain([first], pages))
    except OSError as error:
        raise VaultError(
            f"the export stopped ({error.strerror}): free space, remove {path}, and try again"
        ) from error


def _write(edition: ExportView, target: ExportTarget, pages: Iterable[list[MessageRow]]) -> Iterator[int]:
    manifest = target.path.with_name(f".{target.path.name}.{secrets.token_hex(4)}.{MANIFEST}")
    try:
        with new_file(manifest) as lines:
            _line(lines, edition.header())
            for done, row in enumerate(itertools.chain.from_iterable(pages), start=1):
                name = edition.name(row)
                target.add(name, row.date, edition.content(row))
                _line(lines, edition.entry(row, name))
                yield done
        target.finish(manifest)
    finally:
        manifest.unlink(missing_ok=True)


def file_name(date: int, id_: str) -> str:
    """Return the name of a message's file, by its date (seconds since 1970 UTC) and its id in hex."""
    day = datetime.fromtimestamp(max(date, 0), UTC).strftime("%Y%m%dT%H%M%S")
    return f"{day}-{id_[:16]}.eml"


def _entry(vault: Vault, row: MessageRow, name: str) -> dict[str, object]:
    folders = vault.catalog.folders_of([row.sequence]).get(row.sequence, ())
    return {
        "file": name,
        "sha256": row.sha.hex(),
        "size": row.size,
        "date": row.date,
        "sequence": row.sequence,
        "folders": list(folders),
        "envelopes": [_envelope(envelope) for envelope in vault.catalog.envelopes_of(row.sequence)],
    }


def _envelope(envelope: EnvelopeRow) -> dict[str, object]:
    return {
        "sha256": envelope.sha.hex(),
        "size": envelope.size,
        "report": envelope.report,
        "time": envelope.time,
        "profile": envelope.profile,
        "parties": [
            {"role": party.role.name.lower(), "address": party.address, "via": party.via}
            for party in envelope.parties
        ],
        "flags": list(envelope.flags),
    }


def _line(file: IO[bytes], value: dict[str, object]) -> None:
    file.write(json.dumps(value, ensure_ascii=True).encode() + b"\n")
