"""State of the embedded gateway: clients that it keeps refusing, and free space on its disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from muniment.config.model import Settings
from muniment.gateway.disk import DiskReserve
from muniment.gateway.refused import refused_at
from muniment.notify.model import GatewayFacts, RefusedClient
from muniment.service.host.profile_source import SPOOL

SHOWN = 5
"""How many refused clients are named."""
ADD = "if it is a mail server of yours, add it to gateway.networks in vault.toml and restart the service"


def gateway_facts(folder: Path, settings: Settings) -> GatewayFacts | None:
    """The facts about a vault's gateway that notifications need; None if it has no gateway."""
    gateway = settings.gateway
    if not gateway.listen:
        return None
    spool = folder / SPOOL
    room = DiskReserve(spool, gateway.reserve)
    return GatewayFacts(
        refused=tuple(
            RefusedClient(network=one.network, address=one.address, tries=one.count)
            for one in refused_at(spool).named()
        ),
        free=room.free(),
        reserve=gateway.reserve,
    )


def gateway_troubles(folder: Path, settings: Settings) -> Iterator[str]:
    """A sentence for each problem of the gateway."""
    known = gateway_facts(folder, settings)
    if known is None:
        return
    if known.short:
        yield (
            f"The gateway defers mail, since fewer than {known.reserve:,} bytes are free on its disk "
            "(gateway.reserve): free some space."
        )
    for client in refused_at(folder / SPOOL).came_back()[:SHOWN]:
        yield f"The gateway refused {client.address} {client.count:,} times: {ADD} ({client.network})."
