"""The form of one person: name, addresses, and from when an address that is taken over is theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.widget import Widget

from muniment.api import AddUser, UserWord
from muniment_tui.actions.registry import Action, actions
from muniment_tui.acts.form_screen import FormScreen
from muniment_tui.people.preview import ChangeScreen
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.field import Form, TextField
from muniment_tui.widgets.pane import Pane


class PersonForm(FormScreen):
    """The form of a new or an existing person. It closes once the change is made.

    If the change fails, the form still has what was typed, also after its preview was closed.
    """

    HELP = (
        "Name and addresses of a person. F2 shows what changes before anything is changed. Addresses that "
        "are left out here stay the person's; x in the list removes one."
    )
    SUBMITS = "save"
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "person-form.save", "f2", "Preview and save", "Show what changes, and ask before saving.",
                footer=8, changes=True,
            )
        )
    ]  # fmt: skip

    def __init__(self, person: UserWord | None, ended: Callable[[], object]) -> None:
        """`person` is None for a new one. `ended` is called when a change was made or has failed, also after
        this screen is closed."""
        super().__init__()
        self._ended = ended
        self._begun: dict[str, str] = {}
        """The values of the change that is being made."""
        self._is_saved = False
        self._known = person
        held = _held(person) if person else []
        self.first = {
            "name": person.name if person else "",
            "address": held[0] if held else "",
            "aliases": " ".join(held[1:]),
            "since": "",
        }

    def inside(self) -> Iterable[Widget]:
        first = self.first
        title = f"Edit {self._known.user}" if self._known else "New person"
        yield Pane(
            shown(title),
            Form(
                TextField("name", "Name", first["name"], check=_name_problem),
                TextField(
                    "address", "Address", first["address"], check=_address_problem, clip=str.strip,
                    hint="The primary one, under which the person is listed.",
                ),
                TextField(
                    "aliases", "Further ones", first["aliases"], check=_addresses_problem,
                    hint="Separated by blanks. Old mail is filed, too.",
                ),
                TextField(
                    "since", "Since", placeholder="2026-01-31",
                    hint="Day from which an address of another is theirs.",
                ),
            ),
        )  # fmt: skip

    @property
    def loss(self) -> str:
        return "the changes of a person"

    @property
    def leave_question(self) -> str:
        if self.sent:
            return "Leave the form? Its change is being made. If that fails, what you typed is lost."
        return "Leave the form without saving?"

    def action_save(self) -> None:
        """Show what changes."""
        form = self.form
        if self.sent:
            self.muniment.tell("The change is being made; a notice says how it ends.", "warning")
            return
        if form.problems():
            return
        values = form.values
        known = set(_split(self.first["aliases"]))  # another person may have one of them by now
        added = (one for one in _split(values["aliases"]) if one not in known)
        request = AddUser(
            name=values["name"].strip(),
            addresses=(values["address"].strip(), *added),
            since=values["since"].strip(),
            of=self._known.id if self._known else "",
        )
        title = f"Change {self._known.user}" if self._known else f"Add {request.addresses[0]}"
        began = partial(self._change_began, values)
        self.app.push_screen(ChangeScreen(request, title, self._change_ended, began))

    def _change_began(self, values: dict[str, str]) -> None:
        self.sent, self._begun = True, values

    def _change_ended(self, made: bool) -> None:
        """Take the values as saved if the change was made. The form stays if more was typed meanwhile."""
        sent, self.sent = self.sent, False
        if made and sent:
            self.first = self._begun
            self._is_saved = True
            self._close_saved()
        self._ended()

    @on(events.ScreenResume)
    def _close_saved(self) -> None:
        """Close once the change is made; if another screen is in front, after that is closed."""
        if self._is_saved and self.is_active and not self.unsaved:
            self.dismiss()


def _held(person: UserWord) -> list[str]:
    """The addresses that are the person's now, the primary one first.

    Former ones are left out, since saving the form would take them back from their new owners.
    """
    held = dict.fromkeys(one.address for one in person.addresses if one.until is None)
    return sorted(held, key=lambda one: one != person.user)


def _split(typed: str) -> list[str]:
    return typed.replace(",", " ").split()


def _name_problem(typed: str) -> str:
    return "" if typed.strip() else "Type a name"


def _address_problem(typed: str) -> str:
    return "" if "@" in typed.strip() else "Write it like ada@example.com"


def _addresses_problem(typed: str) -> str:
    wrong = [one for one in _split(typed) if "@" not in one]
    return f"{wrong[0]} has no @" if wrong else ""
