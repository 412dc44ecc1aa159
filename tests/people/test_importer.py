"""The import of users from CSV: all or none, and a repeated import changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import ConfigError, NotFound
from muniment.people.changes import add_address, add_user, remove_address, remove_user, set_domains
from muniment.people.directory import Directory
from muniment.people.importer import decode, import_csv
from muniment.people.planning import add_changes, edit_changes, remove_changes


def imported(text: str, made: Directory, time: int = 100) -> int:
    found = import_csv(text, made, "users.csv")
    for change in found:
        made.apply(change, time)
    return len(found)


def people(made: Directory) -> dict[str, tuple[str, ...]]:
    return {user.name: user.addresses for user in made.users()}


@pytest.mark.parametrize(
    "text",
    [
        "name,address,alias\nAlice Doe,Alice@x.example,ali@x.example\nBob,bob@x.example\n",
        "\ufeffname;address;alias\r\n\r\nAlice Doe;alice@x.example;ali@x.example\r\nBob;bob@x.example;\r\n;;",
        'name\taddress\r"Alice Doe"\talice@x.example\t\tali@x.example\r  Bob \t bob@x.example\r',
        'Name,E-Mail\n"Alice Doe","alice@x.example",ALI@x.example,alice@x.example\n\n\n"Bob",bob@x.example',
    ],
)
def test_the_forms_that_spreadsheets_write_are_imported(text: str) -> None:
    made = Directory()
    assert imported(text, made) == 3
    assert people(made) == {"Alice Doe": ("alice@x.example", "ali@x.example"), "Bob": ("bob@x.example",)}
    assert imported(text, made) == 0


def test_a_quoted_name_can_have_separators() -> None:
    made = Directory()
    imported('name,address\n"Doe, ""Al""\nice",alice@x.example\n', made)
    assert list(people(made)) == ['Doe, "Al"\nice']


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 0, "is empty"),
        ("\n \n", 0, "is empty"),
        ("Alice,alice@x.example\n", 1, "must be a header"),
        ("h,a\nAlice,alice.x.example\n", 2, "'alice.x.example' has no @"),
        ("h,a\n\n\nAlice,alice@\n", 4, "not a mail address"),
        ("h,a\nAlice,al ice@x.example\n", 2, "not a mail address"),
        ("h,a\nAlice\n", 2, "Alice has no address"),
        ("h,a\nAlice,,ali@x.example\n", 2, "Alice has no address"),
        ("h,a\n ,a@x.example\n", 2, "name is empty"),
        ("h,a\nA,a@x.example\nB,b@x.example,A@x.example\n", 3, "given to another person in line 2"),
        ('h,a\n"A\nB",a@x.example\nC,c.example\n', 4, "has no @"),
        ('h,a\nA,"a@x.example\n', 2, "this is not CSV"),
        ('h,a\nA,"a"b@x.example\n', 2, "this is not CSV"),
        ("h,a\nA," + "a" * 200_000 + "@x.example\n", 2, "this is not CSV"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_changes(text: str, line: int, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        import_csv(text, Directory(), "users.csv")
    assert what in str(caught.value)
    assert "users.csv" in str(caught.value)
    assert not line or f"users.csv, line {line}:" in str(caught.value)


@given(st.text(alphabet='na@;,\t"\n\r x.+\x00\udc80', max_size=40))
def test_any_text_is_imported_or_refused(text: str) -> None:
    made = Directory()
    try:
        imported("name,address\n" + text, made)
    except ConfigError:
        assert made.version == 0
    else:
        assert import_csv("name,address\n" + text, made) == []


def test_a_file_is_decoded_as_utf_8_or_windows_1252() -> None:
    assert decode("\ufeffJörg".encode()) == "Jörg"
    assert decode("Jörg".encode("cp1252")) == "Jörg"


def test_only_new_names_and_addresses_need_changes() -> None:
    made = Directory()
    imported("h,a\nAlice,a@x.example\nBob,b@x.example\n", made)
    assert import_csv("h,a\nAlice B,a@x.example,a2@x.example\n", made) == [
        add_user("a@x.example", "Alice B", "a@x.example"),
        add_address("a@x.example", "a2@x.example"),
    ]


def test_a_person_can_get_a_new_primary_address() -> None:
    made = Directory()
    imported("h,a\nAlice,a@x.example\n", made)
    imported("h,a\nalice,new@x.example,a@x.example\n", made)
    assert people(made) == {"alice": ("new@x.example", "a@x.example")}


def test_an_alias_of_another_person_is_transferred_from_now_on() -> None:
    made = Directory()
    imported("h,a\nAlice,a@x.example,sales@x.example\nBob,b@x.example\n", made, 100)
    imported("h,a\nBob,b@x.example,sales@x.example\n", made, 500)
    assert [made.resolve("sales@x.example", t) for t in (499, 500)] == ["a@x.example", "b@x.example"]
    imported("h,a\nCarl,sales@x.example\n", made, 900)
    assert made.resolve("sales@x.example", 900) == "sales@x.example"


def test_two_people_with_the_same_name_are_two_users() -> None:
    made = Directory()
    text = "h,a\nAlice,a1@x.example,shared@x.example\nAlice,a2@x.example\n"
    imported(text, made)
    assert len(made.users()) == 2
    assert imported(text, made) == 0


def test_an_existing_id_is_not_used_again() -> None:
    made = Directory()
    imported("h,a\nAlice,a@x.example,a2@x.example\n", made)
    made.apply(remove_address("a@x.example", "a@x.example"), 100)
    imported("h,a\nBob,a@x.example\n", made)
    assert {user.id: user.name for user in made.users()} == {"a@x.example": "Alice", "a@x.example#2": "Bob"}


def test_a_person_can_be_added() -> None:
    made = Directory()
    made.apply(set_domains(["x.example"]), 0)
    for change in add_changes(made, "Alice", ["a@x.example"]):
        made.apply(change, 10)
    assert add_changes(made, "Alice", ["a@x.example", "B@x.example"], since=5) == [
        add_address("a@x.example", "b@x.example", since=5)
    ]
    for name, addresses in (("", ["a@x.example"]), ("A", []), ("A", [""]), ("A", ["nope"])):
        with pytest.raises(ConfigError):
            add_changes(made, name, addresses)


def test_a_user_or_an_address_can_be_removed() -> None:
    made = Directory()
    made.apply(set_domains(["x.example"]), 0)
    imported("h,a\nAlice,a@x.example,a2@x.example\n", made)
    assert remove_changes(made, "a2@x.example") == [remove_user("a@x.example")]
    assert remove_changes(made, "a@x.example", "A2@x.example") == [
        remove_address("a@x.example", "a2@x.example")
    ]
    with pytest.raises(NotFound):
        remove_changes(made, "a@x.example", "a3@x.example")
    with pytest.raises(NotFound):
        remove_changes(made, "a@y.example")
    for automatic in ("auto@x.example", "catch-all"):
        with pytest.raises(ConfigError):
            remove_changes(made, automatic)


def edited(made: Directory, user: str, name: str, *addresses: str) -> None:
    for change in edit_changes(made, user, name, addresses):
        made.apply(change, 200)


def test_an_edited_user_stays_the_same_with_another_name_and_primary_address() -> None:
    made = Directory()
    imported("name,address,alias\nAda Quill,ada@x.example,quill@x.example\nBob,bob@x.example\n", made)
    edited(made, "ada@x.example", "Ada Reed", "reed@x.example", "a.reed@x.example")
    assert people(made) == {
        "Ada Reed": ("reed@x.example", "ada@x.example", "quill@x.example", "a.reed@x.example"),
        "Bob": ("bob@x.example",),
    }
    assert made.find("reed@x.example").id == "ada@x.example"
    edited(made, "ada@x.example", "Ada Reed", "bob@x.example")
    assert made.find("bob@x.example").name == "Ada Reed"
    assert {user.name for user in made.users()} == {"Ada Reed", "Bob"}


def test_a_removed_user_can_not_be_edited() -> None:
    made = Directory()
    imported("name,address\nAda Quill,ada@x.example\n", made)
    made.apply(remove_user("ada@x.example"), 150)
    with pytest.raises(NotFound, match="removed"):
        edit_changes(made, "ada@x.example", "Ada Quill", ["ada@x.example"])
