"""Base classes of requests and replies."""

from __future__ import annotations

import msgspec


class WireWord(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Base class of every request and reply. Its tag on the wire is the name of the class."""


class StateWord(WireWord, frozen=True):
    """Base class of replies that describe a current state, each of which replaces the one before.

    The service sends the next one only after the client has asked for it with one byte
    (`client.protocol.NEXT`), so a client never reads an old state.
    """


class Request(WireWord, frozen=True):
    """Base class of what a client sends."""
