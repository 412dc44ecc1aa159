"""Legal holds: what they cover, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual.content import Content

from muniment.api import (
    CountHold,
    Decided,
    HoldCountWord,
    Holds,
    HoldWord,
    ListHolds,
    MailCriteria,
    PlaceHold,
    ReleaseHold,
    Request,
    WireWord,
)
from muniment.system.formatting import count, local, size
from muniment_tui.rules.decision_form import DecisionForm, Typed, reason_field, required
from muniment_tui.rules.section import Ending, RulesSection
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.facts import fact
from muniment_tui.widgets.field import SwitchField, TextField
from muniment_tui.widgets.rows import ListRow

WIDE = 14
"""Cells of the labels of facts."""
MOST = 1_000
"""Most holds that are listed."""
NAMED = 20
"""Most people that a count names."""


class HoldSection(RulesSection):
    """Legal holds, open ones first."""

    ID = "holds"
    TITLE = "Legal holds"
    COLUMNS: ClassVar[tuple[ListColumn, ...]] = (
        ListColumn("Name", share=2),
        ListColumn("Covers", share=3),
        ListColumn("Case", 10, since=70),
        ListColumn("Placed", 16, since=56),
    )
    EMPTY = ("No legal holds", "a places one. What it covers is neither disposed of nor erased.")

    def request(self, former: bool) -> Request:
        return ListHolds(released=former, limit=MOST)

    @property
    def reply(self) -> type[WireWord]:
        return Holds

    def rows(self, reply: WireWord) -> tuple[Iterable[ListRow], int]:
        assert isinstance(reply, Holds)
        return sorted(map(_row, reply.holds), key=lambda row: bool(row.value.released)), reply.open

    def text(self, row: ListRow, width: int) -> Content:
        hold = row.value
        lines = [
            fact(
                "Hold",
                joined((hold.name, "bold"), ("released" if hold.released else "open", ""), gap=" · "),
                width,
                WIDE,
            ),
            fact("Covers", shown(hold.mail), width, WIDE),
            *([fact("Case", shown(hold.case), width, WIDE)] if hold.case else []),
            fact("Reason", shown(hold.reason), width, WIDE),
            fact("Placed", shown(f"{local(hold.placed)} by {hold.by}"), width, WIDE),
        ]
        if hold.released:
            lines += [
                fact("Released", shown(f"{local(hold.released)} by {hold.released_by}"), width, WIDE),
                fact("Why", shown(hold.release_reason), width, WIDE),
            ]
        return Content("\n").join(lines)

    def counting(self, row: ListRow) -> CountHold:
        """The request that counts what the hold at a row covers."""
        return CountHold(name=row.value.name)

    def ending(self, row: ListRow) -> Ending | None:
        hold = row.value
        if hold.released:
            return None
        words = joined(("Why is the hold ", ""), (hold.name, "bold"), (" released?", ""))
        return Ending(
            words, lambda reason: ReleaseHold(name=hold.name, reason=reason, number=hold.number), Decided
        )

    def adding(self, made: Callable[[], object]) -> DecisionForm:
        """The form of a hold."""
        return DecisionForm(
            "New legal hold",
            (
                TextField("name", "Name", check=required("Type a name"), hint="Such as Quill against Reed."),
                TextField("case", "Case number"),
                TextField("people", "People", hint="Names or addresses, with commas; empty: any."),
                TextField("since", "Received from", placeholder="2025-01-01"),
                TextField(
                    "until", "Received until", placeholder="2026-12-31", hint="Empty: also mail to come."
                ),
                TextField("query", "Search", hint="A search, as in Messages; empty for none."),
                SwitchField("everything", "All mail", hint="Yes: all of it, without these criteria."),
                reason_field(),
            ),
            _placing,
            _question,
            HoldWord, made,
            "A hold keeps mail that is there and mail that comes later, until it is released. It wins over "
            "disposal and erasure.",
        )  # fmt: skip


def _placing(typed: Typed) -> PlaceHold:
    mail = MailCriteria(
        people=tuple(one.strip() for one in typed["people"].split(",") if one.strip()),
        since=typed["since"], until=typed["until"], query=typed["query"],
    )  # fmt: skip
    return PlaceHold(
        name=typed["name"], case=typed["case"], reason=typed["reason"], mail=mail,
        everything=typed["everything"] == "yes",
    )  # fmt: skip


def _question(typed: Typed) -> Content:
    return joined(
        ("Place the hold ", ""), (typed["name"], "bold"), ("? ", ""),
        ("What it covers can't be disposed of or erased until it is released.", "$secondary"),
    )  # fmt: skip


def _row(hold: HoldWord) -> ListRow:
    cells = (hold.name, hold.mail, hold.case, local(hold.placed))
    return ListRow(f"hold {hold.number}", cells, hold, "dim" if hold.released else "")


def count_text(found: HoldCountWord, width: int) -> Content:
    """What a hold covers, for a pane of `width` cells."""
    mail = found.mail
    messages = f"{count(mail.messages)} {'message' if mail.messages == 1 else 'messages'}, {size(mail.bytes)}"
    lines = [fact("Covers now", shown(messages, "bold"), width, WIDE)]
    if mail.messages:
        lines.append(fact("Dates", shown(f"{local(mail.oldest)} to {local(mail.newest)}"), width, WIDE))
    if mail.unsure:
        lines.append(fact("Not sure", shown(f"{count(mail.unsure)} of them; they are covered"), width, WIDE))
    lines.append(fact("By it alone", shown(count(found.alone)), width, WIDE))
    for name, number in found.others.items():
        lines.append(fact("Also held by", joined((name, ""), (count(number), ""), gap=": "), width, WIDE))
    for person in found.people[:NAMED]:
        words = joined((person.user, ""), (count(person.mail.messages), "$secondary"), gap="  ")
        lines.append(fact("" if person is not found.people[0] else "Of", words, width, WIDE))
    if found.sealed:
        whose = "1 person" if found.sealed == 1 else f"{count(found.sealed)} people"
        words = shown(f"mail of {whose}, which is sealed from you; it is held all the same")
        lines.append(fact("Not counted", words, width, WIDE))
    if len(found.people) > NAMED:
        lines.append(fact("", shown(f"and {count(len(found.people) - NAMED)} more people"), width, WIDE))
    return Content("\n").join(lines)
