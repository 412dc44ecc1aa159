"""The question about a profile whose settings in vault.toml changed while its form was open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.content import Content

from muniment.profiles.fields import FIELD
from muniment.profiles.source_kind import SourceKind, default
from muniment_tui.profiles.draft import ProfileDraft
from muniment_tui.profiles.listing import value_text
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.file_changes import FileChange, conflict_text

CHANGED = "vault.toml was changed meanwhile: F2 shows what, and asks."
"""Said to a user who has pressed another key since F2."""


def differences(draft: ProfileDraft, now: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The fields that differ between the form's start and the file: (field, then, now)."""
    both = [(name, draft.base.get(name), now.get(name)) for name in FIELD]
    return [
        (name, _text(draft.kind, name, before), _text(draft.kind, name, after))
        for name, before, after in both
        if before != after
    ]


def question(draft: ProfileDraft, now: Mapping[str, Any] | None) -> Content:
    """What has changed in the file, beside the user's own changes."""
    if now is None:
        return shown(f"Profile {draft.name} was removed from vault.toml while this form was open.")
    mine = draft.changes()
    changes = [
        FileChange(
            FIELD[name].label,
            before,
            after,
            _text(draft.kind, name, mine[name]) if name in mine else "",
        )
        for name, before, after in differences(draft, now)
    ]
    return conflict_text(changes)


def _text(kind: SourceKind, name: str, value: Any) -> str:
    if value is None and name != "password":
        value = default(kind, name)
    return "default" if value in (None, "") else value_text(name, value)
