"""Applies the ledger's records to a catalog that lacks them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from muniment.archive.catalog.base import Catalog, CatalogReader
from muniment.archive.catalog.projection import project
from muniment.archive.catalog.replay_erasures import ErasureJudge
from muniment.archive.erasure.kept_copies import kept_copies
from muniment.archive.facts import DirectoryFact, Fact, FramePosition, KeptCopy
from muniment.archive.ledger.model import Frame, LedgerHead
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.recovery import Damage
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.errors import ConfigError, NotFound, VaultError
from muniment.people import changes
from muniment.people.directory import Directory

log = logging.getLogger("muniment.vault")

DAMAGE = "damage"
"""The name in the catalog's `meta` of the damage that it was built without: a JSON list of sentences."""
MAX_DAMAGE = 1_000
"""Most sentences in that list; the log has all of them."""


class _Observed:
    """Positions of content that the catalog does not have yet, and damage that was met."""

    def __init__(self, catalog: Catalog, segments: SegmentStore, since: LedgerHead | None) -> None:
        self._catalog = catalog
        self._segments = segments
        self._since = since
        self._kept_copies: dict[tuple[bytes, bool], KeptCopy] | None = None
        self._positions: dict[bytes, FramePosition] = {}
        self._damage = dict.fromkeys(known_damage(catalog))
        self._kept = len(self._damage)

    @property
    def damaged(self) -> bool:
        """Whether anything could not be read, in this replay or an earlier one."""
        return bool(self._damage)

    def locate(self, sha: bytes) -> FramePosition | None:
        """Return the position of the content with this SHA-256; None if it was not met."""
        return self._positions.get(sha) or self._catalog.locate(sha)

    def has_content(self, sha: bytes) -> bool:
        return self.locate(sha) is not None

    def add_content(self, sha: bytes, position: FramePosition) -> None:
        self._positions[sha] = position

    def kept_copy(self, sha: bytes, report: bool) -> KeptCopy | None:
        if self._kept_copies is None:  # few copies bring several messages, and redactions come after them
            self._kept_copies = kept_copies(self._segments, self._since)
        return self._kept_copies.get((sha, report))

    def damage(self, what: str) -> None:
        if what not in self._damage:
            log.error("the catalog is built without damaged content: %s", what)
            if len(self._damage) < MAX_DAMAGE:
                self._damage[what] = None

    def forget_positions(self) -> None:
        """Forget the positions, once the catalog has them."""
        self._positions.clear()

    def save_damage(self) -> None:
        """Store new damage in the catalog."""
        if len(self._damage) > self._kept:
            self._catalog.meta_set(DAMAGE, json.dumps(list(self._damage)))


def known_damage(catalog: CatalogReader) -> list[str]:
    """Return the damage that a catalog was built without: a sentence each, at most MAX_DAMAGE."""
    found: list[str] = catalog.meta_json(DAMAGE) or []
    return found


class RebuildStopped(VaultError):
    """A rebuild was stopped before its end."""


def replay(
    catalog: Catalog,
    segments: SegmentStore,
    since: LedgerHead | None,
    work: Path,
    stopped: Callable[[LedgerHead], bool] = lambda head: False,
    until: LedgerHead | None = None,
) -> None:
    """Apply committed batches of a ledger to a catalog.

    Content that can't be read is left out, and its damage is stored in the catalog (see `known_damage`).

    Args:
        catalog: The catalog to bring forward.
        segments: The ledger's segments.
        since: The committed state after which to begin; None begins at the first record.
        work: A folder for temporary files.
        stopped: Called after each batch with the state it has come to. If it returns true, the replay stops;
            the batches applied so far stay applied.
        until: The committed state at which to end; None for the last one.

    Raises:
        RebuildStopped: `stopped` returned true.
        VaultError: The ledger or the catalog can't be used.
    """
    observed = _Observed(catalog, segments, since)
    reader, judge = LedgerReader(segments, observed.locate), ErasureJudge(segments, since)
    try:
        frames = (judged for item in _frames(segments, since) for judged in judge.judged(item))
        for facts, head in project(frames, reader, work, observed):
            catalog.apply(_fitting(facts, catalog.directory, observed), head)
            observed.forget_positions()
            for _ in catalog.refile():
                pass
            if stopped(head):
                raise RebuildStopped(
                    "the rebuild was stopped, and the old catalog stays in use; start it again"
                )
            if until is not None and head.tree_size >= until.tree_size:
                break
        observed.save_damage()
    finally:
        reader.close()
        judge.close()


def _frames(segments: SegmentStore, since: LedgerHead | None) -> Iterator[Frame | Damage]:
    """Yield the frames in order, and each damage where it was met."""
    found: list[Damage] = []
    for frame in scan(segments, since, on_damage=found.append):
        yield from found
        found.clear()
        yield frame
    yield from found


def _fitting(facts: list[Fact], directory: Directory, observed: _Observed) -> list[Fact]:
    """Leave out changes of the directory that build on a change which was lost to damage."""
    if not observed.damaged or not any(isinstance(fact, DirectoryFact) for fact in facts):
        return facts
    trial, kept = directory.copy(), list[Fact]()
    for fact in facts:
        if isinstance(fact, DirectoryFact):
            try:
                trial.apply(changes.decode(fact.change), fact.time)
            except (ConfigError, NotFound) as error:
                observed.damage(
                    f"a change of the directory is left out, since an earlier one is lost: {error}"
                )
                continue
        kept.append(fact)
    return kept
