"""Recognises mail that was erased: a copy, a message, or a message with the same content."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from enum import Enum

from muniment.archive.catalog import CatalogReader
from muniment.archive.facts import ERASED_BEFORE
from muniment.runs.prepare.prepared_copy import PreparedCopy, PreparedMessage

log = logging.getLogger("muniment.run")


class ErasedShare(Enum):
    """How much of a copy was erased; NONE is false."""

    NONE = 0
    ALL = 1
    """It must not be archived again."""
    SOME = 2
    """It also brings mail that was not erased. Its bytes can't be kept in part, so it stays at the source."""

    def __bool__(self) -> bool:
        return self is not ErasedShare.NONE


class ErasedBefore:
    """Judges copies by the hashes that erasures leave. It belongs to one thread."""

    def __init__(self, catalog: CatalogReader) -> None:
        self._catalog = catalog
        self._asked: set[bytes] = set()
        self._erased: dict[bytes, bytes] = {}
        """Hashes that were erased, with the erased message or copy."""

    def expect(self, copies: Collection[PreparedCopy]) -> None:
        """Ask the catalog about the coming copies in one query."""
        self._ask(copies)

    def _ask(self, copies: Iterable[PreparedCopy]) -> None:
        self._asked = {sha for copy in copies for sha in _hashes(copy)}
        self._erased = self._catalog.erased_among(self._asked)

    def share(self, copy: PreparedCopy) -> ErasedShare:
        """How much of a copy was erased."""
        if not self._asked.issuperset(_hashes(copy)):
            self._ask([copy])
        if not self._erased:
            return ErasedShare.NONE
        if copy.sha in self._erased:
            return ErasedShare.ALL
        gone = [bool(self._erased.keys() & _own_hashes(message)) for message in copy.messages]
        if not any(gone):
            return ErasedShare.NONE
        if all(gone):
            return ErasedShare.ALL
        log.warning("%s stays at the source: a part of it was erased", copy.sha.hex()[:12])
        return ErasedShare.SOME

    def messages_of(self, copy: PreparedCopy) -> tuple[bytes, ...]:
        """The messages that the receipt of an erased copy names.

        They are those of it that are kept; or if the copy is another form of an erased message, that message.
        """
        if copy.sha not in self._erased:
            return (next(self._erased[sha] for sha in _own_hashes(copy.messages[0]) if sha in self._erased),)
        envelope = self._catalog.envelope_by_sha(copy.sha, copy.report)
        return envelope.messages if envelope is not None else ()

    def notes_of(self, copy: PreparedCopy) -> tuple[str, ...]:
        """The notes of the receipt of an erased copy."""
        return () if copy.sha in self._erased else (ERASED_BEFORE,)


def _hashes(copy: PreparedCopy) -> set[bytes]:
    return {copy.sha}.union(*map(_own_hashes, copy.messages))


def _own_hashes(message: PreparedMessage) -> set[bytes]:
    return {sha for sha in (message.sha, message.content, message.key) if sha}
