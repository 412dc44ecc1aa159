"""The SMTP envelope: which recipients are accepted, whom they name, and what is kept beside a message."""

from __future__ import annotations

import json
import os
import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.gateway.envelope import AcceptedMailboxes, AcceptedRecipient, facts, without_options
from muniment.gateway.session import RECIPIENTS
from muniment.gateway.smtp import SmtpGateway
from support.gateways import Start, starter

JOURNAL = "journal@archive.example"
MAIL = b"From: anna@contoso.example\r\nSubject: x\r\n\r\nbody\r\n"
BOB = "bob@contoso.example"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts gateways on a free port. They end with the test."""
    with starter(tmp_path, JOURNAL) as begin:
        yield begin


def reply_codes(gateway: SmtpGateway, *lines: str, data: bytes = MAIL) -> list[int]:
    """The reply codes of some commands, and of a message after them."""
    with smtplib.SMTP("127.0.0.1", gateway.port, local_hostname="client.example", timeout=20) as smtp:
        smtp.command_encoding = "utf-8"
        smtp.ehlo()
        codes = [smtp.docmd(line)[0] for line in lines]
        if 250 in codes[1:]:
            smtp.docmd("DATA")
            smtp.send(data + b".\r\n")
            codes.append(smtp.getreply()[0])
        return codes


def noted(tmp_path: Path) -> dict[str, Any]:
    """The envelope of the last message."""
    last = max((tmp_path / "spool" / "delivered").iterdir())
    envelope: dict[str, Any] = json.loads(last.read_text())["envelope"]
    return envelope


@pytest.mark.parametrize(
    ("address", "person"),
    [
        (JOURNAL, ""),
        ("JOURNAL@Archive.Example", ""),
        ("journal+x@archive.example", ""),
        ("journal+@archive.example", ""),
        ("journal+bob=contoso.example@archive.example", BOB),
        ("Journal+bob=contoso.example@ARCHIVE.example", BOB),
        ("journal+bob+tag=contoso.example@archive.example", "bob+tag@contoso.example"),
        ("journal+a=b=contoso.example@archive.example", "a=b@contoso.example"),
        ("journal+=contoso.example@archive.example", ""),
        ("journal+bob=@archive.example", ""),
        ("postmaster", ""),
        ("Postmaster", ""),
        ("postmaster@archive.example", "postmaster@archive.example"),
        ("POSTMASTER@mx.example", "POSTMASTER@mx.example"),
    ],
)
def test_recipients_that_are_accepted(address: str, person: str) -> None:
    mailboxes = AcceptedMailboxes((JOURNAL,), "mx.example", any_recipient=False)
    assert mailboxes.recipient(address) == AcceptedRecipient(address, person)


@pytest.mark.parametrize(
    "address",
    [
        "", "@", "journal", "journal@", "@archive.example", BOB, "journal@mx.example",
        "xjournal@archive.example",
        "postmaster@contoso.example", "p" * 320 + "@archive.example",
        "journal+" + "p" * 300 + "@archive.example",
        "journal+bob=contoso.example@mx.example", "+journal@archive.example",
    ],
)  # fmt: skip
def test_recipients_that_are_refused(address: str) -> None:
    assert AcceptedMailboxes((JOURNAL,), "mx.example", any_recipient=False).recipient(address) is None


def test_with_any_recipient_the_address_is_the_person() -> None:
    mailboxes = AcceptedMailboxes((JOURNAL, "a+b@archive.example"), "mx.example", any_recipient=True)
    assert mailboxes.recipient(BOB) == AcceptedRecipient(BOB, BOB)
    assert mailboxes.recipient(JOURNAL) == AcceptedRecipient(
        JOURNAL
    )  # the archive's own address names no person
    assert mailboxes.recipient("a+b@archive.example") == AcceptedRecipient("a+b@archive.example")
    assert mailboxes.recipient("a+b+c=d@archive.example") == AcceptedRecipient(
        "a+b+c=d@archive.example", "c@d"
    )
    assert mailboxes.recipient("bob") is None


@given(st.text(max_size=80), st.booleans())
def test_no_address_raises(address: str, anyone: bool) -> None:
    found = AcceptedMailboxes((JOURNAL,), "mx.example", anyone).recipient(address)
    assert found is None or found.address == address
    json.dumps(facts(address, [found] if found else []))


@given(st.text(max_size=200))
def test_parameters_are_removed_from_any_argument(arg: str) -> None:
    left, taken = without_options(arg, ("ORCPT", "NOTIFY"))
    assert set(taken) <= {"ORCPT", "NOTIFY"}
    assert taken or " ".join(left.split()) == " ".join(arg.split())


def test_a_quoted_local_part_may_contain_anything() -> None:
    arg = 'TO:<"a> ORCPT=x\\""@b.example> ORCPT=rfc822;a+2Bb@C.example NOTIFY=NEVER X=1'
    left, taken = without_options(arg, ("ORCPT", "NOTIFY"))
    assert left == 'TO:<"a> ORCPT=x\\""@b.example> X=1'
    assert taken == {"ORCPT": "rfc822;a+2Bb@C.example", "NOTIFY": "NEVER"}


def test_the_envelope_is_kept_beside_the_message(start: Start, tmp_path: Path) -> None:
    bob = "journal+bob=contoso.example@archive.example"
    codes = reply_codes(
        start(),
        "MAIL FROM:<Anna@contoso.example> RET=HDRS ENVID=QQ1 SIZE=50",
        f"RCPT TO:<{JOURNAL}>",
        f"RCPT TO:<{bob}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Board@contoso.example",
        f"RCPT TO:<{bob}>",
        "RCPT TO:<eve@contoso.example>",
    )
    assert codes == [250, 250, 250, 250, 550, 250]
    assert noted(tmp_path) == {
        "from": "Anna@contoso.example",
        "to": [JOURNAL, bob],
        "original": {bob: "rfc822;Board@contoso.example"},
        "people": [BOB],
    }


def test_recipients_of_one_message_are_not_those_of_the_next(start: Start, tmp_path: Path) -> None:
    gateway = start(any_recipient=True)
    with smtplib.SMTP("127.0.0.1", gateway.port, local_hostname="client.example", timeout=20) as smtp:
        smtp.ehlo()
        for words in (("bob", "RSET"), ("eve", "EHLO again.example"), ("ann", "DATA")):
            smtp.docmd("MAIL FROM:<>")
            smtp.docmd(f"RCPT TO:<{words[0]}@contoso.example>")
            smtp.docmd(words[1])
        smtp.send(MAIL + b".\r\n")
        smtp.getreply()
    assert noted(tmp_path) == {
        "from": "",
        "to": ["ann@contoso.example"],
        "people": ["ann@contoso.example"],
    }


def test_an_address_that_is_no_utf_8_is_kept_as_far_as_possible(start: Start, tmp_path: Path) -> None:
    gateway = start(any_recipient=True)
    with smtplib.SMTP("127.0.0.1", gateway.port, local_hostname="client.example", timeout=20) as smtp:
        smtp.ehlo()
        smtp.docmd("MAIL FROM:<>")
        smtp.send(b"RCPT TO:<b\xffb@contoso.example>\r\n")
        if smtp.getreply()[0] != 250:
            return
        smtp.docmd("DATA")
        smtp.send(MAIL + b".\r\n")
        assert smtp.getreply()[0] == 250
    assert noted(tmp_path)["to"] == ["b\N{REPLACEMENT CHARACTER}b@contoso.example"]


def test_recipients_beyond_the_limit_are_deferred(start: Start, tmp_path: Path) -> None:
    """A client sends the message again for the rest (RFC 5321 4.5.3.1.10). None is accepted and then lost."""
    lines = [f"RCPT TO:<p{n}@contoso.example>" for n in range(RECIPIENTS + 5)]
    codes = reply_codes(start(any_recipient=True), "MAIL FROM:<>", *lines)
    assert codes == [250] * (RECIPIENTS + 1) + [452] * 5 + [250]
    assert len(noted(tmp_path)["people"]) == RECIPIENTS


def test_the_envelope_is_on_disk_before_the_message_is_acknowledged(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the sync of the note fails, there is no 250, and neither note nor message is left."""
    real = os.fsync

    def failing(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").readlink().suffix == ".json":
            raise OSError(5, "Input/output error")
        real(handle)

    monkeypatch.setattr(os, "fsync", failing)
    assert reply_codes(start(), "MAIL FROM:<>", f"RCPT TO:<{JOURNAL}>") == [250, 250, 451]
    for name in ("new", "tmp", "delivered"):
        assert list((tmp_path / "spool" / name).iterdir()) == []
