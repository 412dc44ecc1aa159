"""The Setup area: the checklist on the left, the current step on the right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import ClassVar

from msgspec import structs
from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from muniment.api import AffirmSetup, CheckSetup, GetSetup, PutSetup, Setup, SetupFinding, SetupStep, WireWord
from muniment.cli.setup import EVIDENCE
from muniment.errors import MunimentError
from muniment_tui.actions.available import behind_question
from muniment_tui.engine.bridge import PendingRequest
from muniment_tui.setup import step_text
from muniment_tui.setup.acting import StepActing
from muniment_tui.setup.command import ask_where_to_write, copy_command
from muniment_tui.setup.drafts import StepDrafts
from muniment_tui.setup.page import StepPage
from muniment_tui.setup.profile_step import ProfileStep
from muniment_tui.setup.step_actions import ACTS, STEP_ACTIONS
from muniment_tui.setup.step_text import PROFILE
from muniment_tui.setup.verdict import VerdictPane
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.answers import AnswerPrompt
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.field import Form
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import RowList, ShortList
from muniment_tui.widgets.situation import situation

REST = 0.03
"""Seconds for which the cursor rests before its step is drawn: less than a repeating key takes."""
LATER = 40
"""After the first report, only one of this many updates is made."""
FocusedPart = (Form, ProfileStep)
"""The parts that get a narrow screen for themselves while they have the focus."""


class SetupScreen(FrameScreen):
    """The checklist of set-up."""

    HELP = (
        "Ten steps from an empty vault to the first journal report, for Microsoft 365 and Exchange Server. "
        "Each step says what to do. F5 checks it against the real systems: DNS, mail servers, certificates, "
        "logins. Muniment can't see everything, such as Microsoft's portal; confirm those steps with d.\n\n"
        "The last step waits for the first report and shows whose it is. After that, Health lists what "
        "needs attention.\n\n"
        "On the command line: muniment setup."
    )
    BINDINGS: ClassVar[list[BindingType]] = STEP_ACTIONS
    DEFAULT_CSS = """
    SetupScreen #steps { width: 34; }
    SetupScreen #step { width: 1fr; }
    SetupScreen.-narrow.-typing #steps { display: none; }
    SetupScreen StepPage { height: 1fr; }
    SetupScreen.-tall VerdictPane { max-height: 12; }
    SetupScreen.-wide #steps { width: 40; }
    SetupScreen.-narrow StepPage ChoiceField > Horizontal { layout: vertical; height: 2; }
    SetupScreen.-narrow StepPage ChoiceField > .hint { display: none; }
    SetupScreen.-narrow.-typing StepPage ChoiceField > Horizontal { layout: horizontal; height: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._setup: Setup | None = None
        self._findings: dict[str, list[SetupFinding]] = {}
        """The findings of the last check of each step, while this screen exists."""
        self._drafts = StepDrafts()
        self._checking: PendingRequest | None = None
        self._looks = 0
        self._problem = ""
        """The error of the last update, or ""."""
        self._drawing = False
        self._drawn = ""
        """The key of the row that is drawn."""
        self._acting = StepActing(self, self._ask, self._came, self._report)

    def inside(self) -> Iterable[Widget]:
        """The list of steps and the page of one step."""
        columns = (ListColumn("", 1), ListColumn("Step"), ListColumn("State", 8))
        with Horizontal():
            yield Pane(shown("Setup"), ShortList(columns, titles=False), id="steps")
            with Pane(shown(""), id="step"), Vertical():
                yield StepPage()
                yield ProfileStep()
                yield VerdictPane()
        yield AnswerPrompt(id="leaving")

    async def on_mount(self) -> None:
        """Load the checklist, and update it while the screen exists."""
        self.list.focus()
        await self.page.say(situation("…", "$primary", "Loading Setup"))
        self._ask()
        self.set_interval(self.muniment.times.setup, self._look)
        self._rest = self.set_interval(REST, self._rested, pause=True)
        self.watch(self, "focused", self._fold, init=False)

    @property
    def list(self) -> ShortList:
        """The list of steps."""
        return self.query_one(ShortList)

    @property
    def page(self) -> StepPage:
        """The page of every step but that of the archive profile."""
        return self.query_one(StepPage)

    @property
    def profile(self) -> ProfileStep:
        """The step of the archive profile, with its form."""
        return self.query_one(ProfileStep)

    @property
    def step(self) -> SetupStep | None:
        """The step at the cursor; None on the row for health."""
        row = self.list.current
        return row.value if row is not None else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available for the step at the cursor."""
        step = self.step if self._setup is not None else None
        if action in ("copy", "write"):
            return step is not None and bool(step.command)
        if action == "done":
            return step is not None and bool(step.affirm)
        if action == "save":
            return step is not None and step.key in self._drafts
        if action in ACTS:
            return self._subject(ACTS[action]) is not None
        if action == "back" and self.is_mounted and not self.list.has_focus:
            return True
        return super().check_action(action, parameters)

    # --- what the engine says -------------------------------------------------------------------

    def on_screen_resume(self) -> None:
        """Update the list, since another screen may have changed much."""
        if self._setup is not None:
            self._ask()

    def _look(self) -> None:
        self._looks += 1
        arrived = self._state(EVIDENCE) == "done"
        if self.is_current and self._checking is None and (not arrived or self._looks % LATER == 0):
            self._ask()

    def _ask(self) -> None:
        self.muniment.engine.ask(self, GetSetup(), Setup, self._came, failed=self._failed, lane="setup")

    def _failed(self, error: MunimentError) -> None:
        if self._setup is None:
            words = situation("✗", "$error", "Setup can't be shown", str(error))
            self.call_later(self.page.say, words)
        if str(error) != self._problem:  # each update fails, but one notice is enough
            self.muniment.refuse(error)
        self._problem = str(error)

    def _came(self, setup: Setup) -> None:
        waited = self._setup is not None and self._state(EVIDENCE) != "done"
        first = self._setup is None
        self._problem = ""
        self._setup = setup
        if waited and self._state(EVIDENCE) == "done":
            self.muniment.tell("The first journal report has arrived.")
        self._fill()
        if first:
            self.list.go_to(next((one.key for one in setup.steps if one.state != "done"), EVIDENCE))
        self._show()

    @property
    def _steps(self) -> tuple[SetupStep, ...]:
        return self._setup.steps if self._setup else ()

    def _step(self, key: str) -> SetupStep | None:
        return next((one for one in self._steps if one.key == key), None)

    def _state(self, key: str) -> str:
        step = self._step(key)
        return step.state if step else ""

    def _fill(self) -> None:
        if self._setup is None:
            return
        self.list.fill(step_text.rows(self._setup, frozenset(self._drafts)))
        self.query_one("#steps", Pane).set_title(shown(f"Setup: {step_text.progress(self._setup)}"))

    def _show(self) -> None:
        """Draw the current step soon. Several calls are drawn once."""
        if not self._drawing:
            self._drawing = True
            self.call_later(self._draw)

    async def _draw(self) -> None:
        """Draw the current step, or the state of health."""
        self._drawing = False
        self.refresh_bindings()
        row, step = self.list.current, self.step
        pane = self.query_one("#step", Pane)
        if row is None or self._setup is None:
            return
        self.profile.display, self.page.display = row.key == PROFILE, row.key != PROFILE
        findings = self._findings.get(row.key, ())
        self.query_one(VerdictPane).show(step, findings)
        arrived, self._drawn = row.key != self._drawn, row.key
        if step is None:
            pane.set_title(shown("Health"))
            self.say(shown("Checked automatically once a minute."))
            with self.app.batch_update():
                await self.page.say(step_text.health(self._setup))
            return
        changed = step.key in self._drafts or (step.key == PROFILE and self.profile.unsaved)
        unsaved = (shown("not saved: F2 saves", "$warning"),) if changed else ()
        pane.set_title(joined(shown(step.title), *unsaved, gap=" · "))
        if not self.has_class("-typing"):  # a field explains itself there
            self.say(step_text.ways(step))
        if step.key == PROFILE:
            standing = step_text.standing(step, bool(findings))
            self.profile.explain(standing, partial(step_text.instructions, step))
            self.profile.load(self._setup.profile, again=arrived)
            return
        with self.app.batch_update():
            await self.page.show(step, self._drafts.of(step.key), bool(findings))

    # --- moving and typing -------------------------------------------------------------------------

    @on(RowList.Moved)
    def _moved(self) -> None:
        """Draw the step at once. While a key repeats, the steps on the way are not drawn."""
        self.refresh_bindings()
        self._rest.reset()
        self._rest.resume()

    def _rested(self) -> None:
        self._rest.pause()
        self._show()

    @on(RowList.Opened)
    async def _opened(self) -> None:
        self._rest.pause()
        await self._draw()
        (self.profile if self.profile.display else self.page).start()

    @on(StepPage.Edited)
    def _edited(self, event: StepPage.Edited) -> None:
        before = event.step in self._drafts
        self._keep_draft(event.step)
        if before != (event.step in self._drafts):
            self._fill()
            self._show()

    def _keep_draft(self, key: str) -> None:
        """Remember the unsaved texts of the step that is shown."""
        step, shown_step = self._step(key), self.page.step
        if step is None or shown_step is None or shown_step.key != key:
            return
        self._drafts.keep(step, self.page.values)

    @on(StepPage.Entered)
    async def _entered(self) -> None:
        await self.app.run_action("save", self)

    def action_back(self) -> None:
        """Go back from the page to the list, and from there to Home, after a question about changes."""
        if self.list.has_focus and self.unsaved and self.muniment.notice is None:
            self.ask_to_leave(self.app.pop_screen)
        elif self.list.has_focus:
            super().action_back()
        else:
            self.remove_class("-typing")
            self.list.focus()

    def _fold(self, focused: Widget | None) -> None:
        """Give a narrow screen to the fields while one has the focus. A question changes nothing."""
        if focused is None or behind_question(self, self):
            return
        typing = isinstance(focused, FocusedPart) or any(
            isinstance(one, FocusedPart) for one in focused.ancestors
        )
        self.set_class(typing, "-typing")
        if typing and not self.profile.display:
            self.say(step_text.typing())
        if not typing and self._setup is not None:
            self._show()

    def action_on(self) -> None:
        self.page.scroll_page_down(animate=False)

    def action_back_up(self) -> None:
        self.page.scroll_page_up(animate=False)

    # --- actions ---------------------------------------------------------------------------------

    def action_save(self) -> None:
        """Save the fields of the current step."""
        if self.step is not None:
            self._save(self.step.key)

    def _save(self, key: str, then_check: bool = False) -> None:
        def saved() -> None:
            self._findings.pop(key, None)
            self.muniment.tell("Saved in vault.toml.")
            if then_check:
                self._check(key)

        self._keep_draft(key)
        self._put_drafts((key,), saved)

    def _put_drafts(self, keys: Collection[str], then: Callable[[], object]) -> None:
        """Save the drafts of steps. What is typed until the answer comes stays a draft."""
        sent = self._drafts.texts(step for step in self._steps if step.key in keys)
        values = {name: text for key in keys for name, text in self._drafts.of(key).items()}

        def saved(setup: Setup) -> None:
            if self.page.step is not None:
                self._keep_draft(self.page.step.key)  # what was typed just now
            self._drafts.keep_newer(sent, self._drafts.texts(self._steps), setup.steps)
            self._came(setup)
            then()

        self.muniment.engine.ask(self, PutSetup(values=values), Setup, saved)

    def action_check(self) -> None:
        """Check the current step. Unsaved fields are saved first."""
        step = self.step
        if step is None:
            self.muniment.tell("Health is checked automatically.")
            return
        if step.key == PROFILE and self.profile.unsaved and self.profile.editor is not None:
            self.profile.editor.action_test()  # what is typed, not what is saved
            return
        self._keep_draft(step.key)
        if step.key in self._drafts:
            self._save(step.key, then_check=True)
        else:
            self._check(step.key)

    def action_check_all(self) -> None:
        """Check all steps; unsaved fields stay as they are and are not checked."""
        self._check("")

    def _check(self, key: str) -> None:
        if self._checking is not None:
            self.muniment.tell("A check is already running. Wait for its end.", "warning")
            return
        self._checking = self.muniment.engine.stream(
            self, CheckSetup(step=key), self._check_message, ended=self._checked, failed=self._not_checked
        )

    def _check_message(self, word: WireWord) -> None:
        """Take in a message of a running check."""
        if isinstance(word, Setup):
            self._came(word)
            return
        if isinstance(word, SetupStep):
            self._put(word)
        elif isinstance(word, SetupFinding):
            running = next((step.key for step in self._steps if step.state == "checking"), "")
            self._findings.setdefault(running, []).append(word)
        self._show()

    def _put(self, step: SetupStep) -> None:
        """Replace a step with its new state."""
        if self._setup is None:
            return
        if step.state == "checking":
            self._findings[step.key] = []
        steps = tuple(step if one.key == step.key else one for one in self._setup.steps)
        self._setup = structs.replace(self._setup, steps=steps)
        self._fill()

    def _checked(self) -> None:
        self._checking = None

    def _not_checked(self, error: MunimentError) -> None:
        self._checking = None
        self.muniment.refuse(error)
        self._ask()

    def action_done(self) -> None:
        """Confirm a step, or take the confirmation back, after a question."""
        step = self.step
        if step is None:
            return
        if step.affirmed:
            asked = joined(
                ("Take back the confirmation by ", ""), (step.affirmed_by, "bold"), (f": {step.affirm}?", "")
            )
        else:
            kept = f"{step.affirm}? Your login name and the time are recorded."
            asked = joined((f"{step.title}: ", "bold"), (kept, ""))
        self.confirm(asked, lambda: self._affirm(step.key, not step.affirmed))

    def _affirm(self, key: str, done: bool) -> None:
        """Store the confirmation, and check at once what can be checked."""

        def stored(setup: Setup) -> None:
            self._came(setup)
            if done and self._checking is None:
                self._check(key)

        self.muniment.engine.ask(self, AffirmSetup(step=key, done=done), Setup, stored)

    # --- the archive profile ----------------------------------------------------------------------

    @on(ProfileStep.StepSaved)
    def _profile_saved(self, event: ProfileStep.StepSaved) -> None:
        """Let the checklist name the saved profile, and check it."""

        def named(setup: Setup) -> None:
            self._came(setup)
            self.profile.load(setup.profile, again=True)
            if self._checking is None:
                self._check(PROFILE)

        known = self._setup.profile if self._setup else None
        same = known is not None and known.exists and known.name == event.name
        request = GetSetup() if same else PutSetup(values={"profile": event.name})
        self.muniment.engine.ask(self, request, Setup, named)

    @property
    def unsaved(self) -> str:
        form = self.profile.unsaved if self.is_mounted else ""
        steps = [step.title for step in self._steps if step.key in self._drafts]
        return " and ".join(filter(None, [f"your changes to {', '.join(steps)}" if steps else "", form]))

    def ask_to_leave(self, leave: Callable[[], object]) -> None:
        """Ask about the fields of steps, and then about the form, which is shown."""
        if self._drafts:
            choices = {"save": lambda: self._save_all(leave), "discard": lambda: self._discard(leave)}
            if self.muniment.read_only:
                del choices["save"]
            words = shown(f"Leave without saving {self.unsaved}?", "bold")
            self.query_one("#leaving", AnswerPrompt).ask(words, choices, "Stay")
            return
        if not self.profile.unsaved:
            leave()
            return
        self.list.go_to(PROFILE)
        self._show()
        self.call_after_refresh(self.profile.ask_to_leave, leave)

    def _discard(self, leave: Callable[[], object]) -> None:
        self._drafts.clear()
        self.page.put_back()
        self._fill()
        self.ask_to_leave(leave)

    def _save_all(self, leave: Callable[[], object]) -> None:
        """Save the fields of all steps, then go on with leaving."""
        here, tell = self.still_here(), self.muniment.tell
        self._put_drafts(
            tuple(self._drafts), lambda: self.ask_to_leave(leave) if here() else tell("Saved in vault.toml.")
        )

    # --- acts of a step ---------------------------------------------------------------------------

    def _subject(self, kind: str) -> str | None:
        """What an act of the current step concerns; None if the step does not offer it now."""
        step = self.step if self._setup is not None else None
        return next((act.subject for act in (step.acts if step else ()) if act.kind == kind), None)

    def action_run_profile(self) -> None:
        self._acting.run(self._subject("run") or "")

    def action_enable_profile(self) -> None:
        self._acting.enable(self._subject("enable") or "")

    def action_import_people(self) -> None:
        self._acting.import_people()

    def action_pin_tenant(self) -> None:
        self._acting.pin(self._subject("pin") or "")

    def action_install_service(self) -> None:
        self._acting.install()

    def _report(self, lines: Sequence[str]) -> None:
        """Show what an installation did, and what is left to do."""
        if self.step is not None:
            self._findings[self.step.key] = [SetupFinding(text=line, verdict="note") for line in lines]
        self._ask()

    # --- the command ------------------------------------------------------------------------------

    def action_copy(self) -> None:
        if self.step is not None:
            copy_command(self, self.step)

    def action_write(self) -> None:
        if self.step is not None:
            ask_where_to_write(self, self.step)
