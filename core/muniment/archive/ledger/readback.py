"""Reads stored content back from the ledger, before the copy at the source is deleted."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict

from muniment.archive.facts import FramePosition
from muniment.archive.ledger.reader import LedgerReader
from muniment.errors import Erased, LedgerDamaged

log = logging.getLogger("muniment.vault")

VERIFIED = 100_000
"""Most hashes that are remembered as read back."""
REMEMBERED = 3600.0
"""How long they are remembered, in seconds. A disk may go bad while a service runs for months."""


class ReadBack:
    """Reads stored content back, and remembers for REMEMBERED seconds which content was intact.

    Erased content counts as intact: it must not be stored again.
    """

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader
        self._verified: OrderedDict[bytes, float] = OrderedDict()

    def content(self, sha: bytes) -> bool:
        """Return whether the ledger holds the exact bytes whose SHA-256 is `sha`; logs an error if not."""
        now = time.monotonic()
        if now - self._verified.get(sha, float("-inf")) < REMEMBERED:
            return True
        try:
            for _ in self._reader.content(sha):
                pass
        except Erased:
            return True
        except (LedgerDamaged, KeyError) as error:
            log.error("stored content can't be read back, so it is stored again: %s", error)
            return False
        self._verified[sha] = now
        self._verified.move_to_end(sha)
        if len(self._verified) > VERIFIED:
            self._verified.popitem(last=False)
        return True

    def record(self, position: FramePosition) -> bool:
        """Return whether the record at a position is intact; logs an error if not."""
        try:
            for _ in self._reader.content_at(position):
                pass
        except Erased:
            return True
        except LedgerDamaged as error:
            log.error("stored content can't be read back, so it is stored again: %s", error)
            return False
        return True
