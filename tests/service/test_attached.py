"""The rules of access hold for mail and files inside attachments: owner, secret recipients, audit trail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import MailUnreadable, NotFound
from muniment.parsing.reader import OpenMail
from muniment.parsing.tasks import AttachmentContent, ReaderRequest
from muniment.parsing.worker import answer
from muniment.service.access import audit_trail
from muniment.service.access.roles import Caller
from muniment.service.host.session import ClientSession
from muniment.service.operations import message_view
from support.asking import answers
from support.reports import line, plain, report
from support.vaults import TestVault
from support.wrapped import enclosing, signed

NAMES = ("bob", "carol", "audrey")
BOB, CAROL, AUDITOR = (Caller(61_000 + n, 61_000, 1, name) for n, name in enumerate(NAMES))
ACCESS = """
[access]
auditors = ["audrey"]
[access.users]
bob = "bob@example.com"
carol = "carol@example.com"
"""
INNER = plain(
    subject="inner", bcc=["eve@example.com"], body="inner words\n", attachments=[("plan.pdf", b"%PDF")],
    headers=["Bcc: eve@example.com"],
)  # fmt: skip
ENTITY = b"Content-Type: message/rfc822\r\n\r\n" + INNER
OUTER = enclosing(signed(ENTITY), "application/pkcs7-mime", "smime.p7m")
NUMBERS = {"smime.p7m": 1, "inner.eml": 2, "plan.pdf": 3}
Ways = Callable[[Caller, Request], list[WireWord]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with one mail to bob, with an attached mail that had a secret recipient."""
    vault = TestVault(tmp_path_factory.mktemp("attached") / "vault")
    assert vault.archive([report(OUTER, recipients=[line("To", "bob@example.com")])]).new == 1
    with (vault.folder / "vault.toml").open("a") as file:
        file.write(ACCESS)
    with ClientSession(vault.folder).writing():
        pass
    return vault.folder


@pytest.fixture
def send(folder: Path) -> Iterator[Ways]:
    vault = open_vault(folder, write=True)

    def ask(caller: Caller, request: Request) -> list[WireWord]:
        return answers(ClientSession(folder, vault, caller), request)

    yield ask
    audit_trail.trail_of(vault)._flush()
    vault.close()


def own_id(send: Ways, caller: Caller) -> str:
    (hits,) = send(caller, api.Search(query="words"))
    assert isinstance(hits, api.Hits)
    (hit,) = hits.hits
    return hit.id


def data(replies: list[WireWord]) -> bytes:
    return b"".join(reply.data for reply in replies if isinstance(reply, api.Chunk))


def test_a_plain_user_reads_attached_mail_without_its_secret_recipients(send: Ways) -> None:
    id_ = own_id(send, BOB)
    (shown,) = send(BOB, api.Show(id=id_))
    assert isinstance(shown, api.Message)
    assert {file.filename: number for number, file in enumerate(shown.attachments, start=1)} == NUMBERS
    assert [file.within for file in shown.attachments] == [0, 1, 2]
    assert "inner words" in shown.text
    assert "eve@" not in shown.text
    read = data(send(BOB, api.ReadAttachment(id=id_, number=2, text=True))).decode()
    assert "inner words" in read
    assert "eve@" not in read
    assert data(send(BOB, api.ReadAttachment(id=id_, number=3))) == b"%PDF"
    # Its bytes are what the sender attached, as in the public form of the message.
    assert data(send(BOB, api.ReadAttachment(id=id_, number=2))) == INNER
    assert data(send(BOB, api.ReadAttachment(id=id_, number=1))) == signed(ENTITY)
    for query in ("eve", "to:eve@example.com", "bcc:eve@example.com", "from:eve"):
        (hits,) = send(BOB, api.Search(query=query))
        assert isinstance(hits, api.Hits)
        assert hits.total == 0, query


def test_attached_mail_is_hidden_from_other_users(send: Ways) -> None:
    id_ = own_id(send, BOB)
    for number in NUMBERS.values():
        with pytest.raises(NotFound):
            send(CAROL, api.ReadAttachment(id=id_, number=number))
    with pytest.raises(NotFound, match="has 3 attachments"):
        send(BOB, api.ReadAttachment(id=id_, number=4))


def test_a_read_of_an_attachment_is_recorded(send: Ways) -> None:
    id_ = own_id(send, AUDITOR)
    for number in NUMBERS.values():
        send(AUDITOR, api.ReadAttachment(id=id_, number=number))
    (trail,) = send(AUDITOR, api.GetAudit(limit=1000))
    assert isinstance(trail, api.Audit)
    logged = [event for event in trail.events if (event.word, event.who) == ("ReadAttachment", "audrey")]
    assert [event.detail["messages"] for event in logged] == [[id_]] * len(NUMBERS)


def test_attachments_can_be_saved_although_the_parser_fails_inside_one(
    send: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attachments have the same numbers with and without what is inside them."""
    id_ = own_id(send, BOB)
    asked: list[bool] = []

    class Failing:
        """A reader that fails on everything inside attachments."""

        def content(self, mail: OpenMail, number: int, into: object = None) -> AttachmentContent:
            asked.append(mail.outline)
            if not mail.outline:
                raise MailUnreadable("failed")
            assert isinstance(mail.content, bytes)
            ask = ReaderRequest("content", len(mail.content), outline=True, option=number)
            return msgspec.msgpack.decode(answer(ask, mail.content).value, type=AttachmentContent)

    monkeypatch.setattr(message_view, "mail_reader", Failing)
    assert data(send(BOB, api.ReadAttachment(id=id_, number=1))) == signed(ENTITY)
    assert asked == [False, True]
    with pytest.raises(NotFound, match="has only one attachment"):
        send(BOB, api.ReadAttachment(id=id_, number=3))
