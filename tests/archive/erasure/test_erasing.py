"""Erasing messages of a whole vault: nothing of them is left, and nothing else is harmed."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.vault.open_vault import open_vault
from muniment.errors import Erased, NotFound
from support.erased import ORDER, erase, left_of, words_in_index
from support.reports import fork, line, plain, report
from support.vaults import TestVault

SECRET = plain(
    sender="Quentin Quixote <quixote@elsewhere.test>",
    to=["sancho@example.com"],
    subject="Windmills of Consuegra",
    body="The zyxwvut giants turn their qwertzuiop sails at midnight.\n",
)
OTHER = plain(to=["bob@example.com"], subject="Lunch menu", body="Soup and salad are served at noon.\n")


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    return TestVault(tmp_path / "vault")


def id_of(vault: TestVault, subject: str) -> str:
    (found,) = [hit.id for hit in vault.messages() if hit.subject == subject]
    return found


def whole(vault: TestVault, *kept: bytes) -> None:
    """Everything that stays is byte exact, by the catalog and by one that is built again."""
    for _ in range(2):
        vault.sound()
        reports = {
            vault.report(hit.id, number + 1)
            for hit in vault.messages()
            for number in range(len(vault.show(hit.id).envelopes))
        }
        assert reports >= set(kept)
        vault.rebuild()


def test_a_single_message_goes(vault: TestVault) -> None:
    secret, other = report(SECRET), report(OTHER)
    vault.archive([secret, other])
    assert left_of(vault.folder, [SECRET, secret], [OTHER, other])
    id_ = id_of(vault, "Windmills of Consuegra")
    result = erase(vault, [id_])
    assert (result.messages, len(result.records), result.frames) == (1, 1, 2)
    assert left_of(vault.folder, [SECRET, secret], [OTHER, other]) == {}
    assert words_in_index(vault, ["zyxwvut", "windmills", "lunch"]) == {
        "zyxwvut": 0, "windmills": 0, "lunch": 1,
    }  # fmt: skip
    assert [hit.subject for hit in vault.messages()] == ["Lunch menu"]
    assert vault.search("giants") == []
    assert vault.status().messages == 1
    with pytest.raises(NotFound, match=r"was erased on 2026-09-21, on this basis: Art. 17 GDPR"):
        vault.show(id_)
    assert not (vault.folder / "erasing").exists()
    whole(vault, other)
    assert left_of(vault.folder, [SECRET, secret], [OTHER, other]) == {}


def test_all_forks_of_a_message_go(vault: TestVault) -> None:
    forks = [report(fork(SECRET, number), recipients=[f"r{number}@example.com"]) for number in range(3)]
    other = report(OTHER)
    vault.archive([*forks, other])
    vault.archive([fork(SECRET, 9)])
    result = erase(vault, [id_of(vault, "Windmills of Consuegra")])
    assert result.messages == 1
    assert result.frames == 5
    assert left_of(vault.folder, [SECRET, *forks], [OTHER, other]) == {}
    whole(vault, other)


def test_a_report_with_two_messages_keeps_the_people_of_the_one_that_stays(vault: TestVault) -> None:
    kept = plain(to=["bob@example.com"], subject="Stays", body="This one stays as it is.\n", date=None)
    both = report(kept, second=SECRET, recipients=["bob@example.com", line("To", "eve@example.com")])
    other = report(OTHER)
    vault.archive([both, other])
    before = vault.show(id_of(vault, "Stays"))
    tree = vault.tree()
    erase(vault, [id_of(vault, "Windmills of Consuegra")])
    after = vault.show(id_of(vault, "Stays"))
    assert (after.date, after.envelopes, after.folders) == (before.date, before.envelopes, before.folders)
    assert vault.raw(after.id) == kept
    with pytest.raises(Erased):
        vault.report(after.id)
    shared = report(kept, recipients=["bob@example.com", line("To", "eve@example.com")])
    assert left_of(vault.folder, [SECRET], [kept, shared, other]) == {}
    vault.sound()
    vault.rebuild()
    vault.sound()
    assert vault.show(after.id) == after
    assert vault.tree().keys() == tree.keys()
    erase(vault, [after.id])  # its report is erased already
    assert [hit.subject for hit in vault.messages()] == ["Lunch menu"]
    whole(vault, other)


def test_an_attachment_stays_while_another_mail_has_it(vault: TestVault) -> None:
    shared, own = (random.Random(n).randbytes(60_000) for n in (1, 2))
    secret = report(plain(subject="Secret", attachments=[("a.bin", shared), ("b.bin", own)]))
    other = report(plain(subject="Other", to=["carl@example.com"], attachments=[("a.bin", shared)]))
    vault.archive([secret])
    vault.archive([other])
    erase(vault, [id_of(vault, "Secret")])
    assert left_of(vault.folder, [secret, own], [other, shared]) == {}
    whole(vault, other)
    erase(vault, [id_of(vault, "Other")])
    assert left_of(vault.folder, [secret, own, other, shared], [OTHER]) == {}
    vault.sound()


@pytest.mark.slow
def test_a_large_message_goes_with_all_of_its_chunks(vault: TestVault) -> None:
    large = random.Random(3).randbytes(18 * 1024 * 1024)
    secret = report(plain(subject="Large", attachments=[("large.bin", large)]))
    other = report(OTHER)
    vault.archive([secret])
    vault.archive([other])
    before = sum(path.stat().st_blocks for path in vault.folder.rglob("*.seg"))
    result = erase(vault, [id_of(vault, "Large")])
    assert result.frames >= 5
    start = large[:4000]
    assert left_of(vault.folder, [start], [other]) == {}
    assert sum(path.stat().st_blocks for path in vault.folder.rglob("*.seg")) < before / 10
    whole(vault, other)


@pytest.mark.slow
def test_a_large_attachment_that_comes_again_after_its_erasure_stays_with_its_new_mail(
    vault: TestVault,
) -> None:
    large = random.Random(4).randbytes(17 * 1024 * 1024)
    first, kept, last = (
        report(plain(subject=name, to=[f"{name}@example.com"], attachments=[("large.bin", large)]))
        for name in ("first", "kept", "last")
    )
    vault.archive([first])
    erase(vault, [id_of(vault, "first")])
    vault.archive([kept])
    vault.archive([last])
    erase(vault, [id_of(vault, "last")])
    assert [hit.subject for hit in vault.messages()] == ["kept"]
    whole(vault, kept)


def test_a_message_stays_while_its_report_also_brought_a_protected_one(vault: TestVault) -> None:
    held = plain(to=["bob@example.com"], subject="Held", body="This one is held.\n")
    both = report(held, second=SECRET)
    vault.archive([both])
    protected = bytes.fromhex(id_of(vault, "Held"))
    secret = id_of(vault, "Windmills of Consuegra")
    reason = "its report also brought a protected message: legal hold Tax"
    for named in ([secret], [secret, protected.hex()]):
        result = erase(
            vault, named, lambda rows: {row.sha: "legal hold Tax" for row in rows if row.sha == protected}
        )
        assert (result.messages, result.refused[bytes.fromhex(secret)]) == (0, reason)
    whole(vault, both)


def test_hostile_mail_goes_as_well(vault: TestVault) -> None:
    hostile = [
        plain(subject="\x1b]0;owned\x07 zyxwvut", body=b"\xff\xfe\x00 no text \x1b[2J qqqqqqqqqqqqqqq\r\n"),
        b"Subject: =?utf-8?b?////?= zyxwvut\r\nContent-Type: multipart/mixed\r\n\r\n--\r\nqwertz\r\n",
        b"From: \r\nzyxwvut without any header\r\n\r\n" + bytes(range(256)) * 3,
    ]
    vault.archive([*hostile, OTHER])
    ids = [hit.id for hit in vault.messages() if hit.subject != "Lunch menu"]
    assert len(ids) == 3
    assert erase(vault, ids).messages == 3
    assert left_of(vault.folder, hostile, [OTHER]) == {}
    whole(vault, OTHER)


def test_protected_messages_stay(vault: TestVault) -> None:
    vault.archive([report(SECRET), report(OTHER)])
    hold = bytes.fromhex(id_of(vault, "Lunch menu"))
    result = erase(
        vault, [hit.id for hit in vault.messages()],
        lambda rows: {row.sha: "legal hold Tax" for row in rows if row.sha == hold},
    )  # fmt: skip
    assert (result.messages, result.refused) == (1, {hold: "legal hold Tax"})
    assert [hit.subject for hit in vault.messages()] == ["Lunch menu"]
    vault.sound()


def test_the_decision_says_who_why_and_what(vault: TestVault) -> None:
    vault.archive([report(SECRET)])
    id_ = id_of(vault, "Windmills of Consuegra")
    erase(vault, [id_])
    with closing(open_vault(vault.folder, write=False)) as opened:
        found = opened.catalog.erasure_of(bytes.fromhex(id_))
    assert found is not None
    assert (found.at, found.basis) == (ORDER.at, ORDER.basis)
