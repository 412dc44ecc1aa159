"""Telling a catalog what the ledger holds beyond it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from muniment.archive.catalog import Catalog
from muniment.archive.catalog.projection import project
from muniment.archive.facts import DirectoryFact, Fact, Position
from muniment.archive.ledger.model import Frame, Head
from muniment.archive.ledger.reader import Reader
from muniment.archive.ledger.recovery import Damage
from muniment.archive.ledger.scan import scan
from muniment.errors import ConfigError, NotFound, VaultError
from muniment.people import changes
from muniment.people.directory import Directory

log = logging.getLogger("muniment.vault")

DAMAGE = "damage"
"""The name under which the catalog keeps, as a JSON list of sentences, what it was built without."""
TOLD = 1_000
"""Sentences that it keeps; the log has all."""


class _Observed:
    """What stands in the ledger and is no fact: content, and damage."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._met: dict[bytes, Position] = {}
        self._damage = dict.fromkeys(known_damage(catalog))
        self._kept = len(self._damage)

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
        if len(self._damage) > self._kept:
            self._catalog.meta_set(DAMAGE, json.dumps(list(self._damage)))


def known_damage(catalog: Catalog) -> list[str]:
    """What a catalog was built without: a sentence each, at most TOLD."""
    found: list[str] = catalog.meta_json(DAMAGE) or []
    return found


class Stopped(VaultError):
    """A rebuild was stopped before its end."""


def replay(
    catalog: Catalog,
    ledger: Path,
    since: Head | None,
    work: Path,
    stopped: Callable[[Head], bool] = lambda head: False,
    until: Head | None = None,
) -> None:
    """Apply every committed batch after `since` (None: from the beginning) to the catalog.

    What can't be read is left out, as far as need be, and noted (see `known_damage`). `stopped` is asked
    after each batch, and told how far that has come; what was applied then stays applied. It ends with the
    batch that comes to `until`.

    Raises:
        Stopped: `stopped` said so.
    """
    observed = _Observed(catalog)
    reader = Reader(ledger, observed.locate)
    try:
        for facts, head in project(_frames(ledger, since), reader, work, observed):
            catalog.apply(_fitting(facts, catalog.directory, observed), head)
            observed.told()
            for _ in catalog.refile():
                pass
            if stopped(head):
                raise Stopped("the rebuild was stopped: the catalog that was there stays; start it again")
            if until is not None and head.tree_size >= until.tree_size:
                break
        observed.keep()
    finally:
        reader.close()


def _frames(ledger: Path, since: Head | None) -> Iterator[Frame | Damage]:
    """The frames, and the damage where it was met."""
    found: list[Damage] = []
    for frame in scan(ledger, since, on_damage=found.append):
        yield from found
        found.clear()
        yield frame
    yield from found


def _fitting(facts: list[Fact], directory: Directory, observed: _Observed) -> list[Fact]:
    """The facts, without changes of the directory whose ground was lost with what is damaged."""
    if not observed.damaged or not any(isinstance(fact, DirectoryFact) for fact in facts):
        return facts
    trial, kept = directory.copy(), list[Fact]()
    for fact in facts:
        if isinstance(fact, DirectoryFact):
            try:
                trial.apply(changes.decode(fact.change), fact.time)
            except (ConfigError, NotFound) as error:
                observed.damage(f"a change of the directory, for one before it is lost: {error}")
                continue
        kept.append(fact)
    return kept
