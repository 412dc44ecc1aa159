"""The texts of a step on the Setup screen, with signs and colours."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from muniment.api import Setup, SetupFinding, SetupStep
from muniment.system.formatting import local
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.rows import ListRow

HEALTH = "health"
"""The key of the row for health, below the steps."""
SIGNS = {
    "to do": ("○", "$secondary"),
    "checking": ("…", "$primary"),
    "done": ("✓", "$success"),
    "failed": ("✗", "$error"),
}
VERDICTS = {
    "fine": ("✓", "$success"),
    "note": ("!", "$warning"),
    "missing": ("○", "$secondary"),
    "wrong": ("✗", "$error"),
}
LANGUAGES = {"powershell": "PowerShell", "shell": "Shell, on this machine"}


def rows(setup: Setup, changed: frozenset[str] = frozenset()) -> list[ListRow]:
    """The list: one row for each step, and one for health if there are notes."""
    made = [_row(step, step.key in changed) for step in setup.steps]
    if setup.health:
        count = len(setup.health)
        made.append(
            ListRow(
                HEALTH, (shown("!", "bold $warning"), "Health", f"{count} note{'s' if count > 1 else ''}")
            )
        )
    return made


def _row(step: SetupStep, changed: bool) -> ListRow:
    sign, style = SIGNS.get(step.state, SIGNS["to do"])
    state = "edited" if changed else step.state
    return ListRow(step.key, (shown(sign, f"bold {style}"), step.title, shown(state, style)), step)


def progress(setup: Setup) -> str:
    """How many steps are done, for the title of the list."""
    done = sum(step.state == "done" for step in setup.steps)
    return f"{done} of {len(setup.steps)} done"


def standing(step: SetupStep) -> Content:
    """The step's state, when it was confirmed, and the result of the last check."""
    sign, style = SIGNS.get(step.state, SIGNS["to do"])
    head = [joined((f"{sign} {step.state}", f"bold {style}"))]
    if step.proven:
        head.append(shown(f"proven {local(step.proven)}", "$secondary"))
    if step.affirmed:
        head.append(shown(f"confirmed by {step.affirmed_by} {local(step.affirmed)}", "$secondary"))
    lines = [joined(*head, gap=" · ")]
    if step.detail and step.state != "checking":
        lines.append(shown(step.detail))
    return Content("\n").join(lines)


def found(step: SetupStep, findings: Sequence[SetupFinding]) -> Content:
    """The findings of a check. After the check, those that the step's state does not repeat."""
    lines = []
    for finding in findings:
        if step.state != "checking" and finding.text in step.detail:
            continue
        sign, style = VERDICTS.get(finding.verdict, VERDICTS["note"])
        lines.append(joined((f"{sign} ", f"bold {style}"), (finding.text, "")))
    return Content("\n").join(lines)


def guide(step: SetupStep) -> Content:
    """The instructions, and what the user can confirm."""
    lines = [_line(line) for line in step.guide.splitlines()]
    if step.affirm and not step.affirmed and step.state != "done":
        lines.append(joined(("d", "bold $accent"), (f" confirms: {step.affirm}.", "")))
    return Content("\n").join(lines)


def _line(line: str) -> Content:
    if line.startswith("- "):
        return joined(("• ", "$primary"), (line[2:], ""))
    return shown(line)


def ways(step: SetupStep) -> Content:
    """The keys that lead from the list to the step, for the status line."""
    fields = f"{len(step.fields)} field{'s' if len(step.fields) > 1 else ''}"
    ways = [("Space", "scrolls")]
    if step.fields:
        ways.insert(0, ("Enter", f"goes to {fields}"))
    if step.command:
        ways.append(("p", f"copies the command ({LANGUAGES[step.language].partition(',')[0]})"))
    return joined(
        *(joined((f"{key} ", "bold $accent"), (what, "$secondary")) for key, what in ways), gap="   "
    )


def health(setup: Setup) -> Content:
    """The notes on the archive's health."""
    return Content("\n\n").join([joined(("! ", "bold $warning"), (one, "")) for one in setup.health])
