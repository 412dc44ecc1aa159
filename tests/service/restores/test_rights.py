"""Who may give which mail back into whose mailbox, in which form, and what the audit trail says of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused, ConfigError, Erased, NotFound, UsageError, VaultError
from muniment.service.access import audit_trail
from muniment.service.access.roles import Caller
from muniment.service.host.session import ClientSession
from muniment.service.operations.audit import list_audit
from muniment.service.operations.restores import restoring
from support.asking import answers
from support.dovecot import Dovecot, Mailbox
from support.imap_mail import stored
from support.reports import line, plain, report
from support.vaults import TestVault

ROOT = Caller(0, 0, 1, "root")
ADA, INES, AUDREY, BOB, BEN = (
    Caller(61_000 + n, 61_000, 1, name) for n, name in enumerate(("ada", "ines", "audrey", "bob", "ben"))
)
TO_BOB = plain(
    subject="to bob", to=["bob@example.com"], headers=["Received: from a by b", "Bcc: eve@example.com"]
)
BY_BOB = plain(subject="by bob", sender="bob@example.com", to=["anna@example.com"], bcc=["dora@example.com"])
TO_CAROL = plain(subject="to carol", to=["carol@example.com"])
PUBLIC = TO_BOB.replace(b"Received: from a by b\r\nBcc: eve@example.com\r\n", b"")


@dataclass
class House:
    """A vault that is open as in a service, and the mailboxes of its people on a real server."""

    vault: Vault
    server: Dovecot
    suffix: str
    ids: dict[str, str]

    def box(self, name: str) -> Mailbox:
        """A new mailbox of a person, which is reached by the setting `login`."""
        return self.server.mailbox(name=f"{name}-{self.suffix}", password="common")

    def send(self, caller: Caller, request: Request) -> list[WireWord]:
        """All replies to a request of a caller, through the guard."""
        return answers(ClientSession(self.vault.folder, self.vault, caller), request)

    def restore(self, caller: Caller, to: str, *subjects: str, **fields: Any) -> api.Restored:
        """Give messages back as a caller."""
        ids = tuple(self.ids[one] for one in subjects)
        answer = self.send(caller, api.Restore(to=to, ids=ids, **fields))[-1]
        assert isinstance(answer, api.Restored)
        return answer

    def contents(self, box: Mailbox, folder: str = "Restored") -> list[bytes]:
        """The messages in a folder of a mailbox."""
        return [one.content for one in stored(self.server, box, folder)]

    def trail(self) -> list[api.AuditEvent]:
        """The audit trail, oldest first."""
        audit_trail.trail_of(self.vault)._flush()
        session = ClientSession(self.vault.folder, self.vault)
        return list(list_audit(session, api.GetAudit(limit=10_000)).events)[::-1]

    def configure(self, more: str) -> None:
        """Add a section to vault.toml."""
        with (self.vault.folder / "vault.toml").open("a") as file:
            file.write(more)


@pytest.fixture
def house(tmp_path: Path, dovecot: Dovecot) -> Iterator[House]:
    made = TestVault(tmp_path / "vault")
    made.archive(
        [report(TO_BOB, recipients=[line("To", "bob@example.com"), line("Bcc", "eve@example.com")]),
         report(BY_BOB, sender="bob@example.com",
                recipients=[line("To", "anna@example.com"), line("Bcc", "dora@example.com")]),
         report(TO_CAROL, recipients=[line("To", "carol@example.com")])]
    )  # fmt: skip
    ids = {hit.subject: hit.id for hit in made.messages()}
    secret = tmp_path / "secret"
    secret.write_text("common")
    secret.chmod(0o600)
    made.profile(
        "office", source="imap", host="127.0.0.1", port=dovecot.imap, security="none", mailbox="master",
        journal=False, owner="office@example.com", password={"file": str(secret)}, enabled=False,
    )  # fmt: skip
    made.client.close()
    suffix = secrets.token_hex(8)
    with (made.folder / "vault.toml").open("a") as file:
        file.write(
            f'[restore]\nprofile = "office"\nlogin = "{{name}}-{suffix}"\n'
            '[access]\nadministrators = ["ada", "ines"]\nauditors = ["audrey"]\n'
            '[access.users]\nbob = "bob@example.com"\n'
        )
    with closing(open_vault(made.folder, write=True)) as vault:
        yield House(vault, dovecot, suffix, ids)


def test_a_user_gets_own_mail_back_without_bcc(house: House) -> None:
    box = house.box("bob")
    (*_, answer) = house.send(BOB, api.Restore(to="bob@example.com", query="subject:bob"))
    assert isinstance(answer, api.Restored)
    assert (answer.given, answer.public, answer.missed) == (2, 1, 0)
    # Of what bob sent, he knows all recipients.
    assert sorted(house.contents(box)) == sorted([PUBLIC, BY_BOB])
    (event,) = [one for one in house.trail() if one.event == "restored"]
    assert (event.who, event.people, event.kind) == ("bob", ("bob@example.com",), "export")
    assert event.detail["to"] == "bob@example.com/Restored"
    assert sorted(event.detail["messages"]) == sorted(house.ids[one] for one in ("to bob", "by bob"))


@pytest.mark.parametrize(
    ("to", "query", "fields"),
    [
        ("carol@example.com", "to bob", {}),
        ("bob@elsewhere.example", "to bob", {}),
        ("bob@example.com", "user:carol@example.com", {}),
        ("bob@example.com", "to bob", {"exact": True}),
        ("bob@example.com", "to bob", {"profile": "office"}),
        ("bob@example.com", "", {"user": "carol@example.com"}),
    ],
)
def test_a_user_gives_back_nothing_else(house: House, to: str, query: str, fields: dict[str, Any]) -> None:
    with pytest.raises(AccessRefused):
        house.send(BOB, api.Restore(to=to, query=query, **fields))
    assert [one.word for one in house.trail() if one.event == "refused"] == ["Restore"]


def test_another_persons_message_does_not_exist_for_a_user(house: House) -> None:
    with pytest.raises(NotFound):
        house.restore(BOB, "bob@example.com", "to carol")


def test_an_auditor_gives_mail_back_to_whom_it_belongs(house: House) -> None:
    box = house.box("bob")
    assert house.restore(AUDREY, "bob@example.com", "to bob", reason="lost").public == 1
    assert house.contents(box) == [PUBLIC]
    read, restored = [one for one in house.trail() if one.who == "audrey"]
    assert (read.event, read.detail["to"], read.detail["reason"]) == ("read", "bob@example.com", "lost")
    assert "bob@example.com" in read.people
    assert (restored.event, restored.detail["messages"]) == ("restored", [house.ids["to bob"]])
    for to, subject, fields in (
        ("carol@example.com", "to bob", {}),
        ("eve@elsewhere.example", "to bob", {}),
        ("bob@example.com", "to bob", {"exact": True}),
    ):
        with pytest.raises(AccessRefused, match="only an administrator"):
            house.restore(AUDREY, to, subject, **fields)


def test_an_administrator_decides_about_other_mailboxes_and_exact_bytes(house: House) -> None:
    bob, legal = house.box("bob"), house.box("legal")
    assert house.restore(ADA, "legal@elsewhere.example/Case 7", "to bob").public == 1
    assert house.contents(legal, "Case 7") == [PUBLIC]
    assert house.restore(ADA, "bob@example.com", "to bob", exact=True).public == 0
    assert house.contents(bob) == [TO_BOB]
    (*_, event) = house.trail()
    assert event.detail["exact"] is True


def test_another_mailbox_can_need_a_second_person(house: House) -> None:
    bob, carol = house.box("bob"), house.box("carol")
    house.configure('[approvals]\nneed = ["restore"]\n')
    assert house.restore(ADA, "bob@example.com", "to bob", reason="lost").given == 1
    asked = house.restore(ADA, "carol@example.com", "to bob", reason="stands in for bob")
    assert (asked.given, bool(asked.approval)) == (0, True)
    with pytest.raises(UsageError):
        house.restore(ADA, "carol@example.com", "to bob")  # without a reason
    (approval,) = house.send(INES, api.ShowApproval(id=asked.approval))
    assert isinstance(approval, api.ApprovalWord)
    assert approval.what == "give 1 message back into carol@example.com/Restored"
    (done,) = house.send(INES, api.AnswerApproval(id=asked.approval, answer="approve"))
    assert isinstance(done, api.Decided)
    assert "1 message given back to carol@example.com/Restored" in done.message
    assert (house.contents(bob), house.contents(carol)) == ([PUBLIC], [PUBLIC])
    (*_, restored) = [one for one in house.trail() if one.event == "restored"]
    assert (restored.who, restored.detail["approval"]) == ("ada", asked.approval)


def test_a_reader_by_a_grant_gives_mail_back_to_its_owner_alone(house: House) -> None:
    box = house.box("carol")
    house.send(ADA, api.GrantAccess(login="ben", user="carol@example.com", reason="holiday"))
    (hits,) = house.send(BEN, api.Search(query="", user="carol@example.com"))
    assert isinstance(hits, api.Hits)
    request = api.Restore(to="carol@example.com", ids=(hits.hits[0].id,))
    assert isinstance(house.send(BEN, request)[-1], api.Restored)
    assert house.contents(box) == [TO_CAROL]
    with pytest.raises(AccessRefused):
        house.send(BEN, api.Restore(to="ben@example.com", ids=(hits.hits[0].id,)))


def test_sealed_mail_is_not_given_back(house: House) -> None:
    house.send(ADA, api.SealMail(user="carol@example.com", logins=("ines",), reason="works council"))
    with pytest.raises(AccessRefused, match="sealed"):
        house.restore(ADA, "carol@example.com", "to carol")
    box = house.box("carol")
    (*_, answer) = house.send(ADA, api.Restore(to="carol@example.com", query="subject:to"))
    assert isinstance(answer, api.Restored)
    assert (answer.total, house.contents(box)) == (1, [PUBLIC])


def test_erased_mail_is_named_as_erased(house: House) -> None:
    house.vault.close()
    alone = TestVault(house.vault.folder)
    *_, erased = alone.client.stream(api.Erase(ids=(house.ids["to bob"],), basis="a court order"))
    alone.client.close()
    assert isinstance(erased, api.Erasure)
    house.vault = open_vault(house.vault.folder, write=True)
    with closing(house.vault), pytest.raises(Erased, match="a court order"):
        house.restore(ADA, "bob@example.com", "to bob")


def test_one_restore_at_a_time_writes_into_a_mailbox(house: House) -> None:
    with (
        restoring._alone(house.vault.folder, "BOB@example.com"),
        pytest.raises(VaultError, match="another restore"),
    ):
        house.restore(ADA, "bob@example.com", "to bob")


@pytest.mark.parametrize("to", ["", "bob", "@example.com", "bob@example.com/a\nb", "a b"])
def test_what_is_no_mailbox_is_refused(house: House, to: str) -> None:
    with pytest.raises(UsageError):
        house.restore(ADA, to, "to bob")


def test_nothing_is_chosen_by_mistake(house: House) -> None:
    with pytest.raises(UsageError, match="say which messages"):
        house.send(ADA, api.Restore(to="bob@example.com"))


def test_a_profile_that_can_not_give_mail_back_says_why(house: House, tmp_path: Path) -> None:
    client = ClientSession(house.vault.folder, house.vault, ROOT)
    fields = {"source": "maildir", "path": str(tmp_path)}
    answers(client, api.PutProfile(name="files", fields=fields, new=True))
    with pytest.raises(ConfigError, match="kind maildir"):
        house.restore(ADA, "bob@example.com", "to bob", profile="files")
    with pytest.raises(NotFound, match="no profile 'none'"):
        house.restore(ADA, "bob@example.com", "to bob", profile="none")
