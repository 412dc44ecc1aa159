"""The Settings area: the groups of settings, their values, and the way to their forms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget

from muniment.api import (
    Done,
    GetSettings,
    ListLogins,
    Logins,
    LoginWord,
    SettingsGroup,
    SettingWord,
    Step,
    TestNotify,
    VaultSettings,
    WireWord,
)
from muniment.errors import MunimentError
from muniment_tui.actions.registry import Action, actions
from muniment_tui.engine.bridge import PendingRequest
from muniment_tui.settings.draft import SettingsDraft, value_text
from muniment_tui.settings.form import SettingsForm
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.chips import line
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.facts import fact
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, RowList, ShortList
from muniment_tui.widgets.situation import SituationText
from muniment_tui.widgets.text import FittedText

COLUMNS = [ListColumn("Settings", share=1)]
LABEL, VALUE = 28, 40
"""Columns for the label of a setting, and for its value where an explanation follows."""
WITH_HELP = 130
"""Width of the pane from which values are explained."""
NOTIFICATIONS, ACCESS, SCHEDULE = "notifications", "access", "schedule"
EMPTY = {SCHEDULE: "No profile yet: press 2 to add one."}
LOGINS = {
    "moved": "reads nothing: its address leads to another person now; `muniment users bind` decides",
    "nobody": "reads nothing: no person has its address",
    "unbound": "reads nothing: no administrator has bound it; `muniment users bind` does",
}


class GroupList(ShortList):
    """The groups of settings."""

    HELP = "The groups of settings. Enter or e opens the form of the group at the cursor."


class ValuesPane(VerticalScroll, can_focus=True):
    """The values of a group."""

    HELP = "The values of the group. Dimmed ones are the defaults. Passwords and addresses are never shown."


class SettingsScreen(AreaScreen):
    """The Settings area."""

    AREA = "settings"
    HELP = (
        "The settings of this vault, in vault.toml on the archive server. Profiles have an area of their "
        "own. Changes count from the next run on, and are recorded in the audit trail."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("settings.edit", "e", "Edit", "Open the form of this group.", footer=8),
            Action(
                "settings.test", "t", "Send a test",
                "Send a test notification in every way that is set up.", footer=7, changes=True,
            ),
            Action("settings.reload", "f5", "Reload", "Read vault.toml again."),
        )
    ]  # fmt: skip
    DEFAULT_CSS = """
    SettingsScreen #groups-pane { width: 22; height: 1fr; }
    SettingsScreen.-wide #groups-pane { width: 30; }
    SettingsScreen #values-pane { width: 1fr; height: 1fr; }
    SettingsScreen ValuesPane { padding: 0 1; }
    SettingsScreen #values { height: auto; }
    SettingsScreen #nothing { display: none; }
    SettingsScreen.-none #nothing { display: block; }
    SettingsScreen.-none Horizontal { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._settings: VaultSettings | None = None
        self._logins: tuple[LoginWord, ...] = ()
        self._trial: list[Content] = []
        """What the test of notifications has said."""
        self._pending: PendingRequest | None = None

    def inside(self) -> Iterable[Widget]:
        """The groups, and the values of the one at the cursor."""
        yield SituationText(id="nothing")
        with Horizontal():
            yield Pane(shown("Groups"), GroupList(COLUMNS, titles=False, id="groups"), id="groups-pane")
            yield Pane(shown(""), ValuesPane(FittedText(id="values")), key="e", id="values-pane")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available: the test only for notifications."""
        group = self._group
        if action == "test":
            return group is not None and group.id == NOTIFICATIONS and self._pending is None
        if action == "edit":
            return group is not None and bool(group.settings)
        return super().check_action(action, parameters)

    # --- what the engine says ---------------------------------------------------------------

    def on_mount(self) -> None:
        """Ask for the settings."""
        self.query_one("#nothing", SituationText).busy("Loading the settings")
        self.add_class("-none")
        self.set_focus(None)
        self.action_reload()

    @on(events.ScreenResume)
    def _resumed(self) -> None:
        if self._settings is not None:
            self.action_reload()

    def action_reload(self) -> None:
        """Ask for the settings again."""
        engine = self.muniment.engine
        engine.ask(self, GetSettings(), VaultSettings, self._came, failed=self._refused, lane="settings")
        engine.ask(self, ListLogins(), Logins, self._logins_came, failed=lambda _: None, lane="logins")

    def _refused(self, error: MunimentError) -> None:
        self.add_class("-none")
        self._settings = None
        self.query_one("#nothing", SituationText).failed("The settings can't be shown", str(error))

    def _came(self, settings: VaultSettings) -> None:
        first, self._settings = self._settings is None, settings
        self.remove_class("-none")
        self._list.fill([ListRow(group.id, (group.title,), group) for group in settings.groups])
        if first:
            self._list.focus()
        self._draw()

    def _logins_came(self, logins: Logins) -> None:
        self._logins = logins.logins
        self._draw()

    @property
    def _list(self) -> GroupList:
        return self.query_one("#groups", GroupList)

    @property
    def _group(self) -> SettingsGroup | None:
        """The group at the cursor."""
        if self._settings is None:
            return None
        row = self._list.current
        return row.value if row is not None else None

    # --- drawing ----------------------------------------------------------------------------

    @on(RowList.Moved, "#groups")
    def _moved(self) -> None:
        self._trial = []
        self._draw()
        self.query_one(ValuesPane).scroll_home(animate=False)

    def _draw(self) -> None:
        group = self._group
        if group is None:
            return
        self.query_one("#values-pane", Pane).set_title(shown(group.title))
        trial = tuple(self._trial) if group.id == NOTIFICATIONS else ()
        logins = self._logins if group.id == ACCESS else ()
        self.query_one("#values", FittedText).fit(lambda width: _values_text(group, trial, logins, width))
        self.refresh_bindings()

    # --- actions ----------------------------------------------------------------------------

    @on(RowList.Opened, "#groups")
    async def _opened(self) -> None:
        await self.muniment.run_action("edit", self)

    def action_edit(self) -> None:
        """Open the form of the group at the cursor."""
        group = self._group
        if group is not None and self._settings is not None:
            form = SettingsForm(SettingsDraft(group, self._settings.version))
            self.app.push_screen(form, self._form_closed)

    def _form_closed(self, saved: bool | None) -> None:
        if saved:
            self.action_reload()

    def action_test(self) -> None:
        """Send a test notification, and show what each way says."""
        self._trial = [line("running", "sending a test …", "bold")]
        engine = self.muniment.engine
        self._pending = engine.stream(
            self, TestNotify(), self._tried, ended=self._test_ended, failed=self._test_failed
        )
        self._draw()

    def _tried(self, word: WireWord) -> None:
        if isinstance(word, Step):
            self._trial.insert(len(self._trial) - 1, line("ok" if word.ok else "failed", word.text))
        elif isinstance(word, Done):
            self._trial[-1] = shown(word.message, "bold")
        self._draw()

    def _test_ended(self) -> None:
        self._pending = None
        self._draw()

    def _test_failed(self, error: MunimentError) -> None:
        self._pending = None
        self._trial[-1:] = [line("failed", str(error), "$error")]
        self._draw()


def _values_text(
    group: SettingsGroup, trial: Sequence[Content], logins: Iterable[LoginWord], width: int
) -> Content:
    """The values of a group, below what the test of notifications has said."""
    parts = [shown(group.help, "$secondary"), Content()]
    parts += [*trial, Content()] if trial else []
    parts += [_value_line(word, width) for word in group.settings]
    if not group.settings:
        parts.append(shown(EMPTY.get(group.id, "Nothing to set.")))
    return Content("\n").join([*parts, *_logins_text(logins)])


def _value_line(word: SettingWord, width: int) -> Content:
    value = value_text(word, word.value)
    text = shown(value, "$secondary" if value == value_text(word, word.default) else "")
    gap = VALUE - text.cell_length
    if width >= WITH_HELP and gap > 0:
        text = joined(text, (" " * gap, ""), (word.help, "$secondary"))
    return fact(word.label, text, width, LABEL)


def _logins_text(logins: Iterable[LoginWord]) -> list[Content]:
    """Whose mail each login reads, with a warning for one that reads nothing."""
    lines = []
    for login in logins:
        if login.state == "bound":
            lines.append(line("ok", f"{login.login} reads the mail of {login.user}"))
        else:
            lines.append(line("warning", f"{login.login} ({login.address}) {LOGINS.get(login.state, '')}"))
    return [Content(), shown("Logins", "bold"), *lines] if lines else []
