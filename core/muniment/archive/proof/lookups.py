"""Looks the ledger's records of content and of keys up in the catalog, during a check of the ledger.

A shallow check reads no mail, but each frame says which content it holds, and each receipt under which key it
was fetched. The catalog must find all of them. Rows that it has in addition are not found in this way.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from muniment.archive.catalog import Catalog
from muniment.archive.catalog.sqlite.encoding import chunks, exact, join, split
from muniment.archive.facts import FramePosition
from muniment.archive.ledger.check import Progress, unwatched
from muniment.archive.ledger.erased.frames import is_erased
from muniment.archive.ledger.erased.named import NamedFrames, committed_redactions
from muniment.archive.ledger.model import LedgerHead, RecordKind
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.records import deletion_fact, read_receipts
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.stored import UNKNOWN, make_frame
from muniment.archive.ledger.walk import FoundFrame
from muniment.archive.proof.compare import tables_of
from muniment.errors import MunimentError
from muniment.system.sanitise import clean

PAGE = 5_000
"""Records that are looked up at a time."""
PENDING = 100_000
"""Most missing keys that are remembered, until the ledger says that they were deleted at their source."""
CONTENT = {
    RecordKind.MESSAGE: "messages",
    RecordKind.PART: "parts",
    RecordKind.CHUNKS: "parts",
    RecordKind.ENVELOPE: "copies",
}
"""The kinds of record whose content the catalog finds by its hash, each with a word for messages."""
REMEDY = "run `muniment rebuild --catalog`"

Place = tuple[str, str, str]
"""Host, mailbox and folder."""
Item = TypeVar("Item", int, bytes)


class CatalogLookups:
    """Takes the frames of a ledger in order, and looks them up in a catalog in pages."""

    def __init__(self, segments: SegmentStore, catalog: Catalog, page: int = PAGE) -> None:
        """Begin.

        Args:
            segments: The ledger's segments.
            catalog: The catalog.
            page: Records that are looked up at a time.
        """
        self._segments = segments
        self._catalog = catalog
        self._page = page
        self._reader = LedgerReader(segments, lambda sha: None)
        self._content: list[tuple[RecordKind, bytes, tuple[int, int]]] = []
        self._lost: Counter[str] = Counter()
        self._fetched: dict[tuple[Place, str], None] = {}
        """Keys that are not looked up yet."""
        self._missing: dict[tuple[Place, str], None] = {}
        """Keys that the catalog does not have, although no deletion was read so far."""
        self._named: NamedFrames | None = None
        """What decisions have erased, once that matters."""
        self._error = ""

    def take(self, segment: int, sequence: int | None, found: FoundFrame) -> None:
        """Take the next intact frame (see `ledger.check.Watch`). It raises no error."""
        kind = RecordKind(found.header.kind)
        if self._error or is_erased(found.header):
            return
        if kind in CONTENT:
            self._content.append((kind, found.header.sha, (segment, found.offset)))
        elif kind in (RecordKind.RECEIPT, RecordKind.DELETION):
            frame = make_frame(UNKNOWN, FramePosition(segment, found.offset), found.header, found.payload)
            try:
                self._take_keys(kind, self._reader.payload(frame))
            except (MunimentError, ValueError, KeyError, TypeError) as error:
                self._error = f"a record can't be read ({clean(str(error))[:200]})"
        if len(self._content) + len(self._fetched) >= self._page:
            self._look_up()

    def _take_keys(self, kind: RecordKind, content: bytes) -> None:
        if kind == RecordKind.DELETION:
            self._deleted(content)
            return
        group = read_receipts(content)
        place = (group.host, group.mailbox, group.folder)
        self._fetched |= dict.fromkeys((place, receipt.key) for receipt in group.receipts)

    def _deleted(self, content: bytes) -> None:
        fact = deletion_fact(content, UNKNOWN)
        for key in fact.keys:
            for keys in (self._fetched, self._missing):
                keys.pop(((fact.host, fact.mailbox, fact.folder), key), None)

    def _look_up(self) -> None:
        """Look up what was taken since the last time, in one state of the catalog.

        That state may be later than the frames: then content may have moved on, and keys may be gone.
        """
        content, self._content = self._content, []
        fetched, self._fetched = self._fetched, {}
        if len(self._missing) > PENDING:
            return
        try:
            with tables_of(self._catalog) as tables:
                self._look_up_content(tables, content)
                self._missing |= dict.fromkeys(_unknown(tables, fetched))
        except (sqlite3.Error, OSError) as error:
            self._error = f"the catalog can't be read ({clean(str(error))[:200]})"
        except MunimentError as error:
            self._error = f"a record can't be read ({clean(str(error))[:200]})"

    def _look_up_content(
        self, catalog: sqlite3.Connection, content: list[tuple[RecordKind, bytes, tuple[int, int]]]
    ) -> None:
        for what, tables in (("messages", (_messages, _parts)), ("parts", (_parts,)), ("copies", (_copies,))):
            wanted = {sha: place for kind, sha, place in content if CONTENT[kind] == what}
            for table in tables:  # a displaced message is among the parts
                found = table(catalog, wanted)
                wanted = {
                    sha: place for sha, place in wanted.items() if not (sha in found and found[sha] >= place)
                }
            self._lost[what] += sum(not self._is_named(place) for place in wanted.values())

    def _is_named(self, place: tuple[int, int]) -> bool:
        """Return whether a decision erases a record that is still there: the erasure is not finished."""
        if self._named is None:
            self._named = NamedFrames()
            for one in committed_redactions(self._segments):
                self._named.add(one.redaction.frames)
        return bool(self._named.at(*place))

    def differences(self, head: LedgerHead, progress: Progress = unwatched) -> list[str]:
        """Return a sentence for each kind of record that the catalog does not find.

        Args:
            head: The state of the ledger up to which frames were taken.
            progress: Called regularly with the records that were written since and are read so far, and with
                0. An error that it raises ends the check.
        """
        try:
            self._look_up()
            if not self._error and self._missing:
                self._read_on(head, progress)
        finally:
            self._reader.close()
            if self._named is not None:
                self._named.close()
        return list(self._differences())

    def _differences(self) -> Iterator[str]:
        if self._error:
            yield f"{self._error}: {REMEDY}"
            return
        for what, count in self._lost.items():
            if count:
                yield f"the catalog lacks {count} of the ledger's {what}, or their right place: {REMEDY}"
        if self._missing:
            count = len(self._missing)
            number = f"more than {PENDING:,}" if count > PENDING else str(count)
            yield f"the catalog lacks {number} keys that were fetched: {REMEDY}"

    def _read_on(self, head: LedgerHead, progress: Progress) -> None:
        """Read what was written since: the catalog may know of deletions there already."""
        try:
            for read, frame in enumerate(scan(self._segments, head)):
                progress(read, 0)
                if frame.kind == RecordKind.DELETION:
                    self._deleted(self._reader.payload(frame))
        except (MunimentError, OSError, ValueError, KeyError) as error:
            self._error = f"a record can't be read ({clean(str(error))[:200]})"


Found = dict[bytes, tuple[int, int]]
"""Segment and offset of content, by its hash; the last of several."""


def _parts(catalog: sqlite3.Connection, wanted: Iterable[bytes]) -> Found:
    query = "SELECT sha, segment, offset FROM part WHERE sha IN"
    return _found((sha, (segment, offset)) for sha, segment, offset in _many(catalog, query, wanted))


def _messages(catalog: sqlite3.Connection, wanted: Iterable[bytes]) -> Found:
    return _by_key(catalog, "SELECT key, rest, segment, offset FROM message WHERE key IN", wanted)


def _copies(catalog: sqlite3.Connection, wanted: Iterable[bytes]) -> Found:
    return _by_key(catalog, "SELECT key, rest, segment, offset FROM envelope WHERE key IN", wanted)


def _by_key(catalog: sqlite3.Connection, query: str, wanted: Iterable[bytes]) -> Found:
    rows = _many(catalog, query, (split(sha)[0] for sha in wanted))
    return _found(
        (join(key, rest), (segment, offset))
        for key, rest, segment, offset in rows
        if isinstance(key, int) and isinstance(rest, bytes)
    )


def _found(rows: Iterable[tuple[bytes, tuple[int, int]]]) -> Found:
    """Return the last place of each hash. Values of other types, as a damaged file may have, are left out."""
    found: Found = {}
    for sha, place in rows:
        if all(isinstance(one, int) for one in place):
            found[sha] = max(place, found.get(sha, place))
    return found


def _unknown(
    catalog: sqlite3.Connection, fetched: Iterable[tuple[Place, str]]
) -> Iterator[tuple[Place, str]]:
    """Yield the keys that the catalog does not have."""
    by_place: dict[Place, list[str]] = {}
    for place, key in fetched:
        by_place.setdefault(place, []).append(key)
    for place, keys in by_place.items():
        query = "SELECT id FROM place WHERE host = ? AND mailbox = ? AND folder = ?"
        numbers = catalog.execute(query, [exact(one) for one in place]).fetchall()
        known: set[object] = set()
        for (number,) in numbers:
            query = "SELECT key FROM known WHERE place = ? AND key IN"
            known.update(key for (key,) in _many(catalog, query, map(exact, keys), number))
        yield from ((place, key) for key in keys if exact(key) not in known)


def _many(
    catalog: sqlite3.Connection, query: str, values: Iterable[Item], *first: object
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query that ends with IN, for any number of values, in the order of the table."""
    some: list[Item]
    for some in chunks(sorted(values)):
        yield from catalog.execute(f"{query} ({','.join('?' * len(some))})", [*first, *some])
