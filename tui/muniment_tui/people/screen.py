"""The People area: the list of users, and one of them in full."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from muniment.api import ImportUsers, ListLogins, ListUsers, Logins, LoginWord, RemoveUser, Users, UserWord
from muniment.cli.users import csv_text
from muniment.errors import MunimentError
from muniment.system.formatting import count
from muniment_tui.actions.registry import Action, actions
from muniment_tui.people.form import PersonForm
from muniment_tui.people.person_text import CATCH_ALL, fits, person_row, person_text
from muniment_tui.people.preview import ChangeScreen, PeopleRequest
from muniment_tui.shell.file_paths import path_of
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.entry import SafeInput
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import RowList, ShortList
from muniment_tui.widgets.situation import situation
from muniment_tui.widgets.text import FittedText

COLUMNS = [
    ListColumn("Name", share=3),
    ListColumn("Address", share=4),
    ListColumn("Messages", 10, right=True),
    ListColumn("State", 9),
    ListColumn("From", 12, since=100),
    ListColumn("More", 5, right=True, since=100),
]


class PersonFilter(SafeInput):
    """The line that filters the list of people."""

    HELP = (
        "Type part of a name or an address, or active, former, automatic, CSV. Enter or ↓ goes to the list, "
        "Esc clears the filter."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("person-filter.leave", "escape", "Clear", "Clear the filter; show everybody.", footer=9),
            Action("person-filter.list", "down", "To the list", "Go to the list.", footer=8),
        )
    ]
    DEFAULT_CSS = "PersonFilter { margin: 0 1; }"

    def action_list(self) -> None:
        """Go to the list, as Enter does."""
        self.post_message(self.Submitted(self, self.value))

    def action_leave(self) -> None:
        """Clear the filter and go to the list."""
        self.value = ""
        self.action_list()


class PeopleScreen(AreaScreen):
    """The People area."""

    AREA = "people"
    HELP = (
        "The people whose mail is filed, with their addresses, when each address was theirs, and where it "
        "comes from. Mail is filed under the person whose address it was sent to or from; mail of no known "
        "person is in the catch-all. A new address gets its old mail at once. No change deletes mail.\n\n"
        "i imports a CSV file: a header line, then name,address[,alias ...]. You see what it changes first."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "person.import", "i", "Import CSV", "Add and change people from a CSV file, after a preview.",
                footer=6, changes=True, words="users aliases directory file",
            ),
            Action(
                "person.add", "a", "Add", "Add a person with their addresses.", footer=5, changes=True,
                words="new user alias",
            ),
            Action(
                "person.edit", "e", "Edit", "Change the name, or add addresses.", footer=5, changes=True,
                words="rename user alias",
            ),
            Action(
                "person.take", "x", "Remove address", "Take an address from the person.", changes=True,
                words="alias delete",
            ),
            Action(
                "person.remove", "d", "Remove", "Remove the person. Their mail stays.", footer=3,
                changes=True,                words="delete user leaver",
            ),
            Action("person.reload", "f5", "Reload", "Load the people again."),
        )
    ]  # fmt: skip
    DEFAULT_CSS = """
    PeopleScreen {
        #both { layout: vertical; }
        #everyone { height: 2fr; }
        #person { height: 1fr; }
        #person VerticalScroll { padding: 0 1; }
        &.-wide #both { layout: horizontal; }
        &.-wide #everyone { width: 5fr; height: 1fr; }
        &.-wide #person { width: 3fr; height: 1fr; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._users: tuple[UserWord, ...] = ()
        self._logins: tuple[LoginWord, ...] = ()
        self._loaded = False
        self._wanted = ""
        """The person to whom the cursor goes as soon as they are in the list."""
        self._file = ""
        """The path that was typed last for an import."""

    def inside(self) -> Iterable[Widget]:
        yield PersonFilter(placeholder="/ filters by name, address or state", id="filter")
        yield Container(
            Pane(shown("People"), ShortList(COLUMNS, id="people"), id="everyone"),
            Pane(shown("Person"), VerticalScroll(FittedText(id="about")), id="person"),
            id="both",
        )

    def on_mount(self) -> None:
        self._list.focus()
        self._list.empty = situation("…", "$primary", "Loading the people")
        self.action_reload()

    @on(events.ScreenResume)
    def _shown_again(self) -> None:
        """Load what changed while another screen was shown."""
        if self._loaded:
            self.action_reload()

    def action_reload(self) -> None:
        """Load the people again."""
        ask = self.muniment.engine.ask
        ask(self, ListUsers(), Users, self._came, failed=self._failed, lane="people")
        ask(self, ListLogins(), Logins, self._logins_came, failed=lambda error: None, lane="logins")

    @property
    def _list(self) -> ShortList:
        return self.query_one("#people", ShortList)

    def show_row(self, row: str) -> None:
        """Put the cursor on a person."""
        self._wanted = row
        self.query_one(PersonFilter).value = ""
        if self._loaded:
            self._fill()

    @property
    def _person(self) -> UserWord | None:
        """The person at the cursor; None for no person and for the catch-all."""
        row = self._list.current
        return row.value if row is not None and row.value.user != CATCH_ALL else None

    def _came(self, users: Users) -> None:
        self._loaded = True
        self._users = users.users
        if users.catch_all:
            self._users += (UserWord(user=CATCH_ALL, name="", messages=users.catch_all),)
        self._fill()

    def _logins_came(self, logins: Logins) -> None:
        self._logins = logins.logins
        self._show_person()

    def _failed(self, error: MunimentError) -> None:
        self._users = ()
        self._list.empty = situation("✗", "$error", "The people can't be loaded", str(error))
        self._list.fill(())

    def _fill(self) -> None:
        words = self.query_one(PersonFilter).value.casefold().split()
        found = [user for user in self._users if fits(user, words)]
        self._list.empty = (
            situation("○", "$secondary", "Nobody fits", "Esc in the line above clears the filter.")
            if words
            else situation("○", "$secondary", "Nobody yet", "i imports a CSV file, a adds one person.")
        )
        self._list.fill([person_row(user) for user in found])
        if self._wanted and self._list.go_to(self._wanted):
            self._wanted = ""
        total = len(self._users)
        self.query_one("#everyone", Pane).set_count(
            shown(f"{count(len(found))} of {count(total)}") if words else total
        )
        former = sum(user.former for user in self._users)
        automatic = sum(user.automatic for user in self._users)
        self.say(shown(f"{count(former)} former, {count(automatic)} made automatically", "$secondary"))
        self._show_person()
        self.refresh_bindings()

    @on(RowList.Moved, "#people")
    def _show_person(self) -> None:
        row, logins = self._list.current, self._logins
        self.query_one("#about", FittedText).fit(
            lambda width: person_text(row.value, logins, width) if row is not None else shown("")
        )
        self.query_one("#person VerticalScroll").scroll_home(animate=False)

    @on(RowList.Opened, "#people")
    def _opened(self) -> None:
        self.query_one("#person VerticalScroll").focus()

    def action_back(self) -> None:
        """Go back from the person to the list."""
        focused = self.focused
        if focused is not None and self.query_one("#person") in focused.ancestors:
            self._list.focus()
        else:
            super().action_back()

    # --- filter ---------------------------------------------------------------------------------

    def action_find(self) -> None:
        """Go to the filter."""
        self.query_one(PersonFilter).focus()

    @on(Input.Changed, "#filter")
    def _typing(self) -> None:
        if self._loaded:
            self._fill()

    @on(Input.Submitted, "#filter")
    def _typed(self) -> None:
        self._list.focus()

    # --- changes --------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available: there must be a person, and for a removal one with a name."""
        if action in ("edit", "take", "remove") and self.is_mounted:
            person = self._person
            return person is not None and (action == "edit" or not person.automatic)
        return super().check_action(action, parameters)

    def _show_change(self, request: PeopleRequest, title: str) -> None:
        self.app.push_screen(ChangeScreen(request, title, lambda made: self.action_reload()))

    def action_import(self) -> None:
        """Ask for a CSV file, and show what it would change."""
        self.ask_for(
            joined(("Import people from which CSV file? ", ""), ("name,address[,alias ...]", "$secondary")),
            self._import, value=self._file, check=_file_problem,
        )  # fmt: skip

    def _import(self, typed: str) -> None:
        path = path_of(typed)
        self._file = typed.strip()

        def came(text: str) -> None:
            if not self.is_active or isinstance(self.focused, Input):  # its question would take their keys
                self.muniment.tell(f"{path.name} is read: press i in People to see what it changes.")
                return
            self._show_change(ImportUsers(text=text, filename=path.name), f"Import of {path.name}")

        self.muniment.engine.work(self, "read-people", lambda: csv_text(str(path)), came)

    def action_add(self) -> None:
        """Open the form of a new person."""
        self.app.push_screen(PersonForm(None, self.action_reload))

    def action_edit(self) -> None:
        """Open the form of the person at the cursor."""
        if self._person is not None:
            self.app.push_screen(PersonForm(self._person, self.action_reload))

    def action_remove(self) -> None:
        """Show what the removal of the person changes."""
        if self._person is not None:
            request = RemoveUser(user=self._person.user)
            self._show_change(request, f"Remove {self._person.user}")

    def action_take(self) -> None:
        """Ask which address to take from the person, and show what that changes."""
        person = self._person
        if person is None:
            return
        own = list(dict.fromkeys(one.address for one in person.addresses))

        def take(typed: str) -> None:
            request = RemoveUser(user=person.user, alias=typed.strip())
            self._show_change(request, f"Remove the address {typed.strip()}")

        self.ask_for(
            joined(("Which address is not ", ""), (person.name, "bold"), ("'s?", "")), take,
            value=own[-1] if len(own) > 1 else "",
            check=lambda typed: "" if typed.strip().casefold() in own else "This is none of the addresses.",
        )  # fmt: skip


def _file_problem(typed: str) -> str:
    """A sentence if this is no file that can be read, else ""."""
    try:
        return "" if path_of(typed).is_file() else f"There is no file {Path(typed.strip()).name}."
    except (OSError, RuntimeError, ValueError):
        return "This path is not valid."
