"""Prefixes of ids, by which people name messages and quarantined items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from muniment.errors import NotFound

T = TypeVar("T")
_DIGITS = 8
"""Fewest hex digits of a prefix."""


def prefix_range(prefix: str) -> tuple[bytes, bytes]:
    """Return the lowest and the highest SHA-256 whose hex digits begin with `prefix`.

    Raises:
        NotFound: The text is not a prefix of an id.
    """
    digits = prefix.strip().lower()
    if not is_prefix(digits):
        raise NotFound(f"{prefix!r} is not an id; give at least {_DIGITS} of its hex digits.")
    return bytes.fromhex(digits.ljust(64, "0")), bytes.fromhex(digits.ljust(64, "f"))


def is_prefix(text: str) -> bool:
    """Return whether a text has the form of a prefix of an id."""
    digits = text.strip().lower()
    return _DIGITS <= len(digits) <= 64 and set(digits) <= set("0123456789abcdef")


def unique(rows: Sequence[T], prefix: str, what: str) -> T:
    """Return the only row that a prefix of an id has found.

    Args:
        rows: All rows that were found.
        prefix: The prefix, for the message.
        what: What the rows are, such as "message", for the message.

    Raises:
        NotFound: There is no row, or there are several.
    """
    if not rows:
        raise NotFound(f"There is no {what} {prefix}.")
    if len(rows) > 1:
        raise NotFound(f"More than one {what} begins with {prefix}; give more digits.")
    return rows[0]
