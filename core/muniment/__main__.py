"""`python -m muniment`: the engine and its command line in one process, without service and app.

It reads beside a service, and writes if none runs. It is for repairing a vault that no service can serve. The
`muniment` command (see `muniment_tui`) talks to the vault's service instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from muniment.api import WireWord
from muniment.cli import EngineDoors, main
from muniment.cli.engine_port import VaultUnits, WitnessDesk
from muniment.client.client import Transport
from muniment.system.gc_tuning import look_seldom
from muniment.system.logs import harmless_warnings

PRIVATE = 0o077
"""The umask: everything that is written, vault or export, is for its owner only."""


def _connect(vault: Path) -> Transport:
    from muniment.client.autostart import connected

    return connected(vault, _here)


def _here(vault: Path) -> Transport:
    """The engine in this process."""
    from muniment.service.dispatch.engine import connect

    return connect(vault)


def _serve(vault: Path, say: Callable[[str], None]) -> int:
    from muniment.service.daemon.serve import serve

    return serve(vault, say)


def _demo(vault: Path) -> Iterator[WireWord]:
    from muniment.service.demo.demo import run_demo

    return run_demo(vault)


def _installer() -> VaultUnits:
    from muniment.service.daemon.install import UnitInstaller

    return UnitInstaller()


def _witness() -> WitnessDesk:
    from muniment.witness.desk import FolderDesk

    return FolderDesk()


ENGINE = EngineDoors(connect=_connect, serve=_serve, demo=_demo, installer=_installer, witness=_witness)
"""The engine: in the vault's service, and in this process to make a vault. Each function loads its modules
only when it is called."""


ALONE = replace(ENGINE, connect=_here)
"""The engine in this process, whether or not a service runs."""


def start(arguments: list[str], engine: EngineDoors = ENGINE) -> int:
    """Run the command line. It owns this process: it sets the umask and the garbage collector.

    Returns:
        The exit code.
    """
    os.umask(PRIVATE)
    look_seldom()
    harmless_warnings()
    return main(arguments, engine)


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:], ALONE))
