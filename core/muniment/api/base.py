"""Bases of everything that is said."""

from __future__ import annotations

import msgspec


class Word(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Base of everything that is said."""


class StateWord(Word, frozen=True):
    """A word that says how things are now: a newer one replaces it.

    The service sends one only when the reader asks for the next word (`line.wire`), so that none is old.
    """


class Request(Word, frozen=True):
    """Base of what a client says."""
