"""The package that a person is given: a zip of messages, an index, a README in plain words, and proofs.

    messages/000001-20260301T100000.eml    each message, by its number in the request
    index.csv, index.html                  what each message is, and the person's own part
    withheld.csv                           if it is asked for: what is not here, as numbers and reasons
    manifest.jsonl, proof.jsonl            SHA-256 and proof of each message, as in any export

A message in its public form has no proof, since the ledger holds other bytes, whose hash could confirm a
guess of what was left out.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import IO

from muniment.archive.catalog import MessageRow
from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.operations.export import ExportChoice, ExportView
from muniment.archive.operations.export_targets import MANIFEST
from muniment.archive.productions.production import FileStart, Piece
from muniment.archive.subject.disclosure import PIECE, Disclosure, own_addresses
from muniment.archive.subject.package_index import IndexedMessage, PackageIndex
from muniment.archive.subject.package_readme import UNPROVEN, readme
from muniment.archive.subject.review import OwnPart, Review, ReviewedMessage, State, erasure_of
from muniment.archive.vault.vault import Vault

FOLDER = "messages"
NOT_REVIEWED = "not reviewed"
CONFIDENTIAL = "confidential: only certain people may open it"
TOO_LONG = "its header is too long to leave out the names of others"
ERASED = "erased"

Reading = Callable[[Sequence[MessageRow]], None]
"""Called with messages before they are read. It may raise an error to stop the package."""
Progress = Callable[[int], None]
"""Called with the number of messages that are done. It may raise an error to stop the package."""


@dataclass(slots=True)
class PackagePlan:
    """What a package will have, and why the rest is left out."""

    undecided: str
    """What to do with undecided messages: "include", "withhold" or ""."""
    listed: bool
    """Whether to list what is withheld."""
    states: Counter[State] = field(default_factory=Counter)
    digest: str = ""
    """SHA-256 over the numbers of the messages that will be in it."""

    @property
    def included(self) -> int:
        """How many messages it will have."""
        return self.states["included"] + (self.states["undecided"] if self.undecided == "include" else 0)

    @property
    def withheld(self) -> int:
        """How many messages are withheld by decision."""
        return self.states["withheld"] + (self.states["undecided"] if self.undecided == "withhold" else 0)

    def has(self, one: ReviewedMessage) -> bool:
        """Whether a message will be in it."""
        return one.state == "included" or (one.state == "undecided" and self.undecided == "include")


def plan_package(review: Review, undecided: str, *, listed: bool) -> PackagePlan:
    """Look at all messages of a request, and count what a package would have."""
    plan, digest = PackagePlan(undecided, listed), hashlib.sha256()
    for block in review.all():
        plan.states.update(one.state for one in block)
        for one in block:
            if plan.has(one):
                digest.update(f"{one.number}\n".encode())
    plan.digest = digest.hexdigest()
    return plan


class Package:
    """One package, made as a stream of files."""

    def __init__(
        self, vault: Vault, review: Review, plan: PackagePlan, reading: Reading, progress: Progress
    ) -> None:
        """Prepare it.

        Args:
            vault: The vault.
            review: The messages, for the login that makes the package.
            plan: What to hand over.
            reading: See `Reading`.
            progress: See `Progress`.
        """
        self._vault, self._review, self._plan = vault, review, plan
        self._reading, self._progress = reading, progress
        self._view = _PackageView(vault, ExportChoice())
        self._own = own_addresses(vault, review.request)
        self._parts = OwnPart(vault, review.request)
        self._work = make_work(own_work(vault.folder))
        self._made = int(time.time())
        self._displaced: set[int] = set()
        """Messages that were handed over in the place of another version."""
        self.messages = 0
        """Messages that are done."""
        self.given = 0
        """Messages of these that are in the package: each only once, and only if it could be handed over."""
        self.changed = 0
        """Messages of these in their public form."""
        self.impossible = 0
        """Messages that can't be handed over, since their header is too long."""
        self.manifest = ""
        """SHA-256 of the manifest, once it is complete."""

    def pieces(self) -> Iterator[Piece]:
        """Yield the files, and their content in pieces.

        Raises:
            LedgerDamaged: A message can't be read back.
            OSError, VaultError: A temporary file can't be written.
        """
        request = self._review.request
        index = PackageIndex(
            self._work,
            f"Mail for the request {request.name}",
            "Each number leads to a message, which any mail program opens. Dates are those of the messages.",
            listed=self._plan.listed,
        )
        try:
            with TemporaryFile(dir=self._work) as manifest:
                _line(manifest, self._view.header() | {"subject": request.name, "case": request.record.case})
                for block in self._review.all():
                    yield from self._block(block, index, manifest)
                yield from self._rest(index, manifest)
        finally:
            index.close()

    def _block(
        self, block: Sequence[ReviewedMessage], index: PackageIndex, manifest: IO[bytes]
    ) -> Iterator[Piece]:
        chosen = [(one, one.row) for one in block if self._plan.has(one) and one.row is not None]
        if chosen:
            self._reading([row for _, row in chosen])
        parts = self._parts.of(row for _, row in chosen)
        there = {one.place for one, _ in chosen}
        for one in block:
            if one.place not in there:
                index.withhold(one.place + 1, self._why_not(one))
        for one, row in chosen:
            if self._is_new(one, row):
                yield from self._message(one, row, parts.get(row.sequence, ()), index, manifest)
            self.messages += 1
            self._progress(self.messages)

    def _is_new(self, one: ReviewedMessage, row: MessageRow) -> bool:
        """Whether a message is not in the package yet: one version may have taken the place of several."""
        if row.sequence == one.number:
            return True
        if row.sequence in self._displaced or self._review.request.place(row.sequence) is not None:
            return False
        self._displaced.add(row.sequence)
        return True

    def _why_not(self, one: ReviewedMessage) -> str:
        if one.state == "erased":
            erasure = erasure_of(self._vault, one.number) if self._plan.listed else None
            return f"{ERASED} on {_day(erasure.at)}: {erasure.basis}" if erasure is not None else ERASED
        if one.state == "sealed":
            return CONFIDENTIAL
        return one.decision.reason if one.decision is not None else NOT_REVIEWED

    def _message(
        self,
        one: ReviewedMessage,
        row: MessageRow,
        parts: tuple[str, ...],
        index: PackageIndex,
        manifest: IO[bytes],
    ) -> Iterator[Piece]:
        with Disclosure(self._vault, row, self._own) as given:
            if not given.possible:
                self.impossible += 1
                index.withhold(one.place + 1, TOO_LONG)
                return
            name = f"{FOLDER}/{one.place + 1:06d}-{_stamp(row.date)}.eml"
            yield FileStart(name, row.date)
            yield from given.pieces()
            self.given += 1
            self.changed += given.changed
            entry = {
                "file": name, "number": one.place + 1, "sha256": given.sha256, "size": given.size,
                "date": row.date, "sequence": row.sequence,
                "form": "public" if given.changed else "as archived",
            }  # fmt: skip
            self._view.prove(None if given.changed else row)
            _line(manifest, entry)
            index.add(
                IndexedMessage(
                    one.place + 1, name, row.date, parts, row.sender, row.to, row.subject, given.size,
                    row.attachments, given.changed,
                )
            )  # fmt: skip

    def _rest(self, index: PackageIndex, manifest: IO[bytes]) -> Iterator[Piece]:
        """The index, README, proofs and the manifest."""
        for name, content in index.files():
            digest, size = hashlib.sha256(), 0
            yield FileStart(name, self._made)
            for piece in content:
                digest.update(piece)
                size += len(piece)
                yield piece
            _line(manifest, {"file": name, "sha256": digest.hexdigest(), "size": size, "part": ""})
        explanation = self._view.explanation()
        explanation.about = readme(
            self._review.request, self._plan, self.given, self.changed, self.impossible
        )
        explanation.unproven = UNPROVEN
        for _ in explanation.read():
            yield b""
        for name, content in explanation.files():
            yield FileStart(name, self._made)
            yield from content
        manifest.seek(0)
        self.manifest = hashlib.file_digest(manifest, "sha256").hexdigest()  # type: ignore[arg-type]
        manifest.seek(0)
        yield FileStart(MANIFEST, self._made)
        yield from iter(lambda: manifest.read(PIECE), b"")


class _PackageView(ExportView):
    """The part of an export that names the checkpoint and proves messages."""

    def chosen(self) -> dict[str, object]:
        return {}


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _stamp(date: int) -> str:
    return f"{datetime.fromtimestamp(max(date, 0), UTC):%Y%m%dT%H%M%S}"


def _line(file: IO[bytes], value: dict[str, object]) -> None:
    file.write(json.dumps(value, ensure_ascii=True).encode() + b"\n")
