"""A running service takes up `[gateway]`, and says when another program has the port."""

from __future__ import annotations

import json
import smtplib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from muniment.config.file import load
from muniment.config.model import Settings
from muniment.errors import ConfigError
from muniment.service.host.gateway_keeper import GatewayKeeper, keeper_of
from support.dns_server import RECORDS, DnsServer
from support.dovecot import free_ports
from support.services import end, muniment, service_of
from support.vaults import TestVault
from support.waiting import eventually

ADDRESS = "journal@archive.example"
OTHER = "second@archive.example"


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    return TestVault(tmp_path / "vault", domains=("quill.example",))


class Listing:
    """Settings and a log for a keeper without a service."""

    def __init__(self, vault: TestVault) -> None:
        self.path = vault.folder / "vault.toml"
        self.lines: list[tuple[str, str]] = []
        self._bare = self.path.read_text()

    def settings(self) -> Settings:
        return load(self.path)

    def say(self, line: str, level: str) -> None:
        self.lines.append((level, line))

    def gateway(self, port: int | None, *addresses: str) -> None:
        """Write a [gateway] that listens on a port, or none."""
        listed = ", ".join(f'"{one}"' for one in addresses or (ADDRESS,))
        more = f'\n[gateway]\nlisten = "127.0.0.1:{port}"\naddresses = [{listed}]\n' if port else ""
        new = self.path.with_suffix(".new")
        new.write_text(self._bare + more)
        new.replace(self.path)  # never half of it


@pytest.fixture
def listing(vault: TestVault) -> Listing:
    return Listing(vault)


def keeper(vault: TestVault, listing: Listing, **options: Any) -> GatewayKeeper:
    return GatewayKeeper(vault.folder, listing.settings, listing.say, look=0.02, again=0.02, **options)


def greets(port: int) -> bool:
    with suppress(OSError), smtplib.SMTP("127.0.0.1", port, timeout=5) as smtp:
        return smtp.noop()[0] == 250
    return False


def accepts(port: int, address: str) -> int:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="mx.example", timeout=5) as smtp:
        smtp.ehlo()
        smtp.mail("")
        return smtp.rcpt(address)[0]


@contextmanager
def foreign(port: int) -> Iterator[None]:
    """Another mail server on the port."""

    class Sink:
        async def handle_RCPT(self, *_: Any) -> str:
            return "550 5.1.1 no such mailbox"

    server = Controller(Sink(), hostname="127.0.0.1", port=port, ident="Postfix")
    server.start()
    try:
        yield
    finally:
        server.stop()


def test_the_gateway_opens_changes_and_closes_as_vault_toml_says(vault: TestVault, listing: Listing) -> None:
    first, second = free_ports(2)
    with keeper(vault, listing) as running:
        assert keeper_of(vault.folder) is running
        assert running.problem == ""
        listing.gateway(first)
        eventually(lambda: greets(first))
        assert (accepts(first, ADDRESS), accepts(first, OTHER)) == (250, 550)
        listing.gateway(first, ADDRESS, OTHER)
        eventually(lambda: len(listing.lines) == 2)
        assert accepts(first, OTHER) == 250
        listing.gateway(second)
        eventually(lambda: greets(second))
        assert not greets(first)
        listing.gateway(None)
        eventually(lambda: not greets(second))
        eventually(lambda: "is closed" in listing.lines[-1][1])
    assert keeper_of(vault.folder) is None
    assert [level for level, _ in listing.lines] == ["info"] * 4


def test_a_taken_port_is_said_once_until_another_is_named(vault: TestVault, listing: Listing) -> None:
    taken, free = free_ports(2)
    listing.gateway(taken)
    with foreign(taken), keeper(vault, listing) as running:
        assert "another program has taken it" in running.problem
        running.follow()
        assert [level for level, _ in listing.lines] == ["error"]
        listing.gateway(free)
        eventually(lambda: running.problem == "")
        assert greets(free)


def test_a_port_that_becomes_free_is_opened(vault: TestVault, listing: Listing) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    listing.gateway(port)
    with keeper(vault, listing) as running:
        assert running.problem
        taken.close()
        eventually(lambda: running.problem == "")
        assert greets(port)
    assert [level for level, _ in listing.lines] == ["error", "info"]


def test_a_service_in_the_foreground_fails_at_once(vault: TestVault, listing: Listing) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listing.gateway(taken.getsockname()[1])
        with (
            pytest.raises(ConfigError, match="another program has taken it"),
            keeper(vault, listing, at_once=True),
        ):
            pass
    assert listing.lines == []
    assert keeper_of(vault.folder) is None


def test_a_socket_of_systemd_stays_open_over_changes(vault: TestVault, listing: Listing) -> None:
    opened = socket.create_server(("127.0.0.1", 0))
    port = opened.getsockname()[1]
    listing.gateway(port)
    with opened, keeper(vault, listing, sockets=(opened,)) as running:
        assert running.inherited == ("127.0.0.1", port)
        assert accepts(port, OTHER) == 550
        listing.gateway(port, ADDRESS, OTHER)
        eventually(lambda: len(listing.lines) == 2)
        assert accepts(port, OTHER) == 250


# --- the service of a command -----------------------------------------------------------------------


@pytest.fixture
def ask(vault: TestVault) -> Iterator[Callable[..., Any]]:
    """Runs a command, whose service stays, and returns its JSON."""

    def one(*words: str) -> Any:
        said = muniment(vault.folder, *words, "--json")
        return json.loads(said.out)

    yield one
    if pid := service_of(vault.folder):
        end(pid)


def test_a_service_that_runs_takes_up_the_gateway_and_names_a_foreign_program(
    vault: TestVault, ask: Callable[..., Any]
) -> None:
    taken, free = free_ports(2)
    with DnsServer(RECORDS) as dns, foreign(taken):
        assert ask("status")["warnings"] == []
        pid = service_of(vault.folder)
        values = {"reports": "embedded", "address": ADDRESS, "resolver": dns.address}
        values["listen"] = f"127.0.0.1:{taken}"
        setting = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
        step = ask("setup", "report-address", *setting, "--check")
        assert step["state"] == "failed"
        assert f"can't listen on 127.0.0.1 port {taken}: another program has taken it" in step["detail"]
        assert "What answers there is not Muniment" in step["detail"]
        assert "Postfix" in step["detail"]
        assert any("another program has taken it" in line for line in ask("status")["warnings"])
        step = ask("setup", "report-address", "--set", f"listen=127.0.0.1:{free}", "--check")
        assert step["state"] == "done", step["detail"]
        assert ask("status")["warnings"] == []
        assert service_of(vault.folder) == pid, "the same service has taken up both changes"
        assert accepts(free, ADDRESS) == 250
