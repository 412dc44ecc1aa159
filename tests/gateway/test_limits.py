"""Limits: what one client may do to a gateway (messages, errors, time), and how much of its disk stays
free.
"""

from __future__ import annotations

import json
import os
import smtplib
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.gateway.refused import (
    BETWEEN,
    FORGOTTEN,
    NAMED,
    NETWORKS,
    TRIES,
    RefusedNetworks,
    client_of,
    network_of,
    refused_at,
)
from muniment.gateway.smtp import SmtpGateway
from support.gateways import Start, starter

JOURNAL = "journal@archive.example"
MAIL = b"Subject: x\r\n\r\nbody\r\n"
MEGABYTE = 1 << 20


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts gateways on a free port. They end with the test."""
    with starter(tmp_path, JOURNAL) as begin:
        yield begin


def client(gateway: SmtpGateway) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", gateway.port, local_hostname="client.example", timeout=20)


def send(smtp: smtplib.SMTP, data: bytes = MAIL) -> int:
    smtp.ehlo_or_helo_if_needed()
    for line in ("MAIL FROM:<>", f"RCPT TO:<{JOURNAL}>", "DATA"):
        code, _ = smtp.docmd(line)
        if code >= 400:
            return code
    smtp.send(data + b".\r\n")
    return smtp.getreply()[0]


def kept(tmp_path: Path) -> int:
    return len(list((tmp_path / "spool" / "new").iterdir()))


# --- one client ---------------------------------------------------------------------------------------


def test_after_many_messages_a_client_connects_again(start: Start, tmp_path: Path) -> None:
    gateway = start(messages=3)
    with client(gateway) as smtp:
        assert [send(smtp) for _ in range(3)] == [250] * 3
        assert smtp.getreply()[0] == 421
        smtp.close()
    with client(gateway) as smtp:
        assert send(smtp) == 250
    assert kept(tmp_path) == 4


def test_a_client_with_many_refused_commands_is_disconnected(start: Start) -> None:
    with client(start(errors=5)) as smtp:
        smtp.ehlo()
        codes = [smtp.docmd("DATA")[0] for _ in range(6)]
        assert codes == [503] * 6
        assert smtp.getreply()[0] == 421
        smtp.close()


def test_a_client_whose_message_arrives_too_slowly_is_disconnected(start: Start, tmp_path: Path) -> None:
    with client(start(slow_after=0.2)) as smtp:
        smtp.ehlo()
        for line in ("MAIL FROM:<>", f"RCPT TO:<{JOURNAL}>", "DATA"):
            smtp.docmd(line)
        for _ in range(3):
            time.sleep(0.1)
            smtp.send(b"x\r\n")
        assert smtp.getreply()[0] == 421
        smtp.close()
    assert kept(tmp_path) == 0


def test_a_client_whose_message_arrives_too_slowly_in_chunks_is_disconnected(
    start: Start, tmp_path: Path
) -> None:
    """A new chunk gives no new time."""
    with client(start(slow_after=0.5)) as smtp:
        smtp.ehlo()
        for line in ("MAIL FROM:<>", f"RCPT TO:<{JOURNAL}>"):
            smtp.docmd(line)
        codes: list[int] = []
        while codes[-1:] in ([], [250]) and len(codes) < 50:
            time.sleep(0.05)
            smtp.send(b"BDAT 1\r\nx")
            codes.append(smtp.getreply()[0])
        assert codes[-1] == 421
        smtp.close()
    assert kept(tmp_path) == 0


def test_every_reply_has_an_enhanced_status_code(start: Start) -> None:
    with client(start()) as smtp:
        assert b"ENHANCEDSTATUSCODES" in smtp.ehlo()[1]
        lines = (
            "NOOP", "RSET", "NONSENSE", "RCPT TO:<x@y>", "DATA", "MAIL", "MAIL FROM:<a@[",
            "MAIL FROM:<> BODY=X", "MAIL FROM:<> Y=1", "HELP", "HELP X", "VRFY x", "EXPN x", "AUTH",
            "STARTTLS", "STARTTLS x", "BDAT 0", "MAIL FROM:<>", "MAIL FROM:<>", f"RCPT TO:<{JOURNAL}>",
            "RCPT TO:<x@y>", "RCPT TO:<x@y> Z=1", "RSET",
        )  # fmt: skip
        for line in lines:
            code, text = smtp.docmd(line)
            digit, dot, rest = text.decode().partition(".")
            assert (digit, dot) == (str(code)[0], "."), (line, code, text)
            assert rest.split()[0].replace(".", "").isdigit()


# --- chunks -------------------------------------------------------------------------------------------


def chunked(smtp: smtplib.SMTP, *chunks: bytes) -> list[int]:
    """The reply codes of the chunks of a message."""
    smtp.ehlo_or_helo_if_needed()
    for line in ("MAIL FROM:<>", f"RCPT TO:<{JOURNAL}>"):
        assert smtp.docmd(line)[0] == 250
    codes = []
    for number, chunk in enumerate(chunks):
        last = b" LAST" if number == len(chunks) - 1 else b""
        smtp.send(b"BDAT %d%b\r\n" % (len(chunk), last) + chunk)
        codes.append(smtp.getreply()[0])
    return codes


def test_chunks_are_joined_byte_for_byte(start: Start, tmp_path: Path) -> None:
    """Dots have no meaning, and no line end is needed."""
    first = bytes(range(256)) + b"\r\n.\r\nQUIT\r\n"
    second = os.urandom(700_000)
    with client(start()) as smtp:
        smtp.ehlo()
        assert "chunking" in smtp.esmtp_features
        assert chunked(smtp, first, second, b"") == [250] * 3
        assert chunked(smtp, b"whole") == [250]
        assert send(smtp) == 250
    found = [path.read_bytes() for path in sorted((tmp_path / "spool" / "new").iterdir())]
    assert found == [first + second, b"whole", MAIL]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.integers(0, 40))
def test_any_chunks_are_kept(start: Start, chunks: list[bytes], cut: int) -> None:
    """In any number of packets, with commands directly behind them: what is sent is what is kept."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = start(spool=Path(folder))
        stream = b"".join(
            b"BDAT %d%b\r\n" % (len(chunk), b" LAST" if n == len(chunks) - 1 else b"") + chunk
            for n, chunk in enumerate(chunks)
        )
        stream = (
            b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<%b>\r\n" % JOURNAL.encode() + stream + b"NOOP\r\nQUIT\r\n"
        )
        with (
            socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as line,
            line.makefile("rb") as replies,
        ):
            for at in range(0, len(stream), 50 + cut):
                line.sendall(stream[at : at + 50 + cut])
            codes = [reply[:3] for reply in replies]
        gateway.stop()
        assert codes == [b"220", b"250", b"250", b"250", *[b"250"] * len(chunks), b"250", b"221"]
        assert [path.read_bytes() for path in Path(folder, "new").iterdir()] == [b"".join(chunks)]


def test_chunks_that_are_pipelined(start: Start, tmp_path: Path) -> None:
    gateway = start()
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as line,
        line.makefile("rb") as replies,
    ):
        line.sendall(
            b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<%b>\r\nBDAT 5\r\na\r\n.\rBDAT 2 LAST\r\n\n!"
            % JOURNAL.encode()
            + b"MAIL FROM:<>\r\nBDAT 6 LAST\r\nQUIT\r\nQUIT\r\n"
        )
        codes = [reply[:3] for reply in replies if reply[3:4] == b" "]
    assert codes == [b"220", b"250", b"250", b"250", b"250", b"250", b"250", b"503", b"221"]
    assert [path.read_bytes() for path in (tmp_path / "spool" / "new").iterdir()] == [b"a\r\n.\r\n!"]


def test_no_recipient_is_accepted_after_the_first_chunk(start: Start, tmp_path: Path) -> None:
    """The envelope is kept when the message begins. A later recipient would be lost silently."""
    with client(start(any_recipient=True)) as smtp:
        smtp.ehlo()
        for line in ("MAIL FROM:<>", "RCPT TO:<ann@example.com>"):
            assert smtp.docmd(line)[0] == 250
        smtp.send(b"BDAT 1\r\nx")
        assert smtp.getreply()[0] == 250
        assert smtp.docmd("RCPT TO:<bob@example.com>")[0] == 503
        smtp.send(b"BDAT 1 LAST\r\ny")
        assert smtp.getreply()[0] == 250
        assert smtp.docmd("MAIL FROM:<>")[0] == 250
        assert smtp.docmd("RCPT TO:<bob@example.com>")[0] == 250
    (note,) = (tmp_path / "spool" / "delivered").iterdir()
    assert json.loads(note.read_text())["envelope"]["to"] == ["ann@example.com"]


def test_chunks_without_a_transaction_are_read_and_refused(start: Start, tmp_path: Path) -> None:
    with client(start()) as smtp:
        smtp.send(b"BDAT 6\r\nQUIT\r\n")
        assert smtp.getreply()[0] == 503
        smtp.ehlo()
        smtp.send(b"BDAT 6 LAST\r\nQUIT\r\n")
        assert smtp.getreply()[0] == 503
        assert chunked(smtp, b"x", b"y") == [250, 250]
    assert kept(tmp_path) == 1


def test_a_chunk_without_a_size_ends_the_connection(start: Start) -> None:
    for line in ("BDAT", "BDAT x", "BDAT -1", "BDAT 5 FIRST", "BDAT 5 LAST more", "BDAT " + "9" * 30):
        with client(start()) as smtp:
            smtp.ehlo()
            assert smtp.docmd(line)[0] == 501
            with pytest.raises(smtplib.SMTPServerDisconnected):
                smtp.docmd("NOOP")


def test_abandoned_chunks_leave_nothing(start: Start, tmp_path: Path) -> None:
    gateway = start()
    for how in (b"RSET\r\n", b"EHLO x\r\n", b"QUIT\r\n", b""):
        with client(gateway) as smtp:
            smtp.ehlo()
            smtp.docmd("MAIL FROM:<>")
            smtp.docmd(f"RCPT TO:<{JOURNAL}>")
            smtp.send(b"BDAT 300000\r\n" + b"x" * 300_000)
            assert smtp.getreply()[0] == 250
            assert smtp.docmd("DATA")[0] == 503  # DATA and BDAT must not be mixed
            smtp.send(how)
            smtp.close()
    deadline = time.monotonic() + 5
    while gateway._sessions and time.monotonic() < deadline:
        time.sleep(0.01)
    gateway.stop()
    assert [list((tmp_path / "spool" / name).iterdir()) for name in ("tmp", "new", "delivered")] == [
        [],
        [],
        [],
    ]


def test_chunks_beyond_the_size_limit(start: Start, tmp_path: Path) -> None:
    with client(start(size_limit=1000)) as smtp:
        assert chunked(smtp, b"x" * 600, b"x" * 600_000) == [250, 552]
        smtp.send(b"BDAT 3 LAST\r\nxyz")
        assert smtp.getreply()[0] == 503
        assert chunked(smtp, b"x" * 600, b"x" * 400) == [250, 250]
    assert kept(tmp_path) == 1


# --- the disk -----------------------------------------------------------------------------------------


class Disk:
    """os.statvfs with a given number of free bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        self.free = free
        monkeypatch.setattr(os, "statvfs", self)

    def __call__(self, path: object) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=self.free, f_frsize=1, f_blocks=1 << 40)


def test_mail_is_deferred_below_the_reserve(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(monkeypatch, 2 * MEGABYTE - 1)
    with client(start(reserve=2 * MEGABYTE)) as smtp:
        assert send(smtp) == 452
        assert "gateway.reserve" in caplog.text
        disk.free = 2 * MEGABYTE
        assert send(smtp) == 250
        smtp.rset()
        code, text = smtp.docmd("MAIL FROM:<> SIZE=1")
        assert (code, text[:5]) == (452, b"4.3.1")
        assert smtp.docmd("MAIL FROM:<> SIZE=999999999999")[0] == 552
        disk.free += 1
        assert smtp.docmd("MAIL FROM:<> SIZE=1")[0] == 250
    assert kept(tmp_path) == 1


def test_a_message_that_would_fill_the_disk_is_deferred(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, 3 * MEGABYTE)
    with client(start(reserve=2 * MEGABYTE)) as smtp:
        smtp.ehlo()
        for line in ("MAIL FROM:<>", f"RCPT TO:<{JOURNAL}>", "DATA"):
            smtp.docmd(line)
        smtp.send(b"x" * 600_000)
        time.sleep(0.2)
        disk.free = 2 * MEGABYTE
        smtp.send(b"x" * 2_000_000 + b"\r\n.\r\n")
        assert smtp.getreply()[0] == 452
        assert chunked(smtp, b"y" * 1_000_000) == [452]
        disk.free = 3 * MEGABYTE
        assert send(smtp) == 250
    assert kept(tmp_path) == 1
    assert list((tmp_path / "spool" / "tmp").iterdir()) == []


# --- clients of other networks -----------------------------------------------------------------------------


def test_a_refused_network_is_listed_once_a_client_comes_back() -> None:
    now = 1000.0
    refused = RefusedNetworks(lambda: now)
    for _ in range(TRIES):
        refused.note("192.0.2.7")
    assert refused.came_back() == []  # one burst, as of a port scanner
    now += BETWEEN
    refused.note("192.0.2.9")
    (visits,) = refused.came_back()
    assert (visits.network, visits.address, visits.count) == ("192.0.2.0/24", "192.0.2.9", TRIES + 1)
    now += FORGOTTEN + 1
    assert refused.came_back() == []
    refused.note("192.0.2.7")
    assert refused.came_back() == []


def test_messages_about_refused_networks_are_few_and_steady() -> None:
    """In any order of tries, a network with a message keeps it, and others wait for the next day."""
    now = 1000.0
    refused = RefusedNetworks(lambda: now)

    def tries(*numbers: int) -> set[str]:
        nonlocal now
        for _ in range(TRIES):
            for number in numbers:
                refused.note(f"192.0.{number}.1")
            now += BETWEEN
        return {visits.network for visits in refused.named()}

    first = tries(*range(NAMED))
    assert len(first) == NAMED
    assert tries(*range(50, 60)) == first
    assert tries(*range(50, 60)) == first  # although these have more tries by now
    now += 23 * 3600
    tries(*range(NAMED))
    now += 3600
    later = tries(70)
    assert first < later
    assert "192.0.70.0/24" in later
    assert len(later) <= 2 * NAMED


def test_refused_networks_are_bounded() -> None:
    refused = RefusedNetworks(lambda: 1000.0)
    for number in range(NETWORKS * 3):
        refused.note(f"10.{number // 256}.{number % 256}.1")
    assert len(refused._visits) == NETWORKS


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.200", "192.0.2.0/24"),
        ("::ffff:192.0.2.200", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_networks_have_the_form_of_the_setting(peer: str, network: str) -> None:
    assert network_of(peer) == network


def test_what_counts_as_one_client() -> None:
    one = {client_of(f"2001:db8:1:2::{n}") for n in range(1, 9)}
    assert len(one) == 1
    assert client_of("2001:db8:1:3::1") not in one
    assert client_of("192.0.2.1") != client_of("192.0.2.2")
    assert client_of("::ffff:192.0.2.1") != client_of("::ffff:192.0.2.2")
    assert client_of("") == ""


def test_a_gateway_notes_refused_networks(start: Start, tmp_path: Path) -> None:
    gateway = start(networks=("192.0.2.0/24",))
    with pytest.raises(smtplib.SMTPConnectError):
        client(gateway)
    assert list(refused_at(tmp_path / "spool")._visits) == ["127.0.0.0/24"]
