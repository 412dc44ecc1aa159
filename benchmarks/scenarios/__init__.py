"""The scenarios: each module has a `measure` that returns its section of the report."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.lab import Lab
from benchmarks.report import Section
from benchmarks.scenarios import (
    app,
    delay,
    exchange,
    graph,
    local,
    memory,
    profile,
    proofs,
    search,
    servers,
    space,
)

SCENARIOS: dict[str, Callable[[Lab], Section]] = {
    "local": local.measure,
    "servers": servers.measure,
    "exchange": exchange.measure,
    "graph": graph.measure,
    "delay": delay.measure,
    "space": space.measure,
    "memory": memory.measure,
    "search": search.measure,
    "proofs": proofs.measure,
    "app": app.measure,
    "profile": profile.measure,
}
