"""The systemd units of a vault's service: what they say, as text.

Hardening follows systemd.exec(5): the service may write to its vault and nowhere else, has no capability, and
gets no new one. Port 25 is opened by systemd (systemd.socket(5)), so that nothing of ours runs as root.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from muniment.config.model import Settings
from muniment.errors import UsageError
from muniment.profiles.fields import KIND
from muniment.system.paths import as_path

SERVICE = "muniment.service"
SOCKET = "muniment-gateway.socket"
GATEWAY = "gateway"
"""The name under which the gateway's socket is handed over."""
HOMES = tuple(Path(name) for name in ("/home", "/root", "/run/user"))
"""What ProtectHome hides."""


@dataclass(frozen=True, slots=True)
class Place:
    """What units are written for."""

    vault: Path
    user: str
    """The operating system's user who owns the vault and runs the service."""
    program: tuple[str, ...]
    """How the program is started, such as ("/opt/muniment/bin/python", "-m", "muniment")."""
    writable: tuple[Path, ...] = ()
    """Folders that the service may write to besides its vault, such as a backup's."""


def units(place: Place, settings: Settings) -> dict[str, str]:
    """The text of each unit by its name; the socket's only where vault.toml says where to listen.

    Raises:
        UsageError: a path can't stand in a unit.
    """
    listen = settings.gateway.listen
    told = {SERVICE: _service(place, settings, bool(listen))}
    if listen:
        told[SOCKET] = _SOCKET.format(listen=_plain(listen), service=SERVICE, name=GATEWAY)
    return told


def _service(place: Place, settings: Settings, listens: bool) -> str:
    writable = list(dict.fromkeys((place.vault, *place.writable, *_emptied(place.vault, settings))))
    touched = [*writable, Path(place.program[0])]
    hidden = not any(path.is_relative_to(home) for path in touched for home in HOMES)
    command = (*place.program, "--vault", str(place.vault), "service", "--log-format", "keys")
    return _SERVICE.format(
        vault=_path(place.vault),
        user=_plain(place.user),
        command=" ".join(_argument(word) for word in command),
        writable=" ".join(_path(path) for path in writable),
        home="yes" if hidden else "read-only",
        wants=f"Wants={SOCKET}\nAfter={SOCKET}\n" if listens else "",
        sockets=f"Sockets={SOCKET}\n" if listens else "",
    )


def _emptied(vault: Path, settings: Settings) -> Iterable[Path]:
    """Files and folders outside the vault in which profiles delete what they have archived."""
    for profile in settings.profiles:
        if not KIND[profile.source].server and profile.path and profile.delete_on:
            path = vault / as_path(profile.path)
            if not path.is_relative_to(vault):
                yield path


def _path(path: Path) -> str:
    """A path as a word of a list: in quotes, specifiers and escapes made plain (systemd.syntax(7))."""
    text = str(path)
    if not text.isprintable():
        raise UsageError(
            f"the path {text!r} can't stand in a systemd unit: choose one without control characters"
        )
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _argument(word: str) -> str:
    """A word of a command line: as a path, and no variable in it (systemd.service(5), "Command lines")."""
    return _path(Path(word)).replace("$", "$$") if word.startswith("/") else _quoted_word(word)


def _quoted_word(word: str) -> str:
    return word if word.replace("-", "").replace("_", "").isalnum() else _path(Path(word)).replace("$", "$$")


def _plain(value: str) -> str:
    """A value that stands by itself, such as a user's name."""
    if not value or not value.isprintable() or any(c.isspace() for c in value):
        raise UsageError(f"{value!r} can't stand in a systemd unit")
    return value.replace("%", "%%")


_SERVICE = """\
# Written by `muniment service install`; change it with `systemctl edit {name}`.
[Unit]
Description=Muniment, a journal-mail archive
Wants=network-online.target
After=network-online.target
{wants}RequiresMountsFor={vault}
# A vault.toml that is mended, or a vault that another process lets go of, is taken up without a hand's turn.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
User={user}
{sockets}Restart=on-failure
RestartSec=10
WatchdogSec=120
# A catalog that must be rebuilt on opening takes as long as it takes; a run ends after what is in hand.
TimeoutStartSec=infinity
TimeoutStopSec=90
# The workers that parse mail are ended by their service.
KillMode=mixed
UMask=0077
MemoryHigh=60%
MemoryMax=75%
TasksMax=512
LimitNOFILE=65536
LimitCORE=0

# The socket for local users lies in /run/muniment; each request is authorised by who calls.
RuntimeDirectory=muniment
RuntimeDirectoryMode=0755

ProtectSystem=strict
ReadWritePaths={writable}
ProtectHome={home}
PrivateTmp=yes
PrivateMounts=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
""".replace("{name}", SERVICE)

_SOCKET = """\
# Written by `muniment service install`; where it listens stands in vault.toml, [gateway].
[Unit]
Description=The port that journal reports are sent to

[Socket]
ListenStream={listen}
FileDescriptorName={name}
Service={service}
BindIPv6Only=ipv6-only
Backlog=128

[Install]
WantedBy=sockets.target
"""
