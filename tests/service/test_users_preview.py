"""A change of users can be seen before it is made: who changes, and how much mail is filed again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import NotFound
from muniment.people.changes import add_address, add_user, set_domains
from support.reports import line, plain, report
from support.vaults import TestVault

CSV = "name,address,alias\nAda Quill,ada@example.com,a.quill@example.com\nBob,bob@example.com\n"


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    """A vault with 3 messages to an alias of Ada, 2 to Bob, and one to nobody who is known."""
    made = TestVault(tmp_path / "vault")
    people = ["a.quill@example.com"] * 3 + ["bob@example.com"] * 2 + ["x@else.example"]
    made.archive(
        report(
            plain(sender="y@else.example", to=[who], subject=f"letter {n}"),
            sender="y@else.example", recipients=[line("To", who)],
        )
        for n, who in enumerate(people)
    )  # fmt: skip
    return made


def done(vault: TestVault, request: api.Request) -> api.Done:
    return vault.client.call(request, api.Done)


def users(vault: TestVault) -> api.Users:
    return vault.client.call(api.ListUsers(), api.Users)


def test_a_dry_run_says_what_an_import_then_does(vault: TestVault) -> None:
    before = users(vault)
    preview = done(vault, api.ImportUsers(text=CSV, check=True))
    assert users(vault) == before
    assert [(one.user, one.name, one.kind) for one in preview.people] == [
        ("ada@example.com", "Ada Quill", "added"), ("bob@example.com", "Bob", "added"),
    ]  # fmt: skip
    assert preview.people[0].addresses == ("ada@example.com", "a.quill@example.com")
    assert preview.refiled == 5
    real = done(vault, api.ImportUsers(text=CSV))
    assert (real.people, real.refiled) == (preview.people, preview.refiled)
    again = done(vault, api.ImportUsers(text=CSV, check=True))
    assert (again.people, again.refiled) == ((), 0)


def test_each_address_says_where_it_comes_from(vault: TestVault) -> None:
    done(vault, api.ImportUsers(text=CSV))
    done(vault, api.AddUser(name="Ada Quill", addresses=("ada@example.com", "ada2@example.com")))
    vault.rebuild(index=False)
    ada = vault.client.call(api.ShowUser(user="ada@example.com"), api.UserWord)
    assert {one.address: one.origin for one in ada.addresses} == {
        "ada@example.com": "csv", "a.quill@example.com": "csv", "ada2@example.com": "hand",
    }  # fmt: skip
    assert not ada.former


def test_addresses_have_their_periods_and_a_person_without_any_is_former(vault: TestVault) -> None:
    done(vault, api.ImportUsers(text=CSV))
    done(
        vault,
        api.AddUser(name="New Bob", addresses=("new@example.com", "bob@example.com"), since="2026-02-01"),
    )
    everyone = {one.name: one for one in users(vault).users}
    old, new = everyone["Bob"], everyone["New Bob"]
    assert old.former
    assert not new.former
    (ended,) = old.addresses
    begun = next(one for one in new.addresses if one.address == "bob@example.com")
    assert ended.until == begun.since == 1_769_904_000
    assert (ended.since, begun.until) == (None, None)


def test_automatic_users_and_the_catch_all_are_counted(vault: TestVault) -> None:
    found = users(vault)
    assert found.catch_all == 1
    bob = next(one for one in found.users if one.user == "bob@example.com")
    assert (bob.automatic, bob.messages, bob.addresses[0].origin) == (True, 2, "mail")


def test_a_removal_says_how_much_mail_it_moves(vault: TestVault) -> None:
    done(vault, api.ImportUsers(text=CSV))
    preview = done(vault, api.RemoveUser(user="ada@example.com", check=True))
    assert [(one.user, one.kind) for one in preview.people] == [("ada@example.com", "removed")]
    assert preview.refiled == 3
    assert done(vault, api.RemoveUser(user="ada@example.com", alias="a.quill@example.com")).refiled == 3


def test_the_progress_of_filing_again_is_known_while_it_runs(vault: TestVault) -> None:
    opened = open_vault(vault.folder, write=True)
    try:
        assert opened.refiling is None
        seen = []
        refile = opened.catalog.refile

        def watched() -> object:
            for done in refile(batch=1):
                yield done
                seen.append(opened.refiling)

        opened.catalog.refile = watched  # type: ignore[method-assign, assignment]
        opened.change_directory(lambda _: [add_user("bob", "Bob", "bob@example.com")], 2_000_000_000)
        assert opened.refiling is None
    finally:
        opened.close()
    assert [one.done for one in seen if one] == sorted(one.done for one in seen if one)
    assert {one.expected for one in seen if one} == {2}


def test_a_user_is_changed_by_id_and_no_second_one_is_made(vault: TestVault) -> None:
    done(vault, api.ImportUsers(text=CSV))
    ada = vault.client.call(api.ShowUser(user="ada@example.com"), api.UserWord)
    change = api.AddUser(name="Ada Reed", addresses=("ada.reed@example.com",), of=ada.id, check=True)
    (planned,) = done(vault, change).people
    assert (planned.user, planned.kind) == ("ada.reed@example.com", "changed")
    done(vault, replace(change, check=False))
    named = [user for user in users(vault).users if not user.automatic]
    assert [(user.user, user.name, user.id) for user in named] == [
        ("ada.reed@example.com", "Ada Reed", ada.id), ("bob@example.com", "Bob", "bob@example.com"),
    ]  # fmt: skip
    with pytest.raises(NotFound, match="removed"):
        done(vault, replace(change, of="nobody"))


def test_a_user_is_shown_by_an_address_that_is_theirs_now(vault: TestVault) -> None:
    done(vault, api.ImportUsers(text=CSV))
    done(vault, api.AddUser(name="Bob", addresses=("bob@example.com", "a.quill@example.com")))
    shown = vault.client.call(api.ShowUser(user="a.quill@example.com"), api.UserWord)
    assert shown.name == "Bob"
    (former,) = (one for one in users(vault).users if one.name == "Ada Quill")
    assert vault.client.call(api.ShowUser(user=former.user), api.UserWord) == former


def test_an_automatic_user_has_an_address_and_no_label_as_address(vault: TestVault) -> None:
    with closing(open_vault(vault.folder, write=True)) as opened:
        opened.change_directory(lambda _: [set_domains(["example.com"])], 2_000_000_000)
        later = [
            add_user("u", "Bob", "bob@example.com"),
            add_address("u", "bob@example.com", valid_from=2**33),
        ]
        opened.change_directory(lambda _: later, 2_000_000_000)
    (auto,) = (one for one in users(vault).users if one.automatic and one.user.startswith("bob"))
    assert auto.user == "bob@example.com (automatic)"
    assert auto.addresses == (api.AddressWord(address="bob@example.com", until=2**33, origin="mail"),)
