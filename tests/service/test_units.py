"""The systemd units: their text, that systemd accepts them, and their installation."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from muniment.archive.files.lock import VaultLock
from muniment.config.model import GatewaySection, Profile, Settings
from muniment.errors import UsageError
from muniment.service.daemon.install import UnitInstaller
from muniment.service.daemon.units import SERVICE, SOCKET, UnitContext, units
from support.program import Program
from support.vaults import TestVault

LISTENING = Settings(gateway=GatewaySection(listen="0.0.0.0:25", addresses=("journal@archive.example",)))
AWKWARD = Path('/srv/my "mail" 100% of $HOME\\x')


def place(vault: Path = Path("/srv/mail"), **fields: Any) -> UnitContext:
    program = (sys.executable, "-P", "-m", "muniment")
    values: dict[str, Any] = {"vault": vault, "user": "root", "program": program}
    return UnitContext(**(values | fields))


def analyse(folder: Path, *arguments: str) -> str:
    """The output of systemd-analyze for the units in a folder, both streams."""
    if not shutil.which("systemd-analyze"):
        missing = "systemd-analyze is in Debian's systemd package"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    line = ["systemd-analyze", *arguments, str(folder / SERVICE)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"\nexit code {done.returncode}")


@pytest.mark.parametrize("vault", [Path("/srv/mail"), AWKWARD], ids=["plain", "awkward"])
@pytest.mark.parametrize("settings", [Settings(), LISTENING], ids=["no gateway", "gateway"])
def test_systemd_accepts_the_units(tmp_path: Path, vault: Path, settings: Settings) -> None:
    for name, text in units(place(vault, writable=(Path("/mnt/back up"),)), settings).items():
        (tmp_path / name).write_text(text)
    assert analyse(tmp_path, "verify") == ""


CONTAINED = {
    "NoNewPrivileges=", "PrivateTmp=", "PrivateMounts=", "PrivateDevices=", "ProtectSystem=", "ProtectHome=",
    "ProtectKernelTunables=", "ProtectKernelModules=", "ProtectKernelLogs=", "ProtectControlGroups=",
    "ProtectClock=", "ProtectHostname=", "ProtectProc=", "RestrictRealtime=", "RestrictSUIDSGID=",
    "RestrictNamespaces=~user", "RestrictAddressFamilies=~AF_PACKET", "RestrictAddressFamilies=~AF_NETLINK",
    "LockPersonality=", "RemoveIPC=", "KeyringMode=", "UMask=", "SystemCallArchitectures=",
    "AmbientCapabilities=", "CapabilityBoundingSet=~CAP_SYS_ADMIN",
    "CapabilityBoundingSet=~CAP_(DAC_*|FOWNER|IPC_OWNER)",
    "SystemCallFilter=~@privileged", "SystemCallFilter=~@mount", "SystemCallFilter=~@debug",
}  # fmt: skip
"""The settings that systemd rates and that the unit must have, by systemd's names."""
PROGRAMS = {"system": "/usr/bin/python3", "home": "/home/ann/muniment/.venv/bin/python"}
"""Possible places of Python. If it is below a home, the unit must leave homes readable."""


@pytest.mark.parametrize("home", PROGRAMS)
def test_systemd_rates_the_service_as_well_contained(tmp_path: Path, home: str) -> None:
    program = (PROGRAMS[home], "-P", "-m", "muniment")
    for name, text in units(place(user="nobody", program=program), LISTENING).items():
        (tmp_path / name).write_text(text)
    rated = analyse(tmp_path, "security", "--offline=true", "--no-pager", "--json=short")
    found = [one for line in rated.splitlines() if line.startswith("[") for one in json.loads(line)]
    assert found, rated
    contained = {one["name"] for one in found if one["set"]}
    assert CONTAINED - contained == ({"ProtectHome="} if home == "home" else set())
    output = analyse(tmp_path, "security", "--offline=true", "--no-pager")
    overall = re.search(r"Overall exposure level for \S+: ([0-9.]+)", output)
    assert overall, output
    assert float(overall[1]) < 2.5, "systemd weighs the same unit differently from release to release"


def test_paths_are_quoted() -> None:
    text = units(place(AWKWARD), Settings())[SERVICE]
    escaped = '/srv/my \\"mail\\" 100%% of $HOME\\\\x"'
    assert f'ReadWritePaths="{escaped}\n' in text
    assert f'--vault "{escaped} '.replace("$", "$$") in text
    with pytest.raises(UsageError, match="control characters"):
        units(place(Path("/srv/a\nExecStart=/bin/sh")), Settings())
    with pytest.raises(UsageError, match="can't be part of"):
        units(place(user="a\nb"), Settings())


def test_paths_that_profiles_empty_are_writable_and_homes_only_if_needed() -> None:
    profiles = (
        Profile.of("in", "maildir", path="/home/ann/Maildir", delete=True),
        Profile.of("kept", "mbox", path="/var/old.mbox"),
    )
    text = units(place(program=("/opt/m/bin/python",)), Settings(profiles=profiles))[SERVICE]
    assert 'ReadWritePaths="/srv/mail" "/home/ann/Maildir"\n' in text
    assert "ProtectHome=read-only\n" in text
    assert "ProtectHome=yes\n" in units(place(program=("/opt/m/bin/python",)), Settings())[SERVICE]


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    made = TestVault(tmp_path / "vault")
    made.client.close()
    toml = made.folder / "vault.toml"
    toml.write_text(toml.read_text() + '\n[gateway]\nlisten = "0.0.0.0:25"\naddresses = ["j@example.com"]\n')
    return made.folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "system"
    made.mkdir()
    return made


def test_units_are_written_once_and_a_changed_one_is_kept(vault: Path, folder: Path) -> None:
    installer = UnitInstaller(folder)
    lines = "\n".join(installer.install(vault, "archivist"))
    assert "useradd --system" in lines
    assert f"chown -R archivist: {vault}" in lines
    assert f"systemctl enable --now {SOCKET} {SERVICE}" in lines
    assert sorted(path.name for path in folder.iterdir()) == [SOCKET, SERVICE]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    installer.install(vault, "archivist")
    unit = folder / SERVICE
    unit.write_text(unit.read_text() + "# mine\n")
    with pytest.raises(UsageError, match="--force"):
        installer.install(vault, "archivist")
    assert unit.read_text().endswith("# mine\n")
    installer.install(vault, "archivist", force=True)
    assert "# mine" not in unit.read_text()
    assert installer.status()["installed"] == str(unit)
    assert f"Removed {unit}" in installer.uninstall()
    assert list(folder.iterdir()) == []
    assert "nothing was removed" in installer.uninstall()[0]
    assert installer.status()["installed"] == "no"


def test_the_holder_of_the_vault_is_named(vault: Path, folder: Path) -> None:
    lock = VaultLock(vault)
    lines = "\n".join(UnitInstaller(folder).install(vault, "archivist"))
    lock.release()
    assert f"# process {os.getpid()}, since " in lines
    assert "holds the vault now" not in "\n".join(UnitInstaller(folder).install(vault, "archivist"))


def test_units_are_shown(vault: Path) -> None:
    program = Program(vault)
    shown = program("service", "install", "--print", "--user", "archivist").out
    assert f"# {SERVICE}\n" in shown
    assert "User=archivist\n" in shown
    assert "ListenStream=0.0.0.0:25\n" in shown
    assert sorted(program.ask("service", "install", "--print")) == [SOCKET, SERVICE]
    program.refuses(2, "service", "install", "--print", "--user", "a b")
    shown = program.say("service", "status", "--json").json
    assert shown["installed"] in ("no", f"/etc/systemd/system/{SERVICE}")
