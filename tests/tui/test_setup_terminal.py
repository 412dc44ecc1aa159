"""The Setup screen in a real terminal with a real service, from keys to vault.toml and a first report."""

from __future__ import annotations

import json
import smtplib
from pathlib import Path
from typing import Any

from support.dns_server import RECORDS, DnsServer
from support.dovecot import free_ports
from support.reports import plain, report
from support.services import end
from support.terminal import MUNIMENT
from support.vaults import TestVault

ADDRESS = "journal@archive.example"
SETTINGS = """
[gateway]
listen = "127.0.0.1:{port}"
addresses = ["{address}"]

# kept
[journaling]
resolver = "{dns}"

[profile.spool]
source = "spool"
every = 1
"""


def test_from_an_address_to_the_first_report(terminal: Any, tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault", domains=("quill.example",))
    path = vault.folder / "vault.toml"
    (port,) = free_ports(1)
    with DnsServer(RECORDS) as dns:
        path.write_text(path.read_text() + SETTINGS.format(port=port, address=ADDRESS, dns=dns.address))
        screen = terminal([*MUNIMENT, "--vault", str(vault.folder)])
        screen.wait_for(" of 10 done", "Organisation")
        try:
            _walk(screen, path, port)
        finally:
            end(json.loads((vault.folder / "lock").read_text())["pid"])


def _walk(screen: Any, path: Path, port: int) -> None:
    screen.press("Down")
    screen.wait_for("─Report address")
    screen.press("Enter")  # into the fields
    screen.press("Right", "Right")
    screen.wait_for("(•) embedded", "not saved: F2 saves")
    screen.press("Down")
    screen.type(ADDRESS)
    screen.wait_for(ADDRESS)
    screen.press("F5")  # saves, and checks: the service's own gateway must answer
    screen.wait_for("✓  Report address   done")
    text = path.read_text()
    assert f'address = "{ADDRESS}"' in text
    assert "# kept" in text
    screen.press("Escape", "End")
    screen.wait_for("Waiting for the first journal report")
    with smtplib.SMTP("127.0.0.1", port, local_hostname="mx.example") as smtp:
        smtp.sendmail("", [ADDRESS], report(plain(), sender="ada@quill.example"))
    screen.wait_for("The first journal report has arrived.", "from ada@quill.example")
    screen.press("q")
    assert screen.wait_ended() == 0
