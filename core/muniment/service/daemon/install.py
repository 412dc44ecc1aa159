"""Installs and removes the systemd units of a vault's service."""

from __future__ import annotations

import pwd
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from muniment.archive.files.lock import holder
from muniment.errors import UsageError, VaultError
from muniment.service.access.roles import login_name
from muniment.service.daemon.units import SERVICE, SOCKET, UnitContext, units
from muniment.service.host.session import ClientSession
from muniment.system.atomic_files import write_file

FOLDER = Path("/etc/systemd/system")
BOOTED = Path("/run/systemd/system")
"""Exists if systemd runs the machine (sd_booted(3))."""
DEFAULT_USER = "muniment"
SECONDS = 120
"""How long systemctl may take: it waits for a service to end."""
OPEN = 0o644
PROPERTIES = "ActiveState,SubState,MainPID,StatusText,NRestarts"


class UnitInstaller:
    """Installs the units of a vault's service in a folder. Implements `cli.engine_port.VaultUnits`."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """`folder` is a folder in which systemd looks for units."""
        self._folder = folder

    def units(self, vault: Path, user: str = "", writable: Sequence[Path] = ()) -> dict[str, str]:
        """The text of each unit, by its name.

        Raises:
            VaultError, ConfigError: there is no vault, or its vault.toml is wrong.
            UsageError: a path or the user's name can't be part of a unit.
        """
        program = (sys.executable, "-P", "-m", "muniment")
        place = UnitContext(vault, user or _owner(vault), program, tuple(writable))
        return units(place, ClientSession(vault).settings())

    def install(
        self, vault: Path, user: str = "", writable: Sequence[Path] = (), force: bool = False
    ) -> list[str]:
        """Write the units.

        Args:
            vault: the vault's folder.
            user: login name of the user who runs the service; "" for the vault's owner.
            writable: further folders that the service may write to.
            force: replace units that have another text.

        Returns:
            Lines that say what was done and what to do next.

        Raises:
            ConfigError: vault.toml is wrong.
            UsageError: a unit has another text, and `force` is not set; or as `units`.
            VaultError: there is no vault, or the units can't be written.
        """
        texts = self.units(vault, user, writable)
        changed = [name for name, text in texts.items() if self._read(name) not in (None, text)]
        if changed and not force:
            raise UsageError(
                f"{self._folder / changed[0]} already exists with another text: look at it, "
                "then use --force to replace it (additions by `systemctl edit` stay in any case)"
            )
        for name, text in texts.items():
            self._write(name, text)
        return [
            *(f"Wrote {self._folder / name}" for name in texts),
            *_next_steps(vault, user or _owner(vault), texts),
        ]

    def uninstall(self) -> list[str]:
        """Stop the service and remove its units.

        Returns:
            Lines that say what was done.

        Raises:
            VaultError: the units can't be removed.
        """
        installed = [name for name in (SOCKET, SERVICE) if self._read(name) is not None]
        if not installed:
            return [f"{self._folder} has no unit of Muniment: nothing was removed."]
        lines = _systemctl("disable", "--now", *installed)
        try:
            for name in installed:
                (self._folder / name).unlink()
        except OSError as error:
            raise VaultError(
                f"{self._folder} can't be changed ({error.strerror}): run this as root"
            ) from error
        lines += [f"Removed {self._folder / name}" for name in installed]
        return [*lines, *_systemctl("daemon-reload"), "The vault was not changed."]

    def status(self) -> dict[str, str]:
        """The state of the service in systemd, by property; only `installed` if systemd does not run.

        Raises:
            VaultError: the unit can't be read.
        """
        text = self._read(SERVICE)
        state = {"installed": "no" if text is None else str(self._folder / SERVICE)}
        return state | (_properties() if BOOTED.is_dir() else {})

    def _read(self, name: str) -> str | None:
        """The text of an installed unit; None if it is not installed."""
        try:
            return (self._folder / name).read_text()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise VaultError(f"{self._folder / name} can't be read: run this as root") from error

    def _write(self, name: str, text: str) -> None:
        path = self._folder / name
        try:
            write_file(path, text.encode(), durable=True, mode=OPEN)
        except OSError as error:
            raise VaultError(f"{path} can't be written ({error.strerror}): run this as root") from error


def _owner(vault: Path) -> str:
    """The user who should run the service: the vault's owner, but not root."""
    try:
        uid = vault.stat().st_uid
    except OSError:
        uid = 0
    return login_name(uid) if uid else DEFAULT_USER


def _next_steps(vault: Path, user: str, texts: dict[str, str]) -> list[str]:
    """Lines that say what is left to do, as commands where possible."""
    commands = []
    if not _known(user):
        commands.append(f"useradd --system --home-dir / --shell /usr/sbin/nologin {shlex.quote(user)}")
    if login_name(vault.stat().st_uid) != user:
        commands.append(f"chown -R {shlex.quote(user)}: {shlex.quote(str(vault))}")
    commands += ["systemctl daemon-reload", f"systemctl enable --now {' '.join(sorted(texts))}"]
    if held := holder(vault):
        commands.insert(
            0, f"# {held}, holds the vault now: a service in the background ends by itself, stop any other"
        )
    lines = ["Next, as root:", *(f"  {command}" for command in commands)]
    lines += [f"{user} must be able to read the files that vault.toml names, such as password files."]
    return lines + [
        f"{user} can't enter {folder}: move its content, or change its mode."
        for folder in _closed(vault, user)
    ]


def _closed(vault: Path, user: str) -> list[Path]:
    """Folders above the vault or the program that a user can't enter."""
    uid = pwd.getpwnam(user).pw_uid if _known(user) else -1
    return sorted(p for p in {*vault.parents, *Path(sys.executable).parents} if not _enterable(p, uid))


def _known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _enterable(folder: Path, uid: int) -> bool:
    """Whether a user can enter a folder, judged by its owner and mode."""
    try:
        state = folder.stat()
    except OSError:
        return True
    return bool(state.st_mode & stat.S_IXOTH) or uid in (0, state.st_uid)


def _systemctl(*words: str) -> list[str]:
    """Run a systemctl command; if that is not possible, say that it is left to do. Returns one line."""
    line = f"systemctl {' '.join(words)}"
    if BOOTED.is_dir() and shutil.which("systemctl") and _run(["systemctl", *words]) is not None:
        return [f"Did {line}"]
    return [f"Run this as root where systemd runs: {line}"]


def _properties() -> dict[str, str]:
    """The properties of the service in systemd, by name; empty if `systemctl show` fails."""
    output = _run(["systemctl", "show", SERVICE, f"--property={PROPERTIES}"]) or ""
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


def _run(command: list[str]) -> str | None:
    """The output of a program; None if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout
