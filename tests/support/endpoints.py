"""Endpoints of any kind of source, for tests that take the kind as an argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from muniment.profiles.registry import KIND
from muniment.sources.endpoint import (
    EwsEndpoint,
    ExchangeEndpoint,
    FileEndpoint,
    ImapEndpoint,
    ServerEndpoint,
)

_OWN = {"imap": ImapEndpoint, "ews": EwsEndpoint, "graph": ExchangeEndpoint}


def endpoint_for(kind: str, work: Path, **values: Any) -> Any:
    """An endpoint of the class that a kind of source takes."""
    usual = ServerEndpoint if KIND[kind].server else FileEndpoint
    return _OWN.get(kind, usual)(kind, work, **values)
