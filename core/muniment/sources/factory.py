"""Makes the source for an endpoint. It imports a source's module only when it is used."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

from muniment.errors import SourceError
from muniment.sources.base import Source
from muniment.sources.endpoint import Endpoint

Sleep = Callable[[float], None]

_CLASSES = {
    "gateway": ("pop3.source", "Pop3Source"),
    "pop3": ("pop3.source", "Pop3Source"),
    "imap": ("imap.source", "ImapSource"),
    "ews": ("ews.source", "EwsSource"),
    "graph": ("graph.source", "GraphSource"),
    "maildir": ("files.maildir", "MaildirSource"),
    "mbox": ("files.mbox", "MboxSource"),
    "eml": ("files.eml", "EmlSource"),
    "spool": ("files.spool", "SpoolSource"),
}
_SERVERS = ("gateway", "pop3", "imap", "ews", "graph")


def open_source(endpoint: Endpoint, *, sleep: Sleep = time.sleep) -> Source:
    """Make the source for an endpoint, without connecting.

    Args:
        endpoint: Where the mailbox is and how to log in.
        sleep: Waits for a number of seconds; the source calls it between two attempts.

    Raises:
        SourceError: There is no such kind, or the endpoint lacks a field that its kind needs.
    """
    if endpoint.kind not in _CLASSES:
        raise SourceError(f"There is no source of kind {endpoint.kind!r}; use one of {', '.join(_CLASSES)}.")
    if endpoint.kind in _SERVERS:
        endpoint = _complete(endpoint)
    elif not endpoint.path:
        raise SourceError(f"A profile of kind {endpoint.kind} needs a path: set `path`.")
    module, name = _CLASSES[endpoint.kind]
    source: Source = getattr(import_module(f"muniment.sources.{module}"), name)(endpoint, sleep)
    return source


def _complete(endpoint: Endpoint) -> Endpoint:
    """Check the fields that a server needs. The part from `@` on of a gateway's mailbox id is dropped, since
    people often paste the id with its host."""
    for field in ("host", "mailbox", "password") if endpoint.tokens is None else ("host", "mailbox"):
        if field == "mailbox" and endpoint.tokens is not None and endpoint.mailboxes:
            continue  # an application has no mailbox of its own
        if not getattr(endpoint, field):
            raise SourceError(f"A profile of kind {endpoint.kind} needs a {field}: set `{field}`.")
    if endpoint.kind == "gateway":
        return replace(endpoint, mailbox=endpoint.mailbox.partition("@")[0].strip())
    return endpoint
