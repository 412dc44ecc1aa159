"""One line of a text that is drawn to be read, and the kinds of lines."""

from __future__ import annotations

from typing import NamedTuple

NARROW, BROAD = 20, 200
"""Least and largest width of a drawn table, in cells."""
HEADING = "heading"
TARGET = "target"
"""The target of a link."""
FIXED = "fixed"
"""A row of a table, or preformatted text: its blanks count."""
QUOTES = ("quote1", "quote2", "quote3")
"""Quoted text, by its level; the last is for all further levels."""
SIGNATURE = "signature"


class DrawnLine(NamedTuple):
    """A line without control characters."""

    text: str
    kind: str = ""
    """HEADING, TARGET or FIXED; "" for text."""
