"""`muniment service`: the scheduler and the embedded gateway, in the foreground."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from muniment import api
from muniment.config.check import listen_address
from muniment.config.model import Gateway as GatewaySettings
from muniment.config.model import Profile, Settings
from muniment.errors import ConfigError
from muniment.gateway.smtp import Gateway
from muniment.gateway.smtp import GatewaySettings as GatewayOptions
from muniment.runs.schedule import Schedule
from muniment.runs.workers import WorkerPool
from muniment.service.profiles import SPOOL, find
from muniment.service.running import run_profile
from muniment.service.session import Session, apply_settings

log = logging.getLogger("muniment.service")

Say = Callable[[str], None]


def gateway_options(settings: GatewaySettings, folder: Path) -> GatewayOptions:
    """What the embedded gateway is started with.

    Raises:
        ConfigError: `listen` is not `address:port`.
    """
    host, port = listen_address(settings.listen)
    if not settings.addresses:
        raise ConfigError("gateway.addresses is empty: name the journal address that reports are sent to")
    return GatewayOptions(
        host=host,
        port=port,
        addresses=settings.addresses,
        networks=settings.networks,
        size_limit=settings.size_limit,
        certificate=_path(folder, settings.certificate),
        key=_path(folder, settings.key),
        hostname=settings.hostname or socket.getfqdn(),
        spool=folder / SPOOL,
    )


def _path(folder: Path, name: str) -> Path | None:
    return folder / name if name else None


def summary_line(summary: api.RunSummary) -> str:
    """A run in one log line: counts alone, nothing of the mail."""
    return (
        f"{summary.profile}: {summary.state}, listed {summary.listed}, new {summary.new}, "
        f"merged {summary.merged}, quarantined {summary.quarantined}, failed {summary.failed}, "
        f"deleted {summary.deleted}, {summary.seconds:.1f} s"
        + (f"; {summary.error}" if summary.error else "")
    )


def serve(folder: Path, say: Say | None = None) -> int:
    """Run until SIGTERM or SIGINT: take mail in, and run profiles when they are due.

    Raises:
        MunimentError: the vault can't be opened, or the gateway can't listen.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    told = say or log.info
    session = Session(folder)
    with session.writing() as vault:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        pool = WorkerPool()
        current = _Current(session)

        def run(name: str) -> bool:
            apply_settings(vault, current.settings())
            profile = find(current.settings(), name)
            summary = run_profile(vault, profile, pool, lambda progress: None, stop)
            told(summary_line(summary))
            return summary.state == "ok"

        gateway = _start_gateway(current.settings(), folder, told)
        schedule = Schedule(current.profiles, run)
        schedule.start()
        told(f"serving {folder}: {len(current.profiles())} profiles; stop with Ctrl-C or SIGTERM")
        try:
            stop.wait()
        finally:
            told("stopping: the run in hand ends after what it has fetched")
            if gateway is not None:
                gateway.stop()
            schedule.stop()
            pool.close()
    return 0


def _start_gateway(settings: Settings, folder: Path, told: Say) -> Gateway | None:
    if not settings.gateway.listen:
        return None
    gateway = Gateway(gateway_options(settings.gateway, folder))
    gateway.start()
    told(f"the embedded gateway listens on {settings.gateway.listen}")
    return gateway


class _Current:
    """vault.toml as it is now; while it is being edited wrongly, as it was last."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._settings = session.settings()

    def settings(self) -> Settings:
        """The settings, read anew."""
        try:
            self._settings = self._session.settings()
        except ConfigError as error:
            log.error("vault.toml is not used as it stands: %s", error)
        return self._settings

    def profiles(self) -> list[Profile]:
        """The enabled profiles."""
        return [profile for profile in self.settings().profiles if profile.enabled]
