"""A vault's service in this process, with a real socket and the real transport."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.client.client import Client, Transport
from muniment.client.protocol import SILENCE, Other
from muniment.client.socket_path import SocketPlace, place_of
from muniment.client.socket_transport import SocketTransport, dial
from muniment.service.access.roles import Caller
from muniment.service.dispatch.engine import Engine
from muniment.service.host.client_register import ClientRegister
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession
from muniment.service.transport.listener import listening
from muniment.service.transport.server import LIMITS, ServerLimits


def line_to(folder: Path, silence: float = SILENCE) -> SocketTransport:
    """A transport to the running service of a vault."""
    return line_at(place_of(folder), silence)


def line_at(place: SocketPlace, silence: float = SILENCE) -> SocketTransport:
    """A transport to the service that runs at a place."""

    def replace(other: Other) -> None:
        raise AssertionError(f"the service has version {other.version}")

    return SocketTransport(lambda: dial(place, silence), replace)


@contextmanager
def answering(
    folder: Path,
    engine_for: Callable[[Caller], Transport],
    limits: ServerLimits = LIMITS,
    silence: float = SILENCE,
    clients: ClientRegister | None = None,
) -> Iterator[Client]:
    """A client of a service on the socket of `folder` that answers with the given engines."""
    stop = threading.Event()
    with listening(folder, engine_for, stop, lambda: True, None, limits=limits, clients=clients):
        yield Client(line_to(folder, silence))


@contextmanager
def served(folder: Path) -> Iterator[tuple[Client, Vault]]:
    """A client of a service for the vault in `folder`, and the open vault."""
    clients = ClientRegister()
    with (
        closing(open_vault(folder, write=True)) as vault,
        closing(RunHost(ClientSession(folder, vault), in_service=True)) as host,
        answering(
            folder,
            lambda caller: Engine(ClientSession(folder, vault, caller, host, clients)),
            clients=clients,
        ) as client,
    ):
        yield client, vault
