"""Mailboxes of the Graph double, made for a test."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from muniment.net.oauth import TokenGrant, tokens
from muniment.sources.endpoint import ExchangeEndpoint
from muniment.sources.folders import FolderChoice
from support.boxes import Box
from support.entra import CLIENT_ID, DIRECTORY, SECRET, Entra
from support.graph_double import GraphDouble, Mailbox
from support.vaults import TestVault

_NUMBERS = itertools.count()


def grant(entra: Entra, **other: Any) -> TokenGrant:
    """The settings for tokens of an application with a secret."""
    asked = TokenGrant(
        way="app",
        scopes=("https://graph.microsoft.com/.default",),
        directory=DIRECTORY,
        client_id=CLIENT_ID,
        secret=SECRET,
        authority=entra.authority,
        ca_file=str(entra.certificates.authority),
    )
    return replace(asked, **other)


class GraphBox(Box):
    """A mailbox of the double, which returns messages unchanged."""

    endpoint: ExchangeEndpoint

    def __init__(self, graph: GraphDouble, work: Path, language: str = "en") -> None:
        self.graph = graph
        self.mailbox: Mailbox = graph.mailbox(f"user{next(_NUMBERS)}@example.com", language)
        super().__init__(
            ExchangeEndpoint(
                kind="graph",
                host=graph.host,
                port=graph.port,
                mailbox=self.mailbox.address,
                tokens=tokens(grant(graph.entra)),
                ca_file=str(graph.entra.certificates.authority),
                folders=FolderChoice(),
                work=work,
                timeout=30,
            )
        )

    def put(self, messages: Iterable[bytes]) -> None:
        self.mailbox.put(messages)

    def steal(self, message: bytes) -> None:
        self.mailbox.remove(next(one.id for one in self.mailbox.messages() if one.raw == message))


def graph_profile(vault: TestVault, graph: GraphDouble, name: str = "box", **more: object) -> None:
    """A profile for mailboxes of the double."""
    secret = vault.folder / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    fields: dict[str, object] = {
        "source": "graph",
        "host": graph.host,
        "port": graph.port,
        "auth": "app",
        "directory": DIRECTORY,
        "client_id": CLIENT_ID,
        "password": {"file": str(secret)},
        "authority": graph.entra.authority,
        "ca_file": str(graph.entra.certificates.authority),
        "timeout": 20,
    }
    vault.profile(name, **(fields | more))
