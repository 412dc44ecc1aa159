"""The Proof area: the present checkpoint, verifications, comparison with a noted one, backups, damage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widget import Widget

from muniment.api import (
    BackgroundWork,
    Backup,
    Done,
    GetProof,
    Proof,
    Rebuild,
    Request,
    Step,
    StopWork,
    Verified,
    Verify,
    WatchWork,
    WireWord,
)
from muniment.errors import MunimentError, NotFound
from muniment.system.formatting import count, local, seconds
from muniment_tui.actions.registry import Action, actions
from muniment_tui.acts.running_work import RunningWork
from muniment_tui.engine.bridge import PendingRequest
from muniment_tui.proof.evidence import EvidenceScreen
from muniment_tui.proof.report import (
    backup_row,
    backup_status,
    checkpoint_text,
    damage_text,
    mendable,
    past_text,
    result_text,
)
from muniment_tui.proof.typed import checkpoints_in, wrong_checkpoint, wrong_folder
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.chips import line
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import RowList, ShortList
from muniment_tui.widgets.situation import SituationText, situation
from muniment_tui.widgets.text import TextLines

PHRASE = "accept the loss"
CONTINUED = "The next backup to this folder continues it."
KEPT = "The old catalog and index stay."
UNCHANGED = "Nothing was changed."
STOPPED = {"backup": CONTINUED, "rebuild": KEPT}
"""What holds after a work was stopped, by its kind; of others, UNCHANGED."""
COLUMNS = [
    ListColumn("Ended", 16),
    ListColumn("Folder", share=1),
    ListColumn("Result", share=1),
    ListColumn("Records", 11, right=True, since=76),
]


class ProofResult(VerticalScroll, can_focus=True):
    """The work under way, and the result of the last one."""

    HELP = "The verification under way, or the result of the last one. The arrow keys scroll."


class BackupList(ShortList):
    """The last backup to each folder."""

    HELP = "The last backup to each folder. Enter backs up there again; only what is new is copied."


class ProofScreen(AreaScreen):
    """The Proof area."""

    AREA = "proof"
    HELP = (
        "What proves that the archive is complete and unchanged.\n\n"
        "The checkpoint is the size of the ledger and a hash over all of it. Note it elsewhere, for example "
        "on paper each month. w compares the ledger with one that you noted: nothing before it can have "
        "been removed or changed unnoticed.\n\n"
        "A verification reads the ledger and compares catalog and index with it. A deep one also decodes "
        "every mail and compares it with its hash. The archive goes on working meanwhile. It goes on "
        "in the service when the app is closed; this area shows it again. x stops it. e shows what "
        "outsiders hold."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("proof.verify", "v", "Verify", "Check the ledger, the catalog and the index.", footer=9),
            Action(
                "proof.verify-deep", "V", "Verify deeply", "Also read and hash every mail.", footer=8,
            ),
            Action(
                "proof.compare", "w", "Was it unchanged?",
                "Compare the ledger with a checkpoint (SIZE:ROOT) that you noted earlier.", footer=8,
            ),
            Action(
                "proof.backup", "b", "Back up", "Copy what is new to a folder, while the archive is in use.",
                footer=7, changes=True,
            ),
            Action(
                "proof.copy-checkpoint", "c", "Copy checkpoint",
                "Copy the present checkpoint to the clipboard of the terminal.", footer=6,
            ),
            Action(
                "proof.stop", "x", "Stop", "Stop the verification, backup or rebuild under way.",
                footer=10,
            ),
            Action(
                "proof.rebuild", "r", "Rebuild", "Make catalog and index again from the ledger.",
                footer=7, changes=True,
            ),
            Action(
                "proof.accept-damage", "A", "Accept damage",
                "Continue without lost records of the ledger. The ledger records the decision.",
                footer=5, changes=True,
            ),
            Action(
                "proof.evidence", "e", "Evidence",
                "Show the last signed checkpoint, compare a note from elsewhere, and show certificates.",
                footer=7, words="witness time stamp note certificate erasure outsider",
            ),
            Action("proof.reload", "f5", "Reload", "Ask again for the checkpoint and the backups."),
        )
    ]  # fmt: skip
    DEFAULT_CSS = """
    ProofScreen #checkpoint { height: 5; }
    ProofScreen #checkpoint TextLines { padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ProofScreen #body { height: 1fr; }
    ProofScreen #verification { height: 1fr; }
    ProofScreen #verification ProofResult { padding: 0 1; }
    ProofScreen #verification TextLines { height: auto; }
    ProofScreen #backups { height: 6; }
    ProofScreen.-tall #backups { height: 12; }
    ProofScreen.-wide #body { layout: horizontal; }
    ProofScreen.-wide #verification { width: 3fr; height: 100%; }
    ProofScreen.-wide #backups { width: 2fr; height: 100%; }
    ProofScreen #nothing { display: none; }
    ProofScreen.-none #nothing { display: block; }
    ProofScreen.-none Pane { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._proof: Proof | None = None
        self._work: RunningWork | None = None
        self._pending: PendingRequest | None = None
        self._result: Content | None = None
        """What the last work of this screen found."""
        self._before: Content | None = None
        """The same before the present work."""
        self._problems: tuple[str, ...] = ()
        self._left: set[int] = set()
        """The numbers of works that have ended."""
        self._own: set[int] = set()
        """The numbers of works that this app began."""

    def inside(self) -> Iterable[Widget]:
        """The checkpoint, the verification, and the backups."""
        yield SituationText(id="nothing")
        yield Pane(shown("Checkpoint"), TextLines(id="present"), key="c", id="checkpoint")
        yield Container(
            Pane(shown("Verification"), ProofResult(TextLines(id="said")), key="v", id="verification"),
            Pane(shown("Backups"), BackupList(COLUMNS, id="folders"), key="b", id="backups"),
            id="body",
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available: one work at a time, and only what is needed."""
        if action == "stop":
            return self._work is not None and not self._work.stopping
        if action in ("verify", "verify_deep", "compare", "backup"):
            return self._proof is not None and self._work is None
        if action == "rebuild":
            return self._work is None and mendable(self._known_problems())
        if action == "accept_damage":
            return self._work is None and bool(self._proof and self._proof.damage)
        return super().check_action(action, parameters)

    def _known_problems(self) -> tuple[str, ...]:
        past = self._proof.verified if self._proof else None
        return self._problems or (past.problems if past else ())

    # --- what the engine says ---------------------------------------------------------------

    def on_mount(self) -> None:
        """Ask for the proof now, and again while the screen is shown."""
        self.query_one("#nothing", SituationText).busy("Loading the proof of the archive")
        self.add_class("-none")
        self.set_focus(None)
        self.action_reload()
        self.set_interval(self.muniment.times.proof, self._look)

    def _look(self) -> None:
        if self.is_active and self._proof is not None:
            self.action_reload()

    @on(events.ScreenResume)
    def _resumed(self) -> None:
        if self._proof is not None:
            self.action_reload()

    def action_reload(self) -> None:
        """Ask for the proof."""
        self.muniment.engine.ask(self, GetProof(), Proof, self._came, failed=self._refused, lane="proof")

    def _refused(self, error: MunimentError) -> None:
        if self._proof is None:
            self.query_one("#nothing", SituationText).failed("The proof can't be shown", str(error))

    def _came(self, proof: Proof) -> None:
        first, self._proof = self._proof is None, proof
        self.remove_class("-none")
        self.query_one("#present", TextLines).say(checkpoint_text(proof))
        folders = self._folders
        folders.empty = situation(
            "○", "$secondary", "No backup yet", "Press b to copy the vault to a folder."
        )
        folders.fill([backup_row(past) for past in proof.backups])
        self.query_one("#backups", Pane).set_count(len(proof.backups) or None)
        if first:
            self.query_one(ProofResult).focus()
        self._watch(proof.works)
        self._draw()
        self.refresh_bindings()

    def _watch(self, works: Iterable[BackgroundWork]) -> None:
        """Watch what goes on in the service, such as work that was begun before the app was closed."""
        works = list(works)
        numbers = {work.number for work in works}
        self._left &= numbers  # a service that starts again counts from 1
        present = [work for work in works if work.number not in self._left]
        if self._work is not None:
            return
        self._own &= numbers
        if not present:
            return
        found = next((work for work in present if not work.waits), present[0])
        kind = found.kind.capitalize()
        owner = "" if found.number in self._own else found.who
        work = RunningWork(kind, STOPPED.get(found.kind, UNCHANGED), found.number, owner)
        took = max(0.0, time.time() - found.begun)
        last = self._done if found.kind in STOPPED else self._verified(found.kind.startswith("deep"), took)
        self._begin(work, WatchWork(number=found.number), last)

    @property
    def _folders(self) -> BackupList:
        return self.query_one("#folders", BackupList)

    # --- drawing ----------------------------------------------------------------------------

    def _draw(self) -> None:
        """Draw the work under way, damage, and the last result."""
        proof = self._proof
        if proof is None:
            return
        parts = []
        if self._work is not None:
            parts.append(self._work.drawn(self.query_one(ProofResult).size.width or self.size.width))
        elif proof.doing:
            parts.append(line("running", f"{proof.doing}, since {local(proof.since)}", "bold"))
        if self._result is not None:
            parts.append(self._result)
        if proof.damage:
            parts.append(damage_text(proof.damage))
        if self._work is None and self._result is None:
            parts.append(past_text(proof))
        self.query_one("#said", TextLines).say(Content("\n\n").join(parts))

    @on(RowList.Moved, "#folders")
    def _moved(self) -> None:
        row = self._folders.current
        self.say(backup_status(row.value) if row is not None and self._folders.has_focus else shown(""))

    # --- work -------------------------------------------------------------------------------

    def action_verify(self) -> None:
        """Verify the vault."""
        self._verify("Verification", Verify())

    def action_verify_deep(self) -> None:
        """Verify the vault and every mail."""
        self._verify("Deep verification", Verify(deep=True))

    def action_compare(self) -> None:
        """Ask for a checkpoint that was noted, and compare the ledger with it."""
        words = joined(
            ("Which checkpoint did you note? ", "bold"),
            ("Paste SIZE:ROOT, or several of them.", "$secondary"),
        )
        self.ask_for(
            words,
            lambda typed: self._verify("Comparison", Verify(was=checkpoints_in(typed))),
            check=wrong_checkpoint,
        )

    def _verify(self, title: str, request: Verify) -> None:
        self._begin(RunningWork(title), request, self._verified(request.deep))

    def _verified(self, deep: bool, before: float = 0.0) -> Callable[[WireWord], None]:
        """What takes the result of a verification that took `before` seconds until it was watched."""

        def ended(word: WireWord) -> None:
            if not isinstance(word, Verified):
                return
            self._problems = word.problems
            took = before + (self._work.seconds if self._work else 0.0)
            self._result = result_text(word, deep, took)

        return ended

    def action_backup(self) -> None:
        """Ask for the folder, and back up to it."""
        row = self._folders.current
        words = joined(("Back up to which folder? ", "bold"), ("On the archive server.", "$secondary"))
        self.ask_for(
            words, self._back_up, value=row.value.path if row is not None else "", check=wrong_folder
        )

    @on(RowList.Opened, "#folders")
    async def _opened(self) -> None:
        await self.muniment.run_action("backup", self)

    def _back_up(self, folder: str) -> None:
        self._begin(RunningWork("Backup", CONTINUED), Backup(path=folder.strip()), self._done)

    def action_rebuild(self) -> None:
        """Rebuild catalog and index, after a confirmation."""
        words = joined(
            ("Rebuild the catalog and the index from the ledger? ", "bold"),
            ("The old ones answer until then. Runs wait.", "$secondary"),
        )
        self.confirm(words, lambda: self._begin(RunningWork("Rebuild", KEPT), Rebuild(), self._done))

    def action_accept_damage(self) -> None:
        """Continue without lost records, after the phrase was typed."""
        damage = self._proof.damage if self._proof else ()
        words = joined(
            (f"{count(len(damage))} {'finding' if len(damage) == 1 else 'findings'}: ", "bold $error"),
            (damage[0] if damage else "", ""),
            (". Continue without what is lost? It can't be undone. ", "bold"),
        )
        request = Rebuild(catalog=True, index=False, accept_damage=True)
        self.confirm(
            words, lambda: self._begin(RunningWork("Rebuild", KEPT), request, self._done), phrase=PHRASE
        )

    def _begin(self, work: RunningWork, request: Request, last: Callable[[WireWord], object]) -> None:
        """Send a request, and show its steps; `last` is called with its other words."""
        self._work = work
        self.muniment.works_go_on = True
        self._before, self._result = self._result, None
        self.refresh_bindings()

        def came(word: WireWord) -> None:
            if isinstance(word, Step):
                work.take(word)
                self._first_step(work)
                self._draw()
            else:
                last(word)

        engine = self.muniment.engine
        self._pending = engine.stream(self, request, came, ended=self._ended, failed=self._failed)
        self._draw()
        self.query_one(ProofResult).scroll_home(animate=False)

    def _first_step(self, work: RunningWork) -> None:
        """Note the number of a work that this app began. If it was to stop before it had one, stop it now."""
        if work.owner or work.number in self._own:
            return
        if work.number:
            self._own.add(work.number)
        if work.stopping:
            self._stop(work)

    def _done(self, word: WireWord) -> None:
        if not isinstance(word, Done):
            return
        failed = self._work.failed if self._work else []
        took = seconds(self._work.seconds if self._work else 0.0)
        kind = "warning" if failed else "ok"
        lines = [joined(line(kind, word.message, "bold"), (f"  {took}", "$secondary"))]
        self._problems = ()
        self._result = Content("\n").join([*lines, *(line("warning", text) for text in failed)])
        self.muniment.tell(word.message, "warning" if failed else "information")

    def _ended(self) -> None:
        if self._work is not None:
            self._left.add(self._work.number)
        self._leave()

    def _leave(self) -> None:
        """Stop watching the work."""
        self._pending = self._work = None
        self.refresh_bindings()
        self._draw()
        self.action_reload()

    def _failed(self, error: MunimentError) -> None:
        title = self._work.name if self._work else "It"
        was_stopped = f"the {title.lower()} was stopped" in str(error)
        if isinstance(error, NotFound):  # it ended before it could be watched
            self._result = self._before
        elif self._work is not None and was_stopped:
            self._result = line("stopped", self._work.stopped, "bold")
        else:
            self._result = situation("✗", "$error", f"{title} failed", str(error))
        if (
            self._work is not None and self._work.seen and not was_stopped
        ):  # if only the connection failed, it is watched again
            self._leave()
        else:
            self._ended()

    def action_stop(self) -> None:
        """Stop the work under way, after a question if this app did not begin it."""
        work = self._work
        if work is None:
            return
        what = work.name.lower()
        if not work.owner:
            self._stop(work)
        elif self.muniment.read_only:
            self.muniment.tell(
                f"The {what} by {work.owner} can't be stopped: the app was started with --read-only.",
                "warning",
            )
        else:
            words = joined(
                (f"Stop the {what} by ", ""), (work.owner, "bold"), ("? ", ""), (work.kept, "$secondary")
            )
            self.confirm(words, lambda: self._stop(work))

    def _stop(self, work: RunningWork) -> None:
        """Ask the service to stop a work. How it ends comes from the service; it is watched until then.

        Outside a service a work has no number, and closing its stream stops it. A work without a step may
        still get a number, so it is stopped at its first step.
        """
        if work is not self._work:
            self.muniment.tell(f"The {work.name.lower()} has ended.")
            return
        work.stopping = True
        if work.number:
            self.muniment.engine.ask(
                self, StopWork(number=work.number), Done, lambda _: None,
                failed=lambda error: self._kept_on(work, error),
            )  # fmt: skip
        elif work.seen:
            self._close_stream(work)
        self.refresh_bindings()
        self._draw()

    def _close_stream(self, work: RunningWork) -> None:
        """Stop a work by closing its stream."""
        if self._pending is not None:
            self._pending.cancel()
        self._result = line("stopped", work.stopped, "bold")
        self._ended()

    def _kept_on(self, work: RunningWork, error: MunimentError) -> None:
        """Say why the work was not stopped. If it has just ended, its result says that."""
        if not isinstance(error, NotFound):
            work.stopping = False
            self.muniment.tell(str(error), "error")
            self.refresh_bindings()
            self._draw()

    def action_evidence(self) -> None:
        """Show what outsiders hold."""
        self.app.push_screen(EvidenceScreen())

    def action_copy_checkpoint(self) -> None:
        """Copy the present checkpoint."""
        if self._proof is not None and self._proof.checkpoint:
            self.app.copy_to_clipboard(self._proof.checkpoint)
            self.muniment.tell("The checkpoint is in the clipboard, if the terminal allows it.")
