"""The contract that every source of an organisation's directory keeps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from muniment.errors import ConfigError
from muniment.people.directory import Directory
from muniment.people.directory_source import DirectoryEntry, DirectorySource
from muniment.people.importer import import_csv, import_people
from support.directories import DIRECTORIES, DirectoryBox, Named

ANN: Named = ("Ann Lee", ("ann@x.example", "a.lee@x.example"))
BOB: Named = ("Bob Roy", ("bob@x.example",))
CAT: Named = ("Cat Orr", ("cat@x.example",))


@pytest.fixture(params=DIRECTORIES)
def box(request: pytest.FixtureRequest) -> DirectoryBox:
    """An empty directory, of every kind in turn."""
    return DIRECTORIES[request.param]()


def active(source: DirectorySource, since: str = "") -> dict[str, tuple[str, ...]]:
    """The people that a source lists, without those who have left."""
    return {entry.name: entry.addresses for entry in source.entries(since) if entry.active}


def listed(source: DirectorySource, since: str = "") -> list[DirectoryEntry]:
    return list(source.entries(since))


def test_everybody_is_listed_with_the_primary_address_first(box: DirectoryBox) -> None:
    box.put([ANN, BOB])
    assert active(box.source()) == dict([ANN, BOB])


def test_a_directory_without_people_is_empty_and_has_a_state(box: DirectoryBox) -> None:
    box.put([])
    source = box.source()
    assert listed(source) == []
    assert source.state()


def test_addresses_are_normalised(box: DirectoryBox) -> None:
    box.put([("Ann Lee", ("Ann@X.Example", "A.Lee@x.example"))])
    assert active(box.source()) == dict([ANN])


def test_ids_are_unique_and_stay(box: DirectoryBox) -> None:
    box.put([ANN, BOB, CAT])
    first = {entry.id: entry.name for entry in listed(box.source())}
    assert sorted(first.values()) == ["Ann Lee", "Bob Roy", "Cat Orr"]
    box.put([CAT, ("Ann Miller", ANN[1]), BOB])
    names = {entry.id: entry.name for entry in listed(box.source())}
    assert names == {id_: name.replace("Ann Lee", "Ann Miller") for id_, name in first.items()}


def test_nobody_has_changed_since_the_present_state(box: DirectoryBox) -> None:
    box.put([ANN, BOB])
    source = box.source()
    listed(source)
    assert listed(box.source(), source.state()) == []
    assert box.source().state() == source.state()


def test_changes_since_a_state_are_listed(box: DirectoryBox) -> None:
    box.put([ANN, BOB])
    source = box.source()
    listed(source)
    box.put([("Ann Miller", ANN[1]), BOB, CAT])
    later = box.source()
    found = active(later, source.state())
    assert found.items() >= {"Ann Miller": ANN[1], "Cat Orr": CAT[1]}.items()
    assert "Ann Lee" not in found
    assert later.state() != source.state()


def test_a_person_who_has_left_is_never_listed_as_active(box: DirectoryBox) -> None:
    box.put([ANN, BOB])
    source = box.source()
    listed(source)
    box.put([ANN])
    for since in ("", source.state()):
        assert "Bob Roy" not in active(box.source(), since)


def test_an_unknown_state_lists_everybody(box: DirectoryBox) -> None:
    box.put([ANN, BOB])
    assert active(box.source(), "a state of another directory") == dict([ANN, BOB])


def test_a_wrong_entry_is_refused_with_a_sentence(box: DirectoryBox) -> None:
    box.put([ANN])
    box.spoil()
    with pytest.raises(ConfigError, match=r"no-address.*\.$"):
        listed(box.source())


def test_an_import_takes_all_people_over_once(box: DirectoryBox) -> None:
    box.put([ANN, BOB])
    made = Directory()
    for change in import_people(box.source(), made):
        made.apply(change, 100)
    assert {user.name: user.addresses for user in made.users()} == dict([ANN, BOB])
    assert import_people(box.source(), made) == []


class BobHasLeft:
    """A directory that knows who has left."""

    def entries(self, since: str = "") -> Iterator[DirectoryEntry]:
        return iter([DirectoryEntry("7", BOB[0], BOB[1], active=False)])

    def state(self) -> str:
        return "2"


def test_a_person_who_has_left_keeps_their_addresses_in_the_vault() -> None:
    made = Directory()
    for change in import_csv("name,address\nBob Roy,bob@x.example\n", made):
        made.apply(change, 100)
    assert import_people(BobHasLeft(), made, "1") == []
