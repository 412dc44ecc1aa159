"""The directory: changes, transfers by date, automatic users, and tagged addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import ConfigError, NotFound
from muniment.people import changes
from muniment.people.changes import add_address, add_user, remove_address, remove_user, set_domains
from muniment.people.directory import CATCH_ALL, AddressTenure, Directory, touches
from muniment.people.planning import remove_changes

OWN = "firm.example"


def directory(*given: changes.Change, time: int = 100) -> Directory:
    made = Directory()
    for change in given:
        made.apply(change, time)
    return made


ALICE = add_user("alice", "Alice", "alice@firm.example")
BOB = add_user("bob", "Bob", "bob@firm.example")


def test_an_address_is_its_users_from_the_beginning_of_time() -> None:
    made = directory(ALICE)
    assert made.resolve("alice@firm.example", -5) == "alice"
    assert made.resolve("ALICE@Firm.Example", 10**10) == "alice"
    assert made.resolve("nobody@firm.example", 0) is None


def test_an_address_with_a_validity_is_its_users_only_then() -> None:
    made = directory(ALICE, add_address("alice", "a@x.example", valid_from=50, valid_to=80))
    assert [made.resolve("a@x.example", t) for t in (49, 50, 79, 80)] == [None, "alice", "alice", None]


def test_since_has_no_meaning_if_no_other_user_had_the_address() -> None:
    made = directory(set_domains([OWN]), ALICE, add_address("alice", "ali@firm.example", since=500))
    assert made.resolve("ali@firm.example", 1) == "alice"


def test_a_transfer_splits_at_the_change_or_at_since() -> None:
    made = directory(ALICE, BOB, add_address("alice", "sales@firm.example"))
    assert made.apply(add_address("bob", "sales@firm.example"), 1000) == {"sales@firm.example"}
    assert made.resolve("sales@firm.example", 999) == "alice"
    assert made.resolve("sales@firm.example", 1000) == "bob"
    made.apply(add_address("alice", "sales@firm.example", since=2000), 9000)
    assert [made.resolve("sales@firm.example", t) for t in (999, 1999, 2000)] == ["alice", "bob", "alice"]
    made.apply(add_address("bob", "sales@firm.example", since=500), 9001)
    assert [made.resolve("sales@firm.example", t) for t in (499, 500, 3000)] == ["alice", "bob", "bob"]


def test_a_transfer_of_an_ended_address_leaves_no_gap() -> None:
    made = directory(ALICE, BOB, add_address("alice", "sales@firm.example", valid_to=700))
    made.apply(add_address("bob", "sales@firm.example"), 1000)
    assert [made.resolve("sales@firm.example", t) for t in (699, 700)] == ["alice", "bob"]


def test_a_repeated_change_changes_nothing() -> None:
    made = directory(ALICE, BOB, add_address("alice", "bob@firm.example"), time=100)
    assert made.apply(add_address("alice", "bob@firm.example"), 200) == set()
    assert made.resolve("bob@firm.example", 150) == "alice"


def test_a_person_gets_all_mail_of_an_automatic_user() -> None:
    made = directory(set_domains([OWN]))
    assert made.resolve("Info@firm.example", 5) == "auto:info@firm.example"
    made.apply(ALICE, 50)
    made.apply(add_address("alice", "info@firm.example"), 1000)
    assert made.resolve("info@firm.example", 5) == "alice"


def test_tags_are_ignored_only_in_own_domains() -> None:
    made = directory(set_domains([OWN]), ALICE, BOB, add_user("ext", "Ext", "ext@else.example"))
    assert made.resolve("alice+news@firm.example", 1) == "alice"
    assert made.resolve("new+x@firm.example", 1) == "auto:new@firm.example"
    assert made.resolve("ext+x@else.example", 1) is None
    made.apply(add_address("bob", "alice+news@firm.example"), 1)
    assert made.resolve("alice+news@firm.example", 1) == "bob"
    assert made.resolve("alice+other@firm.example", 1) == "alice"


def test_a_tagged_address_before_its_start_belongs_to_the_untagged_one() -> None:
    made = directory(set_domains([OWN]), ALICE, BOB)
    made.apply(add_address("bob", "alice+b@firm.example", valid_from=10), 1)
    assert [made.resolve("alice+b@firm.example", t) for t in (9, 10)] == ["alice", "bob"]


def test_a_removed_address_belongs_to_an_automatic_user() -> None:
    made = directory(set_domains([OWN]), ALICE, add_address("alice", "a2@firm.example"))
    assert made.apply(remove_address("alice", "a2@firm.example"), 5) == {"a2@firm.example"}
    assert made.resolve("a2@firm.example", 5) == "auto:a2@firm.example"
    assert made.apply(remove_user("alice"), 6) == {"alice@firm.example"}
    assert made.resolve("alice@firm.example", 5) == "auto:alice@firm.example"
    assert made.users() == []
    with pytest.raises(NotFound):
        made.apply(remove_user("alice"), 7)


def test_added_and_removed_domains_are_affected() -> None:
    made = directory(set_domains(["A.example", "b.example"]))
    assert made.domains == ("a.example", "b.example")
    assert made.apply(set_domains(["b.example", "c.example"]), 1) == {"a.example", "c.example"}
    assert made.resolve("x@a.example", 1) is None


def test_a_user_is_found_by_label_or_address() -> None:
    made = directory(set_domains([OWN]), ALICE, add_address("alice", "ali@x.example"))
    assert made.find("ALI@x.example").addresses == ("alice@firm.example", "ali@x.example")
    assert made.find("alice+tag@firm.example").id == "alice"
    assert made.find(CATCH_ALL).id == CATCH_ALL
    info = made.find("info@firm.example")
    assert (info.id, info.primary, info.automatic) == ("auto:info@firm.example", "info@firm.example", True)
    with pytest.raises(NotFound):
        made.find("ali@y.example")
    with pytest.raises(NotFound):
        made.find("rubbish")


def test_labels_are_unique() -> None:
    made = directory(set_domains([OWN]), add_user("a@firm.example", "A", "a@firm.example"), BOB)
    made.apply(add_address("bob", "a@firm.example"), 100)
    former = made.user("a@firm.example")
    assert former.primary == "a@firm.example (former)"
    assert made.find(former.primary).id == former.id
    assert made.find("a@firm.example").id == "bob"
    made.apply(add_address("bob", "gone@firm.example", valid_to=50), 100)
    automatic = made.user("auto:gone@firm.example")
    assert made.find(automatic.primary).id == automatic.id
    assert made.find("gone@firm.example").id == "bob"


def test_an_alias_replaces_a_lost_primary_address() -> None:
    made = directory(ALICE, add_address("alice", "ali@firm.example"), BOB)
    made.apply(add_address("bob", "alice@firm.example"), 100)
    assert made.user("alice").addresses == ("ali@firm.example", "alice@firm.example")


def test_address_periods_are_those_of_the_user() -> None:
    made = directory(ALICE, BOB)
    made.apply(add_address("bob", "alice@firm.example"), 100)
    assert made.address_periods("alice") == [AddressTenure("alice@firm.example", None, 100)]
    assert made.address_periods("bob") == [
        AddressTenure("alice@firm.example", 100, None),
        AddressTenure("bob@firm.example", None, None),
    ]
    assert made.address_periods(CATCH_ALL) == []


@pytest.mark.parametrize(
    "change",
    [
        add_user("", "A", "a@x.example"),
        add_user(CATCH_ALL, "A", "a@x.example"),
        add_user("auto:a@x.example", "A", "a@x.example"),
        add_user("a", " ", "a@x.example"),
        add_user("a", "A", "no address"),
        add_user("a", "A", "a@x.example\n"[:-1] + "\x1b"),
        add_address("alice", "@x.example"),
        add_address("alice", "a@x.example", valid_from=5, valid_to=5),
        set_domains(["a@b"]),
        set_domains([""]),
        {"v": 1, "op": "conquer"},
        {"v": 1, "op": ["add-user"]},
        {"v": 2, "op": "remove-user", "user": "alice"},
        {"v": 1, "op": "add-address", "user": "alice", "address": "a@x.example", "since": "soon"},
        {"v": 1, "op": "add-address", "user": "alice"},
        {"v": 1, "op": "set-domains", "domains": [1]},
    ],
)
def test_a_wrong_change_changes_nothing(change: changes.Change) -> None:
    made = directory(ALICE)
    with pytest.raises(ConfigError):
        made.apply(change, 5)
    assert made.version == 1
    assert [user.id for user in made.users()] == ["alice"]
    assert made.resolve("a@x.example", 5) is None


def test_changes_are_canonical_json_and_can_be_decoded() -> None:
    change = add_address("zoë", "z@x.example", valid_from=1)
    text = changes.encode(change)
    assert text == '{"address":"z@x.example","op":"add-address","user":"zoë","v":1,"valid_from":1}'
    assert changes.decode(text) == change
    for wrong in ("", "[]", "{}", "null"):
        with pytest.raises(ConfigError):
            changes.decode(wrong)


ADDRESSES = [f"{n}@{d}" for n in ("a", "b", "a+t", "a+u") for d in (OWN, "else.example")]
TIMES = st.integers(0, 9)
CHANGES = st.one_of(
    st.builds(
        add_user, st.sampled_from("xyz"), st.just("N"), st.sampled_from(ADDRESSES), since=st.none() | TIMES
    ),
    st.builds(
        add_address,
        st.sampled_from("xyz"),
        st.sampled_from(ADDRESSES),
        since=st.none() | TIMES,
        valid_from=st.none() | TIMES,
        valid_to=st.none() | TIMES,
    ),
    st.builds(remove_address, st.sampled_from("xyz"), st.sampled_from(ADDRESSES)),
    st.builds(remove_user, st.sampled_from("xyz")),
    st.builds(set_domains, st.lists(st.sampled_from([OWN, "else.example"]), unique=True)),
)


def resolved(made: Directory) -> dict[tuple[str, int], str | None]:
    return {(a, t): made.resolve(a, t) for a in (*ADDRESSES, "c@" + OWN) for t in range(-1, 11)}


@given(st.lists(st.tuples(CHANGES, TIMES), max_size=12))
def test_changed_addresses_are_affected_and_labels_find_their_user(
    given: list[tuple[changes.Change, int]],
) -> None:
    made = Directory()
    for change, time in given:
        before, version = resolved(made), made.version
        try:
            affected = made.apply(change, time)
        except (ConfigError, NotFound):
            assert (resolved(made), made.version) == (before, version)
            continue
        after = resolved(made)
        changed = {address for address, t in after if after[address, t] != before[address, t]}
        assert all(touches(affected, address) for address in changed)
        assert made.version == version + 1
        users = {user for user in after.values() if user} | {user.id for user in made.users()}
        labels = {made.label(user) for user in users}
        assert len(labels) == len(users)
        assert {made.find(label).id for label in labels} == users
    again = Directory()
    for change, time in given:
        try:
            again.apply(changes.decode(changes.encode(change)), time)
        except (ConfigError, NotFound):
            continue
    assert resolved(again) == resolved(made)


@given(st.lists(st.tuples(CHANGES, TIMES), max_size=12))
def test_address_periods_agree_with_resolve(given: list[tuple[changes.Change, int]]) -> None:
    made = Directory()
    for change, time in given:
        try:
            made.apply(change, time)
        except (ConfigError, NotFound):
            continue
    for user in made.users():
        for period in made.address_periods(user.id):
            start = -1 if period.start is None else period.start
            end = 10 if period.end is None else period.end - 1
            assert made.resolve(period.address, start) == user.id
            assert made.resolve(period.address, end) == user.id


UNICODE, ENCODED = "info@m\u00fcnchen.example", "info@xn--mnchen-3ya.example"


@pytest.mark.parametrize("written", [UNICODE, ENCODED, "INFO@M\u00dcNCHEN.example.", f'"info"@{ENCODED[5:]}'])
def test_all_spellings_of_a_domain_find_the_same_user(written: str) -> None:
    made = Directory()
    made.apply(changes.add_user("u", "Info", written), 0)
    assert made.user("u").addresses == (UNICODE,)
    for asked in (UNICODE, ENCODED, written):
        assert made.resolve(asked, 0) == "u"
        assert made.find(asked).id == "u"
    made.apply(changes.remove_address("u", ENCODED if written == UNICODE else UNICODE), 0)
    assert made.resolve(written, 0) is None
    assert made.find(made.label("u")).id == "u", "a former user is found by their label"


def test_an_older_ledger_may_remove_one_of_two_spellings() -> None:
    made = Directory()
    for change in (
        changes.add_user("u", "Info", UNICODE),
        changes.add_address("u", ENCODED),
        changes.remove_address("u", ENCODED),
    ):
        made.apply(change, 0)
    assert made.resolve(ENCODED, 0) == "u"
    made.apply(changes.add_address("u", ENCODED), 0)
    copied = made.copy()
    for change in remove_changes(copied, ENCODED, UNICODE):
        copied.apply(change, 0)
    assert copied.resolve(UNICODE, 0) is None
    assert made.resolve(UNICODE, 0) == "u"


def test_two_users_of_an_older_ledger_with_one_address_in_two_spellings() -> None:
    """The address belongs to the last user who got it, as in any transfer."""
    made = Directory()
    made.apply(changes.add_user("one", "One", UNICODE), 10)
    made.apply(changes.add_user("two", "Two", ENCODED), 20)
    assert (made.resolve(ENCODED, 15), made.resolve(UNICODE, 25)) == ("one", "two")
    assert made.label("two") == UNICODE
    assert made.find(made.label("one")).id == "one"
    made.apply(changes.remove_user("two"), 30)
    assert made.resolve(UNICODE, 15) == "one"


def test_an_own_domain_in_any_spelling_makes_the_same_users() -> None:
    for own in ("m\u00fcnchen.example", "XN--MNCHEN-3YA.example"):
        made = Directory()
        made.apply(changes.set_domains([own]), 0)
        assert made.domains == ("m\u00fcnchen.example",)
        assert made.resolve("info+news@xn--mnchen-3ya.example", 0) == f"auto:{UNICODE}"
        made.apply(changes.set_login("max", ENCODED, f"auto:{ENCODED}"), 0)
        binding = made.binding("max")
        assert binding is not None
        assert (binding.address, binding.user) == (UNICODE, f"auto:{UNICODE}")


def test_labels_are_not_among_the_addresses_of_a_user() -> None:
    made = directory(set_domains(["firm.example"]), ALICE, BOB)
    made.apply(add_address("bob", "alice@firm.example", valid_from=100), 100)
    former, automatic = made.user("alice"), made.user("auto:alice@firm.example")
    assert (former.primary, former.addresses) == ("alice (former)", ("alice@firm.example",))
    assert (automatic.primary, automatic.addresses) == (
        "alice@firm.example (automatic)", ("alice@firm.example",),
    )  # fmt: skip
    assert made.user(CATCH_ALL).addresses == ()


def test_an_automatic_user_has_an_address_while_nobody_else_does() -> None:
    made = directory(BOB)
    for start, end in ((100, 200), (300, 400)):
        made.apply(add_address("bob", "x@firm.example", valid_from=start, valid_to=end), 0)
    assert made.automatic_periods("x@firm.example (automatic)") == [
        AddressTenure("x@firm.example", None, 100),
        AddressTenure("x@firm.example", 200, 300),
        AddressTenure("x@firm.example", 400, None),
    ]
    assert made.automatic_periods("bob@firm.example") == []
    assert made.automatic_periods("y@firm.example") == [AddressTenure("y@firm.example", None, None)]


@pytest.mark.parametrize("field", ["user", "name", "primary", "origin"])
def test_a_text_that_utf8_can_not_encode_is_refused_before_it_is_recorded(field: str) -> None:
    change = add_user("anna@example.com", "Anna", "anna@example.com") | {"origin": "hand"}
    with pytest.raises(ConfigError, match="UTF-8"):
        Directory().apply(change | {field: "J\udcf6rg@example.com"}, 0)
