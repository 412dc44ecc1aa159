"""Contexts for TLS to servers."""

from __future__ import annotations

import ssl

import pytest

from muniment.feed.connection import ReceiverEndpoint
from muniment.net.tls import make_context

IGNORE_UNEXPECTED_EOF = 0x80
"""Set by the Python of Debian 12 in each context."""


def test_a_cut_connection_is_never_taken_for_one_that_ended_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ssl.create_default_context()
    made.options |= IGNORE_UNEXPECTED_EOF
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile=None: made)
    assert not make_context(ReceiverEndpoint("siem.example", 6514)).options & IGNORE_UNEXPECTED_EOF
