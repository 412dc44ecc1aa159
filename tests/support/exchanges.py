"""Endpoints and profiles for mailboxes of the Exchange double."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from muniment.sources.endpoint import EwsEndpoint
from support.boxes import Box
from support.ews_double import Exchange
from support.ews_mailboxes import Person
from support.vaults import TestVault

ANNA = "anna@example.com"
BOB = "bob@example.com"
PASSWORD = "p'a\"s\\s wörd"


def endpoint(exchange: Exchange, work: Path, **more: Any) -> EwsEndpoint:
    """An endpoint for Anna's mailbox, changed by `more`; without `folders` it reads only the Inbox."""
    own: dict[str, Any] = {
        "kind": "ews",
        "work": work,
        "host": "localhost",
        "port": exchange.port,
        "security": "tls" if exchange.certificates else "none",
        "ca_file": str(exchange.certificates.authority) if exchange.certificates else "",
        "scheme": "password",
        "mailbox": ANNA,
        "password": PASSWORD,
        "timeout": 30,
    }
    return EwsEndpoint(**own | more)


class ExchangeBox(Box):
    """The Inbox of a mailbox of the double."""

    def __init__(self, work: Path) -> None:
        self.exchange = Exchange()
        self.exchange.offers = ('Basic realm="double"',)
        self.person: Person = self.exchange.person(ANNA, PASSWORD)
        self.exchange.__enter__()
        super().__init__(endpoint(self.exchange, work))

    def put(self, messages: Iterable[bytes]) -> None:
        self.person.put(messages)

    def steal(self, message: bytes) -> None:
        inbox = self.person.inbox
        self.person.remove(inbox, next(m.id for m in inbox.items.values() if m.content == message))

    def close(self) -> None:
        super().close()
        self.exchange.__exit__()


def exchange_profile(vault: TestVault, exchange: Exchange, **more: Any) -> None:
    """A profile for Anna's mailbox, changed by `more`; its name is "box" unless another is given."""
    secret = vault.folder / "exchange-secret"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    fields: dict[str, Any] = {
        "source": "ews",
        "host": "localhost",
        "port": exchange.port,
        "security": "tls" if exchange.certificates else "none",
        "ca_file": str(exchange.certificates.authority) if exchange.certificates else "",
        "auth": "basic",
        "mailbox": ANNA,
        "password": {"file": str(secret)},
        "timeout": 20,
    }
    vault.profile(str(more.pop("name", "box")), **fields | more)
