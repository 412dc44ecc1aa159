"""Retention rules: how long mail is kept, and when it is disposed of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.content import Content

from muniment.api import ListRules, Request, Rules, RuleWord, Simulation, WireWord
from muniment.system.formatting import count, local, size
from muniment_tui.rules.section import RulesSection
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.facts import fact
from muniment_tui.widgets.rows import ListRow

WIDE = 14
"""Cells of the labels of facts."""
NAMED = 10
"""Most people whom the text of a simulation names."""


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
        "Nothing must be kept for a time, and nothing is disposed of. `muniment retention set` sets rules.",
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


def _row(rule: RuleWord) -> ListRow:
    cells = (rule.name, rule.rule, str(rule.version), local(rule.since))
    return ListRow(f"rule {rule.record}", cells, rule, "dim" if rule.until else "")


def simulation_text(found: Simulation, width: int) -> Content:
    """What a disposal now would take, for a pane of `width` cells."""
    goes = found.goes
    messages = f"{count(goes.messages)} {'message' if goes.messages == 1 else 'messages'}, {size(goes.bytes)}"
    lines = [fact("Would go now", shown(messages, "bold"), width, WIDE)]
    if goes.messages:
        lines.append(fact("Received", shown(f"{local(goes.oldest)} to {local(goes.newest)}"), width, WIDE))
    for share in found.rules:
        words = joined((share.name, ""), (count(share.messages), "$secondary"), gap="  ")
        lines.append(fact("By", words, width, WIDE))
    for person in found.people[:NAMED]:
        words = joined((person.name, ""), (count(person.messages), "$secondary"), gap="  ")
        lines.append(fact("" if person is not found.people[0] else "Of", words, width, WIDE))
    stay = {"held by a legal hold": found.held, "kept by a rule": found.kept, "not certain": found.unsure}
    kept = ", ".join(f"{count(number)} {why}" for why, number in stay.items() if number)
    lines.append(fact("Due, but stay", shown(kept or "none"), width, WIDE))
    lines.append(
        fact("Compared", shown(f"{count(found.examined)} messages; nothing was changed"), width, WIDE)
    )
    return Content("\n").join(lines)
