"""Subject requests through the engine: what is collected, how it is decided, and what stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment import api
from muniment.errors import NotFound, QueryError, UsageError
from support.subjects import decide, fill, letter, listed, opened, state
from support.vaults import TestVault

ALL = ["sent", "former", "blind", "hidden"]


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    made = TestVault(tmp_path / "vault")
    fill(made)
    yield made
    made.client.close()


def subjects(found: list[api.SubjectMessageWord]) -> list[str]:
    return [one.subject for one in found]


def test_all_mail_of_a_person_is_collected(vault: TestVault) -> None:
    made = opened(vault)
    assert (made.name, made.messages, made.undecided, made.closed) == ("anna@example.com", 4, 4, 0)
    found = listed(vault)
    assert subjects(found) == ALL
    assert [one.number for one in found] == [1, 2, 3, 4]
    assert [one.parts for one in found] == [("sender",), ("to",), ("bcc",), ("to",)]
    assert {one.state for one in found} == {"undecided"}


@pytest.mark.parametrize("typed", ["Anna Berg", "anna  berg", "a.berg@example.com"])
def test_a_person_is_found_by_name_and_by_each_address(vault: TestVault, typed: str) -> None:
    made = opened(vault, typed)
    assert made.messages == 4
    assert made.name == " ".join(typed.split())


def test_an_address_of_no_directory_is_a_person_too(vault: TestVault) -> None:
    vault.archive([letter("outside", "x@else.org", "bob@example.com")], journal=True)
    assert opened(vault, "x@else.org").messages == 1
    assert opened(vault, "anna@example.com", "x@else.org", name="both").messages == 5


def test_former_addresses_count(vault: TestVault) -> None:
    vault.client.call(api.RemoveUser(user="anna@example.com", alias="a.berg@example.com"), api.Done)
    assert opened(vault).messages == 4
    assert [(one.subject, one.reach) for one in listed(vault)] == [
        ("sent", "party"), ("former", "unsure"), ("blind", "party"), ("hidden", "party"),
    ]  # fmt: skip


def test_text_that_names_the_person_is_found_if_it_is_asked_for(vault: TestVault) -> None:
    made = opened(vault, mentions=True)
    assert set(made.texts) == {"anna@example.com", "a.berg@example.com", "Anna Berg", "Berg Anna"}
    assert subjects(listed(vault)) == [*ALL, "named"]
    assert subjects(listed(vault, reach="named")) == ["named"]
    assert state(vault).reaches == {"party": 4, "unsure": 0, "named": 1}
    assert opened(vault, name="plums", texts=("plums",)).messages == 5


def test_a_query_and_days_limit_what_is_collected(vault: TestVault) -> None:
    assert opened(vault, name="q", query="subject:former OR subject:sent").messages == 2
    assert opened(vault, name="old", until="2001").messages == 0
    assert opened(vault, name="new", since="2001").messages == 4
    assert opened(vault, name="named", mentions=True, query="ill").messages == 1
    with pytest.raises(QueryError):
        opened(vault, name="bad", query="((")
    with pytest.raises(UsageError):
        opened(vault, name="bad", since="yesterday or so")


def test_mail_that_comes_later_is_not_in_it(vault: TestVault) -> None:
    opened(vault)
    vault.archive([letter("later", "anna@example.com", "bob@example.com")], journal=True)
    assert subjects(listed(vault)) == ALL
    assert opened(vault, name="second").messages == 5


def test_names_reasons_and_people_are_checked(vault: TestVault) -> None:
    opened(vault)
    for fields, error in (
        ({"name": "ANNA@example.com"}, "open already"),
        ({"name": "x" * 81}, "at most 80"),
        ({"reason": " "}, "reason is needed"),
        ({"name": "y", "reason": "x" * 2001}, "at most 2000"),
    ):
        with pytest.raises(UsageError, match=error):
            opened(vault, **fields)
    with pytest.raises(NotFound, match="no user 'Nobody'"):
        opened(vault, "Nobody")
    vault.client.call(api.AddUser(name="Anna Berg", addresses=("ab2@example.com",)), api.Done)
    with pytest.raises(UsageError, match="Several people"):
        opened(vault, "Anna Berg", name="two")


def test_a_dry_run_records_nothing(vault: TestVault) -> None:
    made = opened(vault, check=True)
    assert (made.id, made.messages) == ("", 4)
    assert vault.client.call(api.ListSubjects(closed=True), api.Subjects).total == 0
    opened(vault)
    assert decide(vault, "include", rest=True, check=True).decided == 4
    assert state(vault).states["undecided"] == 4


def test_the_newest_decision_wins_and_all_are_kept(vault: TestVault) -> None:
    opened(vault)
    id_ = listed(vault)[1].id
    assert decide(vault, "withhold", "1", id_[:12], reason="others").decided == 2
    done = decide(vault, "include", "#2", reason="looked again")
    assert (done.decided, done.again, done.undecided) == (1, 1, 2)
    assert [one.state for one in listed(vault)] == ["withheld", "included", "undecided", "undecided"]
    assert listed(vault)[1].reason == "looked again"
    found = vault.client.call(api.ListSubjectDecisions(name="anna@example.com", id="2"), api.SubjectDecisions)
    assert [(one.decision, one.reason, one.messages) for one in found.decisions] == [
        ("include", "looked again", 1), ("withhold", "others", 2),
    ]  # fmt: skip
    first = vault.client.call(
        api.ListSubjectDecisions(name="anna@example.com", limit=1), api.SubjectDecisions
    )
    rest = vault.client.call(
        api.ListSubjectDecisions(name="anna@example.com", before=first.after), api.SubjectDecisions
    )
    assert (first.total, len(rest.decisions), rest.after) == (2, 1, 0)


def test_decisions_in_bulk(vault: TestVault) -> None:
    opened(vault)
    assert decide(vault, "withhold", query="subject:former OR subject:others").decided == 1
    assert decide(vault, "include", rest=True, query="subject:sent").decided == 1
    done = decide(vault, "include", rest=True)
    assert (done.decided, done.again, done.undecided) == (2, 0, 0)
    assert decide(vault, "include", rest=True).decided == 0
    assert state(vault).states == {
        "undecided": 0, "included": 3, "withheld": 1, "sealed": 0, "erased": 0,
    }  # fmt: skip
    assert subjects(listed(vault, state="withheld")) == ["former"]
    assert subjects(listed(vault, query="subject:sent")) == ["sent"]


def test_what_can_not_be_decided_is_refused(vault: TestVault) -> None:
    opened(vault)
    other = next(hit.id for hit in vault.messages() if hit.subject == "others")
    for ids in (("5",), ("0",), (other,), ("0123456789",)):
        with pytest.raises(NotFound):
            decide(vault, "include", *ids)
    with pytest.raises(UsageError, match="which messages"):
        decide(vault, "include")
    with pytest.raises(UsageError, match="which messages"):
        decide(vault, "include", "1", rest=True)
    with pytest.raises(UsageError, match="no decision"):
        decide(vault, "perhaps", "1")
    with pytest.raises(UsageError, match="reason is needed"):
        decide(vault, "include", "1", reason=" ")
    with pytest.raises(NotFound, match="no subject request"):
        decide(vault, "include", "1", name="bob")
    assert state(vault).subject.undecided == 4


def test_lists_are_paged(vault: TestVault) -> None:
    for number in range(5):
        opened(vault, name=f"r{number}")
    names, before = [], ""
    while True:
        page = vault.client.call(api.ListSubjects(limit=2, before=before), api.Subjects)
        assert (page.total, page.open) == (5, 5)
        names.append([one.name for one in page.subjects])
        before = page.after
        if not before:
            break
    assert names == [["r4", "r3"], ["r2", "r1"], ["r0"]]
    first = vault.client.call(api.ListSubjectMessages(name="r0", limit=3), api.SubjectMessages)
    rest = vault.client.call(
        api.ListSubjectMessages(name="r0", limit=3, after=first.after), api.SubjectMessages
    )
    assert [one.number for one in first.messages + rest.messages] == [1, 2, 3, 4]
    assert (first.after, rest.after) == (3, 0)


def test_a_closed_request_takes_nothing_more(vault: TestVault) -> None:
    opened(vault)
    decide(vault, "include", "1")
    closed = vault.client.call(api.CloseSubject(name="Anna@Example.com", reason="done"), api.SubjectWord)
    assert (bool(closed.closed), closed.close_reason, closed.included) == (True, "done", 1)
    for request in (
        api.DecideSubject(name="anna@example.com", decision="include", reason="x", ids=("1",)),
        api.CloseSubject(name="anna@example.com"),
    ):
        with pytest.raises(UsageError, match="closed"):
            vault.client.call(request, api.WireWord)
    assert vault.client.call(api.ListSubjects(), api.Subjects).total == 0
    assert vault.client.call(api.ListSubjects(closed=True), api.Subjects).total == 1
    assert opened(vault).messages == 4
    assert state(vault).subject.closed == 0


def test_a_rebuild_keeps_all_decisions(vault: TestVault) -> None:
    opened(vault, mentions=True, case="DS-1")
    decide(vault, "include", rest=True)
    decide(vault, "withhold", "5", reason="about illness")
    before, found = state(vault), listed(vault)
    vault.rebuild()
    assert (state(vault), listed(vault)) == (before, found)
    vault.sound()


def test_erased_mail_is_named_as_erased(vault: TestVault) -> None:
    opened(vault)
    decide(vault, "include", "1", "2")
    ids = [one.id for one in listed(vault)]
    list(vault.client.stream(api.Erase(ids=(ids[1], ids[2]), basis="Art. 17")))
    found = listed(vault)
    assert [one.state for one in found] == ["included", "erased", "erased", "undecided"]
    assert (found[1].id, found[1].subject, found[1].parts) == ("", "", ())
    assert found[1].reason.startswith("erased on ")
    assert found[1].reason.endswith(": Art. 17")
    assert state(vault).states["erased"] == 2
    done = decide(vault, "withhold", "1", "2")
    assert (done.decided, done.erased) == (1, 1)
    vault.rebuild()
    assert listed(vault)[1:] == found[1:]
    vault.sound()
