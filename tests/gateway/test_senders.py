"""Who may deliver: networks, users of this machine according to the kernel, names in certificates."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pwd
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import trustme

from muniment.errors import ConfigError
from muniment.gateway.local_peer import OwnerUnknown, socket_owner
from muniment.gateway.senders import LOGGED_A_MINUTE, SenderCheck, SenderRules
from muniment.gateway.session import GUESSES
from muniment.gateway.smtp import SmtpGateway
from support.certs import server_certificate
from support.gateways import Start, starter
from support.osusers import as_user, needs_root

JOURNAL = "journal@archive.example"
MAIL = b"From: anna@harbour.example\r\nSubject: x\r\n\r\nbody\r\n"
MALLORY = 54321
"""A uid without a login name."""
RELAY = "daemon"
"""A login name that Debian always has."""

"".encode("idna")  # load modules that another user may not be able to read, if Python is in root's home


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts gateways on a free port. They end with the test."""
    with starter(tmp_path, JOURNAL) as begin:
        yield begin


def kept(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "spool" / "new").iterdir())]


def delivered(folder: Path) -> list[dict[str, str]]:
    """The notes about who delivered, without the envelopes."""
    notes = [json.loads(path.read_text()) for path in sorted((folder / "spool" / "delivered").iterdir())]
    return [{name: value for name, value in note.items() if name != "envelope"} for note in notes]


def deliver(port: int, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> int:
    """The last reply code of an attempt to deliver a mail."""
    try:
        smtp = smtplib.SMTP(host, port, local_hostname="client.example", timeout=20)
    except smtplib.SMTPConnectError as error:
        return error.smtp_code
    with smtp:
        smtp.ehlo()
        if context:
            smtp.starttls(context=context)
            smtp.ehlo()
        for command in ("MAIL FROM:<>", f"RCPT TO:<{JOURNAL}>"):
            code, _ = smtp.docmd(command)
            if code != 250:
                return code
        smtp.docmd("DATA")
        smtp.send(MAIL + b".\r\n")
        return smtp.getreply()[0]


# --- users of this machine ------------------------------------------------------------------------


@needs_root
def test_a_user_of_this_machine_may_not_deliver(start: Start, tmp_path: Path) -> None:
    port = start().port
    assert as_user(MALLORY, lambda: deliver(port)) == 451
    assert kept(tmp_path) == []
    assert deliver(port) == 250
    assert delivered(tmp_path) == [{"peer": "127.0.0.1", "user": "root", "helo": "client.example"}]


@needs_root
def test_a_named_user_of_this_machine_may_deliver(start: Start, tmp_path: Path) -> None:
    port = start(local_users=(RELAY,)).port
    uid = pwd.getpwnam(RELAY).pw_uid
    assert as_user(uid, lambda: deliver(port)) == 250
    assert as_user(MALLORY, lambda: deliver(port)) == 451
    assert [facts["user"] for facts in delivered(tmp_path)] == [RELAY]


@needs_root
def test_a_user_without_a_name_appears_by_the_uid(start: Start, tmp_path: Path) -> None:
    port = start(local_users=(str(MALLORY),)).port
    assert as_user(MALLORY, lambda: deliver(port)) == 250


@needs_root
def test_a_refusal_is_logged_with_its_remedy(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    port = start().port
    as_user(MALLORY, lambda: deliver(port))
    assert f"user {MALLORY}" in caplog.text
    assert "gateway.local_users" in caplog.text


def own_address() -> str:
    """An address of this machine that is not loopback."""
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == socket.AF_INET and not one.address.startswith("127."):
                return str(one.address)
    pytest.skip("this machine has no address but loopback")


@needs_root
def test_the_machines_own_addresses_count_as_local(start: Start) -> None:
    address = own_address()
    port = start(host="0.0.0.0", networks=("0.0.0.0/0",)).port
    assert as_user(MALLORY, lambda: deliver(port, address)) == 451
    assert deliver(port, address) == 250


@needs_root
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_users_are_recognised_over_ipv4_and_ipv6(start: Start, host: str) -> None:
    """On one socket for both, as systemd opens it: IPv4 addresses arrive mapped into IPv6."""
    both = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = start(sockets=(both,)).port
    assert as_user(MALLORY, lambda: deliver(port, host)) == 451
    assert deliver(port, host) == 250


@needs_root
@pytest.mark.parametrize("linger", [True, False])
def test_a_socket_that_was_closed_already_may_not_deliver(linger: bool) -> None:
    """The kernel lists it as root's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def knock() -> tuple[str, int]:
            with socket.create_connection(("127.0.0.1", port)) as line:
                line.sendall(b"HELO x\r\n" * (1 if linger else 20_000))
                return line.getsockname()  # type: ignore[no-any-return]

        client = as_user(MALLORY, knock)
        accepted, peer = listener.accept()
        with accepted:
            assert peer == client
            with pytest.raises(OwnerUnknown):
                socket_owner(peer, accepted.getsockname())


@needs_root
def test_a_socket_closed_on_one_side_still_has_its_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        read, write = os.pipe()

        def wait() -> None:
            os.close(write)
            with socket.create_connection(listener.getsockname()) as line:
                line.shutdown(socket.SHUT_WR)
                os.read(read, 1)

        thread = threading.Thread(target=as_user, args=(MALLORY, wait))
        thread.start()
        try:
            accepted, peer = listener.accept()
            with accepted:
                assert accepted.recv(1) == b""
                assert socket_owner(peer, accepted.getsockname()) == MALLORY
        finally:
            os.close(write)
            thread.join()
            os.close(read)


def test_a_client_of_another_machine_has_no_owner_here() -> None:
    assert socket_owner(("192.0.2.7", 4711), ("192.0.2.1", 25)) is None
    assert socket_owner(("2001:db8::7", 4711), ("2001:db8::1", 25)) is None
    with pytest.raises(OwnerUnknown):
        socket_owner(("127.0.0.1", 1), ("127.0.0.1", 2))
    with pytest.raises(OwnerUnknown):
        socket_owner(("::ffff:127.0.0.1", 1), ("::1", 2))


# --- networks -------------------------------------------------------------------------------------


def test_addresses_mapped_into_ipv6_match_ipv4_networks() -> None:
    senders = SenderCheck(SenderRules(("192.0.2.0/24", "2001:db8::/32")))
    server = ("192.0.2.1", 25)
    for peer in ("::ffff:192.0.2.9", "2001:db8::1", "192.0.2.9"):
        assert senders.admit((peer, 9), server)[1] == ""
    for peer in ("", "nonsense", "::ffff:192.0.3.9", "fe80::1%lo"):
        assert senders.admit((peer, 9), server)[1].startswith("421")


def test_a_malformed_network_is_an_error() -> None:
    with pytest.raises(ConfigError, match="not a network"):
        SenderCheck(SenderRules(("192.0.2.0/99",)))


def test_refusals_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    senders = SenderCheck(SenderRules(("192.0.2.0/24",)))
    with caplog.at_level(logging.WARNING):
        for n in range(5000):
            senders.admit((f"198.51.{n // 250}.{n % 250}", 9), ("192.0.2.1", 25))
    assert len(caplog.records) <= 2 * LOGGED_A_MINUTE + 1


def test_one_client_can_not_block_the_others(start: Start) -> None:
    gateway = start(max_connections=20, max_connections_of_one=3, networks=("127.0.0.0/8",))
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(smtplib.SMTP("127.0.0.1", gateway.port, timeout=20))
        with pytest.raises(smtplib.SMTPConnectError) as caught:
            smtplib.SMTP("127.0.0.1", gateway.port, timeout=20)
        assert caught.value.smtp_code == 421
        other = smtplib.SMTP(timeout=20, source_address=("127.0.0.2", 0))
        stack.enter_context(other)
        assert other.connect("127.0.0.1", gateway.port)[0] == 220


def test_a_client_that_guesses_addresses_is_disconnected(start: Start) -> None:
    with smtplib.SMTP("127.0.0.1", start().port, timeout=20) as smtp:
        smtp.ehlo()
        smtp.mail("")
        codes = []
        with contextlib.suppress(smtplib.SMTPServerDisconnected):
            for n in range(GUESSES + 10):
                codes.append(smtp.rcpt(f"guess{n}@archive.example")[0])
    assert codes.count(550) in (GUESSES, GUESSES + 1)


# --- certificates ---------------------------------------------------------------------------------


@pytest.fixture
def guarded(start: Start, tmp_path: Path) -> SenderCheck:
    """Rules for clients on other machines, which must present a certificate."""
    return SenderCheck(SenderRules(("0.0.0.0/0",), certificates=("mail.outlook.example", "*.relays.example")))


def context_with(folder: Path, *names: str, signed_by: trustme.CA | None = None) -> ssl.SSLContext:
    """A client's TLS context that presents a certificate."""
    context = ssl.create_default_context(cafile=str(server_certificate(folder / "server").authority))
    context.check_hostname = False
    if names:
        made = server_certificate(folder / "client", *names, signed_by=signed_by)
        context.load_cert_chain(made.certificate)
    return context


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("mail.outlook.example",), ""),
        (("other.example", "MAIL.outlook.example"), ""),
        (("a.relays.example",), ""),
        (("*.relays.example",), ""),
        (("a.b.relays.example",), "550"),
        (("relays.example",), "550"),
        (("mail.outlook.example.evil.example",), "550"),
        ((), "550"),
    ],
)
def test_names_of_certificates(guarded: SenderCheck, names: tuple[str, ...], code: str) -> None:
    delivery, _ = guarded.admit(("192.0.2.7", 9), ("192.0.2.1", 25))
    shown = {"subjectAltName": tuple(("DNS", name) for name in names)}
    assert guarded.certificate_refusal(delivery, shown, tls=True)[:3] == code


def test_without_tls_there_is_no_certificate(guarded: SenderCheck) -> None:
    delivery, _ = guarded.admit(("192.0.2.7", 9), ("192.0.2.1", 25))
    assert guarded.certificate_refusal(delivery, None, tls=False).startswith("530")


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat clients on loopback as clients on another machine, since a test has only one machine."""
    monkeypatch.setattr("muniment.gateway.senders.socket_owner", lambda client, server: None)


def with_certificates(start: Start, folder: Path) -> SmtpGateway:
    made = server_certificate(folder / "own")
    return start(
        certificate=made.certificate,
        client_names=("mail.outlook.example",),
        client_authority=str(made.authority),
    )


@pytest.mark.usefixtures("remote")
def test_a_client_with_the_right_certificate_delivers(start: Start, tmp_path: Path) -> None:
    gateway = with_certificates(start, tmp_path)
    assert deliver(gateway.port, context=context_with(tmp_path, "mail.outlook.example")) == 250
    assert [facts["certificate"] for facts in delivered(tmp_path)] == ["mail.outlook.example"]


@pytest.mark.usefixtures("remote")
def test_a_client_without_the_right_certificate_is_refused(start: Start, tmp_path: Path) -> None:
    gateway = with_certificates(start, tmp_path)
    assert deliver(gateway.port) == 530
    assert deliver(gateway.port, context=context_with(tmp_path)) == 550
    assert deliver(gateway.port, context=context_with(tmp_path, "mail.evil.example")) == 550
    assert kept(tmp_path) == []


@pytest.mark.usefixtures("remote")
def test_a_certificate_of_another_authority_proves_nothing(start: Start, tmp_path: Path) -> None:
    gateway = with_certificates(start, tmp_path)
    forged = context_with(tmp_path, "mail.outlook.example", signed_by=trustme.CA())
    with contextlib.suppress(OSError, smtplib.SMTPException):
        assert deliver(gateway.port, context=forged) != 250
    assert kept(tmp_path) == []


def test_an_unreadable_authority_is_an_error(start: Start, tmp_path: Path) -> None:
    made = server_certificate(tmp_path / "own")
    with pytest.raises(ConfigError, match="client_authority"):
        start(certificate=made.certificate, client_names=("x.example",), client_authority="/nonexistent.pem")


# --- what stays with the message ------------------------------------------------------------------


def test_the_name_in_a_greeting_is_kept_as_plain_text(start: Start, tmp_path: Path) -> None:
    with smtplib.SMTP("127.0.0.1", start().port, timeout=20) as smtp:
        smtp.command_encoding = "latin-1"
        smtp.docmd("EHLO", "evil\x1b]0;x\x07\x9b" + "y" * 300)
        for command in ("MAIL FROM:<>", f"RCPT TO:<{JOURNAL}>", "DATA"):
            smtp.docmd(command)
        smtp.send(MAIL + b".\r\n")
        assert smtp.getreply()[0] == 250
    (facts,) = delivered(tmp_path)
    assert facts["helo"].isascii()
    assert facts["helo"].isprintable()
    assert len(facts["helo"]) <= 255


@pytest.mark.parametrize("behind", [b"", b"QUIT\r\n", b"NOOP\r\nQUIT\r\n"])
@pytest.mark.parametrize("apart", [False, True])
def test_a_client_that_closes_its_side_is_still_answered(
    start: Start, tmp_path: Path, behind: bytes, apart: bool
) -> None:
    gateway = start()
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as line,
        line.makefile("rb") as replies,
    ):
        head = b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<" + JOURNAL.encode() + b">\r\nDATA\r\n"
        for part in [head, MAIL, b".\r\n" + behind] if apart else [head + MAIL + b".\r\n" + behind]:
            line.sendall(part)
        line.shutdown(socket.SHUT_WR)
        codes = [reply[:3] for reply in replies]
    assert codes[:6] == [b"220", b"250", b"250", b"250", b"354", b"250"]
    assert len(codes) == 6 + behind.count(b"\r\n")
    assert kept(tmp_path) == [MAIL]


def test_a_client_that_closes_its_side_in_a_message_leaves_nothing(start: Start, tmp_path: Path) -> None:
    gateway = start()
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as line,
        line.makefile("rb") as replies,
    ):
        line.sendall(b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<" + JOURNAL.encode() + b">\r\nDATA\r\n" + MAIL)
        line.shutdown(socket.SHUT_WR)
        codes = [reply[:3] for reply in replies]
    assert codes == [b"220", b"250", b"250", b"250", b"354"]
    assert kept(tmp_path) == []
    assert delivered(tmp_path) == []
