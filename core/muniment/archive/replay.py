"""Telling a catalog what the ledger holds beyond it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

from muniment.archive.catalog import Catalog
from muniment.archive.facts import DirectoryFact, Fact, Position
from muniment.archive.ledger.model import Frame, Head
from muniment.archive.ledger.reader import Reader
from muniment.archive.ledger.recovery import Damage
from muniment.archive.ledger.scan import scan
from muniment.archive.projection import project
from muniment.errors import ConfigError, NotFound
from muniment.people import changes
from muniment.people.directory import Directory

log = logging.getLogger("muniment.vault")

CONFIGURATION = "configuration"
"""The name under which the catalog keeps the hash of the configuration that was recorded last."""
DAMAGE = "damage"
"""The name under which the catalog keeps, as a JSON list of sentences, what it was built without."""
TOLD = 1_000
"""Sentences that it keeps; the log has all."""


class _Observed:
    """What stands in the ledger and is no fact: content, the configuration, and damage."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._met: dict[bytes, Position] = {}
        self._damage = dict.fromkeys(known_damage(catalog))
        self._kept = len(self._damage)
        self._configuration = ""

    @property
    def damaged(self) -> bool:
        """Whether anything could not be read, now or when the catalog was told of what came before."""
        return bool(self._damage)

    def locate(self, sha: bytes) -> Position | None:
        """Where `sha` stands; None if nowhere."""
        return self._met.get(sha) or self._catalog.locate(sha)

    def met(self, sha: bytes) -> bool:
        """Whether `sha` stands anywhere."""
        return self.locate(sha) is not None

    def meet(self, sha: bytes, position: Position) -> None:
        """Note where `sha` stands."""
        self._met[sha] = position

    def configure(self, sha: bytes) -> None:
        """Note which configuration was recorded last."""
        self._configuration = sha.hex()

    def damage(self, what: str) -> None:
        """Note what can't be read."""
        if what not in self._damage:
            log.error("the catalog is built without what is damaged: %s", what)
            if len(self._damage) < TOLD:
                self._damage[what] = None

    def told(self) -> None:
        """The catalog has been told of all that was met."""
        self._met.clear()

    def keep(self) -> None:
        """Have the catalog keep what it is to know besides."""
        if self._configuration:
            self._catalog.meta_set(CONFIGURATION, self._configuration)
        if len(self._damage) > self._kept:
            self._catalog.meta_set(DAMAGE, json.dumps(list(self._damage)))


def known_damage(catalog: Catalog) -> list[str]:
    """What a catalog was built without: a sentence each, at most TOLD."""
    found: list[str] = json.loads(catalog.meta_get(DAMAGE) or "[]")
    return found


def replay(catalog: Catalog, directory: Directory, ledger: Path, since: Head | None, work: Path) -> None:
    """Apply every committed batch after `since` (None: from the beginning) to the catalog.

    What can't be read is left out, as far as need be, and noted (see `known_damage`).
    """
    observed = _Observed(catalog)
    reader = Reader(ledger, observed.locate)
    try:
        for facts, head in project(_frames(ledger, since), reader, work, observed):
            catalog.apply(_applied(facts, directory, observed), head, directory)
            observed.told()
            for _ in catalog.refile(directory):
                pass
        observed.keep()
    finally:
        reader.close()


def _frames(ledger: Path, since: Head | None) -> Iterator[Frame | Damage]:
    """The frames, and the damage where it was met."""
    found: list[Damage] = []
    for frame in scan(ledger, since, damaged=found.append):
        yield from found
        found.clear()
        yield frame
    yield from found


def _applied(facts: list[Fact], directory: Directory, observed: _Observed) -> list[Fact]:
    """The facts, the directory's changed by theirs; without changes that damage has left no ground for."""
    kept: list[Fact] = []
    for fact in facts:
        if isinstance(fact, DirectoryFact):
            try:
                directory.apply(changes.decode(fact.change), fact.time)
            except (ConfigError, NotFound) as error:
                if not observed.damaged:
                    raise
                observed.damage(f"a change of the directory, for one before it is lost: {error}")
                continue
        kept.append(fact)
    return kept
