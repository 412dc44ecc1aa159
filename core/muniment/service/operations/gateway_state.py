"""State of the embedded gateway: whether it listens, clients that it keeps refusing, and free space."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from muniment.config.model import Settings
from muniment.gateway.disk import DiskReserve
from muniment.gateway.refused import refused_at
from muniment.notify.model import GatewayFacts, RefusedClient
from muniment.service.host.gateway_keeper import keeper_of
from muniment.service.host.profile_source import SPOOL

SHOWN = 5
"""How many refused clients are named."""
ADD = "if it is a mail server of yours, add it to gateway.networks in vault.toml"


def gateway_facts(folder: Path, settings: Settings) -> GatewayFacts | None:
    """The facts about a vault's gateway that notifications need; None if it has no gateway."""
    gateway = settings.gateway
    if not gateway.listen:
        return None
    spool = folder / SPOOL
    keeper = keeper_of(folder)
    room = DiskReserve(spool, gateway.reserve)
    return GatewayFacts(
        refused=tuple(
            RefusedClient(network=one.network, address=one.address, tries=one.count)
            for one in refused_at(spool).named()
        ),
        free=room.free(),
        reserve=gateway.reserve,
        listens=keeper.listens(gateway) if keeper else None,
        problem=keeper.problem if keeper else "",
        port_taken=keeper.port_taken if keeper else False,
    )


def gateway_troubles(folder: Path, settings: Settings) -> Iterator[str]:
    """A sentence for each problem of the gateway."""
    known = gateway_facts(folder, settings)
    if known is None:
        return
    if known.problem:
        yield f"{known.problem[:1].upper()}{known.problem[1:]}."
    if known.short:
        yield (
            f"The gateway defers mail, since fewer than {known.reserve:,} bytes are free on its disk "
            "(gateway.reserve): free some space."
        )
    for client in refused_at(folder / SPOOL).came_back()[:SHOWN]:
        yield f"The gateway refused {client.address} {client.count:,} times: {ADD} ({client.network})."
