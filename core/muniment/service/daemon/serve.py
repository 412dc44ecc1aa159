"""`muniment service`: the scheduler and the embedded gateway, in the foreground."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Literal

from muniment import api
from muniment.archive.vault.vault import Vault
from muniment.client import protocol
from muniment.client.socket_path import place_of
from muniment.client.socket_transport import NoService, ask_to_leave
from muniment.config.check import listen_address
from muniment.config.model import Gateway as GatewaySettings
from muniment.config.model import Profile, Settings
from muniment.errors import ConfigError, MunimentError, VaultError, VaultLocked
from muniment.gateway.smtp import Gateway
from muniment.gateway.smtp import GatewaySettings as GatewayOptions
from muniment.service.access.roles import Caller
from muniment.service.daemon.alerts import Alerts
from muniment.service.daemon.systemd import Heart, Notifier, inherited_sockets
from muniment.service.daemon.units import GATEWAY
from muniment.service.daemon.watchdog import Pulse
from muniment.service.dispatch.engine import Engine
from muniment.service.host.profile_source import SPOOL
from muniment.service.host.run_host import Host, Observer
from muniment.service.host.session import Session
from muniment.service.transport.listener import listening
from muniment.system.logs import log_to_stderr

log = logging.getLogger("muniment.service")

Say = Callable[[str], None]

BRIEF = 2.0
"""Seconds without a request after which a service that can only read leaves."""
EMPTY = Settings()
AGAIN = 0.2
"""Seconds between two tries at a vault that another process has."""
BEGINNING, LEAVING = 2.0, 30.0
"""Seconds for which a service may hold the vault and not listen: before it does, and when it leaves."""
ENVELOPE_ROOM = 16 * 1024 * 1024
"""Bytes by which a journal report may be larger than its message: one line a recipient, and the headers that
Exchange adds. Exchange Online's largest message has 150 MB."""
AWAKE = 1.0
"""Seconds between two looks at whether a signal came: one that another thread took wakes nobody."""


def gateway_options(
    settings: GatewaySettings, folder: Path, sockets: tuple[socket.socket, ...] = ()
) -> GatewayOptions:
    """What the embedded gateway is started with; `sockets` that systemd has opened go before `listen`.

    Raises:
        ConfigError: `listen` is not `address:port`.
    """
    host, port = ("", 0) if sockets else listen_address(settings.listen)
    if not settings.addresses:
        raise ConfigError("gateway.addresses is empty: name the journal address that reports are sent to")
    return GatewayOptions(
        host=host,
        port=port,
        addresses=settings.addresses,
        networks=settings.networks,
        local_users=settings.local_users,
        client_names=settings.client_names,
        client_authority=str(_path(folder, settings.client_authority) or ""),
        any_recipient=settings.any_recipient,
        envelope_headers=settings.envelope_headers,
        size_limit=settings.size_limit + ENVELOPE_ROOM,
        reserve=settings.reserve,
        max_connections_of_one=settings.peer_connections,
        messages=settings.peer_messages,
        errors=settings.peer_errors,
        idle_timeout=float(settings.peer_seconds),
        certificate=_path(folder, settings.certificate),
        key=_path(folder, settings.key),
        hostname=settings.hostname or socket.getfqdn(),
        spool=folder / SPOOL,
        sockets=sockets,
    )


def _path(folder: Path, name: str) -> Path | None:
    return folder / name if name else None


def serve(folder: Path, say: Say | None = None, *, ready: Callable[[], None] | None = None) -> int:
    """Run until SIGTERM or SIGINT: answer clients, take mail in, and run profiles when they are due.

    `ready` is given by a service that a client started in the background, and called when it listens: such a
    one leaves when nobody needs it.

    Returns the exit code: 0, or that of VaultError when the vault's disk failed.

    Raises:
        MunimentError: the vault can't be opened, or the gateway can't listen.
    """
    if not logging.getLogger().handlers:
        log_to_stderr("keys")
    told = say or log.info
    session = Session(folder)
    stop = threading.Event()
    manager, sockets = Notifier.from_environment(), inherited_sockets()
    with signals(stop), ExitStack() as stack:
        vault = _opened(stack, session, stop, told, takes_over=ready is None)
        if vault is None:
            return 0
        current = _Current(session)
        with (
            closing(Host(Session(folder, vault), current.settings, told, lasting=True)) as host,
            Alerts(Session(folder, vault), current.settings) as alerts,
            _gateway(current.settings(), folder, host.tell, tuple(sockets.get(GATEWAY, ()))),
            listening(
                folder,
                _engines(vault, host),
                stop,
                lambda: host.busy or current.scheduled(),
                ready,
                busy=lambda: host.busy,
            ),
        ):
            host.observe(_Watching(manager, alerts))
            manager.ready()
            _work(vault, current, host, stop, Pulse(host, Heart(manager)))
            manager.stopping()
            host.close()  # before nobody can hear how its runs ended
        return VaultError.exit_code if vault.dead else 0


def _opened(
    stack: ExitStack, session: Session, stop: threading.Event, told: Say, takes_over: bool
) -> Vault | None:
    """The vault, opened to be written; None where `stop` came first.

    With `takes_over`, a service that a client has started in the background leaves for this one, once a
    run that it has in hand has ended.

    Raises:
        VaultLocked: a process has the vault that does not leave.
    """
    until, waits = time.monotonic() + BEGINNING, False
    while not stop.is_set():
        try:
            return stack.enter_context(session.writing())
        except VaultLocked:
            leaves = takes_over and _yields(session.folder)
            if leaves is False or (leaves is None and time.monotonic() > until):
                raise
        if leaves == "soon":
            until = time.monotonic() + LEAVING
        elif leaves == "later" and not waits:
            waits = True
            told("the service in the background has a run in hand: taking over when that has ended")
        stop.wait(AGAIN)
    return None


def _yields(folder: Path) -> Literal["soon", "later", False] | None:
    """Whether the service that has the vault leaves for this one; None where none listens now."""
    try:
        ask_to_leave(place_of(folder), protocol.YIELD)
    except NoService:
        return None
    except VaultLocked:
        return False
    except VaultError:
        return "later"
    except MunimentError:
        return False
    return "soon"


def serve_reading(folder: Path, ready: Callable[[], None]) -> int:
    """Answer clients of a vault that can't be opened to be written, as far as that needs no writing.

    Each request opens the vault by itself, so that it can be verified, searched, copied and rebuilt; what
    writes is told why it can't. It leaves soon, so that a vault that was mended is opened anew.

    Raises:
        VaultError: it can't listen.
    """
    stop = threading.Event()
    log.warning("the vault can't be opened to be written: reading only")

    def engine_for(caller: Caller) -> Engine:
        return Engine(Session(folder, None, caller))

    with signals(stop), listening(folder, engine_for, stop, lambda: False, ready, idle=BRIEF):
        while not stop.wait(AWAKE):
            pass
    return 0


def _engines(vault: Vault, host: Host) -> Callable[[Caller], Engine]:
    """Opens the engine, on the vault that is open here, for whoever calls."""
    return lambda caller: Engine(Session(vault.folder, vault, caller, host))


@contextmanager
def signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop`, in place of what they did before."""
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Watching(Observer):
    """Passes on what happens to runs: to systemd, and to those who are told what is wrong."""

    def __init__(self, manager: Notifier, alerts: Alerts) -> None:
        self._manager = manager
        self._alerts = alerts

    def ended(self, summary: api.RunSummary) -> None:
        """A run has ended."""
        self._alerts.run_ended(summary)

    def logged(self, line: api.LogLine) -> None:
        """A line was added to the log."""
        self._manager.status(line.text)


def _work(vault: Vault, current: _Current, host: Host, stop: threading.Event, pulse: Pulse) -> None:
    """Run profiles when they are due, until `stop`; what runs then is for `Host.close` to end."""
    host.schedule(current.profiles)
    host.tell(f"serving {vault.folder}: {len(current.profiles())} profiles; stop with Ctrl-C or SIGTERM")
    while not stop.wait(AWAKE) and not vault.dead:
        pulse.feel()
    if vault.dead:
        host.tell(
            "the disk failed under the vault: stopping; check it, then start the service again", "error"
        )
    else:
        host.tell("stopping: the run in hand ends after what it has fetched")


@contextmanager
def _gateway(
    settings: Settings, folder: Path, told: Say, sockets: tuple[socket.socket, ...] = ()
) -> Iterator[None]:
    """The embedded gateway, where vault.toml has one that listens, or systemd has opened its port."""
    if not settings.gateway.listen and not sockets:
        yield
        return
    options = gateway_options(settings.gateway, folder, sockets)
    where = sockets[0].getsockname()[0] if sockets else options.host
    with Gateway(options) as gateway:
        told(f"the embedded gateway listens on {where} port {gateway.port}")
        yield


class _Current:
    """vault.toml as it is now; while it is being edited wrongly, as it was last."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._settings = session.settings()
        self._problem = ""

    def settings(self) -> Settings:
        """The settings, read anew; what is wrong with them is logged once. For any thread."""
        with self._lock:
            self._read()
            return self._settings

    def _read(self) -> None:
        problem = ""
        try:
            found = self._session.settings()
            # Between an editor's emptying of the file and its writing there is nothing in it.
            self._settings = found if found != EMPTY else self._settings
        except MunimentError as error:
            problem = str(error)
        if problem and problem != self._problem:
            log.error("vault.toml can't be used as it stands, so the last settings stay: %s", problem)
        elif self._problem and not problem:
            log.info("vault.toml can be used again")
        self._problem = problem

    def scheduled(self) -> bool:
        """Whether anything is to be done without being asked for."""
        return bool(self.profiles()) or bool(self._settings.gateway.listen)

    def profiles(self) -> list[Profile]:
        """The profiles that run by themselves."""
        return [profile for profile in self.settings().profiles if profile.scheduled]
