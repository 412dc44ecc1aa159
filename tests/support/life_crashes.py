"""The points at which an erasure may crash."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from hypothesis import strategies as st


class Crash(NamedTuple):
    """A crash: its point, how often that is passed, and the share of unsynced bytes that is left."""

    point: str
    passes: int
    torn: float | None


WRITES = ("write:before", "write:middle", "write:after")
"""The points of each write: of the decision, then two for each frame of the erasure."""
POINTS = (
    "append:before", *WRITES, "sync:before", "sync:after", "apply:before", "apply:after", "note:before",
    "note:after", "index-add:before", "index-commit:before", "index-state:before", "index-commit:after",
    "traces:before", "traces:after", "replace:before", "replace:after", "clear:before",
)  # fmt: skip
PASSES = [*((point, 1) for point in POINTS), *itertools.product(WRITES, range(2, 16))]
"""Where the soak crashes in any case: at each point, and at each of so many writes."""
_TORN = st.none() | st.sampled_from([0.0, 0.5])
CRASHES = st.one_of(
    st.builds(Crash, st.sampled_from(WRITES), st.integers(1, 15), _TORN),
    st.builds(Crash, st.sampled_from([point for point in POINTS if point not in WRITES]), st.just(1), _TORN),
)
