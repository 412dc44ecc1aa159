"""Mail is given back into a real mailbox: each message once, byte for byte, with its date and flags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from muniment import api
from support.dovecot import Dovecot, Mailbox
from support.imap_mail import StoredMail, empty, fill, stored
from support.reports import EPOCH, plain
from support.vaults import TestVault

FLAGS: tuple[frozenset[str], ...] = (
    frozenset({"\\Seen"}),
    frozenset({"\\Flagged", "\\Answered"}),
    frozenset({"$Forwarded"}),
    frozenset(),
)


def mail(number: int, **fields: object) -> StoredMail:
    """A message that ada's mailbox got."""
    content = plain(
        subject=f"number {number}", body=f"the text of {number}\n", to=["ada@example.com"],
        bcc=["hidden@example.com"], headers=[f"Received: from relay by mail.example.com id {number}"],
        **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    return StoredMail(content, EPOCH + 60 * number, FLAGS[number % len(FLAGS)])


@dataclass
class Office:
    """A vault, and ada's mailbox, which it archives."""

    vault: TestVault
    server: Dovecot
    box: Mailbox

    def archive(self, mails: list[StoredMail]) -> None:
        """Archive messages from ada's mailbox, and delete them there."""
        fill(self.server, self.box, mails)
        assert self.vault.run("ada").new == len(mails)
        empty(self.server, self.box)

    def restore(self, **fields: object) -> api.Restored:
        """Give mail back into ada's mailbox."""
        fields = {"to": "ada@example.com"} | fields
        *_, answer = self.vault.client.stream(api.Restore(**fields))  # type: ignore[arg-type]
        assert isinstance(answer, api.Restored)
        return answer

    def stored(self, folder: str = "Restored") -> list[StoredMail]:
        """What is in a folder of ada's mailbox."""
        return stored(self.server, self.box, folder)


@pytest.fixture
def office(tmp_path: Path, dovecot: Dovecot) -> Iterator[Office]:
    box = dovecot.mailbox()
    vault = TestVault(tmp_path / "vault")
    secret = tmp_path / "secret"
    secret.write_text(box.password)
    secret.chmod(0o600)
    vault.profile(
        "ada", source="imap", host="127.0.0.1", port=dovecot.imaps, mailbox=box.name,
        ca_file=str(dovecot.certificates.authority), owner="ada@example.com", journal=False,
        password={"file": str(secret)}, enabled=False,
    )  # fmt: skip
    yield Office(vault, dovecot, box)
    vault.client.close()


def test_mail_comes_back_byte_for_byte_with_date_and_flags(office: Office) -> None:
    mails = [mail(number) for number in range(8)]
    office.archive(mails)
    answer = office.restore(query="user:ada@example.com")
    assert (answer.total, answer.given, answer.public, answer.failed) == (8, 8, 0, ())
    assert office.stored() == mails
    assert office.stored("INBOX") == []


def test_a_second_restore_gives_nothing_twice(office: Office) -> None:
    mails = [mail(number) for number in range(3)]
    office.archive(mails)
    office.restore(query="number")
    answer = office.restore(query="number")
    assert (answer.given, answer.there, answer.before) == (0, 0, 3)
    answer = office.restore(query="number", again=True)
    assert (answer.given, answer.there, answer.before) == (0, 3, 0)
    (office.vault.folder / "restores.sqlite").unlink()
    answer = office.restore(query="number")
    assert (answer.given, answer.there, answer.before) == (0, 3, 0)
    assert office.stored() == mails


def test_what_was_deleted_again_comes_back_on_request_only(office: Office) -> None:
    mails = [mail(number) for number in range(2)]
    office.archive(mails)
    office.restore(query="number")
    empty(office.server, office.box, "Restored")
    assert office.restore(query="number").before == 2
    assert office.stored() == []
    assert office.restore(query="number", again=True).given == 2
    assert office.stored() == mails


def test_a_folder_is_found_or_made(office: Office) -> None:
    office.archive([mail(1)])
    (hit,) = office.vault.messages()
    for folder in ("Inbox", "Inbox", "Case 7/Überblick", "Sent"):
        office.restore(ids=(hit.id,), to=f"ada@example.com/{folder}")
    assert office.stored("INBOX") == [mail(1)]
    assert office.stored("Case 7.&ANw-berblick") == [mail(1)]  # Dovecot parts levels by a dot
    assert office.stored("Sent") == [mail(1)]


def test_odd_bytes_survive(office: Office) -> None:
    """A lone CR, 8-bit text, a line of 5,000 bytes, no line end at the end, lines that begin with dots."""
    odd = plain(
        to=["ada@example.com"],
        body=b"a\rb\r\n.\r\n..\r\n" + b"x" * 5000 + b"\r\n\xe4\xf6\r\nFrom here\r\nend",
    )
    same_id = [mail(1, message_id="<same@example.com>"), mail(2, message_id="<same@example.com>")]
    no_id = [mail(3, message_id=""), mail(4, message_id="")]
    mails = [*same_id, *no_id]
    office.box.put([odd])  # imaplib would change it
    fill(office.server, office.box, mails)
    assert office.vault.run("ada").new == 5
    assert office.restore(query="user:ada@example.com").given == 5
    contents = [odd, *(one.content for one in mails)]
    assert sorted(one.content for one in office.stored()) == sorted(contents)


def test_a_large_message_is_sent_in_pieces(office: Office) -> None:
    large = plain(to=["ada@example.com"], attachments=[("film.bin", bytes(range(256)) * 50_000)])
    office.archive([StoredMail(large, EPOCH, frozenset())])
    assert office.restore(query="user:ada@example.com").given == 1
    (office.vault.folder / "restores.sqlite").unlink()
    assert office.restore(query="user:ada@example.com").there == 1
    assert office.stored() == [StoredMail(large, EPOCH, frozenset())]
