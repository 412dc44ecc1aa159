"""The reading half of an open vault: its catalog, its index, and the content in its ledger."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from muniment.archive.catalog import Catalog
from muniment.archive.catalog.replay import known_damage
from muniment.archive.facts import FramePosition
from muniment.archive.files.lock import LockHolder, holder, holding
from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.index import SearchIndex
from muniment.archive.ledger.ledger_tree import LedgerTree
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.readback import ReadBack
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.vault.layout import TREE, segments_of
from muniment.archive.vault.open_index import IndexPlace
from muniment.people.directory import Directory


class VaultContents:
    """What an open vault holds. Thread-safe.

    Methods and properties that ask the catalog raise CatalogDamaged if it contradicts itself, and VaultError
    if it can't be read now or the vault is closed.
    """

    def __init__(self, folder: Path, catalog: Catalog, index_place: IndexPlace, *, writes: bool) -> None:
        self.folder = folder
        """The vault's folder."""
        self.catalog = catalog
        """Lists and look-ups, and the directory of users."""
        self.segments = segments_of(folder)
        """The ledger's segments, for reading."""
        self.reader = LedgerReader(self.segments, catalog.locate, catalog.erasure_of)
        """Reads content from the ledger."""
        self.index_place = index_place
        """Opens the index, and guards its replacement."""
        self.tree = LedgerTree(
            self.segments, folder / TREE, lambda: make_work(own_work(folder)), writes=writes
        )
        """Proves what is in the ledger."""
        self._read_back = ReadBack(self.reader)

    @property
    def head(self) -> LedgerHead:
        """The committed state that the catalog has reached; readers see nothing after it."""
        return self.catalog.head

    @property
    def directory(self) -> Directory:
        """The directory of users after the last applied change. The object itself never changes."""
        return self.catalog.directory

    @property
    def damage(self) -> list[str]:
        """The damage of the ledger that the catalog was built without, a sentence each."""
        return known_damage(self.catalog)

    def kept(self, sha: bytes, read_back: bool) -> bool:
        """Return whether the content with this SHA-256 is in the ledger.

        Args:
            sha: SHA-256 of a message, part, copy or quarantined item, 32 bytes.
            read_back: Whether to read the content from the ledger as well; damaged content is then not kept.
        """
        if self.catalog.locate(sha) is None:
            return False
        return not read_back or self.reads_back(sha)

    def part_kept(self, sha: bytes, read_back: bool) -> bool:
        """Return whether the MIME part with this SHA-256 is in the ledger; see `kept`."""
        return self.catalog.part_known(sha) and (not read_back or self.reads_back(sha))

    def reads_back(self, sha: bytes) -> bool:
        """Return whether the ledger gives the exact bytes with this SHA-256; a success is remembered."""
        return self._read_back.content(sha)

    def reads_back_at(self, position: FramePosition) -> bool:
        """Return whether the record at a position is intact."""
        return self._read_back.record(position)

    def size_of(self, sha: bytes) -> int:
        """Return the size in bytes of the content with this SHA-256.

        Raises:
            LedgerDamaged: The ledger does not hold the content.
        """
        return self.reader.size(sha)

    def index(self) -> SearchIndex:
        """Return the full-text index in its last committed state. It stays open until the vault is closed.

        Raises:
            VaultError: The index can't be read, or is damaged.
        """
        return self.index_place.index()

    def owner(self) -> str:
        """Return which process is writing the vault, as text for messages; "" if none is."""
        return holder(self.folder)

    def owner_process(self) -> LockHolder | None:
        """Return the process that is writing the vault; None if none is, or it is another user's."""
        with suppress(PermissionError):
            return holding(self.folder)
        return None
