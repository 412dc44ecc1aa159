"""A run stores a message once, files it for everybody it concerns, and keeps every byte."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.facts import Fact, MessageFact
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import NotFound
from support.reports import fork, line, plain, report
from support.vaults import TestVault, put


def test_a_message_is_in_sent_and_inbox_and_is_stored_once(vault: TestVault) -> None:
    summary = vault.archive([report(plain(to=["bob@example.com"]), recipients=["bob@example.com"])])
    assert (summary.state, summary.new, summary.balanced) == ("ok", 1, True)
    assert vault.tree() == {"anna@example.com": {"Sent": 1}, "bob@example.com": {"Inbox": 1}}
    assert vault.status().messages == 1


def test_forks_are_one_message_with_united_recipients_and_three_reports(vault: TestVault) -> None:
    original = plain(to=["bob@example.com", "eve@example.com"], body="Fork me\n" * 50)
    people = [["bob@example.com"], ["eve@example.com"], [line("Bcc", "kim@example.com")]]
    forks = [report(fork(original, n), recipients=people[n], date=1_700_000_100 + n) for n in range(3)]
    summary = vault.archive(forks)
    assert (summary.new, summary.merged) == (1, 2)
    (hit,) = vault.messages()
    assert vault.raw(hit.id) in {fork(original, n) for n in range(3)}
    assert {vault.report(hit.id, n) for n in (1, 2, 3)} == set(forks)
    inboxes = {user for user, folders in vault.tree().items() if "Inbox" in folders}
    assert inboxes == {"bob@example.com", "eve@example.com", "kim@example.com"}
    vault.sound()


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_forks_of_an_encoded_original_come_back(vault: TestVault, encoding: str) -> None:
    original = plain(body="Encoded = fork\n" * 50)
    forks = [
        report(
            fork(original, n), recipients=[f"u{n}@example.com"], original_encoding=encoding if n < 2 else ""
        )
        for n in range(4)
    ]
    summary = vault.archive(forks)
    assert (summary.new, summary.merged) == (1, 3)
    (hit,) = vault.messages()
    assert {vault.report(hit.id, n) for n in range(1, 5)} == set(forks)
    vault.sound()


@pytest.mark.parametrize("spoil", [b"", b"A", b"AB", b"\r\n====", b"!"])
def test_a_broken_base64_original_is_unwrapped_as_far_as_possible(vault: TestVault, spoil: bytes) -> None:
    whole = report(plain(subject="Encoded"), original_encoding="base64")
    closing = whole.rindex(b"\r\n--")
    broken = whole[:closing] + spoil + whole[closing:]
    assert vault.archive([broken]).new == 1
    (hit,) = vault.messages()
    assert "bob@example.com/Inbox" in hit.folders
    assert vault.report(hit.id) == broken
    vault.sound()


def test_quarantined_items_of_a_removed_profile_can_be_tried_again(vault: TestVault) -> None:
    from muniment import api

    vault.archive([b"X-MS-Journal-Report:\r\n\r\nbroken"], unknown="leave")
    (profile,) = vault.client.call(api.ListProfiles(), api.Profiles).profiles
    vault.client.call(api.RemoveProfile(name=profile.name), api.Done)
    *_, done = vault.client.stream(api.RetryQuarantine())
    assert "0 of 1" in done.message  # type: ignore[attr-defined]


def test_forks_that_come_in_different_runs_are_one_message(vault: TestVault) -> None:
    original = plain(body="Fork me later\n" * 50)
    first = report(fork(original, 0), recipients=["bob@example.com"])
    later = report(fork(original, 1), recipients=["eve@example.com"])
    assert vault.archive([first]).new == 1
    assert vault.archive([later]).merged == 1
    (hit,) = vault.search("later")
    assert vault.report(hit.id, 2) == later
    assert [found.id for found in vault.search("later", user="eve@example.com")] == [hit.id]
    vault.sound()


def test_two_bodies_under_one_message_id_are_two_messages(vault: TestVault) -> None:
    bodies = [plain(body=text, message_id="<same@example.com>") for text in ("draft\n", "final\n")]
    assert vault.archive([report(body) for body in bodies]).new == 2
    assert {vault.raw(hit.id) for hit in vault.messages()} == set(bodies)


def test_an_attachment_of_fifty_messages_is_stored_once(vault: TestVault) -> None:
    blob = bytes(range(256)) * 400
    mails = [plain(subject=f"No {n}", attachments=[("plan.bin", blob)]) for n in range(50)]
    assert vault.archive([report(mail) for mail in mails]).new == 50
    assert vault.status().bytes_ledger < 2 * len(blob)
    assert {vault.raw(hit.id) for hit in vault.messages()} == set(mails)


def test_an_exact_repeat_is_merged_and_adds_no_envelope(vault: TestVault) -> None:
    wrapped = report(plain())
    assert vault.archive([wrapped, wrapped]).merged == 1
    assert vault.archive([wrapped]).merged == 1
    assert vault.status().envelopes == 1


def test_without_deletion_a_second_run_fetches_nothing(vault: TestVault) -> None:
    new = vault.maildir("kept", delete=False)
    put(new, [report(plain(subject=f"No {n}")) for n in range(20)])
    assert vault.run("kept").new == 20
    again = vault.run("kept")
    assert (again.listed, again.already, again.fetched, again.balanced) == (20, 20, 0, True)
    put(new, [report(plain(subject="No 20"))])
    assert vault.run("kept").new == 1


def test_with_deletion_the_source_is_empty_afterwards(vault: TestVault) -> None:
    new = vault.maildir("emptied", delete=True)
    put(new, [report(plain(subject=f"No {n}")) for n in range(20)] + [b"X-MS-Journal-Report:\r\n\r\nbroken"])
    summary = vault.run("emptied")
    assert (summary.new, summary.quarantined, summary.deleted) == (20, 1, 21)
    assert not list(new.iterdir())


def test_a_report_that_can_not_be_unwrapped_is_quarantined_to_the_byte(vault: TestVault) -> None:
    from muniment import api

    broken = b"X-MS-Journal-Report:\r\nFrom: a@example.com\r\n\r\nno original here\r\n"
    summary = vault.archive([broken, report(plain())])
    assert (summary.state, summary.quarantined, summary.new) == ("ok", 1, 1)
    (item,) = vault.client.call(api.ListQuarantine(), api.Quarantine).items
    assert vault.quarantined(item.id) == broken
    assert item.reason
    *_, done = vault.client.stream(api.RetryQuarantine())
    assert "0 of 1" in done.message  # type: ignore[attr-defined]
    vault.sound()


def test_a_forged_report_in_an_ordinary_mailbox_is_not_unwrapped(vault: TestVault) -> None:
    forged = report(plain(sender="boss@example.com"), sender="boss@example.com")
    vault.archive([forged], journal=False, owner="anna@example.com")
    assert vault.tree() == {"anna@example.com": {"Inbox": 1}}
    (hit,) = vault.messages()
    assert vault.raw(hit.id) == forged


@pytest.mark.parametrize("delete", [True, False])
def test_reports_are_unwrapped_once_an_ordinary_mailbox_becomes_a_journal_mailbox(
    vault: TestVault, delete: bool
) -> None:
    from muniment import api

    wrapped = report(plain(), recipients=["bob@example.com", line("Bcc", "eve@example.com")])
    new = vault.maildir("box", journal=False, owner="anna@example.com", delete=False)
    put(new, [wrapped])
    assert vault.run("box").new == 1
    assert vault.tree() == {"anna@example.com": {"Inbox": 1}}
    fields = {"journal": True, "owner": None, "delete": delete}
    vault.client.call(api.PutProfile(name="box", fields=fields), api.Done)
    assert vault.run("box").new == 1
    assert vault.tree() == {
        "anna@example.com": {"Inbox": 1, "Sent": 1},
        "bob@example.com": {"Inbox": 1},
        "eve@example.com": {"Inbox": 1},
    }
    assert vault.run("box").new == 0
    before = vault.tree()
    vault.rebuild()
    assert vault.tree() == before
    vault.sound()


def test_a_report_of_another_tenant_goes_to_the_catch_all_alone(vault: TestVault) -> None:
    vault.archive([report(plain(), tenant="forger@evil.example")], tenant="genuine@example.com")
    assert vault.tree() == {"catch-all": {"Inbox": 1}}
    with pytest.raises(NotFound, match="there is no user"):
        vault.search("plan", user="bob@example.com")


def test_unknown_recipients_can_be_left_at_the_source(vault: TestVault) -> None:
    stranger = report(plain(sender="x@else.example", to=["y@else.example"]), sender="x@else.example",
                      recipients=["y@else.example"])  # fmt: skip
    new = vault.maildir("picky", delete=True, unknown="leave")
    put(new, [stranger, report(plain())])
    summary = vault.run("picky")
    assert (summary.left, summary.new, summary.deleted, summary.balanced) == (1, 1, 1, True)
    assert len(list(new.iterdir())) == 1


def test_plain_copies_with_different_routing_headers_are_one_message(vault: TestVault) -> None:
    body = plain(to=["list@lists.example"], body="To all\n" * 30)
    copies = [b"Delivered-To: " + who + b"\r\n" + body for who in (b"bob@example.com", b"eve@example.com")]
    summary = vault.archive(copies)
    assert (summary.new, summary.merged) == (1, 1)
    (hit,) = vault.messages()
    assert {vault.report(hit.id, 1), vault.report(hit.id, 2)} == set(copies)
    assert {"bob@example.com", "eve@example.com"} <= set(vault.tree())


def test_a_new_alias_files_old_mail_again(vault: TestVault) -> None:
    from muniment import api

    vault.archive([report(plain(), recipients=["bob@example.com", "b.berg@example.com"])])
    vault.client.call(
        api.AddUser(name="Bob Berg", addresses=("bob@example.com", "b.berg@example.com")), api.Done
    )
    assert vault.tree() == {"anna@example.com": {"Sent": 1}, "bob@example.com": {"Inbox": 1}}
    assert len(vault.search("plan", user="b.berg@example.com")) == 1


@pytest.mark.parametrize("what", ["catalog", "index"])
def test_projections_are_rebuilt_from_the_ledger_alone(vault: TestVault, what: str) -> None:
    originals = [plain(subject=f"No {n}", attachments=[("a.bin", b"x" * 5000)]) for n in range(30)]
    vault.archive([report(one, recipients=["bob@example.com"]) for one in originals])
    vault.archive(
        [report(fork(originals[0], 3), recipients=["eve@example.com"]), b"X-MS-Journal-Report:\n\n"]
    )
    with_catalog = open_vault(vault.folder, write=False)
    before = with_catalog.catalog.dump()
    with_catalog.close()
    hits = vault.search("bob@example.com")
    vault.rebuild(catalog=what == "catalog", index=what == "index")
    rebuilt = open_vault(vault.folder, write=False)
    assert rebuilt.catalog.dump() == before
    rebuilt.close()
    assert vault.search("bob@example.com") == hits
    vault.sound()


def test_mail_to_an_address_with_a_tag_is_found_with_its_user(vault: TestVault) -> None:
    vault.archive([report(plain(subject="Tagged"), recipients=["bob+news@example.com"])])
    vault.archive([report(plain(subject="Foreign"), recipients=["kim+news@else.example"])])
    assert [hit.subject for hit in vault.search("", user="bob@example.com")] == ["Tagged"]
    assert [hit.subject for hit in vault.search("in:inbox", user="bob@example.com")] == ["Tagged"]
    assert [hit.subject for hit in vault.search("user:bob@example.com")] == ["Tagged"]


def test_a_catalog_that_missed_a_commit_catches_up_first(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failing = SqliteCatalog.apply, [OSError(28, "No space left on device")]

    def apply(self: SqliteCatalog, facts: Sequence[Fact], head: LedgerHead) -> None:
        if failing and any(isinstance(fact, MessageFact) for fact in facts):
            raise failing.pop()
        real(self, facts, head)

    monkeypatch.setattr(SqliteCatalog, "apply", apply)
    mails = [report(plain(subject=f"No {n}")) for n in range(5)]
    new = vault.maildir("box", delete=True)
    put(new, mails)
    summary = vault.run("box")
    assert (summary.state, summary.deleted, summary.balanced) == ("failed", 0, True)
    assert (vault.run("box").merged, list(new.iterdir())) == (5, [])
    assert vault.status().messages == 5
    vault.sound()


def test_text_that_only_looks_like_transport_makes_another_message(vault: TestVault) -> None:
    """In each pair the second message says more, in a line that begins like a field of transport."""
    mails = [plain(subject=f"{n}", message_id="<1@example.com>") for n in range(3)]
    claims = [
        b"X-MS-Exchange- hidden text: pay Mallory\r\n",
        b"Received by hand: pay Mallory\r\n",
        b"Received: x\rpay Mallory\r\nprose\r\n",
    ]
    others = [more + mail for more, mail in zip(claims, mails, strict=True)]
    assert vault.archive([report(mail) for mail in (*mails, *others)]).new == 6
    assert len(vault.search('"pay mallory"')) == 3
    vault.rebuild()
    kept = {vault.raw(hit.id) for hit in vault.messages()}
    assert {*mails, others[2]} <= kept
    # A header that begins with prose has no fields. Such mail is listed by its envelope, and stored inside.
    assert all(sum(other in raw for raw in kept) == 1 for other in others)
