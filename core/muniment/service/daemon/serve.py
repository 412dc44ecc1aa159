"""`muniment service`: answers clients, runs profiles when they are due, and has the embedded gateway."""

from __future__ import annotations

import logging
import signal
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
from muniment.config.model import Profile, Settings
from muniment.errors import MunimentError, VaultError, VaultLocked
from muniment.service.access.roles import Caller
from muniment.service.checkpoints.keeper import CheckpointKeeper
from muniment.service.contents.keeper import ContentsKeeper
from muniment.service.daemon.alerts import VaultAlerts
from muniment.service.daemon.disposal_task import DailyDisposal
from muniment.service.daemon.systemd import SystemdNotifier, Watchdog, inherited_sockets
from muniment.service.daemon.units import GATEWAY
from muniment.service.daemon.watchdog import HostPulse
from muniment.service.dispatch.engine import Engine
from muniment.service.host.client_register import ClientRegister
from muniment.service.host.feed_keeper import FeedKeeper
from muniment.service.host.gateway_keeper import GatewayKeeper
from muniment.service.host.run_host import RunHost, RunObserver
from muniment.service.host.sender_keeper import SenderKeeper
from muniment.service.host.session import ClientSession
from muniment.service.host.tree_keeper import TreeKeeper
from muniment.service.transport.listener import listening
from muniment.system.logs import log_to_stderr
from muniment.system.memory import few_arenas

log = logging.getLogger("muniment.service")

Say = Callable[[str], None]

BRIEF = 2.0
"""Seconds without a request after which a read-only service ends."""
EMPTY = Settings()
"""The settings of an empty vault.toml."""
AGAIN = 0.2
"""Seconds between two attempts to open a vault that another process holds."""
BEGINNING, LEAVING = 2.0, 30.0
"""Seconds for which a service may hold the vault without listening: at its start, and at its end."""
AWAKE = 1.0
"""Seconds between two checks for a signal: a signal that another thread receives does not wake the loop."""


def serve(folder: Path, say: Say | None = None, *, ready: Callable[[], None] | None = None) -> int:
    """Serve a vault: answer clients, receive mail, run profiles when due; until SIGTERM or SIGINT.

    Args:
        folder: the vault's folder.
        say: is called with each line for standard output; by default they are logged.
        ready: given if a client started the service in the background. It is called when the service listens.
            Such a service ends when it is no longer needed.

    Returns:
        The exit code: 0, or that of VaultError if the vault's disk failed.

    Raises:
        MunimentError: the vault can't be opened, or the gateway can't listen. If a client started the
            service, it goes on without the gateway, and tries again.
    """
    if not logging.getLogger().handlers:
        log_to_stderr("keys")
    few_arenas()  # before the first thread, whose arena would stay
    say = say or log.info
    session = ClientSession(folder)
    stop = threading.Event()
    manager, sockets = SystemdNotifier.from_environment(), inherited_sockets()
    with signals(stop), ExitStack() as stack:
        vault = _opened(stack, session, stop, say, takes_over=ready is None)
        if vault is None:
            return 0
        current, clients = _Current(session), ClientRegister()
        with (
            closing(RunHost(ClientSession(folder, vault), current.settings, say, in_service=True)) as host,
            VaultAlerts(ClientSession(folder, vault), current.settings) as alerts,
            GatewayKeeper(
                folder,
                current.settings,
                host.announce,
                tuple(sockets.get(GATEWAY, ())),
                at_once=ready is None,
            ),
            FeedKeeper(ClientSession(folder, vault), current.settings, host.announce),
            SenderKeeper(ClientSession(folder, vault), current.settings),
            TreeKeeper(vault),
            ContentsKeeper(ClientSession(folder, vault), host, current.settings) as contents,
            CheckpointKeeper(ClientSession(folder, vault), current.settings, host.announce),
            listening(
                folder,
                _engines(vault, host, clients),
                stop,
                lambda: host.busy or contents.busy or current.scheduled(),
                ready,
                busy=lambda: host.busy,
                clients=clients,
            ),
        ):
            host.observe(_Watching(manager, alerts))
            manager.ready()
            host.announce(_serving(vault, current, by_hand=ready is None))
            _work(vault, current, host, stop, HostPulse(host, Watchdog(manager)))
            manager.stopping()
            host.close()  # while clients can still watch how its runs end
        return VaultError.exit_code if vault.dead else 0


def _opened(
    stack: ExitStack, session: ClientSession, stop: threading.Event, say: Say, takes_over: bool
) -> Vault | None:
    """The vault, open for writing; None if `stop` was set first.

    With `takes_over`, a service that a client has started in the background ends for this one, after the run
    that it has in hand.

    Raises:
        VaultLocked: a process holds the vault, and does not end.
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
            say("the service in the background has a run in hand: taking over when the run has ended")
        stop.wait(AGAIN)
    return None


def _yields(folder: Path) -> Literal["soon", "later", False] | None:
    """Ask the service that holds the vault to end.

    Returns:
        "soon" or "later" if it will end, False if it will not, None if no service listens now.
    """
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
    """Serve a vault that can't be opened for writing, read-only.

    Each request opens the vault by itself, so the vault can be verified, searched, copied and rebuilt. A
    request that writes gets the error. The service ends soon, so that the next one can open a repaired vault.

    Args:
        folder: the vault's folder.
        ready: is called when the service listens.

    Returns:
        The exit code 0.

    Raises:
        VaultError: it can't listen.
    """
    stop = threading.Event()
    log.warning("the vault can't be opened for writing: serving it read-only")

    def engine_for(caller: Caller) -> Engine:
        return Engine(ClientSession(folder, None, caller))

    with signals(stop), listening(folder, engine_for, stop, lambda: False, ready, idle=BRIEF):
        while not stop.wait(AWAKE):
            pass
    return 0


def _engines(vault: Vault, host: RunHost, clients: ClientRegister) -> Callable[[Caller], Engine]:
    """A function that makes an engine for a caller, on this open vault."""
    return lambda caller: Engine(ClientSession(vault.folder, vault, caller, host, clients))


@contextmanager
def signals(stop: threading.Event) -> Iterator[None]:
    """Inside the context, SIGTERM and SIGINT set `stop`."""
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Watching(RunObserver):
    """Passes events of runs to systemd and to the alerts."""

    def __init__(self, manager: SystemdNotifier, alerts: VaultAlerts) -> None:
        self._manager = manager
        self._alerts = alerts

    def ended(self, summary: api.RunSummary) -> None:
        self._alerts.run_ended(summary)

    def logged(self, line: api.LogLine) -> None:
        self._manager.status(line.text)


def _serving(vault: Vault, current: _Current, by_hand: bool) -> str:
    """What a service says at its start. One that a client has started can't be stopped by a key."""
    profiles = len(current.profiles())
    serving = f"serving {vault.folder}: {profiles} {'profile' if profiles == 1 else 'profiles'}"
    return f"{serving}; stop with Ctrl-C or SIGTERM" if by_hand else serving


def _work(vault: Vault, current: _Current, host: RunHost, stop: threading.Event, pulse: HostPulse) -> None:
    """Run profiles when they are due, until `stop` is set. `RunHost.close` ends the runs after that."""
    session = ClientSession(vault.folder, vault, host=host)
    host.schedule(current.profiles, DailyDisposal(session, current.settings, host.announce).tasks)
    while not stop.wait(AWAKE) and not vault.dead:
        pulse.feel()
    if vault.dead:
        host.announce(
            "the vault's disk failed: stopping; check the disk, then start the service again", "error"
        )
    else:
        host.announce("stopping: the run in hand ends after the messages that it has fetched")


class _Current:
    """The current settings; while vault.toml has an error, the last ones without. For any thread."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._settings = session.settings()
        self._problem = ""

    def settings(self) -> Settings:
        """The settings, read from vault.toml now. An error in it is logged once."""
        with self._lock:
            self._read()
            return self._settings

    def _read(self) -> None:
        problem = ""
        try:
            found = self._session.settings()
            # An editor may empty the file before it writes it.
            self._settings = found if found != EMPTY else self._settings
        except MunimentError as error:
            problem = str(error)
        if problem and problem != self._problem:
            log.error("vault.toml has an error, so the service keeps the last settings: %s", problem)
        elif self._problem and not problem:
            log.info("vault.toml is valid again")
        self._problem = problem

    def scheduled(self) -> bool:
        """Whether there is work without requests: profiles on schedule, the gateway, disposal, or a feed."""
        settings = self._settings
        others = (settings.gateway.listen, settings.audit_feed.syslog, settings.retention.dispose)
        return bool(self.profiles()) or any(others)

    def profiles(self) -> list[Profile]:
        """The profiles that the service runs on schedule."""
        return [profile for profile in self.settings().profiles if profile.scheduled]
