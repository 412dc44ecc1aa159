"""A running service takes up `[gateway]`, and says when another program has the port."""

from __future__ import annotations

import json
import smtplib
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.controller import Controller

from muniment.config.file import load
from muniment.config.model import GatewaySection, Settings
from muniment.errors import ConfigError
from muniment.gateway.smtp import SmtpGateway
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

    def gateway(self, port: int | None, *addresses: str, host: str = "127.0.0.1", more: str = "") -> None:
        """Write a [gateway] that listens on a port, or none."""
        listed = ", ".join(f'"{one}"' for one in addresses or (ADDRESS,))
        if port:
            more = f'\n[gateway]\nlisten = "{host}:{port}"\naddresses = [{listed}]\n{more}'
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


# --- settings that don't work ------------------------------------------------------------------------


def test_the_gateway_keeps_its_settings_while_the_changed_ones_do_not_work(
    vault: TestVault, listing: Listing
) -> None:
    port, other = free_ports(2)
    listing.gateway(port)
    with keeper(vault, listing) as running, foreign(other):
        section = listing.settings().gateway
        for wanted, more in ((other, ""), (port, 'certificate = "missing.pem"\n')):
            listing.gateway(wanted, OTHER, more=more)
            eventually(lambda: running.problem != "")
            assert "until then it keeps its earlier settings" in running.problem
            assert running.listens(section)
            assert accepts(port, ADDRESS) == 250
            listing.gateway(port)
            eventually(lambda: running.problem == "")
        assert accepts(port, ADDRESS) == 250


def test_the_gateway_stays_open_while_the_other_address_on_its_port_is_taken(
    vault: TestVault, listing: Listing
) -> None:
    (port,) = free_ports(1)
    listing.gateway(port)
    with keeper(vault, listing) as running, socket.create_server(("127.0.0.2", port)) as taken:
        kept = running._open
        listing.gateway(port, OTHER, host="0.0.0.0")
        eventually(lambda: running.problem != "")
        assert running.port_taken
        first = running._tried
        eventually(lambda: running._tried > first)
        assert running._open is kept, "no attempt closes it"
        assert accepts(port, ADDRESS) == 250
        taken.close()
        eventually(lambda: running.problem == "")
        assert accepts(port, OTHER) == 250


def test_the_port_never_closes_over_a_change_of_other_settings(vault: TestVault, listing: Listing) -> None:
    (port,) = free_ports(1)
    listing.gateway(port)
    with keeper(vault, listing) as running:
        before = running._open
        assert before
        listing.gateway(port, OTHER)
        eventually(lambda: running._open not in (before, None))
        assert accepts(port, OTHER) == 250
        assert running._open is not None
        assert running._open.sockets is before.sockets


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "\u00ad"])
def test_a_host_that_can_not_be_looked_up_is_a_reason_like_others(
    vault: TestVault, listing: Listing, host: str
) -> None:
    (port,) = free_ports(1)
    wrong = msgspec.structs.replace(
        Settings(), gateway=GatewaySection(listen=f"{host}:{port}", addresses=(ADDRESS,))
    )
    now = [wrong]
    with GatewayKeeper(vault.folder, lambda: now[0], listing.say, look=0.02, again=0.02) as running:
        assert "can't listen on" in running.problem
        assert running.listens(wrong.gateway) is False
        assert not running.port_taken
        right = msgspec.structs.replace(wrong.gateway, listen=f"127.0.0.1:{port}")
        now[0] = msgspec.structs.replace(wrong, gateway=right)
        running.follow()
        assert running.problem == ""
        assert greets(port)


def test_an_unexpected_error_is_a_reason_and_the_keeper_goes_on(
    vault: TestVault, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)

    def breaks(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    listing.gateway(port)
    with monkeypatch.context() as patch:
        patch.setattr("muniment.gateway.spool.Spool.open", breaks)
        running = keeper(vault, listing)
        running.__enter__()
        assert "an unexpected error (RuntimeError)" in running.problem
    with ExitStack() as stack:
        stack.push(running)
        eventually(lambda: running.problem == "")
        assert greets(port)


def test_settings_that_fail_at_the_start_interrupt_the_gateway_more_and_more_rarely(
    vault: TestVault, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)
    listing.gateway(port)
    with keeper(vault, listing) as running:
        before, tried = running._open, list[float]()
        assert before
        start = SmtpGateway.start

        def fails(gateway: SmtpGateway) -> None:
            if OTHER in gateway._settings.addresses:
                tried.append(running._tried)
                raise OSError("no room")
            start(gateway)

        with monkeypatch.context() as patch:
            patch.setattr(SmtpGateway, "start", fails)
            listing.gateway(port, ADDRESS, OTHER)
            eventually(lambda: len(tried) >= 5)
            assert all(
                later - earlier >= 0.02 * 2**number
                for number, (earlier, later) in enumerate(pairwise(tried), start=1)
            )
            eventually(lambda: "until then it keeps its earlier settings" in running.problem)
            eventually(lambda: greets(port))
            listing.gateway(port)
            eventually(lambda: running.problem == "")
            assert running._open is not None
            assert running._open.sockets is before.sockets, "the port was never closed"
            assert (accepts(port, ADDRESS), accepts(port, OTHER)) == (250, 550)
        said = len(listing.lines)
        listing.gateway(port, OTHER)
        eventually(lambda: len(listing.lines) > said)
        assert accepts(port, OTHER) == 250


def test_a_gateway_that_ends_badly_does_not_prevent_the_next_one(
    vault: TestVault, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)
    listing.gateway(port)
    stop, ended = SmtpGateway.stop, list[SmtpGateway]()

    def breaks(gateway: SmtpGateway) -> None:
        stop(gateway)
        ended.append(gateway)
        raise OSError("the disk is gone")

    with keeper(vault, listing) as running:
        monkeypatch.setattr(SmtpGateway, "stop", breaks)
        listing.gateway(port, OTHER)
        eventually(lambda: ended and running._open is not None)
        assert accepts(port, OTHER) == 250
        listing.gateway(None)
        eventually(lambda: "is closed" in listing.lines[-1][1])
        assert not greets(port)
        listing.gateway(port)
        eventually(lambda: greets(port))
        assert [level for level, _ in listing.lines] == ["info"] * 4
    assert len(ended) == 3


def test_a_gateway_that_has_ended_by_itself_is_opened_again(vault: TestVault, listing: Listing) -> None:
    (port,) = free_ports(1)
    listing.gateway(port)
    with keeper(vault, listing) as running:
        first = running._open
        assert first
        first.gateway._loop.call_soon_threadsafe(first.gateway._stopping.set)
        eventually(lambda: running._open is not first)
        eventually(lambda: greets(port))


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
