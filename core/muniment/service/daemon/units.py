"""The texts of the systemd units of a vault's service.

The hardening follows systemd.exec(5): the service may write only to its vault, has no capability and can't
get one. systemd opens port 25 (systemd.socket(5)), so no part of Muniment runs as root.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from muniment.config.model import Settings
from muniment.errors import UsageError
from muniment.profiles.settings import FileSettings
from muniment.system.paths import as_path

SERVICE = "muniment.service"
SOCKET = "muniment-gateway.socket"
GATEWAY = "gateway"
"""The name of the gateway's socket (FileDescriptorName)."""
HOMES = tuple(Path(name) for name in ("/home", "/root", "/run/user"))
"""The folders that ProtectHome hides."""


@dataclass(frozen=True, slots=True)
class UnitContext:
    """The values that the units are written for."""

    vault: Path
    """The vault's folder."""
    user: str
    """The user of the operating system who owns the vault and runs the service."""
    program: tuple[str, ...]
    """The command of the program, such as ("/opt/muniment/bin/python", "-P", "-m", "muniment")."""
    writable: tuple[Path, ...] = ()
    """Further folders that the service may write to, such as a backup's."""


def units(place: UnitContext, settings: Settings) -> dict[str, str]:
    """The text of each unit by its name. There is a socket unit only if `gateway.listen` is set.

    Raises:
        UsageError: a path or another value can't be part of a unit.
    """
    listen = settings.gateway.listen
    texts = {SERVICE: _service(place, settings, bool(listen))}
    if listen:
        texts[SOCKET] = _SOCKET.format(listen=_plain(listen), service=SERVICE, name=GATEWAY)
    return texts


def _service(place: UnitContext, settings: Settings, listens: bool) -> str:
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
    """Files and folders outside the vault in which profiles delete archived mail."""
    for profile in settings.profiles:
        place = profile.settings
        if isinstance(place, FileSettings) and place.path and profile.delete_on:
            path = vault / as_path(place.path)
            if not path.is_relative_to(vault):
                yield path


def _path(path: Path) -> str:
    """A path for a list: quoted, with specifiers and escapes made literal (systemd.syntax(7))."""
    text = str(path)
    if not text.isprintable():
        raise UsageError(
            f"the path {text!r} can't be part of a systemd unit: choose one without control characters"
        )
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _argument(word: str) -> str:
    """A word of a command line, quoted, without variables (systemd.service(5), "Command lines")."""
    return _path(Path(word)).replace("$", "$$") if word.startswith("/") else _quoted_word(word)


def _quoted_word(word: str) -> str:
    return word if word.replace("-", "").replace("_", "").isalnum() else _path(Path(word)).replace("$", "$$")


def _plain(value: str) -> str:
    """A value without quotes, such as a user's name."""
    if not value or not value.isprintable() or any(c.isspace() for c in value):
        raise UsageError(f"{value!r} can't be part of a systemd unit: remove blanks and control characters")
    return value.replace("%", "%%")


_SERVICE = """\
# Written by `muniment service install`; change it with `systemctl edit {name}`.
[Unit]
Description=Muniment, a journal-mail archive
Wants=network-online.target
After=network-online.target
{wants}RequiresMountsFor={vault}
# Keep retrying: the service recovers once vault.toml is fixed or another process releases the vault.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
User={user}
{sockets}Restart=on-failure
RestartSec=10
WatchdogSec=120
# Rebuilding the catalog at the start may take any time. At the end, a run finishes the messages in hand.
TimeoutStartSec=infinity
TimeoutStopSec=90
# The service ends its workers, which parse mail.
KillMode=mixed
UMask=0077
MemoryHigh=60%
MemoryMax=75%
TasksMax=512
LimitNOFILE=65536
LimitCORE=0

# The socket for local users is in /run/muniment. The service authorises each request by its caller.
RuntimeDirectory=muniment
RuntimeDirectoryMode=0755
# The key that signs checkpoints is in /var/lib/muniment, outside the vault.
StateDirectory=muniment
StateDirectoryMode=0700

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
# Written by `muniment service install`; the address is from vault.toml, [gateway] listen.
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
