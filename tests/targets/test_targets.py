"""Targets: what they put where, what they find again, and what they refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

from muniment.config.model import NotifyMail
from muniment.errors import ConfigError, SourceError
from muniment.net.retry import RetryPolicy, TransientError
from muniment.targets.base import (
    CLAIMED,
    CrlfContent,
    GivenMail,
    GiveOutcome,
    MailRefused,
    MailUncertain,
    give,
)
from muniment.targets.ews import EwsTarget
from muniment.targets.flags import allowed, imap_flags
from muniment.targets.mail import MailTarget
from support.certs import ServerCertificate, server_certificate
from support.ews_double import Exchange
from support.ews_mailboxes import GERMAN
from support.exchanges import ANNA, BOB, PASSWORD, endpoint
from support.listeners import Relay
from support.reports import EPOCH, plain

SECRET = "tr0ub4dor & 3"


def letter(content: bytes = b"", flags: tuple[str, ...] = ("\\Seen",), **fields: object) -> GivenMail:
    """A message as a target gets it."""
    content = content or plain(**fields)  # type: ignore[arg-type]
    return GivenMail("ab" * 32, CrlfContent(content), EPOCH, flags, "x@example.com", "Plän")


def free(place: str) -> bool:
    """No place is taken by another message."""
    return False


# --- content --------------------------------------------------------------------------------------


@given(strategies.lists(strategies.sampled_from([b"\r\n", b"\n", b"\r", b"ab", b"\0", b"\xff"])))
def test_lines_end_with_crlf_and_all_else_stays(words: list[bytes]) -> None:
    content = b"".join(words)
    made = CrlfContent(content, at_once=3)  # pieces end everywhere
    expected = re.sub(rb"(?<!\r)\n", b"\r\n", content)
    assert b"".join(made.pieces()) == expected
    assert (len(made), made.nul) == (len(expected), b"\0" in content)
    assert CrlfContent(expected).digest == made.digest


def test_flags_are_written_as_imap_has_them() -> None:
    assert imap_flags(("S", "R", "F", "P", "D", "T", "a")) == (
        "\\Seen", "\\Answered", "\\Flagged", "$Forwarded", "\\Draft",
    )  # fmt: skip
    assert imap_flags(("\\seen", "\\Recent", "\\Deleted", "$Junk", "two words", "a]b", "\\*", "x" * 200)) == (
        "\\Seen", "$Junk",
    )  # fmt: skip
    assert allowed(("\\Seen", "$Junk"), ("\\Answered", "\\Seen")) == ("\\Seen",)
    assert allowed(("\\Seen", "$Junk"), ("\\Answered", "\\*")) == ("\\Seen", "$Junk")
    assert allowed(("\\Seen", "$Junk"), ()) == ("\\Seen", "$Junk")


class Flaky:
    """A target whose connection breaks: before it stores a message, or after it."""

    batch = 50
    address = "flaky:1"

    def __init__(self, *breaks: str) -> None:
        self.breaks = list(breaks)
        self.stored: list[str] = []
        self.closed = 0

    def open(self) -> None:
        self._break("open")

    def _break(self, where: str) -> None:
        if self.breaks and self.breaks[0] == where:
            self.breaks.pop(0)
            raise TransientError("the connection broke")

    def find(self, mail: GivenMail, tried: bool, claimed: CLAIMED) -> str | None:
        self._break("find")
        return "1" if mail.id in self.stored else None

    def put(self, mail: GivenMail) -> str:
        self._break("before")
        self.stored.append(mail.id)
        self._break("after")
        return "1"

    def close(self) -> None:
        self.closed += 1


@given(strategies.lists(strategies.sampled_from(["open", "find", "before", "after"]), max_size=4))
def test_a_broken_connection_stores_nothing_twice(breaks: list[str]) -> None:
    target = Flaky(*breaks)
    outcome, place = give(target, letter(), False, free, RetryPolicy(lambda seconds: None))
    assert (target.stored, place) == (["ab" * 32], "1")
    assert outcome in (GiveOutcome.NEW, GiveOutcome.THERE)


def test_a_connection_that_breaks_for_ever_is_an_error() -> None:
    with pytest.raises(TransientError):
        give(Flaky(*["before"] * 9), letter(), False, free, RetryPolicy(lambda seconds: None))


# --- EWS ------------------------------------------------------------------------------------------


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange() as server:
        server.offers = ('Basic realm="double"',)
        yield server
        assert server.unknown == []


def test_exchange_gets_items_with_their_date_and_flags(exchange: Exchange, tmp_path: Path) -> None:
    anna = exchange.person(ANNA, PASSWORD)
    target = EwsTarget(endpoint(exchange, tmp_path), "", "Restored/Case 7")
    mails = [
        letter(subject="one"), letter(subject="two", flags=()),
        letter(subject="three", flags=("\\Draft", "\\Seen")),
    ]  # fmt: skip
    target.open()
    for mail in mails:
        assert target.find(mail, False, free) is None
        place = target.put(mail)
        assert place == target.find(mail, True, free)
    target.close()
    folder = anna.folder("Restored", "Case 7")
    items = list(folder.items.values())
    assert [item.content for item in items] == [b"".join(mail.content.pieces()) for mail in mails]
    assert {item.received for item in items} == {EPOCH}
    assert [item.properties["0x0e07"] for item in items] == ["1", "0", "9"]
    again = EwsTarget(endpoint(exchange, tmp_path), "", "Restored/Case 7")
    again.open()
    assert again.find(mails[0], False, free) == items[0].id
    again.close()
    assert exchange.asked["CreateFolder"] == 2


@pytest.mark.parametrize("access", ["delegate", "impersonation"])
def test_mail_goes_into_another_persons_mailbox(exchange: Exchange, tmp_path: Path, access: str) -> None:
    exchange.person(ANNA, PASSWORD)
    bob = exchange.person(BOB, names=GERMAN)
    bob.delegates.add(ANNA)
    exchange.impersonators.add(ANNA)
    for folder, where in (("Inbox", bob.inbox), ("Sent", bob.known("sentitems")), ("Neu", None)):
        target = EwsTarget(endpoint(exchange, tmp_path, access=access), BOB, folder)
        target.open()
        target.put(letter(subject=folder))
        target.close()
        assert len((where or bob.folder("Neu")).items) == 1


def test_exchange_refuses_one_message_or_all(exchange: Exchange, tmp_path: Path) -> None:
    exchange.person(ANNA, PASSWORD)
    target = EwsTarget(endpoint(exchange, tmp_path), "", "Inbox")
    target.open()
    exchange.takes = lambda content: "ErrorMessageSizeExceeded"
    with pytest.raises(MailRefused, match="ErrorMessageSizeExceeded"):
        target.put(letter())
    exchange.takes = lambda content: "ErrorQuotaExceeded"
    with pytest.raises(SourceError, match="make room") as full:
        target.put(letter())
    assert not isinstance(full.value, MailRefused)
    target.close()


def test_a_busy_exchange_is_asked_again_and_gets_nothing_twice(exchange: Exchange, tmp_path: Path) -> None:
    anna = exchange.person(ANNA, PASSWORD)
    target = EwsTarget(endpoint(exchange, tmp_path), "", "Inbox")
    target.open()
    exchange.busy = [1000]
    waits: list[float] = []
    outcome, _ = give(target, letter(), False, free, RetryPolicy(waits.append))
    assert (outcome, len(waits), len(anna.inbox.items)) == (GiveOutcome.NEW, 1, 1)
    exchange.cut_every = exchange._answers + 2  # the answer to CreateItem
    outcome, _ = give(target, letter(subject="cut"), False, free, RetryPolicy(waits.append))
    assert (outcome, len(anna.inbox.items)) == (GiveOutcome.THERE, 2)
    target.close()


# --- SMTP -----------------------------------------------------------------------------------------


class Receiver(Relay):
    """A relay that keeps the bytes of mails, and can refuse recipients."""

    def __init__(self, certificate: ServerCertificate) -> None:
        super().__init__(certificate, "archive", SECRET)
        self.certificate = certificate
        self.received: list[bytes] = []
        self.refuses = False

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.refuses:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.received.append(bytes(envelope.content))
        return await super().handle_DATA(server, session, envelope)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Receiver]:
    with Receiver(server_certificate(tmp_path / "tls")) as made:
        yield made


def target_of(relay: Receiver, folder: Path) -> MailTarget:
    (folder / "secret").write_text(SECRET)
    (folder / "secret").chmod(0o600)
    settings = NotifyMail(
        host="127.0.0.1", port=relay.port, login="archive", password={"file": "secret"},
        ca_file=str(relay.certificate.authority), sender="archive@example.com",
    )  # fmt: skip
    return MailTarget(settings, folder, "bob@elsewhere.example")


ODD = (
    b"Subject: odd\r\n\r\n\xe4\xf6\r\n", b"Subject: odd\r\n\r\na\rb\r\n", b"Subject: odd\r\n\r\nno end",
    b"Subject: odd\r\n\r\n" + b"x" * 2000 + b"\r\n", b"Subject: odd\r\n\r\n\0\r\n",
)  # fmt: skip


def test_a_message_comes_as_an_attachment_in_exact_bytes(relay: Receiver, tmp_path: Path) -> None:
    target = target_of(relay, tmp_path)
    plain_one = b"Subject: plain\r\n\r\n.\r\n..dots\r\nFrom here\r\n"
    for content in (plain_one, *ODD):
        mail = letter(content)
        target.open()
        assert target.find(mail, False, free) is None
        assert target.put(mail) == ""
    target.close()
    assert relay.recipients == [["bob@elsewhere.example"]] * 6
    found = map(message_from_bytes, relay.received)
    for message, content in zip(found, (plain_one, *ODD), strict=True):
        assert message["Auto-Submitted"] == "auto-generated"
        parts = message.get_payload()
        assert isinstance(parts, list)
        text, attached = parts
        assert isinstance(text, Message)
        assert isinstance(attached, Message)
        assert ("ab" * 32) in str(text.get_payload())
        assert attached.get_filename() == "abababababababab.eml"
        if attached.get_content_type() == "message/rfc822":
            assert content == plain_one
        else:
            assert attached.get_payload(decode=True) == content
    assert b"\r\n\r\n" + plain_one + b"\r\n--" in relay.received[0]


def test_what_may_have_been_sent_is_not_sent_again(relay: Receiver, tmp_path: Path) -> None:
    target = target_of(relay, tmp_path)
    with pytest.raises(MailUncertain, match="--again"):
        target.find(letter(), True, free)


def test_a_refused_recipient_is_named(relay: Receiver, tmp_path: Path) -> None:
    relay.refuses = True
    target = target_of(relay, tmp_path)
    target.open()
    with pytest.raises(MailRefused, match="refused bob@elsewhere"):
        target.put(letter())
    target.close()


def test_without_a_relay_it_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="host"):
        MailTarget(NotifyMail(), tmp_path, "bob@elsewhere.example")
    with pytest.raises(ConfigError, match="sender"):
        MailTarget(NotifyMail(host="relay.example"), tmp_path, "bob@elsewhere.example")
