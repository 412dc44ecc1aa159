"""Putting the units of a vault's service where systemd finds them, and taking them away."""

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
from muniment.service.daemon.units import SERVICE, SOCKET, Place, units
from muniment.service.host.session import Session
from muniment.system.atomic_files import write_file

FOLDER = Path("/etc/systemd/system")
BOOTED = Path("/run/systemd/system")
"""Is there where systemd runs the machine (sd_booted(3))."""
DEFAULT_USER = "muniment"
SECONDS = 120
"""How long systemctl may take: it waits for a service to end."""
OPEN = 0o644
PROPERTIES = "ActiveState,SubState,MainPID,StatusText,NRestarts"


class Installer:
    """The units in one folder: those of one vault's service."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """`folder` is where systemd looks for units."""
        self._folder = folder

    def units(self, vault: Path, user: str = "", writable: Sequence[Path] = ()) -> dict[str, str]:
        """The text of each unit, by its name.

        Raises:
            VaultError, ConfigError: there is no vault, or its vault.toml is wrong.
            UsageError: a path or the user's name can't stand in a unit.
        """
        program = (sys.executable, "-m", "muniment")
        place = Place(vault, user or _owner(vault), program, tuple(writable))
        return units(place, Session(vault).settings())

    def install(
        self, vault: Path, user: str = "", writable: Sequence[Path] = (), force: bool = False
    ) -> list[str]:
        """Write the units; returns what was done and what to do next, a line each.

        Raises:
            UsageError: a unit is there that says something else, and `force` is not set.
            VaultError: they can't be written.
            and what `units` raises.
        """
        told = self.units(vault, user, writable)
        changed = [name for name, text in told.items() if self._read(name) not in (None, text)]
        if changed and not force:
            raise UsageError(
                f"{self._folder / changed[0]} is there already and says something else: look at it, "
                "then add --force to replace it (what `systemctl edit` adds stays in any case)"
            )
        for name, text in told.items():
            self._write(name, text)
        return [
            *(f"Wrote {self._folder / name}" for name in told),
            *_next(vault, user or _owner(vault), told),
        ]

    def uninstall(self) -> list[str]:
        """Stop the service and remove the units that are there; returns what was done, a line each.

        Raises VaultError where they can't be removed.
        """
        there = [name for name in (SOCKET, SERVICE) if self._read(name) is not None]
        if not there:
            return [f"No unit of Muniment is in {self._folder}: nothing was removed."]
        told = _systemctl("disable", "--now", *there)
        try:
            for name in there:
                (self._folder / name).unlink()
        except OSError as error:
            raise VaultError(
                f"{self._folder} can't be changed ({error.strerror}): run this as root"
            ) from error
        told += [f"Removed {self._folder / name}" for name in there]
        return [*told, *_systemctl("daemon-reload"), "The vault stays as it is."]

    def status(self) -> dict[str, str]:
        """What systemd says of the service; only `installed` where it can't be asked."""
        here = self._read(SERVICE)
        told = {"installed": "no" if here is None else str(self._folder / SERVICE)}
        return told | (_properties() if BOOTED.is_dir() else {})

    def _read(self, name: str) -> str | None:
        """A unit as it is; None where there is none."""
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
    """Who is to run the service: the vault's owner, but not root."""
    try:
        uid = vault.stat().st_uid
    except OSError:
        uid = 0
    return login_name(uid) if uid else DEFAULT_USER


def _next(vault: Path, user: str, told: dict[str, str]) -> list[str]:
    """What is left to do, as commands where they are."""
    commands = []
    if not _known(user):
        commands.append(f"useradd --system --home-dir / --shell /usr/sbin/nologin {shlex.quote(user)}")
    if login_name(vault.stat().st_uid) != user:
        commands.append(f"chown -R {shlex.quote(user)}: {shlex.quote(str(vault))}")
    commands += ["systemctl daemon-reload", f"systemctl enable --now {' '.join(sorted(told))}"]
    if held := holder(vault):
        commands.insert(
            0, f"# {held}, has the vault now: a service in the background leaves by itself, end any other"
        )
    lines = ["Next, as root:", *(f"  {command}" for command in commands)]
    lines += [f"{user} must be able to read the files that vault.toml names, such as passwords."]
    return lines + [
        f"{user} can't enter {folder}: move what is in it, or open it." for folder in _closed(vault, user)
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
    """Whether a user can pass through a folder, as far as owner and mode say it."""
    try:
        state = folder.stat()
    except OSError:
        return True
    return bool(state.st_mode & stat.S_IXOTH) or uid in (0, state.st_uid)


def _systemctl(*words: str) -> list[str]:
    """Have systemd do something; where it does not run or refuses, say what is left to do."""
    line = f"systemctl {' '.join(words)}"
    if BOOTED.is_dir() and shutil.which("systemctl") and _run(["systemctl", *words]) is not None:
        return [f"Did {line}"]
    return [f"Where systemd runs, do as root: {line}"]


def _properties() -> dict[str, str]:
    """What `systemctl show` answers, by name."""
    told = _run(["systemctl", "show", SERVICE, f"--property={PROPERTIES}"]) or ""
    return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)


def _run(command: list[str]) -> str | None:
    """What a program prints; None where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout
