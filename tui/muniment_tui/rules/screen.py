"""The Rules area: holds, retention, access and approvals, each as a list with the text of one row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget

from muniment.api import Decided, SimulateRetention, Simulation, WireWord
from muniment.errors import MunimentError
from muniment_tui.actions.registry import Action, actions
from muniment_tui.rules.access_section import GrantSection
from muniment_tui.rules.approval_section import ApprovalSection
from muniment_tui.rules.comparing import Comparisons
from muniment_tui.rules.disposing import MailDisposal
from muniment_tui.rules.hold_section import HoldSection
from muniment_tui.rules.readers import ReadersScreen
from muniment_tui.rules.retention_section import RuleSection
from muniment_tui.rules.section import RulesSection
from muniment_tui.rules.simulation_text import taking
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, RowList, ShortList
from muniment_tui.widgets.situation import situation
from muniment_tui.widgets.text import TextLines

SECTIONS = (HoldSection, RuleSection, GrantSection, ApprovalSection)
"""The sections, in the order in which they are listed."""


ACTS = ("add", "seal", "end", "count", "former", "who", "approve", "simulate", "dispose", "stop")
"""Actions whose place is a section, or a row of it."""


class SectionList(ShortList):
    """The sections of the area."""

    HELP = "The sections. Move to one to see its list; Enter goes to the list."


class RuleList(ShortList):
    """What is in force in a section."""

    HELP = "What is in force here. p also shows what is over. The text of the row is below or beside it."


class RulesScreen(AreaScreen):
    """The Rules area."""

    AREA = "rules"
    HELP = (
        "Decisions about the mail, each a dated record in the ledger that nothing changes later.\n\n"
        "A legal hold keeps what it covers, also mail that comes later, until it is released. A grant lets a "
        "login read one more person's mail. A seal leaves a person's mail to a few logins, whatever roles "
        "others have. A retention rule says how long mail is kept at least, or when it is disposed of. An "
        "approval is an act that waits for a second person. D erases what is due by the rules.\n\n"
        "w says who could read a message or a person's mail on a day."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "rules.add", "a", "Add", "Place a legal hold, set a rule, or grant a right to read.",
                footer=8, changes=True, words="hold rule retention grant litigation preserve delegate",
            ),
            Action(
                "rules.seal", "l", "Seal", "Leave a person's mail to a few named logins.", footer=6,
                changes=True, words="works council confidential doctor lock",
            ),
            Action(
                "rules.end", "x", "End", "Release the hold, end the rule, revoke the grant or unseal.",
                footer=7, changes=True, words="release revoke unseal lift remove",
            ),
            Action(
                "rules.approve", "A", "Approve", "Approve the act at the cursor, and do it.", footer=8,
                changes=True, words="second person four eyes consent",
            ),
            Action(
                "rules.simulate", "m", "Simulate", "Find out what a disposal by the rules would take now.",
                footer=7, words="retention dispose would go expire",
            ),
            Action(
                "rules.dispose", "D", "Dispose", "Erase what is due by the rules, after a question.",
                footer=8, changes=True, words="retention expire delete now",
            ),
            Action("rules.stop", "s", "Stop", "Stop the disposal after the batch in hand.", footer=10),
            Action(
                "rules.count", "c", "Count", "Compare all mail with the hold at the cursor, and count it.",
                footer=6, words="how many covered",
            ),
            Action(
                "rules.who", "w", "Who could read",
                "Say who could read a message or a person's mail on a day.",
                footer=5, words="rights could-read readers of",
            ),
            Action("rules.former", "p", "Past", "Show also what is over, or hide it.", footer=4),
            Action("rules.reload", "f5", "Reload", "Ask again for the lists."),
        )
    ]  # fmt: skip
    DEFAULT_CSS = """
    RulesScreen {
        #sections-pane { width: 22; height: 1fr; }
        &.-wide #sections-pane { width: 26; }
        #right { width: 1fr; height: 1fr; }
        #rules-pane { height: 1fr; }
        #one-pane { height: 10; }
        &.-tall #one-pane { height: 16; }
        #one-pane VerticalScroll { padding: 0 1; }
        #one { height: auto; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._sections = [kind() for kind in SECTIONS]
        self._former = False
        self._comparisons = Comparisons(self, self._text_width, self._compared)
        self._disposal = MailDisposal(self, self._comparisons, self._text_width, self._compared)

    def inside(self) -> Iterable[Widget]:
        """The sections, the list of one, and the text of a row."""
        with Horizontal():
            yield Pane(
                shown("Rules"), SectionList([ListColumn("Rules", share=1)], titles=False, id="sections"),
                id="sections-pane",
            )  # fmt: skip
            yield Container(
                Pane(shown(""), RuleList(SECTIONS[0].COLUMNS, id="rules"), id="rules-pane"),
                Pane(shown("Details"), VerticalScroll(TextLines(id="one")), id="one-pane"),
                id="right",
            )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available at the cursor."""
        if not self.is_mounted or action not in ACTS:
            return super().check_action(action, parameters)
        section, row = self._section, self._row
        if action == "add":
            return isinstance(section, HoldSection | RuleSection | GrantSection)
        if action == "simulate":
            return isinstance(section, RuleSection) and not self._busy
        if action == "dispose":
            return isinstance(section, RuleSection) and not self._busy
        if action == "stop":
            return self._disposal.running
        if action == "approve":
            return isinstance(section, ApprovalSection) and row is not None and bool(section.approving(row))
        if action in ("seal", "who"):
            return isinstance(section, GrantSection)
        if action == "end":
            ending = section.ending(row) if row is not None else None
            return ending is not None and not (ending.look is not None and self._busy)
        if action == "count":
            return isinstance(section, HoldSection) and row is not None and not self._busy
        return True

    # --- what the engine says -------------------------------------------------------------------

    def on_mount(self) -> None:
        """Ask for all lists."""
        self._fill_sections()
        self._sections_list.focus()
        self._show_section()
        self.action_reload()

    @on(events.ScreenResume)
    def _resumed(self) -> None:
        if any(one.state.loaded for one in self._sections):
            self.action_reload()

    def action_reload(self) -> None:
        """Ask for all lists again."""
        for section in self._sections:
            self.muniment.engine.ask(
                self, section.request(self._former), section.reply, self._takes(section),
                failed=self._fails(section), lane=section.ID,
            )  # fmt: skip

    def _takes(self, section: RulesSection) -> Callable[[WireWord], None]:
        def came(reply: WireWord) -> None:
            rows, number = section.rows(reply)
            section.state.rows, section.state.count = list(rows), number
            section.state.problem, section.state.loaded = "", True
            self._changed(section)

        return came

    def _fails(self, section: RulesSection) -> Callable[[MunimentError], None]:
        def failed(error: MunimentError) -> None:
            section.state.rows, section.state.count = [], None
            section.state.problem, section.state.loaded = str(error), True
            self._changed(section)

        return failed

    def _changed(self, section: RulesSection) -> None:
        self._fill_sections()
        if section is self._section:
            self._fill_rows()

    # --- drawing --------------------------------------------------------------------------------

    @property
    def _sections_list(self) -> SectionList:
        return self.query_one("#sections", SectionList)

    @property
    def _list(self) -> RuleList:
        return self.query_one("#rules", RuleList)

    @property
    def _section(self) -> RulesSection:
        """The section at the cursor."""
        row = self._sections_list.current
        found = row.value if row is not None else self._sections[0]
        assert isinstance(found, RulesSection)
        return found

    @property
    def _row(self) -> ListRow | None:
        """The row at the cursor of the section's list."""
        return self._list.current

    def _fill_sections(self) -> None:
        self._sections_list.fill([ListRow(one.ID, (_named(one),), one) for one in self._sections])

    @on(RowList.Moved, "#sections")
    def _show_section(self) -> None:
        section = self._section
        self.query_one("#rules-pane", Pane).set_title(shown(section.TITLE))
        self._list.columns = tuple(section.COLUMNS)
        self._fill_rows()

    def _fill_rows(self) -> None:
        section = self._section
        state = section.state
        if state.problem:
            self._list.empty = situation("✗", "$error", f"{section.TITLE} can't be shown", state.problem)
        elif state.loaded:
            self._list.empty = situation("○", "$secondary", *section.EMPTY)
        else:
            self._list.empty = situation("…", "$primary", f"Loading {section.TITLE.lower()}")
        self._list.fill(state.rows)
        self.query_one("#rules-pane", Pane).set_count(state.count)
        self._show_row()

    @on(RowList.Moved, "#rules")
    def _show_row(self) -> None:
        row, about = self._row, self.query_one("#one", TextLines)
        parts = []
        if row is not None:
            parts.append(self._section.text(row, self._text_width()))
        for key in (self._section.ID, row.key if row is not None else ""):
            if key in self._comparisons.texts:
                parts.append(self._comparisons.texts[key])
        about.say(Content("\n\n").join(parts))
        self.query_one("#one-pane VerticalScroll").scroll_home(animate=False)
        self.refresh_bindings()

    def _text_width(self) -> int:
        return self.query_one("#one-pane VerticalScroll").scrollable_content_region.width

    @property
    def _busy(self) -> bool:
        """Whether a comparison or a disposal is under way."""
        return self._comparisons.running or self._disposal.running

    def _compared(self) -> None:
        """Draw what a comparison or a disposal says."""
        self._show_row()

    def on_resize(self) -> None:
        """Fit the text of the row to another width."""
        self.call_after_refresh(self._show_row)

    @on(RowList.Opened, "#sections")
    def _opened_section(self) -> None:
        self._list.focus()

    @on(RowList.Opened, "#rules")
    def _opened_row(self) -> None:
        self.query_one("#one-pane VerticalScroll").focus()

    def action_back(self) -> None:
        """Go back from the text to the list, and from the list to the sections."""
        focused = self.focused
        if self.muniment.notice is not None or focused is None:
            super().action_back()
        elif self.query_one("#one-pane") in focused.ancestors:
            self._list.focus()
        elif focused is self._list:
            self._sections_list.focus()
        else:
            super().action_back()

    # --- acts -----------------------------------------------------------------------------------

    def action_former(self) -> None:
        """Show also what is over, or hide it."""
        self._former = not self._former
        self.say(shown("What is over is shown, dimmed." if self._former else "What is over is hidden."))
        self.action_reload()

    def action_add(self) -> None:
        """Open the form of the section."""
        form = self._section.adding(self.action_reload)
        if form is not None:
            self.app.push_screen(form)

    def action_seal(self) -> None:
        """Open the form of a seal."""
        section = self._section
        if isinstance(section, GrantSection):
            self.app.push_screen(section.sealing(self.action_reload))

    def action_who(self) -> None:
        """Ask whose rights, or those to which message, and show them."""
        words = joined(
            ("A message's id, a login, or a person? ", "bold"),
            ("A day after a comma, such as ada@example.com, 2026-03-01.", "$secondary"),
        )
        self.ask_for(
            words, lambda typed: self.app.push_screen(ReadersScreen(typed)),
            check=lambda typed: "" if typed.strip() else "Type an id, a login or a person.",
        )  # fmt: skip

    def action_end(self) -> None:
        """Ask for the reason, and end what is at the cursor."""
        row = self._row
        ending = self._section.ending(row) if row is not None else None
        if ending is None or row is None:
            return

        def end(reason: str) -> None:
            self.muniment.engine.ask(self, ending.request(reason.strip()), ending.reply, self._ended)

        def looked(found: Simulation, here: Callable[[], bool]) -> None:
            if here():
                self.confirm(joined(ending.what, (" ", ""), taking(found)), lambda: end(""), unasked=True)
            else:
                self.muniment.tell("What would go without the rule is shown: x asks whether to end it.")

        if ending.look is not None:
            self._comparisons.start(row.key, ending.look, "comparing all mail without it", looked)
            return
        self.ask_for(
            ending.what, end, check=lambda typed: "" if typed.strip() else "Type the reason; Esc cancels."
        )

    def _ended(self, reply: WireWord) -> None:
        self.muniment.tell(getattr(reply, "message", "") or "It is recorded.")
        self.action_reload()

    def action_approve(self) -> None:
        """Ask, and approve what is at the cursor."""
        section, row = self._section, self._row
        request = section.approving(row) if isinstance(section, ApprovalSection) and row is not None else None
        if request is None or row is None:
            return
        words = joined(
            ("Approve it: ", ""), (row.value.what, "bold"), ("? ", ""), ("It is done at once.", "$secondary")
        )
        self.confirm(words, lambda: self.muniment.engine.ask(self, request, Decided, self._ended))

    def action_simulate(self) -> None:
        """Find out what a disposal would take now."""
        self._comparisons.start(self._section.ID, SimulateRetention(), "simulating")

    def action_dispose(self) -> None:
        """Ask for a reason, find out what is due, and erase it after a question."""
        self._disposal.ask(self._section.ID)

    def action_stop(self) -> None:
        """Stop the disposal under way."""
        self._disposal.stop()

    def action_count(self) -> None:
        """Count what the hold at the cursor covers."""
        section, row = self._section, self._row
        if row is not None and isinstance(section, HoldSection):
            self._comparisons.start(row.key, section.counting(row), "counting")


def _named(section: RulesSection) -> str:
    number = section.state.count
    return section.TITLE if number is None else f"{section.TITLE} · {number:,}"
