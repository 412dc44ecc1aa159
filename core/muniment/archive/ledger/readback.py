"""Seeing that what is kept can be read from the ledger, before anything is deleted on its account."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict

from muniment.archive.facts import Position
from muniment.archive.ledger.reader import Reader
from muniment.errors import LedgerDamaged

log = logging.getLogger("muniment.vault")

VERIFIED = 100_000
"""How many hashes are remembered as read back."""
REMEMBERED = 3600.0
"""Seconds for which they are: a disk goes bad while a service runs for months."""


class ReadBack:
    """Reads kept content back, and remembers for REMEMBERED seconds what it has read."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._verified: OrderedDict[bytes, float] = OrderedDict()

    def content(self, sha: bytes) -> bool:
        """Whether the ledger gives the very bytes of `sha`."""
        now = time.monotonic()
        if now - self._verified.get(sha, float("-inf")) < REMEMBERED:
            return True
        try:
            for _ in self._reader.content(sha):
                pass
        except (LedgerDamaged, KeyError) as error:
            log.error("kept content can't be read back, so it is kept anew: %s", error)
            return False
        self._verified[sha] = now
        self._verified.move_to_end(sha)
        if len(self._verified) > VERIFIED:
            self._verified.popitem(last=False)
        return True

    def record(self, position: Position) -> bool:
        """Whether the record at a position gives its very bytes."""
        try:
            for _ in self._reader.content_at(position):
                pass
        except LedgerDamaged as error:
            log.error("kept content can't be read back, so it is kept anew: %s", error)
            return False
        return True
