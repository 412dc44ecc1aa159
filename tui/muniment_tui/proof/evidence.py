"""What outsiders hold: signed checkpoints with their witnesses and stamps, and certificates of erasure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from muniment.api import (
    CheckpointVerdict,
    ErasureCertificate,
    GetCheckpoint,
    GetErasureCertificate,
    NoteSigner,
    SignedCheckpoint,
    VerifyCheckpoint,
)
from muniment.errors import MunimentError
from muniment.system.formatting import count, local
from muniment.system.paths import as_path
from muniment_tui.actions.registry import Action, actions
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import block, joined, shown
from muniment_tui.widgets.chips import line
from muniment_tui.widgets.facts import fact
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.situation import situation
from muniment_tui.widgets.text import TextLines

WIDE = 14
"""Cells of the labels of facts."""
LARGEST = 256 * 1024
"""Most bytes of a note."""
HOW = "Paste a note that you keep, or o opens its file. c shows the certificate of an erasure."


class EvidenceScreen(FrameScreen):
    """Evidence that outsiders hold."""

    HELP = (
        "A signed checkpoint states the size of the ledger and its root. Witnesses sign it with a time, and "
        "an authority stamps it. A note that was kept elsewhere proves that nothing before it was "
        "changed.\n\n"
        "Paste a whole note to compare it with the ledger, or press o for a file on this machine. c shows "
        "the certificate of an erasure."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("evidence.open", "o", "Open note", "Compare a note in a file with the ledger.", footer=8),
            Action(
                "evidence.certificate", "c", "Certificate",
                "Show the certificate of an erasure, by its record or the id of an erased message.", footer=7,
                words="erased gdpr disposal proof",
            ),
            Action("evidence.reload", "f5", "Reload", "Ask again for the last checkpoint."),
        )
    ]  # fmt: skip
    DEFAULT_CSS = """
    EvidenceScreen VerticalScroll { padding: 0 1; }
    EvidenceScreen TextLines { height: auto; }
    """

    def inside(self) -> Iterable[Widget]:
        yield Pane(shown("Last signed checkpoint"), VerticalScroll(TextLines(id="last")), id="last-pane")
        yield Pane(shown("From elsewhere"), VerticalScroll(TextLines(id="compared")), id="compared-pane")

    def on_mount(self) -> None:
        """Ask for the last checkpoint."""
        self._compared("From elsewhere", shown(HOW, "$secondary"))
        self.action_reload()

    def action_reload(self) -> None:
        """Ask for the last checkpoint, and for what its signatures prove."""
        self.muniment.engine.ask(
            self,
            GetCheckpoint(),
            SignedCheckpoint,
            self._came,
            failed=lambda error: self._said(_failed(error)),
        )

    def _said(self, words: Content) -> None:
        self.query_one("#last", TextLines).say(words)

    def _not_known(self, error: MunimentError) -> None:
        self._said(_failed(error))

    def _compared(self, title: str, words: Content) -> None:
        self.query_one("#compared-pane", Pane).set_title(shown(title))
        self.query_one("#compared", TextLines).say(words)
        self.query_one("#compared-pane VerticalScroll", VerticalScroll).scroll_home(animate=False)

    @property
    def _width(self) -> int:
        return max(self.size.width - 6, 40)

    def _came(self, found: SignedCheckpoint) -> None:
        self._said(_last_text(found, None, self._width))
        if found.note:
            self.muniment.engine.ask(
                self, VerifyCheckpoint(note=found.note), CheckpointVerdict,
                lambda verdict: self._said(_last_text(found, verdict, self._width)),
                failed=lambda error: None,
            )  # fmt: skip

    # --- notes ----------------------------------------------------------------------------------

    @on(events.Paste)
    def _pasted(self, event: events.Paste) -> None:
        """Compare a note that was pasted."""
        event.stop()
        self._compare(event.text)

    def action_open(self) -> None:
        """Ask for the file of a note, and compare the note with the ledger."""
        words = joined(("Which file has the note? ", "bold"), ("On this machine.", "$secondary"))
        self.ask_for(words, self._read, check=lambda typed: "" if typed.strip() else "Type a path.")

    def _read(self, typed: str) -> None:
        path = Path(as_path(typed.strip())).expanduser()
        try:
            with path.open("rb") as file:
                text = file.read(LARGEST).decode("utf-8", "replace")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its name is not valid"
            self._compared("From elsewhere", line("failed", f"{path} can't be read: {why}", "$error"))
            return
        self._compare(text)

    def _compare(self, note: str) -> None:
        """Compare a note with the ledger."""
        lines = note.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
        self._compared("Note", line("running", "Comparing the note with the ledger …", "bold"))
        self.muniment.engine.ask(
            self, VerifyCheckpoint(note=f"{lines}\n"), CheckpointVerdict,
            lambda verdict: self._compared("Note", _verdict_text(verdict, self._width)),
            failed=lambda error: self._compared("Note", _failed(error)),
            lane="note",
        )  # fmt: skip

    # --- certificates ---------------------------------------------------------------------------

    def action_certificate(self) -> None:
        """Ask which erasure, and show its certificate."""
        words = joined(
            ("The certificate of which erasure? ", "bold"),
            ("The number of its record, or the id of an erased message.", "$secondary"),
        )
        self.ask_for(words, self._certify, check=lambda typed: "" if typed.strip() else "Type one.")

    def _certify(self, typed: str) -> None:
        self.muniment.engine.ask(
            self, GetErasureCertificate(name=typed.strip()), ErasureCertificate,
            lambda found: self._compared("Certificate of erasure", _certificate_text(found)),
            failed=lambda error: self._compared("Certificate of erasure", _failed(error)),
            lane="certificate",
        )  # fmt: skip


def _failed(error: MunimentError) -> Content:
    return situation("✗", "$error", "No answer", str(error))


def _last_text(found: SignedCheckpoint, verdict: CheckpointVerdict | None, width: int) -> Content:
    """The last checkpoint; `verdict` says what its signatures prove, once that is known."""
    lines = []
    if not found.note:
        lines.append(line("off", "No checkpoint was signed with the present key yet.", "bold"))
    else:
        records = f"{count(found.size)} records, written {local(found.written)}"
        lines.append(fact("Checkpoint", shown(records, "bold"), width, WIDE))
        lines.append(fact("Root", shown(found.root, "$secondary"), width, WIDE))
    if not found.signs:
        lines.append(line("warning", "The service signs none: set sign in [checkpoints], Settings (8)."))
    if found.origin:
        lines.append(fact("Archive", shown(found.origin), width, WIDE))
    if verdict is not None:
        lines += _signature_lines(verdict, width)
    lines += [fact("Key", shown(key, "$secondary"), width, WIDE) for key in found.keys]
    lines += [line("failed", f"ALARM: {text}", "$error") for text in found.alarms]
    lines += [line("warning", text) for text in found.problems]
    return Content("\n").join(lines)


def _signature_lines(verdict: CheckpointVerdict, width: int) -> Iterator[Content]:
    """Who has signed a note, and when; and its time stamp."""
    witnesses = [one for one in verdict.signers if one.kind == "witness"]
    names: dict[str, NoteSigner] = {one.name: one for one in witnesses}
    for name, one in names.items():
        when = local(one.time) if one.time else "at no stated time"
        yield fact("Witness", joined((name, ""), (f"signed {when}", "$secondary"), gap="  "), width, WIDE)
    if not names:
        yield fact("Witness", shown("none has signed it", "$warning"), width, WIDE)
    if verdict.stamp_problem:
        yield fact("Time stamp", shown(verdict.stamp_problem, "$error"), width, WIDE)
    elif verdict.stamped is not None:
        renewed = f", renewed {local(verdict.renewed)}" if verdict.renewed else ""
        words = f"{local(verdict.stamped)} by {verdict.stamped_by}{renewed}"
        yield fact("Time stamp", shown(words), width, WIDE)
    else:
        yield fact("Time stamp", shown("none", "$secondary"), width, WIDE)


def _verdict_text(verdict: CheckpointVerdict, width: int) -> Content:
    """The result of comparing a note with the ledger."""
    kind, style = ("ok", "bold $success") if verdict.ok else ("failed", "$error")
    text = verdict.text[:1].upper() + verdict.text[1:]
    head = line(kind, f"{text}.", style)
    size = fact("Note of", shown(f"{count(verdict.size)} records"), width, WIDE)
    return Content("\n").join([head, size, *_signature_lines(verdict, width)])


def _certificate_text(found: ErasureCertificate) -> Content:
    signed = "Signed: `muniment certificate NAME --note` prints it." if found.note else "Not signed."
    return Content("\n").join([block(found.text), shown(signed, "$secondary")])
