"""The Setup screen in a real terminal with a real service, from keys to vault.toml and a first report."""

from __future__ import annotations

import json
import smtplib
import sys
from pathlib import Path
from typing import Any

from support.dns_server import RECORDS, DnsServer
from support.dovecot import free_ports
from support.reports import plain, report
from support.services import end
from support.terminal import MUNIMENT, CountedKeys
from support.vaults import TestVault

ADDRESS = "journal@archive.example"
SETTINGS = """
[gateway]
listen = "127.0.0.1:{port}"
addresses = ["{address}"]

# kept
[journaling]
resolver = "{dns}"
"""


def test_from_an_address_to_the_first_report_and_the_pinned_tenant(terminal: Any, tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault", domains=("quill.example",))
    path = vault.folder / "vault.toml"
    (port,) = free_ports(1)
    with DnsServer(RECORDS) as dns:
        path.write_text(path.read_text() + SETTINGS.format(port=port, address=ADDRESS, dns=dns.address))
        screen = terminal([*MUNIMENT, "--vault", str(vault.folder)])
        screen.wait_for(" of 10 done", "Organisation")
        keys = CountedKeys(screen)
        try:
            _name_the_address(screen, keys, path)
            assert keys.count == 6 + len(ADDRESS)
            _save_the_profile(screen, keys, path)
            assert keys.count == 13 + len(ADDRESS)
            _wait_for_a_report(screen, keys, port)
            assert keys.count == 16 + len(ADDRESS), "the first report"
            _pin_the_tenant(screen, keys, path)
            assert keys.count == 18 + len(ADDRESS), "two keys pin the tenant"
        finally:
            end(json.loads((vault.folder / "lock").read_text())["pid"])


def _name_the_address(screen: Any, keys: CountedKeys, path: Path) -> None:
    keys.press("Down")
    screen.wait_for("─ Report address")
    keys.press("Enter")  # into the fields
    keys.press("Right", "Right")
    screen.wait_for("(•) embedded", "not saved: F2 saves")
    keys.press("Down")
    keys.type(ADDRESS)
    screen.wait_for(ADDRESS)
    keys.press("F5")  # saves, and checks: the service's own gateway must answer
    screen.wait_for("✓ Report address: done")
    text = path.read_text()
    assert f'address = "{ADDRESS}"' in text
    assert "# kept" in text


def _save_the_profile(screen: Any, keys: CountedKeys, path: Path) -> None:
    keys.press("Escape")
    screen.wait_for("Setup: 1 of 10 done")
    keys.press("Down", "Down", "Down", "Down")
    screen.wait_for("Muniment's own gateway (SMTP)")
    keys.press("Enter")
    keys.press("F2")  # the vault's own spool can't be the wrong mailbox, so nothing is asked
    screen.wait_for("✓ Archive profile: done")
    assert '[profile.spool]\nsource = "spool"' in path.read_text()


def _wait_for_a_report(screen: Any, keys: CountedKeys, port: int) -> None:
    keys.press("Escape")
    screen.wait_for(" of 10 done")
    keys.press("End")
    screen.wait_for("Waiting for the first journal report")
    with smtplib.SMTP("127.0.0.1", port, local_hostname="mx.example") as smtp:
        smtp.sendmail("", [ADDRESS], report(plain(), sender="ada@quill.example"))
    screen.wait_for("1 message is in the gateway's spool", "r runs profile spool now.")
    keys.press("r")
    screen.wait_for("The first report came on", "p pins the tenant")


def _pin_the_tenant(screen: Any, keys: CountedKeys, path: Path) -> None:
    keys.press("p")
    screen.wait_for("Pin the tenant")
    keys.press("y")
    screen.wait_for("The tenant is pinned")
    assert "\ntenant = " in path.read_text()
    screen.press("q")
    assert screen.wait_ended() == 0


WITHOUT_ROOT = """
import sys
from pathlib import Path
from types import SimpleNamespace
from muniment.service.daemon.install import UnitInstaller
from muniment.service.dispatch.engine import connect
from muniment_tui.app import MunimentApp
from muniment_tui.setup import acting
acting.os = SimpleNamespace(geteuid=lambda: 1000)  # only there: the engine asks who its caller is
sys.exit(MunimentApp(connect, Path(sys.argv[1]), area="setup", installer=UnitInstaller).run())
"""
SUDO = """#!{python} -I
import sys, time
from pathlib import Path
Path({words!r}).write_text("\\n".join(sys.argv[1:]))
print("Password of root:", flush=True)
time.sleep(600)
"""
"""Not a script of a shell: dash can lose a Ctrl-C that comes while it starts a program."""


def test_ctrl_c_at_the_password_of_sudo_ends_sudo_and_not_the_app(terminal: Any, tmp_path: Path) -> None:
    vault, words = TestVault(tmp_path / "vault"), tmp_path / "words"
    vault.client.close()
    script, sudo = tmp_path / "app.py", tmp_path / "bin" / "sudo"
    script.write_text(WITHOUT_ROOT)
    sudo.parent.mkdir()
    sudo.write_text(SUDO.format(python=sys.executable, words=str(words)))
    sudo.chmod(0o755)
    path = f"{sudo.parent}:/usr/bin:/bin"
    screen = terminal([sys.executable, str(script), str(vault.folder)], env={"PATH": path})
    screen.wait_for(" of 10 done")
    screen.press("End", "Up", "Up")
    screen.wait_for("s Install service")
    screen.press("s")
    screen.wait_for("Let sudo run the command")
    screen.press("y")
    screen.wait_for("Password of root:")
    screen.press("C-c")
    screen.wait_for("Enter returns to Muniment.")
    screen.press("C-c")  # ignored here too
    screen.press("Enter")
    screen.wait_for(" of 10 done")
    screen.press("q")
    assert screen.wait_ended() == 0
    start = ["--", sys.executable, "-P", "-m", "muniment_tui", "--vault", str(vault.folder)]
    assert words.read_text().splitlines() == [*start, "service", "install"]
