"""The question about settings that changed in vault.toml while their form was open."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from textual.content import Content

from muniment_tui.terminal.safe_text import joined, shown


class FileChange(Struct, frozen=True):
    """A setting that the file has otherwise than the form at its start."""

    label: str
    before: str
    now: str
    mine: str = ""
    """The value that the user typed; "" if they left it alone."""


def conflict_text(changes: Iterable[FileChange]) -> Content:
    """What has changed in the file, beside the user's own changes."""
    lines = [shown("vault.toml was edited while this form was open:", "bold $warning")]
    for one in changes:
        typed = f"; you changed it to {one.mine}" if one.mine else ""
        change = f"was {one.before}, is now {one.now}"
        lines.append(joined((f"  {one.label}: ", "$secondary"), (change, ""), (typed, "bold")))
    return Content("\n").join(lines)
