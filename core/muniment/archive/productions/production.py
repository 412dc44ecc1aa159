"""A production: a folder or zip of numbered documents, with load files, a manifest, proofs and a README.

    NATIVES/0001/PROD0000001.eml    each document as it was sent: messages byte for byte, attachments decoded
    TEXT/0001/PROD0000001.txt       its text in UTF-8
    loadfile.dat                    describes the documents (see productions.forms)
    manifest.jsonl                  the SHA-256 of each file, and each message as in any export
    proof.jsonl                     the proof that each message is in the ledger

Names of files are Bates numbers; no name from mail becomes a path.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

from muniment.archive.catalog import EnvelopeRow, MessageRow
from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.operations.export import PAGE, ExportChoice, ExportView
from muniment.archive.operations.export_explanation import Explanation
from muniment.archive.operations.export_targets import MANIFEST
from muniment.archive.operations.indexing import behind
from muniment.archive.productions.bates import BatesNumbers, label
from muniment.archive.productions.documents import (
    PIECE,
    Document,
    OpenFamily,
    Party,
    WrittenFile,
    ending_of,
    notes_of,
    open_families,
    shown_name,
    user_of,
)
from muniment.archive.productions.forms import LoadForm
from muniment.archive.vault.vault import Vault
from muniment.mail.headers.message_ids import bare_id, bare_ids
from muniment.system.sanitise import clean

NATIVES, TEXTS = "NATIVES", "TEXT"
IN_FOLDER = 1_000
"""Documents in one folder."""
CATCH_ALL = "catch-all"
SEALED = "messages that are sealed from the person who made this, if there are any"
"""What a manifest says is left out, where people's mail is sealed."""
README = """\
This file was produced from a Muniment archive.

  NATIVES            the documents: messages byte for byte (.eml), attachments decoded. The name of a
                     file is its Bates number; a message is followed by its attachments
{texts}{forms}\
  manifest.jsonl     JSON, one object on a line: the production, then each message with its SHA-256,
                     folders and envelopes (who really sent and received it, Bcc included), and the
                     SHA-256 of each other file
"""
_TEXTS = "  TEXT               the text of messages and of attachments that are text, UTF-8\n"

Progress = Callable[[int], None]
"""Called with the number of messages that are done. It may raise an error to stop the production."""


class FileStart(NamedTuple):
    """The start of a file of the production; the bytes that follow are its content."""

    name: str
    """Its path in the production, with slashes."""
    date: int
    """Its date, in seconds since 1970 UTC."""


Piece = FileStart | bytes


class ProductionView(ExportView):
    """What a production holds of each message: as an export, but the oldest message comes first."""

    oldest_first = True

    def __init__(self, vault: Vault, choice: ExportChoice, form_name: str, form: type[LoadForm]) -> None:
        """Choose the messages; `form_name` is the name of the production's form, for its manifest."""
        super().__init__(vault, choice)
        self._form_name = form_name
        self._form = form
        self.late = 0 if choice.ids or choice.folder else behind(vault)
        """How many messages the index lacks; a query may miss them."""

    @property
    def texts(self) -> bool:
        """Whether the production has text files."""
        return self._form.texts

    def chosen(self) -> dict[str, object]:
        more: dict[str, object] = {"left_out": SEALED} if self.choice.without else {}
        if self.late:
            more["behind"] = self.late
        return {**super().chosen(), "form": self._form_name, **more}

    def pages(self) -> Iterator[list[MessageRow]]:
        """Yield the messages in pages; those that are newer than the checkpoint are left out.

        The oldest messages come first, so mail that arrives meanwhile would be found, and have no proof.
        """
        for page in super().pages():
            yield [row for row in page if row.sequence < self.head.tree_size]

    def _named(self) -> Iterator[list[MessageRow]]:
        rows = sorted(chain.from_iterable(super()._named()), key=lambda row: (row.date, row.sequence))
        yield from (rows[start : start + PAGE] for start in range(0, len(rows), PAGE))

    def custodian(self) -> str:
        """Return the primary address of the person whose mail is produced; "" for everybody's mail."""
        return self.vault.directory.find(self.choice.user).primary if self.choice.user else ""

    def explanation(self) -> Explanation:
        explanation = super().explanation()
        explanation.about = README.format(texts=_TEXTS if self.texts else "", forms=self._form.about)
        return explanation


class _Hashed:
    """A file that is being written, and its hashes so far."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)

    def add(self, data: bytes) -> bytes:
        self._size += len(data)
        self._sha256.update(data)
        self._md5.update(data)
        return data

    def written(self) -> WrittenFile:
        return WrittenFile(self.path, self._size, self._sha256.hexdigest(), self._md5.hexdigest())


class Production:
    """One production, made as a stream of files. Only load files and manifest are stored temporarily."""

    def __init__(
        self, view: ProductionView, form: LoadForm, numbers: BatesNumbers, progress: Progress
    ) -> None:
        """Prepare it.

        Args:
            view: The messages.
            form: Takes the descriptions of the documents. The caller closes it.
            numbers: Numbers the documents. The production is recorded before its last file.
            progress: Called with the number of messages that are done.
        """
        self._view, self._form, self._numbers, self._progress = view, form, numbers, progress
        self._work = make_work(own_work(view.vault.folder))
        self._made = int(time.time())
        self.messages = 0
        """Messages that are done."""

    @property
    def documents(self) -> int:
        """Documents that have a number."""
        return self._numbers.last - self._numbers.first + 1

    def pieces(self, pages: Iterable[list[MessageRow]]) -> Iterator[Piece]:
        """Yield the files, and their content in pieces.

        Args:
            pages: The messages, from the view. Its first page was read, so that errors come before any file.

        Raises:
            LedgerDamaged: A message can't be read back.
            WorkersUnusable: No worker can work.
            OSError, VaultError: A temporary file can't be written, or numbers can't be reserved.
        """
        with TemporaryFile(dir=self._work) as manifest:
            self._manifest: IO[bytes] = manifest
            _line(
                manifest, {**self._view.header(), "bates": label(self._numbers.prefix, self._numbers.first)}
            )
            for page in pages:
                yield from self._page(page)
            yield from self._rest()

    def _page(self, page: list[MessageRow]) -> Iterator[Piece]:
        """The files of a page of messages."""
        folders = self._view.vault.catalog.folders_of([row.sequence for row in page])
        with closing(open_families(self._view.vault, page)) as families:
            for family in families:
                yield from self._family(family, tuple(folders.get(family.row.sequence, ())))
                self.messages += 1
                self._progress(self.messages)

    def _family(self, family: OpenFamily, folders: tuple[str, ...]) -> Iterator[Piece]:
        """The files of a message and of its attachments."""
        row = family.row
        first = self._numbers.take(1 + len(family.files))
        name = self._name(first)
        members = _Members(self._view, family, folders, name, self._name(first + len(family.files)))
        native = _Hashed(_path(NATIVES, first, name, "eml"))
        yield from self._file(native, self._view.content(row), row.date)
        entry = self._view.entry(row, native.path)
        _line(self._manifest, entry | {"bates": name, "last_bates": members.family[1]})
        text = yield from self._text(first, family.text(), row.date)
        self._form.add(members.message(native.written(), text))
        for number, file in enumerate(family.files):
            name = self._name(first + 1 + number)
            native = _Hashed(_path(NATIVES, first + 1 + number, name, ending_of(file)))
            yield from self._file(native, family.content(number), row.date)
            self._list(native.written(), name)
            words = family.text_of(number)
            text = (yield from self._text(first + 1 + number, words, row.date)) if words else None
            parent = self._name(first + file.info.within)
            self._form.add(members.attachment(number, name, parent, native.written(), text))

    def _text(self, number: int, text: str, date: int) -> Generator[Piece, None, WrittenFile | None]:
        """The text file of a document; returns it, or None if the form has no such files."""
        if not self._view.texts:
            return None
        name = self._name(number)
        file = _Hashed(_path(TEXTS, number, name, "txt"))
        yield from self._file(file, _cut(text), date)
        self._list(file.written(), name)
        return file.written()

    def _file(self, file: _Hashed, content: Iterable[bytes], date: int) -> Iterator[Piece]:
        yield FileStart(file.path, date)
        for data in content:
            for start in range(0, len(data), PIECE):
                yield file.add(data[start : start + PIECE])

    def _list(self, file: WrittenFile, of: str = "") -> None:
        """Write a file that is no message into the manifest; `of` is the number of its document."""
        entry: dict[str, object] = {"file": file.path, "sha256": file.sha256, "size": file.size, "part": of}
        _line(self._manifest, entry)

    def _rest(self) -> Iterator[Piece]:
        """Load files, README, proofs and the manifest."""
        for name, content in self._form.files():
            file = _Hashed(name)
            yield from self._file(file, content, self._made)
            self._list(file.written())
        explanation = self._view.explanation()
        for _ in explanation.read():
            yield b""
        for name, content in explanation.files():
            yield from self._file(_Hashed(name), content, self._made)
        self._manifest.seek(0)
        digest = hashlib.file_digest(self._manifest, "sha256").hexdigest()  # type: ignore[arg-type]
        self._numbers.finish(documents=self.documents, total=self.messages, manifest=digest)
        self._manifest.seek(0)
        yield from self._file(_Hashed(MANIFEST), iter(lambda: self._manifest.read(PIECE), b""), self._made)

    def _name(self, number: int) -> str:
        return label(self._numbers.prefix, number)


class _Members:
    """Makes the descriptions of the documents of one family."""

    def __init__(
        self,
        view: ProductionView,
        family: OpenFamily,
        folders: tuple[str, ...],
        first: str,
        last: str,
    ) -> None:
        self._open, row = family, family.row
        self.family = (first, last)
        users = tuple(dict.fromkeys(user_of(place) for place in folders))
        people = tuple(user for user in users if user != CATCH_ALL) or users
        chosen = view.custodian()
        self._common: dict[str, Any] = {
            "family": self.family,
            "message": row.sha.hex(),
            "custodian": chosen if chosen in people else next(iter(people), ""),
            "custodians": people,
            "folders": tuple(map(clean, folders)),
        }
        self._copies = view.vault.catalog.envelopes_of(row.sequence)

    def message(self, native: WrittenFile, text: WrittenFile | None) -> Document:
        """Describe the message."""
        headers = self._open.headers()
        named = bare_ids(f"{headers.get('References', '')} {headers.get('In-Reply-To', '')}")
        subject = headers.get("Subject", "")
        return Document(
            number=self.family[0],
            headers=headers,
            envelope=_parties(self._copies),
            sent=self._open.read.date,
            received=min((copy.time for copy in self._copies), default=None),
            conversation=clean(next(iter(named), bare_id(headers.get("Message-ID", "")))),
            filename=f"{subject}.eml" if subject else "",
            content_type="message/rfc822",
            files=tuple(map(shown_name, self._open.files)),
            native=native,
            text=text,
            notes=self._open.notes(),
            **self._common,
        )

    def attachment(
        self, number: int, name: str, parent: str, native: WrittenFile, text: WrittenFile | None
    ) -> Document:
        """Describe an attachment; `number` counts from 0."""
        file = self._open.files[number]
        return Document(
            number=name,
            parent=parent,
            headers={},
            filename=shown_name(file),
            content_type=clean(file.info.content_type) or "application/octet-stream",
            native=native,
            text=text,
            notes=notes_of(file),
            **self._common,
        )


def _parties(copies: Iterable[EnvelopeRow]) -> tuple[Party, ...]:
    """The lines of all envelopes of a message, each once, in order."""
    lines = (
        Party(party.role.name.lower().replace("_", "-"), clean(party.address), clean(party.via))
        for copy in copies
        for party in copy.parties
    )
    return tuple(dict.fromkeys(lines))


def _path(folder: str, number: int, name: str, ending: str) -> str:
    return f"{folder}/{(number - 1) // IN_FOLDER + 1:04d}/{name}.{ending}"


def _cut(text: str) -> Iterator[bytes]:
    """A text as UTF-8, in pieces."""
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE].encode("utf-8", "backslashreplace")


def _line(file: IO[bytes], value: dict[str, object]) -> None:
    file.write(json.dumps(value, ensure_ascii=True).encode() + b"\n")
