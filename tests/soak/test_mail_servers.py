"""Copies from real mail servers reach their Bcc recipients, by the recipes of docs/mail-servers.md.

Each mail server runs in its own bare Debian; the gateway and the run are ours. Needs root, debootstrap, and
access to Debian's packages.
"""

from __future__ import annotations

import os
import random
import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from muniment.gateway.smtp import GatewaySettings, SmtpGateway
from support.mail_servers import ARCHIVE, MailServer, debian_with, exim, free_port, opensmtpd, postfix
from support.vaults import TestVault

JOURNAL = f"journal@{ARCHIVE}"
BOB, EVE, CAROL, BOARD = (f"{name}@contoso.example" for name in ("bob", "eve", "carol", "board"))
BINARY = bytes(range(256)).replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
BODY = b".\r\n..\r\n.x\r\n" + BINARY + b"\r\n" + "Grüße\r\n".encode() + b"\r\n\r\n"

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a Debian"),
]


@pytest.fixture(scope="module")
def debians(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mail-servers")


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    return TestVault(tmp_path / "vault", domains=("contoso.example",))


def mail(number: int, to: str = BOB) -> bytes:
    return (
        b"From: Anna <anna@contoso.example>\r\nTo: %b\r\nSubject: number %d\r\n"
        b"Message-ID: <%d@contoso.example>\r\nDate: Mon, 30 Nov 2026 06:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        % (to.encode(), number, number)
    ) + BODY


@contextmanager
def gateway(vault: TestVault, server: MailServer, port: int, **fields: object) -> Iterator[SmtpGateway]:
    values = {
        "spool": vault.folder / "spool", "addresses": (JOURNAL,), "port": port, "hostname": ARCHIVE,
        "local_users": (server.login(),),
    } | fields  # fmt: skip
    with SmtpGateway(GatewaySettings(**values)) as running:  # type: ignore[arg-type]
        yield running


def wait_for(vault: TestVault, messages: int) -> None:
    new = vault.folder / "spool" / "new"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list(new.iterdir())) < messages:
        time.sleep(0.1)
    assert len(list(new.iterdir())) >= messages


def archived(vault: TestVault) -> None:
    vault.profile("in", source="spool", path=str(vault.folder / "spool"))
    summary = vault.run("in")
    assert summary.balanced
    vault.sound()


def inbox(vault: TestVault) -> dict[str, int]:
    return {user: folders["Inbox"] for user, folders in vault.tree().items() if "Inbox" in folders}


def bodies(vault: TestVault) -> set[bytes]:
    """The bodies of the archived messages, without the headers, to which a mail server adds its own."""
    return {
        path.read_bytes().partition(b"\r\n\r\n")[2] for path in (vault.folder / "spool" / "new").iterdir()
    }


def test_postfix(vault: TestVault, debians: Path) -> None:
    port = free_port()
    server = postfix(debian_with("postfix", debians), port)
    with server.running(), gateway(vault, server, port):
        server.send(mail(1), [BOB, CAROL, "x@elsewhere.example"])
        server.send(mail(2), [BOB])
        wait_for(vault, 2)
    assert bodies(vault) == {BODY}
    archived(vault)
    assert inbox(vault) == {BOB: 2, CAROL: 1}


def test_plain_always_bcc_of_postfix_names_nobody_in_bcc(vault: TestVault, debians: Path) -> None:
    """The mail is kept, and people in its header get it; who was in Bcc nobody can find out, or make up."""
    port = free_port()
    server = postfix(debian_with("postfix", debians), port, always_bcc=JOURNAL)
    copied = mail(1).replace(b"\r\nSubject:", f"\r\nCc: {EVE}\r\nSubject:".encode())
    with server.running(), gateway(vault, server, port):
        server.send(copied, [BOB, EVE, CAROL])
        wait_for(vault, 1)
        time.sleep(1)
    assert bodies(vault) == {BODY}
    archived(vault)
    assert inbox(vault) == {BOB: 1, EVE: 1}
    [hit] = vault.search("subject:number")
    assert vault.raw(hit.id).endswith(BODY)
    assert vault.search(f"to:{CAROL} OR cc:{CAROL} OR bcc:{CAROL}") == []


def test_postfix_with_lists(vault: TestVault, debians: Path) -> None:
    port = free_port()
    server = postfix(debian_with("postfix", debians), port, lists=True)
    with server.running(), gateway(vault, server, port):
        server.send(mail(1, BOARD), [BOARD, CAROL])
        wait_for(vault, 1)
    assert bodies(vault) == {BODY}
    archived(vault)
    assert inbox(vault) == {BOARD: 1, BOB: 1, EVE: 1, CAROL: 1}


def test_postfix_waits_during_temporary_refusals(vault: TestVault, debians: Path) -> None:
    """With a network that is not listed yet, or a full disk, no copy is lost or returned."""
    port = free_port()
    server = postfix(debian_with("postfix", debians), port)
    log = server.root / "var" / "log" / "mail.log"
    with server.running():
        log.write_text("")
        with gateway(vault, server, port, networks=("192.0.2.0/24",)):
            server.send(mail(1), [CAROL])
            _until_logged(log, "421 4.7.1")
        with gateway(vault, server, port, reserve=1 << 60):
            _until_logged(log, "452 4.3.1")
        with gateway(vault, server, port):
            wait_for(vault, 1)
    assert "status=bounced" not in log.read_text()
    archived(vault)
    assert inbox(vault)[CAROL] == 1


def _until_logged(log: Path, words: str) -> None:
    deadline = time.monotonic() + 60
    while words not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.2)


def test_postfix_with_many_recipients(vault: TestVault, debians: Path) -> None:
    """Postfix delivers the copy to fifty recipients at a time: one message, all people."""
    port = free_port()
    server = postfix(debian_with("postfix", debians), port)
    people = [f"p{n}@contoso.example" for n in range(130)]
    with server.running(), gateway(vault, server, port):
        server.send(mail(1), people)
        wait_for(vault, 3)
    archived(vault)
    assert inbox(vault) == dict.fromkeys([*people, BOB], 1)
    assert len(vault.search("subject:number")) == 1


def test_exim(vault: TestVault, debians: Path) -> None:
    port = free_port()
    server = exim(debian_with("exim", debians), port)
    with server.running(), gateway(vault, server, port, any_recipient=True):
        server.send(mail(1), [BOB, CAROL, "x@elsewhere.example"])
        server.send(mail(2, BOARD), [BOARD])
        wait_for(vault, 2)
        time.sleep(1)
    assert bodies(vault) == {BODY}
    archived(vault)
    assert inbox(vault) == {BOB: 2, CAROL: 1, BOARD: 1, EVE: 1}


@pytest.mark.parametrize("name", ["postfix", "postfix with lists", "exim"])
def test_people_can_not_write_to_the_archive(debians: Path, name: str) -> None:
    """Otherwise anyone could put a message into another person's folder, with an address that encodes
    theirs."""
    if name == "exim":
        server = exim(debian_with("exim", debians), free_port())
    else:
        server = postfix(debian_with("postfix", debians), free_port(), lists="lists" in name)
    with server.running(), smtplib.SMTP("127.0.0.1", server.port, timeout=60) as smtp:
        smtp.ehlo()
        assert smtp.docmd("MAIL FROM:<anna@contoso.example>")[0] == 250
        assert smtp.docmd(f"RCPT TO:<{BOB}>")[0] == 250
        for address in (JOURNAL, f"journal+eve=contoso.example@{ARCHIVE}"):
            assert smtp.docmd(f"RCPT TO:<{address}>")[0] in (550, 554)


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_a_large_message(vault: TestVault, debians: Path, name: str) -> None:
    """Byte for byte, by DATA from Postfix and in chunks from Exim."""
    port = free_port()
    make = {"postfix": postfix, "exim": exim}[name]
    server = make(debian_with(name, debians), port)
    chance = random.Random(1)
    text = b"".join(b"%060x\r\n" % chance.getrandbits(240) for _ in range(400_000))
    with server.running(), gateway(vault, server, port, any_recipient=True):
        server.send(mail(1) + text, [BOB, CAROL])
        wait_for(vault, 1)
    assert bodies(vault) == {BODY + text}


def test_opensmtpd(vault: TestVault, debians: Path) -> None:
    port = free_port()
    server = opensmtpd(debian_with("opensmtpd", debians), port)
    with server.running(), gateway(vault, server, port, any_recipient=True):
        server.send(mail(1), [BOB, CAROL])
        wait_for(vault, 1)
        time.sleep(1)
    assert bodies(vault) == {BODY}
    archived(vault)
    assert inbox(vault) == {BOB: 1, CAROL: 1}
