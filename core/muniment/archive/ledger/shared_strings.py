"""Finds the strings that several mails share, so that a dictionary holds nothing from one mail alone.

A string is shared if at least MAILS samples have it. That is decided for every window of WINDOW bytes, and so
for every shorter string inside one. A 64-bit hash of each window is computed by functions of the standard
library that run in C. A table of small counters, which takes the same memory for any mail, leaves out almost
every window that is not shared. The rest is counted exactly.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

MAILS = 3
"""Least number of mails that must share a string."""
WINDOW = 24
"""Size of the windows that are compared, in bytes: three words of 8."""
BREAK = b"\0"
"""Stands between two shared strings, so that their ends don't form a string that one mail may have."""
_WORD = 8
_SLOTS = (1 << 24) - 1
_SHARED = re.compile(rb"\x01+")
_ENOUGH = bytes(count >= MAILS for count in range(256))


class SharedStrings:
    """The strings that at least MAILS of the samples share."""

    def __init__(self, samples: Sequence[bytes]) -> None:
        """Compare the samples, each of another mail. It takes about 1 s for 3 MB of them."""
        hashes = [_window_hashes(sample) for sample in samples]
        seen = _count_roughly(hashes)
        exact: Counter[int] = Counter()
        for some in hashes:
            exact.update(set(compress(some, _may_be_shared(some, seen))))
        self._shared = {one for one, mails in exact.items() if mails >= MAILS}

    def only(self, data: bytes) -> bytes:
        """Return the shared strings of some data, in order, with BREAK between them.

        Two shared strings may overlap in the data. Then both are returned whole, since the string that they
        form together need not be shared.
        """
        flags = bytes(map(self._shared.__contains__, _window_hashes(data)))
        return BREAK.join(data[run.start() : run.end() + WINDOW - 1] for run in _SHARED.finditer(flags))


def _window_hashes(data: bytes) -> array[int]:
    """Return a hash of the window at each position of the data."""
    found = array("q", bytes(8 * max(0, len(data) - WINDOW + 1)))
    for offset in range(_WORD):
        found[offset::_WORD] = array("q", map(hash, _windows_at(data, offset)))
    return found


def _windows_at(data: bytes, offset: int) -> Iterator[tuple[int, int, int]]:
    """Yield the windows at an offset, and at each whole word after it."""
    end = offset + (len(data) - offset) // _WORD * _WORD
    words = memoryview(data)[offset:end].cast("Q") if end > offset else memoryview(b"")
    return zip(words, words[1:], words[2:], strict=False)


def _count_roughly(hashes: Iterable[array[int]]) -> bytearray:
    """Count in how many samples windows are, at most MAILS; windows whose hashes are alike count together."""
    seen = bytearray(_SLOTS + 1)
    for some in hashes:
        for slot in set(map(_SLOTS.__and__, some)):
            if seen[slot] < MAILS:
                seen[slot] += 1
    return seen


def _may_be_shared(some: array[int], seen: bytearray) -> bytes:
    """Return a byte for each window: 1 if it may be shared, 0 if it is not."""
    return bytes(map(seen.__getitem__, map(_SLOTS.__and__, some))).translate(_ENOUGH)
