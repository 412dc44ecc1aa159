"""Keeps the embedded gateway of a running service as vault.toml says.

A change of `[gateway]` opens, changes or closes the gateway within seconds, without a restart. If it can't
listen, such as on a port that another program has taken, it is tried again, and status, notifications and the
checklist say why.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from muniment.client.socket_path import SETTINGS
from muniment.config.check import listen_address
from muniment.config.model import GatewaySection, Settings
from muniment.errors import ConfigError, MunimentError
from muniment.gateway.smtp import GatewaySettings as GatewayOptions
from muniment.gateway.smtp import SmtpGateway
from muniment.service.host.profile_source import SPOOL

log = logging.getLogger("muniment.service")

Say = Callable[[str, str], None]
"""Called with a line for the log and its level: "info" or "error"."""

LOOK = 1.0
"""Seconds between two looks at vault.toml."""
AGAIN = 5.0
"""Seconds between two attempts to listen."""
ENVELOPE_ROOM = 16 * 1024 * 1024
"""Bytes by which a journal report may be larger than its message, for one line for each recipient and the
headers that Exchange adds. The largest message of Exchange Online has 150 MB."""


def gateway_options(
    settings: GatewaySection, folder: Path, sockets: tuple[socket.socket, ...] = ()
) -> GatewayOptions:
    """The options of the embedded gateway; `sockets` that systemd has opened are used instead of `listen`.

    Raises:
        ConfigError: `listen` is not `address:port`, or there is no journal address.
    """
    host, port = ("", 0) if sockets else listen_address(settings.listen)
    if not settings.addresses:
        raise ConfigError("gateway.addresses is empty: add the journal address to which reports are sent")
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


_keepers: dict[Path, GatewayKeeper] = {}


def keeper_of(folder: Path) -> GatewayKeeper | None:
    """The keeper of a vault's gateway; None if no service of this process serves the vault."""
    return _keepers.get(folder)


class GatewayKeeper:
    """The embedded gateway of one service. For any thread. A context that keeps it while it is open."""

    def __init__(
        self,
        folder: Path,
        settings: Callable[[], Settings],
        say: Say,
        sockets: tuple[socket.socket, ...] = (),
        *,
        at_once: bool = False,
        look: float = LOOK,
        again: float = AGAIN,
    ) -> None:
        """Make it; nothing listens yet.

        Args:
            folder: the vault's folder.
            settings: gives the current settings. It must not raise.
            say: is called when the gateway opens, changes, closes, or can't listen.
            sockets: sockets that systemd has opened for the gateway. They stay open.
            at_once: whether entering the context fails if the gateway can't listen. If not, it tries again.
            look: seconds between two looks at vault.toml.
            again: seconds between two attempts to listen.
        """
        self._folder = folder
        self._settings = settings
        self._say = say
        self._sockets = sockets
        self._at_once = at_once
        self._look = look
        self._again = again
        self._lock = threading.Lock()
        self._gateway: SmtpGateway | None = None
        self._section: GatewaySection | None = None
        """The settings that the gateway has, or failed with; None for none."""
        self._failure: MunimentError | None = None
        """Why the gateway does not listen although it should."""
        self._tried = 0.0
        self._seen: object = None
        """The state of vault.toml on disk at the last look."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="gateway-keeper", daemon=True)

    @property
    def problem(self) -> str:
        """Why the gateway does not listen although vault.toml wants it, as a sentence; "" if all is well."""
        return str(self._failure or "")

    @property
    def inherited(self) -> tuple[str, int] | None:
        """Address and port that systemd has opened for the gateway; None if it opens its own."""
        if not self._sockets:
            return None
        host, port = self._sockets[0].getsockname()[:2]
        return str(host), int(port)

    def follow(self) -> None:
        """Bring the gateway to the current settings now, and try again to listen if that failed."""
        with self._lock:
            if not self._stop.is_set():
                self._follow(patient=False)

    def __enter__(self) -> GatewayKeeper:
        with self._lock:
            self._follow(patient=False)
        if self._failure is not None and self._at_once:
            raise self._failure
        _keepers[self._folder] = self
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        _keepers.pop(self._folder, None)
        self._thread.join()
        with self._lock:
            if self._gateway is not None:
                self._gateway.stop()
                self._gateway = None

    def _work(self) -> None:
        while not self._stop.wait(self._look):
            with self._lock:
                seen = self._on_disk()
                if seen != self._seen or self._failure is not None:
                    self._follow(patient=True)
                self._seen = seen

    def _on_disk(self) -> object:
        """What changes when vault.toml is written; reading the file each second would cost more."""
        try:
            state = (self._folder / SETTINGS).stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size, state.st_ino

    def _follow(self, patient: bool) -> None:
        section = self._settings().gateway
        wanted = section if section.listen or self._sockets else None
        if wanted == self._section and self._failure is None:
            return
        if wanted == self._section and patient and time.monotonic() < self._tried + self._again:
            return
        changed = self._gateway is not None
        if self._gateway is not None:
            self._gateway.stop()
            self._gateway = None
        self._section = wanted
        if wanted is None:
            self._failure = None
            self._say("the embedded gateway is closed: gateway.listen in vault.toml is empty", "info")
        else:
            self._open(wanted, changed)

    def _open(self, section: GatewaySection, changed: bool) -> None:
        self._tried = time.monotonic()
        sockets = tuple(one.dup() for one in self._sockets)
        try:
            options = gateway_options(section, self._folder, sockets)
            gateway = SmtpGateway(options)
            gateway.start()
        except MunimentError as error:
            for one in sockets:
                one.close()
            self._fail(error)
            return
        self._gateway, self._failure = gateway, None
        where = self._sockets[0].getsockname()[0] if self._sockets else options.host
        taken = ", with the new settings of vault.toml" if changed else ""
        self._say(f"the embedded gateway listens on {where} port {gateway.port}{taken}", "info")

    def _fail(self, error: MunimentError) -> None:
        """Keep the reason, and say it once. A reason that is raised needs no line."""
        raised = self._at_once and not self._thread.is_alive()
        if str(error) != self.problem and not raised:
            self._say(str(error), "error")
        self._failure = error
