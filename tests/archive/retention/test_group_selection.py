"""Groups in selections: who was in it when a message came decides, and leaving takes no mail out."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.retention.coverage import SelectionMatch, pages
from muniment.archive.retention.selected_people import GROUP, MOVED
from muniment.archive.retention.selection import MailSelection, describe, selection_of
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import NotFound
from support.reports import plain, report
from support.vaults import TestVault

YEAR = 366 * 86_400


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    made = TestVault(tmp_path / "vault")
    made.client.call(api.AddUser(name="Anna", addresses=("anna@example.com", "a@corp.net")), api.Done)
    made.client.call(api.AddUser(name="Bob", addresses=("bob@example.com",)), api.Done)
    return made


def mail(vault: TestVault, subject: str, to: str, date: int = 0) -> None:
    original = plain(sender="x@else.org", to=[to], subject=subject)
    made = report(original, sender="x@else.org", recipients=[to], date=date or int(time.time()))
    vault.archive([made], journal=True)


def join(vault: TestVault, *members: str, **more: Any) -> None:
    vault.client.call(api.JoinGroup(group="board", members=members, **more), api.Decided)


def leave(vault: TestVault, *members: str, **more: Any) -> None:
    vault.client.call(api.LeaveGroup(group="Board", members=members, **more), api.Done)


def recorded(vault: TestVault, **criteria: Any) -> MailSelection:
    with closing(open_vault(vault.folder, write=False)) as opened:
        return selection_of(opened.directory, now=int(time.time()), **criteria)


def now(vault: TestVault, selection: MailSelection) -> tuple[set[str], dict[str, str]]:
    certain, possible = set[str](), dict[str, str]()
    with closing(open_vault(vault.folder, write=False)) as opened:
        match = SelectionMatch(opened, selection)
        for page in pages(opened, 2):
            subjects = {row.sequence: row.subject for row in page.rows}
            found = match.coverage(page)
            certain |= {subjects[number] for number in found.certain}
            possible |= {subjects[number]: why for number, why in found.possible.items()}
    return certain, possible


def test_mail_of_members_is_selected_and_of_nobody_else(vault: TestVault) -> None:
    join(vault, "anna@example.com", "guest@else.net", "auto@example.com")
    selection = recorded(vault, groups=("BOARD",))
    assert describe(selection) == "mail of the group board"
    for subject, to in {
        "anna": "anna@example.com", "alias": "a@corp.net", "tag": "anna+x@example.com",
        "guest": "guest@else.net", "auto": "auto@example.com", "bob": "bob@example.com",
    }.items():  # fmt: skip
        mail(vault, subject, to)
    assert now(vault, selection) == ({"anna", "alias", "tag", "guest", "auto"}, {})


def test_an_unknown_group_is_an_error(vault: TestVault) -> None:
    with pytest.raises(NotFound, match="no group 'none'"):
        recorded(vault, groups=("none",))


def test_who_joins_later_counts_from_the_day_that_is_given(vault: TestVault) -> None:
    join(vault, "bob@example.com")
    selection = recorded(vault, groups=("board",))
    mail(vault, "old", "anna@example.com")
    assert now(vault, selection) == (set(), {})
    join(vault, "anna@example.com", since="2099-01-01")
    assert now(vault, selection) == (set(), {})
    join(vault, "anna@example.com", since="2020-01-01")
    assert now(vault, selection) == ({"old"}, {})


def test_who_leaves_keeps_their_mail_selected_and_later_mail_is_not(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    join(vault, "anna@example.com")
    selection = recorded(vault, groups=("board",))
    mail(vault, "before", "anna@example.com", date=int(time.time()) - 60)
    time.sleep(1.1)  # a membership ends with a whole second
    leave(vault, "anna@example.com")
    time.sleep(1.1)
    mail(vault, "after", "anna@example.com")
    assert now(vault, selection) == ({"before"}, {})


def test_an_end_in_the_past_leaves_mail_that_was_there_in_doubt(vault: TestVault) -> None:
    join(vault, "anna@example.com")
    selection = recorded(vault, groups=("board",))
    mail(vault, "before", "anna@example.com", date=int(time.time()) - 60)
    time.sleep(1.1)
    leave(vault, "anna@example.com", until="2020-12-31")
    assert now(vault, selection) == (set(), {"before": GROUP})


def test_mail_of_another_time_than_its_arrival_is_in_doubt(vault: TestVault) -> None:
    join(vault, "anna@example.com", since="2020-01-01")
    selection = recorded(vault, groups=("board",))
    mail(vault, "imported", "anna@example.com", date=1_400_000_000)
    assert now(vault, selection) == (set(), {"imported": GROUP})


def test_a_removed_member_stays_selected(vault: TestVault) -> None:
    join(vault, "anna@example.com")
    selection = recorded(vault, groups=("board",))
    mail(vault, "before", "anna@example.com", date=int(time.time()) - 60)
    time.sleep(1.1)
    vault.client.call(api.RemoveUser(user="anna@example.com"), api.Done)
    assert now(vault, selection) == (set(), {"before": MOVED})


def test_groups_and_people_must_both_fit_and_folders_are_the_members(vault: TestVault) -> None:
    join(vault, "anna@example.com")
    mail(vault, "anna", "anna@example.com")
    mail(vault, "bob", "bob@example.com")
    assert now(vault, recorded(vault, groups=("board",), people=("bob@example.com",))) == (set(), {})
    both = recorded(vault, groups=("board",), people=("anna@example.com",))
    assert now(vault, both) == ({"anna"}, {})
    assert now(vault, recorded(vault, groups=("board",), folders=("inbox",))) == ({"anna"}, {})
    assert now(vault, recorded(vault, groups=("board",), folders=("sent",))) == (set(), {})


@pytest.mark.parametrize("by_group", [False, True])
@pytest.mark.parametrize("address", ["late@example.com", "late@private.net"])
def test_an_address_without_a_user_is_followed_to_the_person_who_gets_it(
    vault: TestVault, address: str, by_group: bool
) -> None:
    if by_group:
        join(vault, address)
    criteria: dict[str, Any] = {"groups": ("board",)} if by_group else {"people": (address,)}
    selection = recorded(vault, **criteria)
    mail(vault, "address", address)
    mail(vault, "other", "lara@example.com")
    mail(vault, "bob", "bob@example.com")
    assert now(vault, selection) == ({"address"}, {})
    vault.client.call(api.AddUser(name="Lara", addresses=("lara@example.com", address)), api.Done)
    mail(vault, "later", "lara@example.com")
    covered = {"address"}, {"other": MOVED, "later": MOVED}
    assert now(vault, selection) == covered
    vault.client.call(api.RemoveUser(user="lara@example.com"), api.Done)
    assert now(vault, selection) == covered
    vault.client.call(api.AddUser(name="Bob", addresses=("bob@example.com", address)), api.Done)
    assert now(vault, selection) == ({"address"}, {"other": MOVED, "later": MOVED, "bob": MOVED})


def test_a_hold_and_a_rule_by_group_protect_and_a_disposal_takes_only_what_is_certain(
    vault: TestVault,
) -> None:
    join(vault, "anna@example.com")
    mail(vault, "anna", "anna@example.com", date=int(time.time()) - 60)
    mail(vault, "bob", "bob@example.com")
    of = api.MailCriteria(groups=("board",))
    ids = {hit.subject: hit.id for hit in vault.messages()}

    def kept(subject: str) -> api.MessageRetention:
        return vault.client.call(api.ShowRetention(id=ids[subject]), api.MessageRetention)

    vault.client.call(api.PlaceHold(name="h", reason="r", mail=of), api.HoldWord)
    rules = (
        api.RuleSpec(name="keep", kind="keep", period="10 years", mail=of),
        api.RuleSpec(name="go", kind="dispose", period="1 day", mail=of),
    )
    vault.client.call(api.SetRules(rules=rules), api.RulesSet)
    assert (kept("anna").holds, kept("bob").holds) == (("held by h",), ())
    assert kept("anna").dispose is not None
    time.sleep(1.1)
    leave(vault, "anna@example.com", until="2020-12-31")
    after = kept("anna")
    assert after.holds == ("held by h",)
    assert after.keep is not None
    assert (after.dispose, after.doubt) == (None, GROUP)
    vault.rebuild()
    assert kept("anna") == after
    vault.sound()
