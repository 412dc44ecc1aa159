"""The gateway as its clients see it, over real connections."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import random
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from muniment.errors import ConfigError, VaultError
from muniment.gateway import session as session_module
from muniment.gateway.smtp import GatewaySettings, SmtpGateway
from support.certs import client_context, server_certificate
from support.gateways import Start, starter

JOURNAL = "Journal@Archive.Harbour.example"
MAIL = b"From: anna@harbour.example\r\nSubject: x\r\n\r\nbody\r\n"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts gateways on a free port. They end with the test."""
    with starter(tmp_path, JOURNAL, "second@archive.example") as begin:
        yield begin


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "new"


def client(gateway: SmtpGateway) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", gateway.port, local_hostname="client.example", timeout=20)


def send(smtp: smtplib.SMTP, data: bytes, to: str = JOURNAL, sender: str = "") -> tuple[int, bytes]:
    """Send one message. Unlike smtplib's sendmail, this sends the bytes unchanged."""
    smtp.ehlo_or_helo_if_needed()
    assert smtp.mail(sender)[0] == 250
    reply = smtp.rcpt(to)
    return reply if reply[0] != 250 else raw_data(smtp, data)


def raw_data(smtp: smtplib.SMTP, data: bytes) -> tuple[int, bytes]:
    assert smtp.docmd("DATA")[0] == 354
    stuffed = (b"\r\n" + data).replace(b"\r\n.", b"\r\n..")[2:]
    smtp.send(stuffed + b".\r\n")
    return smtp.getreply()


def kept(new: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(new.iterdir())]


def test_a_message_is_kept_byte_for_byte(start: Start, new: Path) -> None:
    data = bytes(range(256)) + b"\r\n..\r\n.x\n.\n\r.\r\r\n" + b"y" * 300_000 + b"\r\n\r\n"
    with client(start()) as smtp:
        assert send(smtp, data)[0] == 250
        assert send(smtp, b"")[0] == 250
    assert kept(new) == [data, b""]


def test_ehlo_lists_the_extensions(start: Start) -> None:
    with client(start(size_limit=12345, hostname="archive.harbour.example")) as smtp:
        code, greeting = smtp.ehlo()
        assert code == 250
        assert greeting.startswith(b"archive.harbour.example")
        assert smtp.esmtp_features["size"] == "12345"
        assert {"8bitmime", "smtputf8", "pipelining"} <= smtp.esmtp_features.keys()
        assert not {"auth", "starttls"} & smtp.esmtp_features.keys()
        assert smtp.docmd("AUTH", "PLAIN AGEAYg==")[0] == 502
        assert smtp.docmd("VRFY", JOURNAL)[0] == 252


def test_addresses_are_compared_without_case_and_nothing_more(start: Start, new: Path) -> None:
    with client(start()) as smtp:
        for to in (JOURNAL, JOURNAL.upper(), "SECOND@archive.example"):
            assert send(smtp, MAIL, to, "postmaster@elsewhere.example")[0] == 250
        for to in ("anna@harbour.example", "journal.x@archive.harbour.example", "journal", "", "j@"):
            smtp.rset()
            assert smtp.mail("")[0] == 250
            assert 500 <= smtp.rcpt(to)[0] < 560
        assert smtp.docmd("DATA")[0] == 503
        smtp.rset()
        smtp.mail("")
        assert smtp.rcpt("anna@harbour.example")[0] == 550
        for _ in range(300):
            assert smtp.rcpt(JOURNAL)[0] == 250
        assert raw_data(smtp, MAIL)[0] == 250
    assert kept(new) == [MAIL] * 4


def test_utf8_senders(start: Start, new: Path) -> None:
    with client(start(addresses=("jürnal@archive.example",))) as smtp:
        smtp.ehlo()
        smtp.command_encoding = "utf-8"
        assert smtp.docmd("MAIL", "FROM:<jürgen@müller.example> BODY=8BITMIME SMTPUTF8")[0] == 250
        assert smtp.docmd("RCPT", "TO:<JÜRNAL@archive.example>")[0] == 250
        assert raw_data(smtp, MAIL)[0] == 250
    assert kept(new) == [MAIL]


def test_twenty_clients_at_once(start: Start, new: Path) -> None:
    gateway = start()
    chance = random.Random(7)
    sizes = [0, 1, 900, 10_000, 70_000]

    def made() -> bytes:
        return chance.randbytes(chance.choice(sizes)) + b"\r\n.%d\r\n" % chance.getrandbits(64)

    mails = [[made() for _ in range(50)] for _ in range(20)]

    def deliver(mine: list[bytes]) -> None:
        with client(gateway) as smtp:
            for mail in mine:
                assert send(smtp, mail)[0] == 250

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(deliver, mails))
    assert sorted(kept(new)) == sorted(mail for mine in mails for mail in mine)


@pytest.mark.skipif(shutil.which("smtp-source") is None, reason="smtp-source is in Debian's postfix package")
def test_smtp_source(start: Start, new: Path) -> None:
    gateway = start()
    subprocess.run(
        ["smtp-source", "-s", "20", "-m", "400", "-l", "10240", "-c", "-d", "-f", "", "-t", JOURNAL,
         f"inet:127.0.0.1:{gateway.port}"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert len(kept(new)) == 400


def test_pipelined_commands_are_answered_in_order(start: Start, new: Path) -> None:
    """Also if a client does not wait for 354, and the next message follows in the same packet."""
    gateway = start()
    one = b"MAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n%s.\r\n"
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as line,
        line.makefile("rb") as replies,
    ):
        assert replies.readline().startswith(b"220 ")
        address = JOURNAL.encode()
        line.sendall(
            b"HELO x\r\n"
            + one % (address, b"first\r\n")
            + one % (address, b"")
            + one % (address, b"third\r\n")
        )
        line.sendall(b"QUIT\r\n")
        codes = [reply[:3] for reply in replies]
    assert codes == [b"250", *[b"250", b"250", b"354", b"250"] * 3, b"221"]
    assert kept(new) == [b"first\r\n", b"", b"third\r\n"]


@pytest.mark.parametrize("trick", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n"])
def test_a_second_message_can_not_be_smuggled(start: Start, new: Path, trick: bytes) -> None:
    inner = b"MAIL FROM:<ceo@harbour.example>\r\nRCPT TO:<" + JOURNAL.encode() + b">\r\nDATA\r\nforged\r\n"
    data = b"innocent" + trick + inner
    with client(start()) as smtp:
        smtp.ehlo()
        smtp.mail("")
        smtp.rcpt(JOURNAL)
        assert smtp.docmd("DATA")[0] == 354
        smtp.send(data + b".\r\n")
        assert smtp.getreply()[0] == 250
        assert smtp.noop() == (250, b"2.0.0 OK")
    (whole,) = kept(new)
    assert b"forged" in whole
    assert whole.startswith(b"innocent")


def test_a_client_of_another_network_is_refused(
    start: Start, new: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = start(networks=("192.0.2.0/24", "2001:db8::/32"))
    with pytest.raises(smtplib.SMTPConnectError) as caught:
        client(gateway)
    assert caught.value.smtp_code == 421
    assert b"4.7.1" in caught.value.smtp_error
    assert kept(new) == []
    assert "refused 127.0.0.1" in caplog.text
    assert "gateway.networks" in caplog.text


def test_more_connections_than_allowed(start: Start) -> None:
    gateway = start(max_connections=3)
    held = [client(gateway) for _ in range(3)]
    with pytest.raises(smtplib.SMTPConnectError) as caught:
        client(gateway)
    assert caught.value.smtp_code == 421
    held.pop().quit()
    deadline = time.monotonic() + 5
    while len(gateway._sessions) > 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    held.append(client(gateway))
    for smtp in held:
        smtp.quit()


def test_a_silent_client_is_disconnected(start: Start, new: Path) -> None:
    gateway = start(idle_timeout=0.3)
    with client(gateway) as smtp:
        assert smtp.getreply()[0] == 421
    with client(gateway) as smtp:
        smtp.ehlo()
        smtp.mail("")
        smtp.rcpt(JOURNAL)
        smtp.docmd("DATA")
        for _ in range(5):
            time.sleep(0.1)
            smtp.send(b"slow but alive\r\n")
        assert smtp.getreply()[0] == 421
    assert kept(new) == []


def test_size_limit(start: Start, new: Path, tmp_path: Path) -> None:
    limit = 600_000
    with client(start(size_limit=limit)) as smtp:
        smtp.ehlo()
        assert smtp.docmd("MAIL", f"FROM:<> SIZE={limit + 1}")[0] == 552
        assert send(smtp, b"x" * (limit - 1) + b"\r\n")[0] == 552
        fits = b"x" * (limit - 2) + b"\r\n"
        assert send(smtp, fits)[0] == 250
    assert kept(new) == [fits]
    assert list((tmp_path / "spool" / "tmp").iterdir()) == []


def test_starttls(start: Start, new: Path, tmp_path: Path) -> None:
    certificate = server_certificate(tmp_path / "certs")
    gateway = start(certificate=certificate.certificate)
    data = os.urandom(400_000).replace(b"\r\n.", b"") + b"\r\n"
    with client(gateway) as smtp:
        smtp.ehlo()
        assert smtp.starttls(context=client_context())[0] == 220
        smtp.ehlo()
        assert not {"auth", "starttls"} & smtp.esmtp_features.keys()
        assert send(smtp, data)[0] == 250
        assert send(smtp, MAIL)[0] == 250
    assert kept(new) == [data, MAIL]


def test_commands_before_tls_do_not_count_after_it(start: Start, tmp_path: Path) -> None:
    certificate = server_certificate(tmp_path / "certs")
    gateway = start(certificate=certificate.chain, key=certificate.key)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as line:
        line.sendall(b"EHLO x\r\n")
        replies = b""
        while not replies.endswith(b"250 HELP\r\n"):
            replies += line.recv(1000)
        line.sendall(b"STARTTLS\r\nMAIL FROM:<injected@x.example>\r\n")
        assert line.recv(len(b"220 2.0.0 Ready to start TLS\r\n")).startswith(b"220")
        with client_context().wrap_socket(line, server_hostname="localhost") as tls:
            tls.sendall(b"RCPT TO:<" + JOURNAL.encode() + b">\r\n")
            assert tls.recv(1000).startswith(b"503")


def test_a_renewed_certificate_is_loaded(start: Start, tmp_path: Path) -> None:
    certificate = server_certificate(tmp_path / "certs")
    gateway = start(certificate=certificate.certificate)
    first = served(gateway)
    certificate.certificate.write_text("half a cert")
    assert served(gateway) == first
    renewed = server_certificate(tmp_path / "certs")
    assert served(gateway) == renewed.fingerprint != first


def served(gateway: SmtpGateway) -> str:
    with client(gateway) as smtp:
        smtp.starttls(context=client_context())
        assert isinstance(smtp.sock, ssl.SSLSocket)
        der = smtp.sock.getpeercert(binary_form=True)
        assert der
        return hashlib.sha256(der).hexdigest()


def test_an_unusable_certificate_is_an_error(tmp_path: Path) -> None:
    certificate = server_certificate(tmp_path / "certs")
    other = server_certificate(tmp_path / "other")
    (tmp_path / "text").write_text("no PEM")
    for chain, key in ((tmp_path / "text", None), (tmp_path / "none", None), (certificate.chain, other.key)):
        with pytest.raises(ConfigError, match="gateway: "):
            SmtpGateway(GatewaySettings(spool=tmp_path, addresses=(), certificate=chain, key=key))


def test_an_address_where_it_can_not_listen_is_an_error(start: Start, tmp_path: Path) -> None:
    gateway = start()
    for host, port in (("127.0.0.1", gateway.port), ("192.0.2.1", 0), ("no.such.host.invalid", 0)):
        with pytest.raises(ConfigError, match="can't listen on"):
            start(host=host, port=port, spool=tmp_path / "other")
    (tmp_path / "file").write_text("")
    with pytest.raises(VaultError, match="can't be written"):
        start(spool=tmp_path / "file")
    with pytest.raises(ConfigError, match="not a network"):
        start(networks=("10.0.0.1/8",))


class FullDisk:
    """os.write that writes half of its bytes and then finds no space."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        self._real = os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, handle: int, data: memoryview) -> int:
        if self.full and threading.current_thread().name.startswith("gateway-spool"):
            self._real(handle, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._real(handle, data)


@pytest.mark.parametrize("size", [100, session_module.FLUSH * 3])
def test_a_full_disk_defers_a_message_and_the_next_is_kept(
    start: Start, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    disk = FullDisk(monkeypatch)
    with client(start()) as smtp:
        for _ in range(2):
            code, text = send(smtp, b"x" * size + b"\r\n")
            assert (code, text[:5]) == (451, b"4.3.1")
        assert list((tmp_path / "spool" / "tmp").iterdir()) == []
        disk.full = False
        assert send(smtp, MAIL)[0] == 250
    assert kept(new) == [MAIL]


def test_a_failed_sync_is_not_acknowledged(start: Start, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with client(start()) as smtp:
        real = os.fsync

        def failing(handle: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "fsync", failing)
        assert send(smtp, MAIL)[0] == 451
        monkeypatch.setattr(os, "fsync", real)
        assert kept(new) == []


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root, to mount a tmpfs")
def test_a_disk_that_is_really_full(start: Start, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True
    ).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        spool = disk / "spool"
        gateway = start(spool=spool)
        with client(gateway) as smtp:
            assert send(smtp, b"x" * 3_000_000 + b"\r\n")[0] == 451
            assert send(smtp, b"x" * 400_000 + b"\r\n")[0] == 250
            assert send(smtp, b"x" * 900_000 + b"\r\n")[0] == 451
            assert send(smtp, MAIL)[0] == 250
        assert [len(mail) for mail in kept(spool / "new")] == [400_002, len(MAIL)]
        assert list((spool / "tmp").iterdir()) == []
        gateway.stop()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_connection_that_breaks_leaves_nothing(start: Start, new: Path, tmp_path: Path) -> None:
    gateway = start()
    for data in (b"half\r\n", b"x" * 900_000, b"half\r\n.\r"):
        smtp = client(gateway)
        smtp.ehlo()
        smtp.mail("")
        smtp.rcpt(JOURNAL)
        smtp.docmd("DATA")
        smtp.send(data)
        smtp.close()
    deadline = time.monotonic() + 5
    while gateway._sessions and time.monotonic() < deadline:
        time.sleep(0.01)
    gateway.stop()
    assert kept(new) == []
    assert list((tmp_path / "spool" / "tmp").iterdir()) == []


def test_stop_lets_a_message_finish_and_disconnects_the_others(start: Start, new: Path) -> None:
    gateway = start()
    idle, busy = client(gateway), client(gateway)
    busy.ehlo()
    busy.mail("")
    busy.rcpt(JOURNAL)
    busy.docmd("DATA")
    busy.send(b"first half, ")
    stopping = threading.Thread(target=gateway.stop)
    port = gateway.port
    stopping.start()
    assert idle.getreply()[0] == 421
    busy.send(b"second half\r\n.\r\n")
    assert busy.getreply()[0] == 250
    assert busy.getreply()[0] == 421
    stopping.join(5)
    assert not stopping.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    assert kept(new) == [b"first half, second half\r\n"]
    idle.close()
    busy.close()


def test_a_client_that_is_accepted_while_the_gateway_stops_is_answered(start: Start) -> None:
    gateway, connected = start(), list[socket.socket]()

    def stop_after_accept() -> None:
        connected.append(socket.create_connection(("127.0.0.1", gateway.port), timeout=10))
        gateway._loop.call_soon(gateway._stopping.set)  # wakes the gateway just after it accepts

    gateway._loop.call_soon_threadsafe(stop_after_accept)
    gateway._thread.join()
    with connected[0] as waiting:
        assert waiting.recv(4) in (b"220 ", b"421 ")


def test_stop_waits_no_longer_than_the_grace(start: Start, new: Path) -> None:
    gateway = start()
    with client(gateway) as smtp:
        smtp.ehlo()
        smtp.mail("")
        smtp.rcpt(JOURNAL)
        smtp.docmd("DATA")
        began = time.monotonic()
        gateway.stop(grace=0.2)
        assert time.monotonic() - began < 3
        smtp.close()
    gateway.stop()
    assert kept(new) == []


@pytest.mark.parametrize(
    "line",
    [
        b"MAIL FROM:<", b"MAIL FROM:" + b"(" * 400, b"MAIL FROM:<\"", b"MAIL FROM:<a@[", b"RCPT TO:<>",
        b"MAIL FROM:<a@b> SIZE=x", b"MAIL FROM:<a@b> BODY=BINARYMIME", b"MAIL FROM:<\xff@\xfe>",
        b"\xff\xfe", b"x" * 200_000, b"", b"EHLO", b"VRFY \xff", b"HELP \xff", b"DATA x", b"AUTH",
        b"HELO \x1b]0;x\x07", b"RSET x", b"NOOP \xff", b"EXPN x",
    ],
)  # fmt: skip
def test_hostile_commands_get_a_reply_and_do_no_harm(
    start: Start, new: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with client(start()) as smtp:
        smtp.ehlo()
        smtp.send(line + b"\r\n")
        assert 200 <= smtp.getreply()[0] < 600
        smtp.rset()
        smtp.ehlo()
        assert send(smtp, MAIL)[0] == 250
    assert kept(new) == [MAIL]
    assert all(record.exc_info is None for record in caplog.records)


def test_the_log_contains_nothing_from_the_mail(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with client(start(size_limit=1000)) as smtp:
        smtp.docmd("EHLO", "evil\x1b[2J.example")
        assert smtp.docmd("SECRETCOMMAND")[0] == 500
        send(smtp, b"Subject: secret merger\r\n\r\n", sender="secret@harbour.example")
        send(smtp, b"secret" * 1000 + b"\r\n")
        smtp.mail("")
        smtp.rcpt("secret@nowhere.example")
    ours = "".join(record.getMessage() for record in caplog.records if record.name != "asyncio")
    assert "received 26 bytes from 127.0.0.1" in ours
    assert "secret" not in ours.lower()
    assert "\x1b" not in ours


SERVER = """
import sys, time
from pathlib import Path
from muniment.gateway.smtp import SmtpGateway, GatewaySettings
gateway = SmtpGateway(GatewaySettings(spool=Path(sys.argv[1]), addresses=(sys.argv[2],), port=0))
gateway.start()
print(gateway.port, flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def gateway_process(spool: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A gateway in its own process, and its port."""
    path = ":".join(entry for entry in sys.path if entry)
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(spool), JOURNAL],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path},
    ) as process:  # fmt: skip
        try:
            assert process.stdout
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize("after", [0.15, 0.3, 0.5])
def test_acknowledged_messages_survive_a_kill(tmp_path: Path, after: float) -> None:
    acknowledged: list[bytes] = []
    with gateway_process(tmp_path / "spool") as (process, port):

        def deliver(number: int) -> None:
            chance = random.Random(number)
            with contextlib.suppress(OSError, smtplib.SMTPException):
                smtp = smtplib.SMTP("127.0.0.1", port, local_hostname="client.example", timeout=20)
                while True:
                    data = b"%d.%d\r\n" % (number, chance.getrandbits(64)) + b"x" * chance.choice(
                        [10, 5_000, 600_000]
                    )
                    data += b"\r\nend\r\n"
                    if send(smtp, data)[0] == 250:
                        acknowledged.append(data)

        with ThreadPoolExecutor(8) as pool:
            list_of = [pool.submit(deliver, number) for number in range(8)]
            deadline = time.monotonic() + 60
            while not acknowledged and time.monotonic() < deadline:
                time.sleep(0.01)  # a busy machine may take long to acknowledge the first
            time.sleep(after)
            process.send_signal(signal.SIGKILL)
            for job in list_of:
                job.result()
    found = kept(tmp_path / "spool" / "new")
    assert acknowledged
    assert set(acknowledged) <= set(found)
    assert all(mail.endswith(b"\r\nend\r\n") for mail in found)


def test_memory_does_not_grow_with_a_message(tmp_path: Path) -> None:
    block = random.Random(1).randbytes(1 << 20).replace(b"\r\n.", b"")
    with (
        gateway_process(tmp_path / "spool") as (process, port),
        smtplib.SMTP("127.0.0.1", port, local_hostname="client.example", timeout=60) as smtp,
    ):
        assert send(smtp, MAIL)[0] == 250
        before = psutil.Process(process.pid).memory_info().rss
        smtp.mail("")
        smtp.rcpt(JOURNAL)
        smtp.docmd("DATA")
        most, digest = before, hashlib.sha256()
        for _ in range(60):
            smtp.send(block)
            digest.update(block)
            most = max(most, psutil.Process(process.pid).memory_info().rss)
        smtp.send(b"\r\n.\r\n")
        digest.update(b"\r\n")
        assert smtp.getreply()[0] == 250
    assert most - before < 12 << 20
    last = max((tmp_path / "spool" / "new").iterdir())
    assert hashlib.sha256(last.read_bytes()).digest() == digest.digest()
