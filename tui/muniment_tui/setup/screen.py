"""The Setup area: the checklist on the left, the current step on the right."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from muniment.api import AffirmSetup, CheckSetup, GetSetup, PutSetup, Setup, SetupFinding, SetupStep, WireWord
from muniment.cli.setup import EVIDENCE, write_command
from muniment.errors import MunimentError
from muniment.system.environment import absolute
from muniment_tui.actions.registry import Action, actions
from muniment_tui.engine.bridge import PendingRequest
from muniment_tui.setup import step_text
from muniment_tui.setup.page import StepPage
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import RowList, ShortList
from muniment_tui.widgets.situation import situation

POLL = 1.5
"""Seconds between two updates of the list while the first report is awaited."""
REST = 0.1
"""How long the cursor must rest before the step is drawn, in seconds."""
LATER = 40
"""After the first report, only one of this many updates is made."""
ENDINGS = {"powershell": ".ps1", "shell": ".sh"}


class SetupScreen(AreaScreen):
    """The Setup area."""

    AREA = "setup"
    HELP = (
        "Ten steps from an empty vault to the first journal report, for Microsoft 365 and Exchange Server. "
        "Each step says what to do. F5 checks it against the real systems: DNS, mail servers, certificates, "
        "logins. Muniment can't see everything, such as Microsoft's portal; confirm those steps with d.\n\n"
        "The last step waits for the first report and shows whose it is. After that, Health lists what "
        "needs attention.\n\n"
        "On the command line: muniment setup."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "setup.check", "f5,c", "Check", "Check this step against the real systems now.", footer=9,
                changes=True,
            ),
            Action(
                "setup.check-all", "f6,C", "Check all", "Check all steps, one after another.", footer=5,
                changes=True,
            ),
            Action(
                "setup.save", "f2", "Save", "Save the fields in vault.toml. Its comments stay.", footer=8,
                changes=True,
            ),
            Action(
                "setup.done", "d", "Mark done",
                "Confirm a step that Muniment can't check, or take that back.",
                footer=7, changes=True,
            ),
            Action(
                "setup.copy", "p", "Copy",
                "Copy the step's command to the clipboard, if the terminal supports it.",
                footer=6,
            ),
            Action(
                "setup.write", "w", "Write", "Write the step's command to a new file.", footer=5,
                changes=True,
            ),
            Action("setup.on", "space", "Read on", "Scroll the step down by a page."),
            Action("setup.back-up", "b", "Read back", "Scroll the step up by a page."),
        )
    ]  # fmt: skip
    DEFAULT_CSS = """
    SetupScreen #steps { width: 32; }
    SetupScreen #step { width: 1fr; }
    SetupScreen.-wide #steps { width: 40; }
    SetupScreen.-narrow StepPage ChoiceField > Horizontal { layout: vertical; height: 2; }
    SetupScreen.-narrow StepPage ChoiceField > .hint { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._setup: Setup | None = None
        self._findings: dict[str, list[SetupFinding]] = {}
        """The findings of the last check of each step, while this screen exists."""
        self._drafts: dict[str, dict[str, str]] = {}
        """Unsaved texts, by step."""
        self._checking: PendingRequest | None = None
        self._looks = 0
        self._problem = ""
        """The error of the last update, or ""."""
        self._drawing = False

    def inside(self) -> Iterable[Widget]:
        """The list of steps and the page of one step."""
        columns = (ListColumn("", 1), ListColumn("Step"), ListColumn("State", 8))
        with Horizontal():
            yield Pane(shown("Setup"), ShortList(columns, titles=False), id="steps")
            yield Pane(shown(""), StepPage(), id="step")

    async def on_mount(self) -> None:
        """Load the checklist, and update it while the screen exists."""
        self.list.focus()
        await self.page.say(situation("…", "$primary", "Loading Setup"))
        self._ask()
        self.set_interval(POLL, self._look)
        self._rest = self.set_interval(REST, self._rested, pause=True)

    @property
    def list(self) -> ShortList:
        """The list of steps."""
        return self.query_one(ShortList)

    @property
    def page(self) -> StepPage:
        """The page of the current step."""
        return self.query_one(StepPage)

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
        if action == "back" and self.is_mounted:
            return not self.list.has_focus or self.muniment.notice is not None
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

    def _step(self, key: str) -> SetupStep | None:
        steps = self._setup.steps if self._setup else ()
        return next((one for one in steps if one.key == key), None)

    def _state(self, key: str) -> str:
        step = self._step(key)
        return step.state if step else ""

    def _fill(self) -> None:
        if self._setup is None:
            return
        self.list.fill(step_text.rows(self._setup, frozenset(self._drafts)))
        self.query_one("#steps", Pane).set_title(shown(f"Setup: {step_text.progress(self._setup)}"))

    def _rested(self) -> None:
        self._rest.pause()
        self._show()

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
        if step is None:
            pane.set_title(shown("Health"))
            self.say(shown("Checked automatically once a minute."))
            with self.app.batch_update():
                await self.page.say(step_text.health(self._setup))
            return
        unsaved = (shown("not saved: F2 saves", "$warning"),) if step.key in self._drafts else ()
        pane.set_title(joined(shown(step.title), *unsaved, gap=" · "))
        self.say(step_text.ways(step))
        with self.app.batch_update():
            await self.page.show(step, self._findings.get(step.key, ()), self._drafts.get(step.key, {}))

    # --- moving and typing -------------------------------------------------------------------------

    @on(RowList.Moved)
    def _moved(self) -> None:
        """Draw the step after the cursor rests, since a step costs more bytes than the cursor."""
        self.refresh_bindings()
        self._rest.reset()
        self._rest.resume()

    @on(RowList.Opened)
    async def _opened(self) -> None:
        self._rest.pause()
        await self._draw()
        self.page.start()

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
        saved = {one.name: one.value for one in step.fields}
        now = self.page.values
        changed = {name: now[name] for name in saved if now.get(name, saved[name]) != saved[name]}
        self._drafts.pop(key, None)
        if changed:
            self._drafts[key] = changed

    @on(StepPage.Entered)
    async def _entered(self) -> None:
        await self.app.run_action("save", self)

    def action_back(self) -> None:
        """Go back from the page to the list."""
        if self.list.has_focus:
            super().action_back()
        else:
            self.list.focus()

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
        def saved(setup: Setup) -> None:
            self._drafts.pop(key, None)
            self._findings.pop(key, None)
            self.muniment.tell("Saved in vault.toml.")
            self._came(setup)
            if then_check:
                self._check(key)

        self._keep_draft(key)
        values = dict(self._drafts.get(key, {}))
        self.muniment.engine.ask(self, PutSetup(values=values), Setup, saved)

    def action_check(self) -> None:
        """Check the current step. Unsaved fields are saved first."""
        step = self.step
        if step is None:
            self.muniment.tell("Health is checked automatically.")
            return
        self._keep_draft(step.key)
        if step.key in self._drafts:
            self._save(step.key, then_check=True)
        else:
            self._check(step.key)

    def action_check_all(self) -> None:
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
            running = next(
                (s.key for s in (self._setup.steps if self._setup else ()) if s.state == "checking"), ""
            )
            self._findings.setdefault(running, []).append(word)
        self._show()

    def _put(self, step: SetupStep) -> None:
        """Replace a step with its new state."""
        if self._setup is None:
            return
        if step.state == "checking":
            self._findings[step.key] = []
        steps = tuple(step if one.key == step.key else one for one in self._setup.steps)
        self._setup = Setup(steps=steps, platform=self._setup.platform, health=self._setup.health)
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
        self.muniment.engine.ask(self, AffirmSetup(step=key, done=done), Setup, self._came)

    def action_copy(self) -> None:
        """Send the command to the terminal's clipboard by OSC 52. The terminal does not confirm it."""
        if self.step is not None:
            self.app.copy_to_clipboard(self.step.command)
            self.muniment.tell("Sent to the terminal's clipboard. If it is empty, press w to write a file.")

    def action_write(self) -> None:
        """Ask for a path, then write the command there."""
        step = self.step
        if step is None:
            return
        suggested = absolute(f"{step.key}{ENDINGS.get(step.language, '.txt')}")
        self.ask_for(
            joined(("Write the command of ", ""), (step.title, "bold"), (" to the new file:", "")),
            lambda path: self._write(step, path),
            value=str(suggested),
        )

    def _write(self, step: SetupStep, path: str) -> None:
        try:
            written = write_command(step, absolute(Path(path.strip() or ".")))
        except MunimentError as error:
            self.muniment.refuse(error)
        else:
            self.muniment.tell(f"Written to {written}.")
