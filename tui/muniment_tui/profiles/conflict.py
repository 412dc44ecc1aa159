"""What to show when vault.toml was changed by hand while the form was open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.content import Content

from muniment.profiles.fields import FIELD, Kind, default
from muniment_tui.profiles.draft import Draft
from muniment_tui.profiles.listing import said
from muniment_tui.terminal.safe_text import joined, shown


def differences(draft: Draft, now: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Fields that the file has otherwise now: (field, when the form was opened, now)."""
    both = [(name, draft.base.get(name), now.get(name)) for name in FIELD]
    return [
        (name, _said(draft.kind, name, before), _said(draft.kind, name, after))
        for name, before, after in both
        if before != after
    ]


def question(draft: Draft, now: Mapping[str, Any] | None) -> Content:
    """What has happened, and what can be done about it."""
    if now is None:
        return shown(f"Profile {draft.name} was taken out of vault.toml while this form was open.")
    head = shown("vault.toml was changed by hand while this form was open:", "bold $warning")
    mine = draft.changes()
    lines = []
    for name, before, after in differences(draft, now):
        typed = f"; here you made it {_said(draft.kind, name, mine[name])}" if name in mine else ""
        change = f"was {before}, is now {after}"
        lines.append(joined((f"  {FIELD[name].label}: ", "$secondary"), (change, ""), (typed, "bold")))
    return Content("\n").join([head, *lines])


def _said(kind: Kind, name: str, value: Any) -> str:
    if value is None and name != "password":
        value = default(kind, name)
    return "as usual" if value in (None, "") else said(name, value)
