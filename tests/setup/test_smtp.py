"""Ask the embedded gateway, a real SMTP server, whether it accepts mail for an address."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from muniment.gateway.smtp import GatewaySettings, SmtpGateway
from muniment.setup.model import CheckFinding, FindingVerdict
from muniment.setup.smtp import admits, delivers
from support.certs import server_certificate
from support.dovecot import free_ports

ADDRESS = "journal@archive.example"


def gateway(folder: Path, **settings: object) -> SmtpGateway:
    values = {"spool": folder / "spool", "addresses": (ADDRESS,), "port": 0, "hostname": "localhost"}
    return SmtpGateway(GatewaySettings(**values | settings))  # type: ignore[arg-type]


def ask(
    server: SmtpGateway, address: str = ADDRESS, name: str = "localhost", **how: bool
) -> list[CheckFinding]:
    return list(delivers("127.0.0.1", server.port, address, name, **how))


def worst(findings: list[CheckFinding]) -> FindingVerdict:
    return max((finding.verdict for finding in findings), key=list(FindingVerdict).index)


def test_a_gateway_that_works(tmp_path: Path) -> None:
    with gateway(tmp_path, certificate=server_certificate(tmp_path / "tls").certificate) as server:
        findings = ask(server, own=True)
    assert worst(findings) is FindingVerdict.FINE, findings
    assert "STARTTLS works" in findings[1].text
    assert findings[-1].text.endswith(f"accepts mail for {ADDRESS}.")
    assert not list((tmp_path / "spool" / "new").iterdir())


def test_no_starttls_is_a_note(tmp_path: Path) -> None:
    with gateway(tmp_path) as server:
        findings = ask(server, own=True)
    assert [f.verdict for f in findings] == [FindingVerdict.FINE, FindingVerdict.NOTE, FindingVerdict.FINE]
    assert "unencrypted" in findings[1].text


@pytest.mark.parametrize(
    ("names", "expired", "word"), [((), True, "expired"), (("mx.example",), False, "not for")]
)
def test_a_certificate_that_senders_may_refuse(
    tmp_path: Path, names: tuple[str, ...], expired: bool, word: str
) -> None:
    made = server_certificate(tmp_path / "tls", *names, expired=expired)
    with gateway(tmp_path, certificate=made.certificate) as server:
        findings = ask(server, own=True)
    assert findings[1].verdict is FindingVerdict.NOTE
    assert word in findings[1].text
    assert findings[2].verdict is FindingVerdict.FINE


def test_a_wildcard_certificate_names_its_hosts(tmp_path: Path) -> None:
    made = server_certificate(tmp_path / "tls", "*.archive.example")
    with gateway(tmp_path, certificate=made.certificate) as server:
        assert ask(server, name="MX.archive.example")[1].verdict is FindingVerdict.FINE
        assert ask(server, name="a.mx.archive.example")[1].verdict is FindingVerdict.NOTE


def test_an_unknown_mailbox_is_wrong_on_any_server(tmp_path: Path) -> None:
    with gateway(tmp_path) as server:
        findings = ask(server, "other@archive.example")
    assert worst(findings) is FindingVerdict.WRONG
    assert "correct the address" in findings[-1].text


def test_a_refusal_of_this_machine(tmp_path: Path) -> None:
    with gateway(tmp_path, networks=("192.0.2.0/24",)) as server:
        assert worst(ask(server, own=True)) is FindingVerdict.WRONG
        assert worst(ask(server, own=True, admitted=False)) is FindingVerdict.NOTE
        assert worst(ask(server)) is FindingVerdict.NOTE


def test_no_server_answers() -> None:
    (port,) = free_ports(1)
    (own,) = delivers("127.0.0.1", port, ADDRESS, "localhost", own=True)
    (other,) = delivers("127.0.0.1", port, ADDRESS, "localhost")
    assert (own.verdict, other.verdict) == (FindingVerdict.WRONG, FindingVerdict.NOTE)
    assert "start the service" in own.text
    assert "block outgoing connections to port 25" in other.text


def test_networks() -> None:
    assert admits(("127.0.0.0/8",), "127.0.0.1")
    assert not admits(("192.0.2.0/24", "::1"), "127.0.0.1")


def test_a_server_that_sends_byte_by_byte_is_cut_off() -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while not stop.wait(0.02):
                connection.sendall(b"220-wait\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: drip(server.accept()[0]))
        thread.start()
        begun = time.monotonic()
        port = server.getsockname()[1]
        (found,) = delivers("127.0.0.1", port, ADDRESS, "127.0.0.1", patience=0.5)
        assert time.monotonic() - begun < 8
        stop.set()
        thread.join()
    assert found.verdict is FindingVerdict.NOTE
    assert "could not be tested" in found.text
