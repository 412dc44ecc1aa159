"""Export: what a query finds, as files anyone can read, with a manifest that proves them.

The manifest is JSON, one object a line: first the export itself, then each message with its SHA-256,
its place in the export, and every envelope that brought it, since without these the evidence of Bcc and
of distribution lists would be lost. Folders and zips hold the exact bytes; an mbox quotes lines that
begin with `From ` (mboxrd), so there the SHA-256 is of the message before quoting.
"""

from __future__ import annotations

import json
import re
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import gmtime, strftime
from types import TracebackType
from typing import IO

from muniment.archive.catalog import EnvelopeRow, MessageRow
from muniment.archive.searching import find
from muniment.archive.vault import Vault
from muniment.errors import UsageError, VaultError

PAGE = 500
MANIFEST = "manifest.jsonl"
FORMAT = 1
_QUOTED = re.compile(rb"^(>*From )", re.MULTILINE)


class Target(ABC):
    """Where an export is written; a context that closes what it opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def add(self, name: str, date: int, content: Iterable[bytes]) -> None:
        """Write one message."""

    @abstractmethod
    def finish(self, manifest: Path) -> None:
        """Take in the manifest, which stands in a file beside the export."""

    def __enter__(self) -> Target:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class FolderTarget(Target):
    """A folder of .eml files."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if path.exists() and any(path.iterdir()):
            raise UsageError(f"{path} is not empty: name a new folder")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def add(self, name: str, date: int, content: Iterable[bytes]) -> None:
        with (self.path / name).open("xb") as file:
            file.writelines(content)

    def finish(self, manifest: Path) -> None:
        manifest.rename(self.path / MANIFEST)


class ZipTarget(Target):
    """A zip of .eml files."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._zip = zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED, allowZip64=True)

    def add(self, name: str, date: int, content: Iterable[bytes]) -> None:
        info = zipfile.ZipInfo(name, gmtime(max(date, 315_532_800))[:6])
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
        self._zip.close()


class MboxTarget(Target):
    """One mboxrd file; its manifest stands beside it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file: IO[bytes] = path.open("xb")

    def add(self, name: str, date: int, content: Iterable[bytes]) -> None:
        stamp = strftime("%a %b %e %H:%M:%S %Y", gmtime(max(date, 0)))
        self._file.write(f"From muniment@localhost {stamp}\n".encode())
        last = b"\n"
        for lines in whole_lines(content):
            self._file.write(_QUOTED.sub(rb">\1", lines))
            last = lines[-1:]
        self._file.write(b"\n" if last == b"\n" else b"\n\n")

    def finish(self, manifest: Path) -> None:
        manifest.rename(self.path.with_name(f"{self.path.name}.{MANIFEST}"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, cut behind line ends only; a line of any length is held whole at most once."""
    rest: list[bytes] = []
    for chunk in chunks:
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            rest.append(chunk)
            continue
        yield b"".join([*rest, chunk[:cut]])
        rest = [chunk[cut:]] if chunk[cut:] else []
    if rest:
        yield b"".join(rest)


def open_target(path: Path) -> Target:
    """The target that a path's ending names.

    Raises:
        UsageError: it exists already, or its folder can't be written.
    """
    kinds: dict[str, type[Target]] = {".zip": ZipTarget, ".mbox": MboxTarget}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return kinds.get(path.suffix.lower(), FolderTarget)(path)
    except FileExistsError as error:
        raise UsageError(f"{path} exists already: name a new file") from error
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another place") from error


def export_messages(vault: Vault, query: str, user: str, path: Path) -> Iterator[int]:
    """Write all messages that `query` finds, in everybody's mail or one person's; yields how many are done.

    Raises:
        UsageError: the path can't be used.
        VaultError: it can't be written to the end.
        QueryError, NotFound: as searching.find.
    """
    pages = _pages(vault, query, user)
    first = next(pages, [])
    manifest = path.with_name(f".{path.name}.{MANIFEST}")
    try:
        with open_target(path) as target, manifest.open("w", encoding="utf-8") as lines:
            _line(lines, _header(vault, query, user))
            done = 0
            for rows in _chain(first, pages):
                for row in rows:
                    name = _name(row)
                    target.add(name, row.date, vault.reader.content(row.sha))
                    _line(lines, _entry(vault, row, name))
                    done += 1
                    yield done
            lines.close()
            target.finish(manifest)
    except OSError as error:
        raise VaultError(
            f"the export stopped ({error.strerror}): make room, remove {path} and try again"
        ) from error
    finally:
        manifest.unlink(missing_ok=True)


def _chain(first: list[MessageRow], rest: Iterator[list[MessageRow]]) -> Iterator[list[MessageRow]]:
    yield first
    yield from rest


def _pages(vault: Vault, query: str, user: str) -> Iterator[list[MessageRow]]:
    after = ""
    while True:
        found = find(vault, query, user, PAGE, after)
        yield vault.catalog.rows(list(found.ids))
        after = found.after
        if not after:
            return


def _name(row: MessageRow) -> str:
    day = datetime.fromtimestamp(max(row.date, 0), UTC).strftime("%Y%m%dT%H%M%S")
    return f"{day}-{row.sha.hex()[:16]}.eml"


def _header(vault: Vault, query: str, user: str) -> dict[str, object]:
    head = vault.head
    return {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "query": query,
        "user": user,
        "tree_size": head.tree_size,
        "root": head.root.hex(),
    }


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


def _line(file: IO[str], value: dict[str, object]) -> None:
    file.write(json.dumps(value, ensure_ascii=True) + "\n")
