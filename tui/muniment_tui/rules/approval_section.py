"""Acts that wait for a second person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.content import Content

from muniment.api import AnswerApproval, Approvals, ApprovalWord, Decided, ListApprovals, Request, WireWord
from muniment.system.formatting import local
from muniment_tui.rules.section import Ending, RulesSection
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.facts import fact
from muniment_tui.widgets.rows import ListRow

WIDE = 14
"""Cells of the labels of facts."""
MOST = 1_000
"""Most approvals that are listed."""
OPEN = ("waiting", "approved")
"""States in which someone must still do something."""


class ApprovalSection(RulesSection):
    """Approvals, those that wait first."""

    ID = "approvals"
    TITLE = "Approvals"
    COLUMNS: ClassVar[tuple[ListColumn, ...]] = (
        ListColumn("What", share=3),
        ListColumn("Asked by", 14),
        ListColumn("Asked", 16, since=64),
        ListColumn("State", 9),
    )
    EMPTY = ("Nothing waits", "Acts that [approvals] in vault.toml names wait here for a second person.")

    def request(self, former: bool) -> Request:
        return ListApprovals(answered=former, limit=MOST)

    @property
    def reply(self) -> type[WireWord]:
        return Approvals

    def rows(self, reply: WireWord) -> tuple[Iterable[ListRow], int]:
        assert isinstance(reply, Approvals)
        return sorted(map(_row, reply.approvals), key=lambda row: row.value.state not in OPEN), reply.waiting

    def text(self, row: ListRow, width: int) -> Content:
        one = row.value
        lines = [
            fact("Approval", joined((one.id, "bold"), (one.state, ""), gap=" · "), width, WIDE),
            fact("Would", shown(one.what), width, WIDE),
            fact("Asked", shown(f"{local(one.asked)} by {one.by}"), width, WIDE),
            fact("Reason", shown(one.reason), width, WIDE),
        ]
        if one.until:
            lines.append(fact("Until", shown(local(one.until)), width, WIDE))
        if one.answered:
            answer = f"{local(one.answered)} by {one.answered_by}: {one.answer_reason or 'no reason given'}"
            lines.append(fact("Answered", shown(answer), width, WIDE))
        if one.error:
            lines.append(fact("Failed", shown(one.error, "$error"), width, WIDE))
        if one.mine and one.state in OPEN:
            lines += [
                Content(),
                shown("Another administrator must approve it. x withdraws it.", "$secondary"),
            ]
        return Content("\n").join(lines)

    def approving(self, row: ListRow) -> AnswerApproval | None:
        """The request that approves what is at a row; None if the caller can't."""
        one = row.value
        open_ = one.state in OPEN and not one.mine
        return AnswerApproval(id=one.id, answer="approve") if open_ else None

    def ending(self, row: ListRow) -> Ending | None:
        one = row.value
        if one.state not in OPEN:
            return None
        answer = "withdraw" if one.mine else "refuse"
        words = joined((f"Why do you {answer} it: ", ""), (one.what, "bold"), ("?", ""))
        return Ending(words, lambda reason: AnswerApproval(id=one.id, answer=answer, reason=reason), Decided)


def _row(one: ApprovalWord) -> ListRow:
    cells = (one.what, one.by, local(one.asked), one.state)
    return ListRow(f"approval {one.id}", cells, one, "" if one.state in OPEN else "dim")
