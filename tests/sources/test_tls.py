"""Which servers get the password, and the errors for those that do not."""

from __future__ import annotations

import hashlib
import random
import socket
import ssl
import string
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment.errors import CertificateRefused, LoginRefused, SourceError
from muniment.net.events import Security
from muniment.profiles.fields import is_loopback
from muniment.sources.endpoint import ServerEndpoint
from muniment.sources.factory import open_source
from muniment.sources.source_limits import SourceLimits
from support.boxes import ServerBox, server_box
from support.dovecot import Dovecot, free_ports, running
from support.endpoints import endpoint_for
from support.fake_pop3 import FakePop3
from support.proxy import Proxy

KINDS = ["gateway", "pop3", "imap", "imap-starttls"]


@pytest.fixture(params=KINDS)
def box(request: pytest.FixtureRequest, dovecot: Dovecot, tmp_path: Path) -> Iterator[ServerBox]:
    made = server_box(dovecot, request.param, tmp_path / "work")
    yield made
    made.close()


@pytest.fixture(scope="module")
def expired() -> Iterator[Dovecot]:
    with running(days=-2) as server:
        yield server


@pytest.fixture(scope="module")
def misnamed() -> Iterator[Dovecot]:
    with running(names=("mail.example.org",)) as server:
        yield server


def fingerprint(server: Dovecot) -> str:
    """SHA-256 of the server's certificate as openssl prints it: upper case, with colons."""
    der = ssl.PEM_cert_to_DER_cert(server.certificates.certificate.read_text())
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())


def refusal(box: ServerBox, **changes: Any) -> str:
    """The error for a refused certificate."""
    source = box.source(**changes)
    with pytest.raises(CertificateRefused) as caught:
        source.connect()
    # Dovecot logs the name of everyone who has tried to log in.
    assert box.account.name not in box.server.log()
    return str(caught.value)


def test_an_unknown_authority_is_refused(box: ServerBox) -> None:
    sentence = refusal(box, ca_file="")
    assert "authority that is not trusted" in sentence
    assert "`ca_file`" in sentence
    assert box.waits == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_expired_certificate_is_refused(expired: Dovecot, kind: str, tmp_path: Path) -> None:
    assert "has expired" in refusal(server_box(expired, kind, tmp_path))


@pytest.mark.parametrize("kind", KINDS)
def test_another_host_name_is_refused(misnamed: Dovecot, kind: str, tmp_path: Path) -> None:
    assert "another host name" in refusal(server_box(misnamed, kind, tmp_path))
    assert "another host name" in refusal(server_box(misnamed, kind, tmp_path), host="127.0.0.1")


def test_a_pinned_fingerprint_is_trusted_instead_of_authorities(box: ServerBox) -> None:
    for pin in (fingerprint(box.server), fingerprint(box.server).replace(":", "").lower()):
        box.connected(ca_file="", fingerprint=pin).close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_pin_is_trusted_with_a_wrong_date_or_name(
    expired: Dovecot, misnamed: Dovecot, kind: str, tmp_path: Path
) -> None:
    for server in (expired, misnamed):
        server_box(server, kind, tmp_path).connected(fingerprint=fingerprint(server)).close()


def test_a_wrong_fingerprint_is_refused_and_the_real_one_shown(box: ServerBox) -> None:
    sentence = refusal(box, fingerprint="00" * 32)
    assert fingerprint(box.server).replace(":", "").lower() in sentence


@pytest.mark.parametrize("kind", ["gateway", "imap-starttls"])
def test_no_password_is_sent_without_starttls(kind: str, tmp_path: Path) -> None:
    with running(ssl=False) as server:
        box = server_box(server, kind, tmp_path)
        assert "so no password was sent" in refusal(box)


def test_a_server_that_refuses_stls_never_sees_the_name(tmp_path: Path) -> None:
    with FakePop3() as server:
        endpoint = ServerEndpoint(
            kind="gateway", host="localhost", port=server.port, mailbox="m", password="p", work=tmp_path
        )
        with pytest.raises(CertificateRefused, match="offers no STLS"):
            open_source(endpoint).connect()
        assert server.commands == ["STLS"]


def test_data_before_tls_ends_the_session(tmp_path: Path) -> None:
    def smuggling(command: str) -> bytes | None:
        return b"+OK begin TLS\r\n+OK injected\r\n" if command == "STLS" else None

    with FakePop3(override=smuggling) as server:
        endpoint = ServerEndpoint(
            kind="gateway", host="localhost", port=server.port, mailbox="m", password="p", work=tmp_path
        )
        with pytest.raises(SourceError, match="before TLS"):
            open_source(endpoint).connect()


@pytest.mark.parametrize("kind", ["gateway", "pop3", "imap"])
@pytest.mark.parametrize("host", ["192.0.2.1", "mail.example.org", "2001:db8::1", "localhost.example.org"])
def test_an_unencrypted_password_never_leaves_this_machine(
    kind: str, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dialled(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr("socket.create_connection", dialled)
    endpoint = endpoint_for(kind=kind, host=host, mailbox="m", password="p", security="none", work=tmp_path)
    with pytest.raises(CertificateRefused, match="unencrypted"):
        open_source(endpoint).connect()


def test_loopback_is_recognised_by_name_and_address() -> None:
    assert all(map(is_loopback, ["localhost", "LOCALHOST", "127.0.0.1", "127.9.8.7", "::1"]))
    assert not any(map(is_loopback, ["10.0.0.1", "128.0.0.1", "::2", "localhost.evil.example", ""]))


def test_tls_on_a_plain_port_names_the_wrong_setting(dovecot: Dovecot, tmp_path: Path) -> None:
    for kind, port in (("pop3", dovecot.pop3), ("imap", dovecot.imap)):
        box = server_box(dovecot, kind, tmp_path)
        assert "starttls" in refusal(box, port=port)


def test_a_missing_file_of_authorities_is_named(box: ServerBox, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.pem can't be used"):
        box.source(ca_file=str(tmp_path / "nowhere.pem")).connect()


def test_a_wrong_password_is_named_and_not_shown(box: ServerBox) -> None:
    with pytest.raises(LoginRefused) as caught:
        box.source(password="tr0ub4dor&3").connect()
    assert "check `mailbox` and `password`" in str(caught.value)
    assert box.server.logged(box.account.name)
    assert "tr0ub4dor" not in str(caught.value)
    assert "tr0ub4dor" not in repr(box.endpoint)
    assert box.waits == []


def test_an_unknown_host_is_named(box: ServerBox) -> None:
    with pytest.raises(SourceError, match=r"no-such-host\.invalid"):
        box.source(host="no-such-host.invalid").connect()


def test_a_closed_port_is_named_at_once(box: ServerBox) -> None:
    (port,) = free_ports(1)
    with pytest.raises(SourceError, match="refuses connections"):
        box.source(port=port).connect()
    assert box.waits == []


def passwords() -> Iterator[str]:
    chance = random.Random(7)
    yield 'it\'s "quoted" \\ and \\" { 5 } % * ( ) [ ] ~ `$x` #;'
    yield " leading and trailing blanks "
    yield '"'
    yield "\\"
    yield "pässwörd €"
    for _ in range(12):
        yield "".join(chance.choices(string.ascii_letters + string.digits + string.punctuation + " ", k=32))


@pytest.mark.parametrize("kind", ["gateway", "imap"])
def test_any_printable_password_logs_in(dovecot: Dovecot, kind: str, tmp_path: Path) -> None:
    for password in passwords():
        server_box(dovecot, kind, tmp_path, password=password).connected().close()


def test_any_ascii_password_logs_in_with_login_only(dovecot: Dovecot, tmp_path: Path) -> None:
    with Proxy((dovecot.host, dovecot.imap), hide=(b"AUTH=PLAIN", b"AUTH=OTHER")) as proxy:
        for password in filter(str.isascii, passwords()):
            box = server_box(dovecot, "plain-imap", tmp_path, password=password)
            box.connected(port=proxy.port).close()
        box = server_box(dovecot, "plain-imap", tmp_path, password="pässwörd")
        with pytest.raises(SourceError, match="ASCII"):
            box.connected(port=proxy.port)


def test_a_line_break_in_a_password_is_never_sent(box: ServerBox) -> None:
    with pytest.raises(LoginRefused, match="line break"):
        box.source(password="x\r\nQUIT").connect()


@pytest.mark.parametrize(
    ("kind", "security", "port"),
    [
        ("gateway", "starttls", "pop3s"),
        ("pop3", "none", "pop3s"),
        ("imap", "starttls", "imaps"),
        ("imap", "none", "imaps"),
    ],
)
def test_a_port_that_speaks_tls_is_recognised_soon(
    dovecot: Dovecot,
    tmp_path: Path,
    kind: str,
    security: Security,
    port: str,
) -> None:
    """Client and server would wait for each other, so the client tests whether the server expects TLS."""
    box = server_box(dovecot, "plain-imap", tmp_path)
    limits = SourceLimits(greeting=0.2)
    source = box.source(kind=kind, security=security, port=getattr(dovecot, port), timeout=300, limits=limits)
    began = time.monotonic()
    with pytest.raises(CertificateRefused, match=r"speaks TLS from the start.*`security` to \"tls\""):
        source.connect()
    assert time.monotonic() - began < 10
    assert box.waits == []
    box.close()


@pytest.mark.parametrize("kind", ["pop3", "imap"])
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_silent_server_is_given_up_after_one_timeout(tmp_path: Path, kind: str, security: Security) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = endpoint_for(
            kind=kind, host="127.0.0.1", port=listener.getsockname()[1], security=security, mailbox="mbx",
            password="secret", work=tmp_path, timeout=0.3,
        )  # fmt: skip
        waits: list[float] = []
        source = open_source(endpoint, sleep=waits.append)
        with pytest.raises(SourceError, match=r"sent nothing for 0\.3 s"):
            source.connect()
        source.close()
    assert waits == []
