"""When events count as taken by a receiver, and what is said when they are not."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from muniment.errors import CertificateRefused, ConfigError, SourceError
from muniment.feed.connection import NotConfirmed, ReceiverEndpoint, SyslogConnection, await_acknowledged
from muniment.feed.rfc5424 import SyslogEvent, framed
from support.certs import ServerCertificate, server_certificate
from support.dovecot import free_ports
from support.syslog_receivers import Behaviour, Receiver

EVENTS = b"".join(framed(SyslogEvent(n, 0, "read", 6, "x" * 500), 13, "h") for n in range(1, 201))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ServerCertificate:
    return server_certificate(tmp_path_factory.mktemp("certificate"))


def endpoint(receiver: Receiver, trusted: ServerCertificate | None, **more: object) -> ReceiverEndpoint:
    values = {"ca_file": str(trusted.authority)} if trusted else {"encrypted": False}
    return ReceiverEndpoint(**{"host": "127.0.0.1", "port_number": receiver.port} | values | more)  # type: ignore[arg-type]


def deliver(where: ReceiverEndpoint, ending: float = 10.0, events: bytes = EVENTS) -> None:
    with SyslogConnection(where, ending) as connection:
        connection.send(events)
        connection.confirm()


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("behaviour", ["whole", "no-end"])
def test_events_are_taken_once_the_receiver_has_read_them(
    certificate: ServerCertificate, behaviour: Behaviour, encrypted: bool
) -> None:
    used = certificate if encrypted else None
    with Receiver(used, behaviour, newest=behaviour == "whole") as receiver:
        deliver(endpoint(receiver, used))
        assert len(receiver.received) == 200


def test_a_refusal_after_the_handshake_is_never_taken_for_an_end(certificate: ServerCertificate) -> None:
    """In TLS 1.3, a certificate that is missing is refused after the handshake, beside the first events."""
    with Receiver(certificate, strict=True) as receiver:
        where = endpoint(receiver, certificate)
        refused = 0
        for _ in range(300):
            with pytest.raises((NotConfirmed, CertificateRefused)) as failed:
                deliver(where, events=EVENTS[:520])
            refused += failed.type is CertificateRefused
        assert refused
        deliver(endpoint(receiver, certificate, certificate=certificate.certificate))
        assert len(receiver.received) == 200


def test_tls_1_3_must_be_ended_in_order(certificate: ServerCertificate) -> None:
    """A receiver that refuses our certificate after the handshake may end without a word."""
    with Receiver(certificate, "no-end") as receiver, pytest.raises(NotConfirmed, match="broke"):
        deliver(endpoint(receiver, certificate))


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("behaviour", ["deaf", "silent", "talks"])
def test_events_that_may_not_have_been_read_are_not_taken(
    certificate: ServerCertificate, behaviour: Behaviour, encrypted: bool
) -> None:
    used = certificate if encrypted else None
    with Receiver(used, behaviour) as receiver, pytest.raises(NotConfirmed, match=r"127\.0\.0\.1"):
        deliver(endpoint(receiver, used), 0.5 if behaviour == "silent" else 10.0)


@pytest.mark.parametrize("encrypted", [True, False])
def test_an_end_that_the_receiver_said_before_confirms_nothing(
    certificate: ServerCertificate, encrypted: bool
) -> None:
    used = certificate if encrypted else None
    with Receiver(used, "early") as receiver, SyslogConnection(endpoint(receiver, used), 10.0) as connection:
        assert receiver.ended.wait(20)
        connection.send(EVENTS)
        with pytest.raises(NotConfirmed, match="the receiver ended it first"):
            connection.confirm()


def test_bytes_that_the_other_system_did_not_acknowledge_confirm_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with socket.create_connection(listener.getsockname()) as plain:
            peer, _ = listener.accept()
            plain.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    plain.send(bytes(65536))
            with pytest.raises(TimeoutError, match="not acknowledged"):
                await_acknowledged(plain, time.monotonic() + 0.1)
            peer.close()
            with pytest.raises(ConnectionResetError, match="without reading"):
                await_acknowledged(plain, time.monotonic() + 20)


def test_a_certificate_that_is_not_trusted_is_refused_before_any_event(
    certificate: ServerCertificate, tmp_path: Path
) -> None:
    with Receiver(certificate) as receiver:
        with pytest.raises(CertificateRefused, match="not trusted here"):
            deliver(endpoint(receiver, certificate, ca_file=""))
        with pytest.raises(CertificateRefused, match="fingerprint"):
            deliver(endpoint(receiver, certificate, fingerprint="0" * 64))
        deliver(endpoint(receiver, certificate, ca_file="", fingerprint=certificate.fingerprint))
    expired = server_certificate(tmp_path / "expired", expired=True)
    with Receiver(expired) as receiver, pytest.raises(CertificateRefused, match="has expired"):
        deliver(endpoint(receiver, expired))
    other = server_certificate(tmp_path / "other", "elsewhere.example")
    with Receiver(other) as receiver, pytest.raises(CertificateRefused, match="another host name"):
        deliver(endpoint(receiver, other))


def test_what_is_wrong_with_a_receiver_or_a_file_is_said(
    certificate: ServerCertificate, tmp_path: Path
) -> None:
    with Receiver(None, "talks") as receiver, pytest.raises(CertificateRefused, match="does not speak TLS"):
        deliver(endpoint(receiver, certificate))
    with Receiver(certificate) as receiver:
        with pytest.raises(ConfigError, match="can't be read"):
            deliver(endpoint(receiver, certificate, certificate=tmp_path / "none.pem"))
        with pytest.raises(ConfigError, match="can't be used as a certificate"):
            deliver(endpoint(receiver, certificate, certificate=certificate.authority))
    nobody = ReceiverEndpoint("127.0.0.1", free_ports(1)[0])
    with pytest.raises(SourceError, match="refuses connections"):
        deliver(nobody)
