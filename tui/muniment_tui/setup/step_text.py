"""The texts of a step on the Setup screen, with signs and colours."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from muniment.api import Setup, SetupAct, SetupFinding, SetupStep
from muniment.system.formatting import local, localised, offset
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.facts import fact
from muniment_tui.widgets.rows import ListRow

PROFILE = "profile"
"""The key of the step with the profile form."""
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
RANKS = ("wrong", "missing", "note", "fine")
"""The verdicts, the decisive ones first."""
ACTS = {
    "run": ("r", "runs profile {} now."),
    "enable": ("e", "lets the service run {} automatically."),
    "import": ("i", "imports people from a CSV file."),
    "pin": ("p", "pins the tenant {}."),
    "install": ("s", "installs the service in systemd."),
}
"""The key of each act, and what it does with its subject."""
BULLET = 2
"""Cells of a bullet."""
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


def standing(step: SetupStep, checked: bool = False) -> Content:
    """The step's state, when it was confirmed, the result of the last check, and what keys do for it.

    With `checked`, the result is shown elsewhere. The offset of the time zone is here once.
    """
    sign, style = SIGNS.get(step.state, SIGNS["to do"])
    head = [joined((f"{sign} {step.state}", f"bold {style}"))]
    if step.proven:
        head.append(shown(f"proven {local(step.proven)} {offset(step.proven)}", "$secondary"))
    if step.affirmed:
        head.append(shown(f"confirmed by {step.affirmed_by} {local(step.affirmed)}", "$secondary"))
    lines = [joined(*head, gap=" · ")]
    if step.detail and step.state != "checking" and not checked:
        lines.append(shown(localised(step.detail)))
    lines += [joined((ACTS[act.kind][0], "bold $accent"), (_doing(act), "")) for act in _known(step)]
    return Content("\n").join(lines)


def _known(step: SetupStep) -> list[SetupAct]:
    return [act for act in step.acts if act.kind in ACTS]


def _doing(act: SetupAct) -> str:
    return " " + ACTS[act.kind][1].format(act.subject)


def verdict(step: SetupStep, findings: Sequence[SetupFinding]) -> Content:
    """The step's state and the findings of its check; after the check, the decisive ones first."""
    sign, style = SIGNS.get(step.state, SIGNS["to do"])
    lines = [joined((f"{sign} {step.title}: {step.state}", f"bold {style}"))]
    ordered = list(findings)
    if step.state != "checking":
        ordered.sort(key=lambda one: RANKS.index(one.verdict) if one.verdict in RANKS else 0)
    for finding in ordered:
        sign, style = VERDICTS.get(finding.verdict, VERDICTS["note"])
        lines.append(joined((f"{sign} ", f"bold {style}"), (localised(finding.text), "")))
    return Content("\n").join(lines)


def guide(step: SetupStep, width: int) -> Content:
    """The instructions, and what the user can confirm; the further rows of a bulleted line hang."""
    lines = [_line(line, width) for line in step.guide.splitlines()]
    if step.affirm and not step.affirmed and step.state != "done":
        lines.append(joined(("d", "bold $accent"), (f" confirms: {step.affirm}.", "")))
    return Content("\n").join(lines)


def instructions(step: SetupStep, width: int) -> Content:
    """The guide and the command of a step, in one text."""
    command = step.command.rstrip("\n")
    return Content("\n").join(
        [guide(step, width), *([Content(), shown(command, "$secondary")] if command else [])]
    )


def _line(line: str, width: int) -> Content:
    if line.startswith("- "):
        return fact(shown("•", "$primary"), shown(line[2:]), width, BULLET)
    return shown(line)


def ways(step: SetupStep) -> Content:
    """The keys that lead from the list to the step, for the status line."""
    fields = f"{len(step.fields)} field{'s' if len(step.fields) > 1 else ''}"
    ways = [("Space", "scrolls")]
    if step.key == PROFILE:
        ways.insert(0, ("Enter", "goes to the form"))
    elif step.fields:
        ways.insert(0, ("Enter", f"goes to {fields}"))
    if step.command:
        ways.append(("Y", f"copies the command ({LANGUAGES[step.language].partition(',')[0]})"))
    return joined(
        *(joined((f"{key} ", "bold $accent"), (what, "$secondary")) for key, what in ways), gap="   "
    )


def typing() -> Content:
    """What the keys do while a field has the focus, for the status line."""
    keys = (("F2", "saves"), ("F5", "saves and checks"), ("Esc", "goes back to the steps"))
    return joined(
        *(joined((f"{key} ", "bold $accent"), (what, "$secondary")) for key, what in keys), gap="   "
    )


def health(setup: Setup) -> Content:
    """The notes on the archive's health."""
    return Content("\n\n").join(
        [joined(("! ", "bold $warning"), (localised(one), "")) for one in setup.health]
    )
