"""Keeps the embedded gateway of a running service as vault.toml says.

A change of `[gateway]` opens, changes or closes the gateway within seconds, without a restart. If it can't
listen, such as on a port that another program has taken, it is tried again, and status, notifications and the
checklist say why. Changed settings are checked, and their port is opened, while the earlier gateway works.

Only one gateway at a time has the spool, so the earlier one ends before the changed one starts. If that
fails, the earlier one starts again, and the next attempts wait longer and longer. The sockets belong to the
keeper, not to the gateway: a client that connects meanwhile waits, and a change of other settings never
closes the port.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from muniment.config.check import listen_address
from muniment.config.model import GatewaySection, Settings
from muniment.errors import ConfigError, MunimentError
from muniment.gateway.listening import PortTaken, close_sockets, open_beside, open_sockets
from muniment.gateway.smtp import GatewaySettings as GatewayOptions
from muniment.gateway.smtp import SmtpGateway
from muniment.service.host.profile_source import SPOOL
from muniment.service.host.settings_on_disk import settings_on_disk

log = logging.getLogger("muniment.service")

Say = Callable[[str, str], None]
"""Called with a line for the log and its level: "info" or "error"."""

LOOK = 1.0
"""Seconds between two looks at vault.toml."""
AGAIN = 5.0
"""Seconds between two attempts to listen."""
LONGEST = 3600.0
"""Most seconds between two attempts that each interrupt a gateway that works."""
ENVELOPE_ROOM = 16 * 1024 * 1024
"""Bytes by which a journal report may be larger than its message, for one line for each recipient and the
headers that Exchange adds. The largest message of Exchange Online has 150 MB."""


def gateway_options(
    settings: GatewaySection, folder: Path, sockets: tuple[socket.socket, ...] = ()
) -> GatewayOptions:
    """The options of the embedded gateway; `sockets` that are open already are used instead of `listen`.

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


@dataclass(frozen=True, slots=True)
class _OpenGateway:
    """A gateway that listens."""

    section: GatewaySection
    gateway: SmtpGateway
    sockets: tuple[socket.socket, ...]
    """The keeper's own sockets that it listens on; the gateway has copies of them."""


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
            again: seconds between two attempts to listen. They double after each one that interrupted a
                gateway that works, up to LONGEST, until the settings change.
        """
        self._folder = folder
        self._settings = settings
        self._say = say
        self._sockets = sockets
        self._at_once = at_once
        self._look = look
        self._again = again
        self._lock = threading.Lock()
        self._open: _OpenGateway | None = None
        self._section: GatewaySection | None = None
        """The settings that were tried last; None for none."""
        self._failure: MunimentError | None = None
        """Why the gateway does not have these settings."""
        self._tried = 0.0
        self._interruptions = 0
        """Attempts with these settings that have failed after the earlier gateway was stopped for them."""
        self._seen: object = None
        """The state of vault.toml on disk at the last look."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="gateway-keeper", daemon=True)

    @property
    def problem(self) -> str:
        """Why the gateway is not as vault.toml wants it, as a sentence; "" if all is well."""
        if self._failure is None:
            return ""
        kept = "; until then it keeps its earlier settings" if self._open is not None else ""
        return f"{self._failure}{kept}"

    @property
    def port_taken(self) -> bool:
        """Whether the problem is over as soon as another program frees the port."""
        return isinstance(self._failure, PortTaken)

    def listens(self, section: GatewaySection) -> bool | None:
        """Whether the gateway receives mail; None if it was not tried yet with these settings."""
        now = self._open
        if now is not None and now.gateway.serves:
            return True
        return None if section != self._section and self._thread.is_alive() else False

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
            self._close()

    def _work(self) -> None:
        while not self._stop.wait(self._look):
            with self._lock:
                seen = settings_on_disk(self._folder)
                if seen != self._seen or self._failure is not None or self._ended():
                    self._follow(patient=True)
                self._seen = seen

    def _ended(self) -> bool:
        """Whether the gateway has ended by itself."""
        return self._open is not None and not self._open.gateway.serves

    def _follow(self, patient: bool) -> None:
        """Take up the current settings. Whatever goes wrong is kept as the failure."""
        section = self._settings().gateway
        wanted = section if section.listen or self._sockets else None
        if wanted == self._section and self._failure is None and not self._ended():
            return
        if wanted == self._section and patient and not self._due():
            return
        if wanted != self._section:
            self._interruptions = 0
        self._section, self._tried = wanted, time.monotonic()
        try:
            if wanted is None:
                self._go_without()
            else:
                self._take_up(wanted)
        except MunimentError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - the keeper must go on, and say why nothing listens
            place = (wanted.listen if wanted else "") or "its socket"
            what = f"an unexpected error ({type(error).__name__})"
            self._fail(ConfigError(f"the gateway can't listen on {place}: {what}"))

    def _due(self) -> bool:
        """Whether to try the same settings again."""
        wait = self._again
        if self._open is not None and not self._ended():
            wait = min(wait * 2 ** min(self._interruptions, 32), max(wait, LONGEST))
        return time.monotonic() >= self._tried + wait

    def _go_without(self) -> None:
        """Close the gateway, because vault.toml wants none."""
        self._close()
        self._failure = None
        self._say("the embedded gateway is closed: gateway.listen in vault.toml is empty", "info")

    def _take_up(self, section: GatewaySection) -> None:
        """Give the gateway these settings. If they don't work, it has the earlier ones afterwards."""
        earlier = self._open
        if earlier is None or earlier.section != section or not earlier.gateway.serves:
            self._replace(section)
        self._failure, self._interruptions = None, 0
        assert self._open is not None, "it was opened"
        sockets, gateway = self._open.sockets or self._sockets, self._open.gateway
        taken = ", with the new settings of vault.toml" if earlier else ""
        where = sockets[0].getsockname()[0]
        self._say(f"the embedded gateway listens on {where} port {gateway.port}{taken}", "info")

    def _replace(self, section: GatewaySection) -> None:
        """Open a gateway with these settings, in place of the one that is open."""
        SmtpGateway(gateway_options(section, self._folder, self._sockets))  # its settings can be used
        earlier, sockets = self._open, self._sockets_for(section)
        kept = earlier.sockets if earlier is not None else ()
        try:
            self._stop_open()
            self._open = self._started(section, sockets)
        except BaseException:
            close_sockets(one for one in sockets if one not in kept)
            if earlier is not None:
                self._interruptions += 1
                self._restore(earlier)
            raise
        close_sockets(one for one in kept if one not in sockets)

    def _started(self, section: GatewaySection, sockets: tuple[socket.socket, ...]) -> _OpenGateway:
        """A new gateway that listens on copies of the keeper's own sockets, or of those of systemd."""
        copies: list[socket.socket] = []
        try:
            copies.extend(one.dup() for one in sockets or self._sockets)
            gateway = SmtpGateway(gateway_options(section, self._folder, tuple(copies)))
            gateway.start()
        except BaseException:
            close_sockets(copies)
            raise
        return _OpenGateway(section, gateway, sockets)

    def _sockets_for(self, section: GatewaySection) -> tuple[socket.socket, ...]:
        """The keeper's own sockets for these settings; none if systemd has opened some.

        The gateway that is open stays so, also if it has the port itself.
        """
        now = self._open
        if self._sockets:
            return ()
        if now is not None and now.section.listen == section.listen:
            return now.sockets
        host, port = listen_address(section.listen)
        try:
            return open_sockets(host, port)
        except PortTaken:
            if now is None or listen_address(now.section.listen)[1] != port:
                raise
        return open_beside(host, port, now.sockets)

    def _restore(self, earlier: _OpenGateway) -> None:
        """Start the earlier gateway again, on its own sockets, if that is still possible."""
        try:
            self._open = self._started(earlier.section, earlier.sockets)
        except Exception as error:  # noqa: BLE001 - why the new settings don't work is what is reported
            log.error("the gateway can't go back to its earlier settings: %s", type(error).__name__)
            close_sockets(earlier.sockets)

    def _stop_open(self) -> None:
        """Stop the gateway, whose sockets stay open. It is over also if its end fails, which is logged."""
        ended, self._open = self._open, None
        try:
            if ended is not None:
                ended.gateway.stop()
        except Exception as error:  # noqa: BLE001 - a gateway that ends badly must not prevent the next one
            log.error("the gateway has ended with an unexpected error (%s)", type(error).__name__)

    def _close(self) -> None:
        ended = self._open
        self._stop_open()
        if ended is not None:
            close_sockets(ended.sockets)

    def _fail(self, error: MunimentError) -> None:
        """Keep the reason, and say it once. A reason that is raised needs no line."""
        raised = self._at_once and not self._thread.is_alive()
        before, self._failure = self.problem, error
        if self.problem != before and not raised:
            self._say(self.problem, "error")
