"""Makes the source for an endpoint. It imports the module of a kind only when such a source is opened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

from muniment.errors import SourceError
from muniment.profiles.registry import KIND
from muniment.profiles.source_kind import SourceKind, tidied
from muniment.sources.base import Source
from muniment.sources.endpoint import Endpoint, ExchangeEndpoint, FileEndpoint, ServerEndpoint

Sleep = Callable[[float], None]


def open_source(endpoint: Endpoint, *, sleep: Sleep = time.sleep) -> Source:
    """Make the source for an endpoint, without connecting.

    Args:
        endpoint: Where the mailbox is and how to log in.
        sleep: Waits for a number of seconds; the source calls it between two attempts.

    Raises:
        SourceError: There is no such kind, or the endpoint lacks a field that its kind needs.
    """
    kind = KIND.get(endpoint.kind)
    if kind is None:
        raise SourceError(f"There is no source of kind {endpoint.kind!r}; use one of {', '.join(KIND)}.")
    if isinstance(endpoint, ServerEndpoint):
        endpoint = _complete(endpoint, kind)
    elif isinstance(endpoint, FileEndpoint) and not endpoint.path:
        raise SourceError(f"A profile of kind {kind.name} needs a path: set `path`.")
    module, _, name = kind.opens.partition(":")
    source: Source = getattr(import_module(f"muniment.sources.{module}"), name)(endpoint, sleep)
    return source


def _complete(endpoint: ServerEndpoint, kind: SourceKind) -> ServerEndpoint:
    """Check the fields that a server needs, and tidy the name to log in with."""
    for field in ("host", "mailbox", "password") if endpoint.tokens is None else ("host", "mailbox"):
        if field == "mailbox" and endpoint.tokens is not None and _named(endpoint):
            continue  # an application has no mailbox of its own
        if not getattr(endpoint, field):
            raise SourceError(f"A profile of kind {kind.name} needs a {field}: set `{field}`.")
    if kind.cuts_host:
        return replace(endpoint, mailbox=tidied(kind, "mailbox", endpoint.mailbox))
    return endpoint


def _named(endpoint: ServerEndpoint) -> bool:
    return isinstance(endpoint, ExchangeEndpoint) and bool(endpoint.mailboxes)
