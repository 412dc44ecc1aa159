"""One person as text, and as a row of the list."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from muniment.api import AddressWord, LoginWord, UserWord
from muniment.cli.users import ORIGINS, STATES
from muniment.system.formatting import count, local
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.facts import LABEL, fact
from muniment_tui.widgets.rows import ListRow

CATCH_ALL = "catch-all"
INDENT = 2
"""Cells before an address that is below its label."""
ADVICE = {
    "automatic": "Made when the first mail came. e gives a name.",
    "former": "No address is theirs any more. The mail stays.",
}
"""What is said about people in a state."""
FROM = {"hand": "by hand", "csv": "CSV", "mail": "automatic"}
"""Where a person comes from, in a word."""


def state_of(user: UserWord) -> str:
    """Whether a person is active, former, or made automatically."""
    return "automatic" if user.automatic else "former" if user.former else "active"


def origin_of(user: UserWord) -> str:
    """Where a person's addresses come from, in a word or two."""
    found = dict.fromkeys(FROM.get(one.origin, "") for one in user.addresses)
    return ", ".join(filter(None, found)) or "-"


def person_row(user: UserWord) -> ListRow:
    """The row of a person."""
    if user.user == CATCH_ALL:
        cells = ("(nobody who is known)", CATCH_ALL, count(user.messages), "-", "-", "")
        return ListRow(CATCH_ALL, cells, user, "dim")
    others = len({one.address for one in user.addresses} - {user.user})
    cells = (
        user.name or user.user,
        user.user,
        count(user.messages),
        state_of(user),
        origin_of(user),
        f"+{count(others)}" if others > 0 else "",
    )
    return ListRow(user.user, cells, user, "" if state_of(user) == "active" else "dim")


def fits(user: UserWord, words: Iterable[str]) -> bool:
    """Whether a person's name and addresses, also former ones, contain all words, in any case."""
    text = " ".join((user.name, user.user, *user.aliases, state_of(user), origin_of(user))).casefold()
    return all(word in text for word in words)


def person_text(user: UserWord, logins: Iterable[LoginWord], width: int) -> Content:
    """Everything that is known of a person, for a pane of `width` cells."""
    if user.user == CATCH_ALL:
        return Content("\n").join(
            [
                fact("Catch-all", shown("mail of no known person", "bold"), width),
                fact("Messages", shown(count(user.messages)), width),
                Content(),
                shown("Add the person, and their mail is filed under them at once.", "$secondary"),
            ]
        )
    messages = f"{count(user.messages)} {'message' if user.messages == 1 else 'messages'}"
    lines = [
        joined((user.name or user.user, "bold"), (state_of(user), ""), (messages, ""), gap=" · "),
        *(_addresses(user, width) if user.addresses else ()),
    ]
    own = [login for login in logins if user.user in (login.user, login.holder)]
    lines += [_login(number, one, width) for number, one in enumerate(own)]
    if state_of(user) in ADVICE:
        lines += [Content(), shown(ADVICE[state_of(user)], "$secondary")]
    return Content("\n").join(lines)


def _primary_first(user: UserWord) -> list[AddressWord]:
    return sorted(user.addresses, key=lambda one: one.address != user.user)


def _addresses(user: UserWord, width: int) -> list[Content]:
    """The addresses beside their label, or below it where there is too little room for one of them."""
    ordered = _primary_first(user)
    if all(LABEL + len(one.address) <= width for one in ordered):
        return [
            _address("" if number else "Addresses", LABEL, one, user.user, width)
            for number, one in enumerate(ordered)
        ]
    below = (_address("", INDENT, one, user.user, width) for one in ordered)
    return [shown("Addresses", "$secondary"), *below]


def _address(label: str, label_width: int, one: AddressWord, primary: str, width: int) -> Content:
    notes = ["primary"] if one.address == primary else []
    notes += [f"since {local(one.since)}"] if one.since is not None else []
    notes += [f"until {local(one.until)}"] if one.until is not None else []
    notes += [ORIGINS[one.origin]] if one.origin in ORIGINS else []
    address, more = shown(one.address), shown(", ".join(notes), "$secondary")
    if label_width + address.cell_length + 2 + more.cell_length <= width:
        return fact(label, joined(address, more, gap="  "), width, label_width)
    return Content("\n").join((fact(label, address, width, label_width), fact("", more, width, label_width)))


def _login(number: int, one: LoginWord, width: int) -> Content:
    state = (STATES.get(one.state, one.state), "$secondary")
    return fact("" if number else "Logins", joined((one.login, ""), state, gap="  "), width)
