"""How the embedded gateway fares: clients that it keeps turning away, and room on its disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from muniment.config.model import Settings
from muniment.gateway.disk import Reserve
from muniment.gateway.refused import refused_at
from muniment.notify.model import GatewayFacts, RefusedClient
from muniment.service.host.profile_source import SPOOL

SHOWN = 5
"""Networks of refused clients that are shown."""
ADD = "add it to gateway.networks in vault.toml, if it is a mail server of yours, and restart the service"


def gateway_facts(folder: Path, settings: Settings) -> GatewayFacts | None:
    """What is known of a vault's gateway, as messages need it; None where it has none."""
    gateway = settings.gateway
    if not gateway.listen:
        return None
    spool = folder / SPOOL
    room = Reserve(spool, gateway.reserve)
    return GatewayFacts(
        refused=tuple(
            RefusedClient(network=one.network, address=one.address, tries=one.count)
            for one in refused_at(spool).named()
        ),
        free=room.free(),
        reserve=gateway.reserve,
    )


def gateway_troubles(folder: Path, settings: Settings) -> Iterator[str]:
    """What needs care, a sentence each."""
    known = gateway_facts(folder, settings)
    if known is None:
        return
    if known.short:
        yield (
            f"The gateway puts mail off, since {known.reserve:,} bytes stay free on its disk "
            "(gateway.reserve): free some space."
        )
    for client in refused_at(folder / SPOOL).came_back()[:SHOWN]:
        yield f"The gateway refused {client.address} {client.count:,} times: {ADD} ({client.network})."
