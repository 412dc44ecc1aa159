"""Facts: labels, and values whose further lines are below the first one."""

from __future__ import annotations

import msgspec
import pytest

from muniment.api import AddressWord, LoginWord, UserWord
from muniment_tui.people.person_text import INDENT, person_text
from muniment_tui.setup import step_text
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.facts import LABEL, fact
from support.checklists import checklist


def test_a_long_value_hangs_below_its_first_line() -> None:
    text = fact("Query", shown("merger OR acquisition OR layoffs"), LABEL + 21)
    assert text.plain.splitlines() == [
        "Query       merger OR acquisition",
        "            OR layoffs",
    ]


def test_a_value_without_a_blank_is_divided() -> None:
    lines = fact("Id", shown("ab" * 32), LABEL + 40).plain.splitlines()
    assert [len(line) for line in lines] == [LABEL + 40, LABEL + 24]


def test_an_empty_value_keeps_its_label() -> None:
    assert fact("Sender", shown(""), 40).plain.rstrip() == "Sender"


@pytest.mark.parametrize("width", [0, 30, 36, 60, 120])
def test_each_line_of_a_person_fits_the_pane(width: int) -> None:
    addresses = (
        AddressWord(address="bohdan.kryvenko@nordlicht.example", since=None, until=None, origin="csv"),
        AddressWord(address="b@nordlicht.example", since=1_700_000_000, until=1_710_000_000, origin="hand"),
    )
    user = UserWord(user="bohdan.kryvenko@nordlicht.example", name="Bohdan", addresses=addresses)
    login = LoginWord("bohdan", user.user, "bound", user.user, "")
    lines = person_text(user, [login], width).plain.splitlines()
    assert max(map(len, lines[1:])) <= max(width, LABEL + 16)
    labels = ("Addresses", "Logins", " " * LABEL, " " * INDENT)
    assert [line for line in lines[1:] if not line.startswith(labels)] == []


def test_addresses_are_below_their_label_where_they_do_not_fit_beside_it() -> None:
    address = "bohdan.kryvenko@nordlicht.example"
    user = UserWord(
        user=address,
        name="Bohdan",
        addresses=(AddressWord(address=address, since=None, until=None, origin="csv"),),
    )
    assert person_text(user, [], 36).plain.splitlines()[1:3] == ["Addresses", f"  {address}"]
    assert person_text(user, [], 46).plain.splitlines()[1] == f"Addresses   {address}"


def test_a_bulleted_line_of_setup_hangs() -> None:
    step = msgspec.structs.replace(
        checklist().steps[0], guide="Choose:\n- the one that is at the office", affirm=""
    )
    assert step_text.guide(step, 20).plain.splitlines() == [
        "Choose:",
        "• the one that is at",
        "  the office",
    ]
