"""The Profiles area: the list of profiles, the details of one, and actions on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget

from muniment.api import (
    Done,
    ListProfiles,
    Profiles,
    ProfileState,
    ProfileWord,
    PutProfile,
    RemoveProfile,
    RenameProfile,
    Request,
    RunsState,
    TestProfile,
    WatchRuns,
    WireWord,
)
from muniment.errors import MunimentError, SettingsChanged
from muniment.profiles.fields import name_problem
from muniment.profiles.registry import KIND
from muniment_tui.actions.registry import Action, actions
from muniment_tui.engine.bridge import PendingRequest
from muniment_tui.profiles.draft import ProfileDraft
from muniment_tui.profiles.listing import COLUMNS, by_hand, details, row_of, runs_by_itself, switch_question
from muniment_tui.profiles.run_now import run_now
from muniment_tui.profiles.trial import TrialPane
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import RowList, ShortList
from muniment_tui.widgets.situation import SituationText
from muniment_tui.widgets.text import TextLines

EMPTY = """\
A profile says where mail is fetched from: the gateway mailbox that receives
journal reports, a user's IMAP or POP3 mailbox, or files.

Press a to add one. Setup (1) guides you through all steps."""


class ProfilesScreen(AreaScreen):
    """The Profiles area."""

    AREA = "profiles"
    AUTO_FOCUS = ""
    HELP = (
        "Where mail is fetched from. ↑ and ↓ choose the profile that the keys act on. Changes are written to "
        "vault.toml. Your comments there stay, and edits by hand are never overwritten unasked."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "profiles.edit",
                "e",
                "Edit",
                "View or change the profile.",
                words="password host server schedule settings",
            ),
            Action(
                "profiles.add",
                "a",
                "Add",
                "Create a new profile.",
                footer=8,
                changes=True,
                words="new mailbox account create",
            ),
            Action(
                "profiles.test",
                "t",
                "Test",
                "Connect to the mailbox and count its messages.",
                footer=7,
                words="check password connection login",
            ),
            Action(
                "profiles.run",
                "r",
                "Run now",
                "Fetch and archive new mail now.",
                run="run_now",
                footer=6,
                changes=True,
                words="start fetch archive",
            ),
            Action(
                "profiles.disable",
                "d",
                "Disable/enable",
                "Turn automatic runs of the profile off or on, after a question.",
                run="switch",
                footer=5,
                changes=True,
                words="schedule pause automatic stop every",
            ),
            Action(
                "profiles.copy", "c", "Copy", "Create a new profile with the same settings.", changes=True
            ),
            Action("profiles.rename", "m", "Rename", "Rename it. Nothing is fetched again.", changes=True),
            Action(
                "profiles.remove",
                "delete,x",
                "Remove",
                "Remove the profile from vault.toml. Its archived mail stays.",
                changes=True,
                words="delete",
            ),
            Action("profiles.reload", "f5", "Reload", "Read vault.toml again."),
        )
    ]
    DEFAULT_CSS = """
    ProfilesScreen #by-hand { display: none; height: 1; padding: 0 1; text-wrap: nowrap; }
    ProfilesScreen #by-hand { text-overflow: ellipsis; }
    ProfilesScreen #panes { height: 1fr; layout: vertical; }
    ProfilesScreen #list-pane { height: auto; max-height: 13; }
    ProfilesScreen #list-pane ShortList { height: auto; max-height: 10; }
    ProfilesScreen #details-pane { height: 1fr; padding: 0 1; }
    ProfilesScreen.-narrow.-high #panes > Pane { border: none; border-top: solid $border-blurred; }
    ProfilesScreen.-narrow.-high #panes > Pane:focus-within { border: none; border-top: heavy $border; }
    ProfilesScreen.-wide #panes { layout: horizontal; }
    ProfilesScreen.-wide #list-pane { width: 3fr; height: 1fr; max-height: 100%; }
    ProfilesScreen.-wide #list-pane ShortList { height: 1fr; max-height: 100%; }
    ProfilesScreen.-wide #details-pane { width: 2fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._words: dict[str, ProfileWord] = {}
        self._states: dict[str, ProfileState] = {}
        self._watch: PendingRequest | None = None
        self._version = ""
        self._wanted = ""
        """The profile that the cursor goes to after the next update."""
        self._filter = ""

    def inside(self) -> Iterable[Widget]:
        """The list, the details and the pane for the test."""
        yield TextLines(id="by-hand")
        yield SituationText(id="situation")
        with Container(id="panes"):
            yield Pane(shown("Profiles"), ShortList(COLUMNS), id="list-pane")
            yield Pane(shown("Settings"), TextLines(id="details"), id="details-pane")
        yield TrialPane()

    @property
    def current(self) -> ProfileWord | None:
        """The profile at the cursor, or None."""
        for rows in self.query(ShortList):
            if rows.current is not None and isinstance(rows.current.value, ProfileWord):
                return rows.current.value
        return None

    # --- what there is ------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Show that the profiles are being loaded."""
        self.query_one(SituationText).busy("Loading the profiles")
        self.query_one("#panes").display = False

    @on(events.ScreenResume)
    def _resumed(self) -> None:
        """Load the profiles and watch their runs while the screen is visible."""
        self.action_reload()
        if self._watch is None or self._watch.over:
            engine = self.muniment.engine
            self._watch = engine.stream(self, WatchRuns(), self._runs_changed, failed=lambda _: None)

    @on(events.ScreenSuspend)
    @on(events.Unmount)
    def _suspended(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def action_reload(self) -> None:
        """Load the profiles from vault.toml again."""
        self.muniment.engine.ask(
            self, ListProfiles(), Profiles, self._came, failed=self._unreadable, lane="list"
        )

    def _came(self, profiles: Profiles) -> None:
        self._version = profiles.version
        self._words = {one.name: one for one in profiles.profiles}
        self._draw()

    def _runs_changed(self, word: WireWord) -> None:
        """Update the state of the profiles' runs."""
        if isinstance(word, RunsState):
            self._states = {one.name: one for one in word.profiles}
            if self._words:
                self._draw()

    def _unreadable(self, error: MunimentError) -> None:
        self._words = {}
        self._draw()
        self.query_one(SituationText).failed("The profiles can't be loaded", str(error))

    def _draw(self) -> None:
        rows = self.query_one(ShortList)
        found = [word for word in self._words.values() if self._filter in word.name.lower()]
        rows.fill(row_of(word, self._states.get(word.name)) for word in found)
        if self._wanted and rows.go_to(self._wanted):
            self._wanted = ""
        banner, words = self.query_one("#by-hand", TextLines), by_hand(self._words.values())
        banner.display = bool(words)
        banner.say(words)
        situation = self.query_one(SituationText)
        situation.nothing("No profiles yet", EMPTY)
        if self._words and not found:
            situation.nothing(f"No profile has {self._filter!r} in its name", "Press / and Enter to see all.")
        situation.display, self.query_one("#panes").display = not found, bool(found)
        self.query_one("#list-pane", Pane).set_count(len(found))
        if self.focused is None and found:
            rows.focus()
        self._describe()
        self.refresh_bindings()

    def show_row(self, row: str) -> None:
        """Put the cursor on a profile."""
        self._wanted = row
        if self._words:
            self._draw()

    @on(RowList.Moved)
    def _describe(self) -> None:
        word, pane = self.current, self.query_one("#details", TextLines)
        shown_now = word is not None and not self.query_one(TrialPane).display
        self.query_one("#details-pane").display = shown_now
        if word is not None:
            pane.say(details(word, self._states.get(word.name)))

    @on(RowList.Opened)
    def _opened(self) -> None:
        self.action_edit()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available. Actions on a profile need one at the cursor."""
        needs = ("edit", "test", "run_now", "switch", "copy", "rename", "remove")
        if action in needs and self.current is None:
            return False
        return super().check_action(action, parameters)

    def action_find(self) -> None:
        """Filter the profiles by name."""

        def narrow(text: str) -> None:
            self._filter = text.strip().lower()
            self._draw()

        self.ask_for(
            shown("Show profiles with this in their name (empty for all):"), narrow, value=self._filter
        )

    # --- actions ----------------------------------------------------------------------------

    def action_edit(self) -> None:
        """Open the form of the current profile; saving is refused if vault.toml has changed since."""
        if word := self.current:
            self._open(
                ProfileDraft(
                    KIND[word.source],
                    word.name,
                    word.fields,
                    new=False,
                    version=word.version or self._version,
                )
            )

    def action_add(self) -> None:
        """Ask for the kind, then open an empty form."""

        def chosen(kind: str | None) -> None:
            if kind:
                self._open(ProfileDraft(KIND[kind], version=self._version))

        from muniment_tui.profiles.kinds import KindScreen

        self.app.push_screen(KindScreen(), chosen)

    def action_copy(self) -> None:
        """Open a form with the same fields and no name."""
        if word := self.current:
            self._open(ProfileDraft(KIND[word.source], "", word.fields, version=self._version))

    def _open(self, draft: ProfileDraft) -> None:
        def closed(name: str | None) -> None:
            if name:
                self._wanted = name
                self.action_reload()

        from muniment_tui.profiles.form import ProfileForm  # not for the first frame

        self.app.push_screen(ProfileForm(draft), closed)

    def action_test(self) -> None:
        """Test the profile with its saved settings."""
        if word := self.current:
            self.query_one("#details-pane").display = False
            self.query_one(TrialPane).start(TestProfile(name=word.name))

    @on(TrialPane.Closed)
    def _tried(self) -> None:
        self.query_one(ShortList).focus()
        self._describe()

    @on(TrialPane.Pinned)
    def _pin(self, event: TrialPane.Pinned) -> None:
        self.query_one(TrialPane).action_close()
        if word := self.current:
            draft = ProfileDraft(KIND[word.source], word.name, word.fields, new=False, version=self._version)
            draft.type("fingerprint", event.fingerprint)
            self._open(draft)

    def action_run_now(self) -> None:
        """Start a run. Its result becomes a notice, on any screen."""
        if word := self.current:
            run_now(self.muniment, word.name)

    def action_switch(self) -> None:
        """Ask for confirmation, then turn automatic runs off or on."""
        if word := self.current:
            name, on = word.name, runs_by_itself(word)
            words = switch_question(word, on=not on)
            request = PutProfile(name=name, fields={"enabled": not on}, version=self._version)
            result = f"{name} now runs by hand only." if on else f"{name} now runs automatically."
            self.confirm(words, lambda: self._change(request, result))

    def action_rename(self) -> None:
        """Ask for another name, which may not be that of another profile, and rename the current one."""
        if word := self.current:
            old = word.name

            def wrong(name: str) -> str:
                taken = f"a profile {name!r} already exists" if name in self._words and name != old else ""
                return name_problem(name) or taken

            def to(name: str) -> None:
                if name != old:
                    self._wanted = name
                    self._change(RenameProfile(name=old, to=name, version=self._version))

            self.ask_for(shown(f"New name for {old}:", "bold"), to, value=old, check=wrong)

    def action_remove(self) -> None:
        """Ask for the profile's name as confirmation, then remove the profile."""
        if word := self.current:
            name = word.name
            request = RemoveProfile(name=name, version=self._version)
            words = joined((f"Remove profile {name}? ", "bold $warning"), ("Its archived mail stays.", ""))
            self.confirm(words, lambda: self._change(request), phrase=name)

    def _change(self, request: Request, result: str = "") -> None:
        def done(answer: Done) -> None:
            self.muniment.tell(result or answer.message)
            self.action_reload()

        self.muniment.engine.ask(self, request, Done, done, failed=self._refused)

    def _refused(self, error: MunimentError) -> None:
        if isinstance(error, SettingsChanged):
            self.muniment.tell(
                "vault.toml was edited. The list now shows its contents; repeat your change.", "warning"
            )
            self.action_reload()
        else:
            self.muniment.refuse(error)
