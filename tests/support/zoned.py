"""Another time zone inside a block."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from muniment.system import time_zones


@contextmanager
def in_zone(setting: str | None) -> Iterator[None]:
    """Set TZ to a value, or unset it, inside the block."""
    before = os.environ.get("TZ")
    _set(setting)
    try:
        yield
    finally:
        _set(before)


def _set(setting: str | None) -> None:
    if setting is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = setting
    time.tzset()
    time_zones._named.cache_clear()
