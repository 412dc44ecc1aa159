"""Retention rules: how long mail is kept, and when it is disposed of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual.content import Content

from muniment.api import (
    Done,
    EndRule,
    ListRules,
    Request,
    Rules,
    RuleWord,
    SimulateRetention,
    WireWord,
)
from muniment.system.formatting import local
from muniment_tui.rules.rule_form import RuleForm
from muniment_tui.rules.section import Ending, RulesSection
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.facts import fact
from muniment_tui.widgets.rows import ListRow

WIDE = 14
"""Cells of the labels of facts."""


class RuleSection(RulesSection):
    """Retention rules, with their versions."""

    ID = "retention"
    TITLE = "Retention"
    COLUMNS: ClassVar[tuple[ListColumn, ...]] = (
        ListColumn("Name", share=2),
        ListColumn("Rule", share=3),
        ListColumn("Version", 7, right=True, since=56),
        ListColumn("Since", 16, since=70),
    )
    EMPTY = (
        "No retention rules",
        "Nothing must be kept for a time, and nothing is disposed of. a sets one.",
    )

    def request(self, former: bool) -> Request:
        return ListRules(history=former)

    @property
    def reply(self) -> type[WireWord]:
        return Rules

    def rows(self, reply: WireWord) -> tuple[Iterable[ListRow], int]:
        assert isinstance(reply, Rules)
        return map(_row, reply.rules), sum(not one.until for one in reply.rules)

    def text(self, row: ListRow, width: int) -> Content:
        rule = row.value
        state = "over" if rule.until else "in force"
        lines = [
            fact(
                "Rule",
                joined((rule.name, "bold"), (f"version {rule.version}, {state}", ""), gap=" · "),
                width,
                WIDE,
            ),
            fact("Demands", shown(rule.rule), width, WIDE),
            fact("About", shown(rule.mail), width, WIDE),
            fact("Set", shown(local(rule.since)), width, WIDE),
        ]
        if rule.until:
            lines.append(fact("Over", shown(local(rule.until)), width, WIDE))
        return Content("\n").join(lines)

    def adding(self, made: Callable[[], object]) -> RuleForm:
        """The form of a rule."""
        return RuleForm(made)

    def ending(self, row: ListRow) -> Ending | None:
        rule = row.value
        if rule.until:
            return None
        words = joined(
            ("End the rule ", ""), (rule.name, "bold"), ("? ", ""),
            ("Mail that came while it was in force keeps its minimum.", "$secondary"),
        )  # fmt: skip
        return Ending(
            words, lambda _: EndRule(name=rule.name), Done, look=SimulateRetention(ended=(rule.name,))
        )


def _row(rule: RuleWord) -> ListRow:
    cells = (rule.name, rule.rule, str(rule.version), local(rule.since))
    return ListRow(f"rule {rule.record}", cells, rule, "dim" if rule.until else "")
