"""A vault's service in this process, with a real socket and the real transport."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from muniment.archive.vault.vault import Vault
from muniment.client.client import Client, Transport
from muniment.client.protocol import Other
from muniment.client.socket_path import place_of
from muniment.client.socket_transport import SocketTransport, dial
from muniment.service.access.roles import Caller
from muniment.service.dispatch.engine import Engine
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession
from muniment.service.transport.listener import listening


def line_to(folder: Path) -> SocketTransport:
    """A transport to the running service of a vault."""
    place = place_of(folder)

    def replace(other: Other) -> None:
        raise AssertionError(f"the service has version {other.version}")

    return SocketTransport(lambda: dial(place), replace)


@contextmanager
def answering(folder: Path, engine_for: Callable[[Caller], Transport]) -> Iterator[Client]:
    """A client of a service on the socket of `folder` that answers with the given engines."""
    stop = threading.Event()
    with listening(folder, engine_for, stop, lambda: True, None):
        yield Client(line_to(folder))


@contextmanager
def served(folder: Path) -> Iterator[tuple[Client, Vault]]:
    """A client of a service for the vault in `folder`, and the open vault."""
    with (
        closing(Vault.open(folder, write=True)) as vault,
        closing(RunHost(ClientSession(folder, vault), in_service=True)) as host,
        answering(folder, lambda caller: Engine(ClientSession(folder, vault, caller, host))) as client,
    ):
        yield client, vault
