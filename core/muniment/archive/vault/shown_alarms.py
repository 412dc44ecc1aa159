"""The alarms of a ledger as screens show them, without reading the whole ledger at each look.

Whoever decides whether to write asks `known_roots.alarms` instead, which remembers nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from muniment.archive.ledger.segment_store import SegmentStore, segment_size
from muniment.archive.vault.known_roots import KnownRoot, LedgerAlarm, alarms, rewritten

KEPT = 300.0
"""Least seconds for which a comparison is remembered. Bytes may change while files and sizes stay."""
TIMES = 10
"""How many times as long as the comparison took it is remembered at least."""
VAULTS = 16
"""Most vaults whose comparison is remembered."""


@dataclass(frozen=True, slots=True)
class _Comparison:
    state: object
    """What was compared: the notes, and the segments with their sizes."""
    found: list[LedgerAlarm]
    until: float
    """When it is made again, on the monotonic clock."""


_comparisons: dict[Path, _Comparison] = {}
_comparing = threading.Lock()


def shown_alarms(folder: Path, clock: Callable[[], float] = time.monotonic) -> list[LedgerAlarm]:
    """Find the notes that the ledger contradicts, as `known_roots.alarms` does.

    Where the whole ledger must be read for that, it is read again only after a change, or after some minutes.
    Several callers wait for one reading.

    Raises:
        VaultError: There is no ledger, or a newer program wrote a file.
        LedgerDamaged: The file with the vault's id is damaged.
    """

    def compare(segments: SegmentStore, doubted: list[KnownRoot]) -> list[LedgerAlarm]:
        if not doubted:
            return []
        with _comparing:
            state = (doubted, _state(segments))
            known = _comparisons.pop(folder, None)
            if known is None or known.state != state or clock() >= known.until:
                begun = clock()
                found = rewritten(segments, doubted)
                known = _Comparison(state, found, clock() + max(KEPT, TIMES * (clock() - begun)))
            _comparisons[folder] = known
            while len(_comparisons) > VAULTS:
                del _comparisons[next(iter(_comparisons))]
            return known.found

    return alarms(folder, compare)


def _state(segments: SegmentStore) -> list[tuple[int, str, int]]:
    return [(n, segments.generation(n), segment_size(segments, n)) for n in segments.numbers()]
