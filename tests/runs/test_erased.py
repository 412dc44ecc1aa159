"""Runs over mail that was erased: it is not archived again, its books balance, and it may be deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment import api
from support.erased import erase, left_of
from support.reports import fork, line, plain, report
from support.vaults import TestVault, put

SECRET = plain(subject="Secret", body="The zyxwvut giants turn their sails at midnight.\n")
OTHER = plain(subject="Other", body="Soup and salad are served at noon.\n")


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    return TestVault(tmp_path / "vault")


def books(summary: api.RunSummary) -> dict[str, int]:
    assert summary.state == "ok"
    assert summary.balanced
    names = ("listed", "fetched", "already", "new", "merged", "quarantined", "left", "deleted")
    return {name: value for name in names if (value := getattr(summary, name))}


def erased(vault: TestVault, *subjects: str) -> None:
    erase(vault, [hit.id for hit in vault.messages() if hit.subject in subjects])


@pytest.mark.parametrize("rebuilt", [False, True])
@pytest.mark.parametrize("journal", [False, True])
def test_erased_mail_that_is_still_at_its_source_stays_there_unfetched(
    vault: TestVault, journal: bool, rebuilt: bool
) -> None:
    box = vault.maildir("box", journal=journal, **({} if journal else {"owner": "bob@example.com"}))
    put(box, [report(SECRET) if journal else SECRET, report(OTHER) if journal else OTHER])
    assert books(vault.run("box")) == {"listed": 2, "fetched": 2, "new": 2}
    erased(vault, "Secret")
    if rebuilt:
        vault.rebuild()
    assert books(vault.run("box")) == {"listed": 2, "already": 2}
    assert [hit.subject for hit in vault.messages()] == ["Other"]
    vault.sound()


def test_other_forms_of_erased_mail_are_known_as_well(vault: TestVault) -> None:
    vault.archive([report(SECRET), report(OTHER)], journal=True)
    erased(vault, "Secret")
    box = vault.maildir("again", journal=True)
    copies = [report(fork(SECRET, 3)), report(SECRET, recipients=[line("To", "eve@example.com")])]
    put(box, copies)
    for _ in range(2):  # the second run knows them by their keys, without fetching them
        assert books(vault.run("again")) == {"listed": 2, "already": 2}
    assert [hit.subject for hit in vault.messages()] == ["Other"]
    assert left_of(vault.folder, [SECRET, *copies], [OTHER, report(OTHER)]) == {}
    vault.sound()
    vault.rebuild()
    vault.sound()
    assert books(vault.run("again")) == {"listed": 2, "already": 2}


def test_erased_mail_is_deleted_at_its_source_as_known_mail_is(vault: TestVault) -> None:
    box = vault.maildir("box", journal=True)
    put(box, [report(SECRET), report(OTHER)])
    vault.run("box")
    erased(vault, "Secret")
    vault.client.call(api.PutProfile(name="box", fields={"delete": True}), api.Done)
    put(box, [report(fork(SECRET, 1))])
    found = books(vault.run("box"))
    assert (found["listed"], found["deleted"]) == (3, 3)
    assert list(box.iterdir()) == []
    assert [hit.subject for hit in vault.messages()] == ["Other"]
    vault.sound()


def test_a_copy_that_also_brings_new_mail_stays_at_its_source(vault: TestVault) -> None:
    vault.archive([report(SECRET)], journal=True)
    erased(vault, "Secret")
    box = vault.maildir("box", journal=True, delete=True)
    put(box, [report(OTHER, second=SECRET)])
    assert books(vault.run("box")) == {"listed": 1, "fetched": 1, "left": 1}
    assert len(list(box.iterdir())) == 1
    assert vault.messages() == []
    vault.sound()


def test_a_copy_of_which_a_part_was_erased_is_known(vault: TestVault) -> None:
    both = report(OTHER, second=SECRET)
    vault.archive([both], journal=True)
    erased(vault, "Secret")
    box = vault.maildir("box", journal=True)
    put(box, [both])
    assert books(vault.run("box")) == {"listed": 1, "already": 1}
    assert [hit.subject for hit in vault.messages()] == ["Other"]
    vault.sound()
    vault.rebuild()
    vault.sound()
