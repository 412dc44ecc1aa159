"""Bases of everything that is said."""

from __future__ import annotations

import msgspec


class Word(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Base of everything that is said."""


class Request(Word, frozen=True):
    """Base of what a client says."""
