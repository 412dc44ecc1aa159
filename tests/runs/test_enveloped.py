"""Plain copies reach the people whom their SMTP envelope names, and these stay secret."""

from __future__ import annotations

import smtplib
from collections.abc import Iterable
from contextlib import closing
from functools import partial

import pytest

from muniment import api
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.open_vault import open_vault
from muniment.gateway.smtp import GatewaySettings, SmtpGateway
from muniment.runs.pipeline.archivist import Archivist
from muniment.service.access.roles import Caller
from muniment.service.dispatch import guard
from muniment.service.host.session import ClientSession
from runs.test_delivered import receipts
from support.reports import line, plain, report
from support.vaults import TestVault

JOURNAL = "journal@example.com"
BOB, CAROL, EVE = "bob@example.com", "carol@example.com", "eve@example.com"
MAIL = plain(sender="Anna <anna@example.com>", to=[BOB], subject="terms", body="the terms\n")
INBOX = {"Inbox": 1}
"""The folders of a person who was reached."""


def deliver(
    vault: TestVault,
    *mails: tuple[bytes, Iterable[str]],
    sender: str = "anna@example.com",
    headers: tuple[str, ...] = (),
) -> None:
    """Give mails to a gateway, each with the recipients of its envelope."""
    settings = GatewaySettings(
        vault.folder / "spool", (JOURNAL,), port=0, any_recipient=True, envelope_headers=headers
    )
    with (
        SmtpGateway(settings) as gateway,
        smtplib.SMTP("127.0.0.1", gateway.port, local_hostname="relay.example", timeout=20) as smtp,
    ):
        for mail, recipients in mails:
            smtp.sendmail(sender, list(recipients), mail)


def run(vault: TestVault, *mails: tuple[bytes, Iterable[str]], **fields: object) -> api.RunSummary:
    deliver(vault, *mails)
    if fields or not vault.status().profiles:
        vault.profile("in", source="spool", path=str(vault.folder / "spool"), **fields)
    summary = vault.run("in")
    assert summary.balanced
    return summary


def shown(vault: TestVault, query: str = "subject:terms") -> list[tuple[str, str]]:
    """The parties of all copies of a message, as an auditor sees them."""
    hit, *_ = vault.search(query)
    envelopes = vault.show(hit.id).envelopes
    return [(role, address) for envelope in envelopes for role, address, *_ in envelope.parties]


def same_after_a_rebuild(vault: TestVault) -> None:
    """All answers stay the same when catalog and index are rebuilt from the ledger alone."""

    def answers() -> object:
        found = {user: len(vault.search("terms", user)) for user in vault.tree() if "@" in user}
        return vault.tree(), shown(vault), found, [hit.id for hit in vault.search(f"bcc:{CAROL}")]

    before = answers()
    vault.rebuild()
    assert answers() == before
    vault.sound()


def test_bcc_people_get_the_message(vault: TestVault) -> None:
    assert run(vault, (MAIL, [BOB, CAROL, "x@elsewhere.example"])).new == 1
    assert vault.tree()[CAROL] == INBOX
    assert vault.tree()[BOB] == INBOX
    assert vault.tree()["anna@example.com"] == {"Sent": 1}
    assert shown(vault) == [
        ("sender", "anna@example.com"), ("to", BOB), ("recipient", CAROL),
        ("recipient", "x@elsewhere.example"),
    ]  # fmt: skip
    (receipt,) = receipts(vault)
    people = [BOB, CAROL, "x@elsewhere.example"]
    assert receipt.envelope == {"from": "anna@example.com", "to": people, "people": people}
    assert [len(vault.search("terms", user)) for user in (BOB, CAROL)] == [1, 1]


def test_an_extension_names_a_person(vault: TestVault) -> None:
    run(vault, (MAIL, ["journal+carol=example.com@example.com", JOURNAL]))
    assert vault.tree()[CAROL] == INBOX
    assert JOURNAL not in vault.tree()  # although it is an address of one of our domains


@pytest.mark.parametrize("apart", [False, True], ids=["in one run", "in two"])
def test_the_same_bytes_to_others_reach_them_too(vault: TestVault, apart: bool) -> None:
    """A mail server with many recipients delivers the same copy several times."""
    first, second = (MAIL, [BOB, CAROL]), (MAIL, [EVE])
    if apart:
        assert run(vault, first).new == 1
        assert EVE not in vault.tree()
        assert run(vault, second).merged == 1
    else:
        summary = run(vault, first, second)
        assert (summary.new, summary.merged) == (1, 1)
    assert {user: vault.tree()[user] for user in (BOB, CAROL, EVE)} == dict.fromkeys((BOB, CAROL, EVE), INBOX)
    assert len(vault.search("terms", EVE)) == 1
    assert [party for party in shown(vault) if party[0] == "recipient"] == [
        ("recipient", CAROL),
        ("recipient", EVE),
    ]
    same_after_a_rebuild(vault)


MANY = 100


@pytest.mark.parametrize("large", [False, True])
def test_a_header_field_that_is_trusted_names_people(vault: TestVault, large: bool) -> None:
    """With the setting, in any case of letters. Without it, and in a report, the field names no people."""
    body = b"x" * (9 * 1024 * 1024) if large else b"the terms\r\n"
    field = b"X-Rcpt-To: Carol <Carol@example.com>,\r\n dora@example.com, no address\r\n"
    copy = field + MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
    other = plain(sender="Anna <anna@example.com>", to=[BOB], subject="other", headers=[f"X-Rcpt-To: {EVE}"])
    deliver(vault, (copy, [JOURNAL]), headers=("x-RCPT-to",))
    deliver(vault, (other, [JOURNAL]))
    deliver(vault, (field.replace(b"Carol@", b"zoe@") + report(MAIL, recipients=[BOB]), [JOURNAL]))
    vault.profile("in", source="spool", path=str(vault.folder / "spool"))
    vault.run("in")
    assert {CAROL, "dora@example.com"} < vault.tree().keys()
    assert not {EVE, "zoe@example.com"} & vault.tree().keys()
    if not large:
        same_after_a_rebuild(vault)


def test_envelopes_of_any_size_fit_into_receipts(vault: TestVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch ends before its receipts become too large for one record."""
    small = partial(Archivist, batch_bytes=64 * 1024)
    monkeypatch.setattr("muniment.runs.run.Archivist", small)
    crowd = [f"{'p' * 50}{n}@{'long-' * 8}domain{n}.example" for n in range(MANY)]
    run(vault, *[(MAIL + b"%d\r\n" % n, crowd) for n in range(12)])
    assert vault.status().messages == 12
    sizes = [frame.size for frame in scan(segments_of(vault.folder)) if frame.kind is RecordKind.RECEIPT]
    assert len(sizes) > 3
    assert max(sizes) < 3 * 64 * 1024


def test_the_postmaster_is_filed_like_any_person(vault: TestVault) -> None:
    note = plain(sender="x@elsewhere.example", to=["postmaster@archive.example"], subject="note")
    run(vault, (note, ["postmaster"]), (note + b"2\r\n", ["postmaster@example.com"]))
    assert vault.tree()["catch-all"] == INBOX
    assert vault.tree()["postmaster@example.com"] == INBOX


def test_a_reports_own_envelope_wins(vault: TestVault) -> None:
    run(vault, (report(MAIL, recipients=[BOB, line("Bcc", CAROL)]), [EVE]))
    assert EVE not in vault.tree()
    assert vault.tree()[CAROL] == INBOX
    (receipt,) = receipts(vault)
    assert receipt.envelope["people"] == [EVE]  # as evidence
    same_after_a_rebuild(vault)


def test_with_a_pinned_tenant_no_envelope_routes(vault: TestVault) -> None:
    """Mail that is no report then goes to the catch-all alone. Auditors still see its envelope."""
    run(vault, (MAIL, [CAROL]), tenant="journal@tenant.example")
    assert CAROL not in vault.tree()
    assert ("recipient", CAROL) in shown(vault)


def test_mail_that_only_the_envelope_routes_is_not_left(vault: TestVault) -> None:
    outside = plain(sender="x@elsewhere.example", to=["list@elsewhere.example"], subject="terms")
    summary = run(
        vault, (outside, [CAROL]), (outside + b"more\r\n", ["y@elsewhere.example"]), unknown="leave"
    )
    assert (summary.new, summary.left) == (1, 1)
    assert vault.tree()[CAROL] == INBOX


def test_the_sender_of_an_envelope_is_evidence_but_no_sender_of_the_message(vault: TestVault) -> None:
    """Lists, forwarders and anybody who delivers choose that address freely.

    It gives no access to a message.
    """
    deliver(vault, (MAIL, [BOB]), sender=EVE)
    vault.profile("in", source="spool", path=str(vault.folder / "spool"))
    vault.run("in")
    assert EVE not in vault.tree()
    assert receipts(vault)[0].envelope["from"] == EVE


def test_the_receipt_gives_the_reason(vault: TestVault) -> None:
    run(vault, (MAIL, [CAROL]))
    assert receipts(vault)[0].notes == ("no journal report, so routed by its headers and its SMTP envelope",)


ACCESS = """
[access]
auditors = ["audrey"]
[access.users]
bob = "bob@example.com"
carol = "carol@example.com"
anna = "anna@example.com"
"""


def test_recipients_of_an_envelope_stay_secret(vault: TestVault) -> None:
    """Invariant 9: a recipient sees their own line; the sender and auditors see all."""
    run(vault, (MAIL, [BOB, CAROL]), (MAIL, [EVE]))
    with (vault.folder / "vault.toml").open("a") as file:
        file.write(ACCESS)
    with ClientSession(vault.folder).writing():
        pass  # so that the logins exist

    def seen_by(name: str) -> tuple[str, int]:
        """Everything that a caller sees of the message, and the number of hits for a Bcc recipient."""
        with closing(open_vault(vault.folder, write=True)) as opened:
            session = ClientSession(vault.folder, opened, Caller(61_000, 61_000, 1, name))
            hits = guard.call(session, api.Search(query="terms"))
            assert isinstance(hits, api.Hits)
            words = [repr(guard.call(session, api.Show(id=hit.id))) for hit in hits.hits]
            bcc = guard.call(session, api.Search(query=f"to:{EVE}"))
            assert isinstance(bcc, api.Hits)
            return "".join(words), len(bcc.hits)

    for name, sees in (("bob", False), ("carol", False), ("anna", True), ("audrey", True)):
        words, found = seen_by(name)
        assert words
        assert (EVE in words) == sees, name
        assert found == 0 or sees, name
