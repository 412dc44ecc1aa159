"""Telling a catalog what the ledger holds beyond it."""

from __future__ import annotations

from pathlib import Path

from muniment.archive.catalog import Catalog
from muniment.archive.facts import Position
from muniment.archive.ledger.model import Head
from muniment.archive.ledger.reader import Reader
from muniment.archive.ledger.scan import scan
from muniment.archive.projection import project
from muniment.people.directory import Directory


CONFIGURATION = "configuration"
"""The name under which the catalog keeps the hash of the configuration that was recorded last."""


class _Locations:
    """Where content stands: what the catalog knows, and what was met since it was last told."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._met: dict[bytes, Position] = {}
        self.configuration = ""

    def locate(self, sha: bytes) -> Position | None:
        """Where `sha` stands; None if nowhere."""
        return self._met.get(sha) or self._catalog.locate(sha)

    def meet(self, sha: bytes, position: Position) -> None:
        """Note where `sha` stands."""
        self._met[sha] = position

    def configure(self, sha: bytes) -> None:
        """Note which configuration was recorded last."""
        self.configuration = sha.hex()

    def told(self) -> None:
        """The catalog has been told of all that was met."""
        self._met.clear()


def replay(catalog: Catalog, directory: Directory, ledger: Path, since: Head | None, work: Path) -> None:
    """Apply every committed batch after `since` (None: from the beginning) to the catalog.

    Raises:
        LedgerDamaged: the ledger can't be read.
    """
    locations = _Locations(catalog)
    reader = Reader(ledger, locations.locate)
    try:
        for facts, head in project(scan(ledger, since), reader, work, locations):
            catalog.apply(facts, head, directory)
            locations.told()
            for _ in catalog.refile(directory):
                pass
        if locations.configuration:
            catalog.meta_set(CONFIGURATION, locations.configuration)
    finally:
        reader.close()
