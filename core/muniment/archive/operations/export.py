"""Export: writes messages as files that any mail program reads, with a manifest that proves them.

The manifest is JSON with one object on each line: first the export itself, then each message with its
SHA-256, its place in the export, and all its envelopes, which are the evidence of Bcc and of distribution
lists. Folders and zips hold the exact bytes. An mbox quotes lines that begin with `From ` (mboxrd), so there
the SHA-256 is that of the message before quoting.
"""

from __future__ import annotations

import itertools
import json
import secrets
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import IO

from muniment.archive.catalog import EnvelopeRow, MessageRow
from muniment.archive.index import SearchPage
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.operations.conversations import Known
from muniment.archive.operations.export_explanation import Explanation
from muniment.archive.operations.export_targets import MANIFEST, ExportTarget, new_file, open_target
from muniment.archive.operations.search import find
from muniment.archive.vault.vault import Vault
from muniment.errors import VaultError
from muniment.people.directory import User
from muniment.system.time_zones import zone_of

PROVEN = 100_000
"""Most messages of an export that are proven one by one. A proof is held in memory while it is made."""
PAGE = 500
"""Messages that are looked up at a time."""
FORMAT = 1
CHECK = (
    "`checkpoint` is the archive's ledger when this was made: `muniment verify --was CHECKPOINT` there, or "
    "`verify_ledger.py LEDGER --was CHECKPOINT`, proves that nothing before it was changed or removed since"
)
"""What a manifest says about its checkpoint."""


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
    without: tuple[str, ...] = ()
    """Ids of people whose mail is left out."""

    @property
    def tz(self) -> tzinfo:
        """The time zone of the days in the query."""
        return zone_of(self.zone)


class ExportView:
    """What an export holds of each message: everything. Subclasses leave out what a reader must not see."""

    oldest_first = False
    """Whether the oldest message comes first; otherwise the newest."""

    def __init__(self, vault: Vault, choice: ExportChoice) -> None:
        self.vault = vault
        self.choice = choice
        self.total = 0
        """Number of messages, once the first page was read; an estimate for some queries."""
        self.head = vault.head
        """The state of the ledger that the manifest names, and in which messages are proven."""
        self._records: dict[int, bytes] = {}
        """SHA-256 of the messages that are to be proven, by the positions of their records."""
        self._unproven = 0
        self.conversations: Known = {}
        """The conversations of the query, which are looked up for its first page."""

    def header(self) -> dict[str, object]:
        """Return the manifest's first line."""
        head = self.head
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
        """Return the part of the manifest's first line that says which messages these are.

        Call it after the first page was read.
        """
        choice = self.choice
        how: dict[str, object] = {"query": choice.query, "user": choice.user}
        if choice.ids:
            how["selected"] = self.total
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
        return self.placed() if self.choice.folder else self._found()

    def _named(self) -> Iterator[list[MessageRow]]:
        # All are looked up first, since several ids may be prefixes of one message's id.
        found = {row.sequence: row for row in map(self.row, self.choice.ids)}
        self.total = len(found)
        rows = list(found.values())
        yield from (rows[start : start + PAGE] for start in range(0, len(rows), PAGE))

    def owner(self) -> User:
        """Return the user whose folder is exported.

        Raises:
            NotFound: There is no such user.
        """
        return self.vault.directory.find(self.choice.user)

    def placed(self) -> Iterator[list[MessageRow]]:
        """Yield the messages of the folder, in pages."""
        user = self.owner()
        after = ""
        while True:
            page = self.vault.catalog.page(user.id, self.choice.folder, PAGE, after, self.oldest_first)
            self.total = self.total or page.total
            yield self._kept(page.rows)
            after = page.after
            if not after:
                return

    def _kept(self, rows: list[MessageRow]) -> list[MessageRow]:
        """Return the messages that no one has whose mail is left out."""
        numbers = [row.sequence for row in rows]
        left_out = set().union(*(self.vault.catalog.placed(user, numbers) for user in self.choice.without))
        return [row for row in rows if row.sequence not in left_out]

    def _found(self) -> Iterator[list[MessageRow]]:
        after = ""
        while True:
            found = self.find(after)
            self.total = self.total or found.total
            yield self.vault.catalog.rows(list(found.ids))
            after = found.after
            if not after:
                return

    def find(self, after: str) -> SearchPage:
        """Return a page of the query's results, after the position `after`."""
        return find(
            self.vault,
            self.choice.query,
            self.choice.user,
            PAGE,
            after,
            oldest_first=self.oldest_first,
            zone=self.choice.tz,
            conversations=self.conversations,
            without=self.choice.without,
        )

    def row(self, id_: str) -> MessageRow:
        """Return the message with an id.

        Raises:
            NotFound: There is no such message, or more than one.
        """
        return self.vault.catalog.message_by_prefix(id_)

    def name(self, row: MessageRow) -> str:
        """Return the name of a message's file."""
        return file_name(row.date, row.sha.hex())

    def id_of(self, row: MessageRow) -> str:
        """Return the id by which the reader knows a message, in hex."""
        return row.sha.hex()

    def content(self, row: MessageRow) -> Iterable[bytes]:
        """Return a message's bytes, in chunks.

        Raises:
            LedgerDamaged: The message can't be read back.
        """
        return self.vault.reader.content(row.sha)

    def entry(self, row: MessageRow, name: str) -> dict[str, object]:
        """Return a message's line of the manifest; call it after its content was read."""
        self.prove(row)
        return _entry(self.vault, row, name)

    def prove(self, row: MessageRow | None) -> None:
        """Count a message as one to be proven; None for one that has no proof."""
        if row is not None and row.sequence < self.head.tree_size and len(self._records) < PROVEN:
            self._records[row.sequence] = row.sha
        else:
            self._unproven += 1

    def explanation(self) -> Explanation:
        """Return what explains and proves the messages; call it after all entries were made."""
        vault = self.vault
        return Explanation(vault.segments, vault.tree, self.head, self._records, self._unproven)


def export_messages(edition: ExportView, path: Path) -> Generator[int, None, None]:
    """Write an export.

    Args:
        edition: The messages to export.
        path: The export's path; `.zip` and `.mbox` decide its form, else it is a folder.

    Yields:
        The number of messages that are done; the last one again while a proof is made.

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
            f"the export stopped ({error.strerror}) and left nothing behind: free space, and try again"
        ) from error


def _write(edition: ExportView, target: ExportTarget, pages: Iterable[list[MessageRow]]) -> Iterator[int]:
    manifest = target.path.with_name(f".{target.path.name}.{secrets.token_hex(4)}.{MANIFEST}")
    try:
        with new_file(manifest) as lines:
            _line(lines, edition.header())
            done = 0
            for done, row in enumerate(itertools.chain.from_iterable(pages), start=1):
                name = edition.name(row)
                target.add(name, row.date, edition.content(row))
                _line(lines, edition.entry(row, name))
                yield done
        if target.explains:
            explanation = edition.explanation()
            for _ in explanation.read():
                yield done
            for name, pieces in explanation.files():
                target.add(name, int(time.time()), pieces)
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
