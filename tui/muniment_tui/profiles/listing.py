"""The rows of the list of profiles, and what the chosen one says."""

from __future__ import annotations

from typing import Any

from textual.content import Content

from muniment.api import ProfileState, ProfileWord
from muniment.cli.humane import local
from muniment.fields import FIELD, KIND, default, warnings
from muniment_tui.profiles.draft import described
from muniment_tui.widgets.columns import Column
from muniment_tui.widgets.rows import Row
from muniment_tui.words import joined

COLUMNS = (
    Column("Profile", share=2),
    Column("Kind", 7),
    Column("Mailbox", share=3),
    Column("Runs", 11),
    Column("Last run", 16),
)


def row_of(word: ProfileWord, state: ProfileState | None) -> Row:
    """A profile in the list."""
    every = word.fields.get("every", FIELD["every"].default)
    runs = f"every {every} s" if enabled(word) else "by hand"
    cells = (word.name, word.source, mailbox(word), runs, last_run(state))
    return Row(word.name, cells, word, "" if enabled(word) else "dim")


def enabled(word: ProfileWord) -> bool:
    """Whether it runs by itself."""
    return bool(word.fields.get("enabled", True))


def mailbox(word: ProfileWord) -> str:
    """Where a profile fetches from, short."""
    fields = word.fields
    if fields.get("host"):
        return f"{fields['host']} {fields.get('mailbox', '')}"
    return str(fields.get("path") or "this vault's own spool")


def last_run(state: ProfileState | None) -> str:
    """How the last run ended, or that one goes on."""
    if state is None:
        return ""
    if state.running is not None:
        return "▸ running"
    last = state.last
    if last is None:
        return "never ran"
    ended = str(last.get("state", "?"))
    sign = {"ok": "✓", "failed": "✗"}.get(ended, "!")
    kept = f", {last['new']:,} new" if ended == "ok" and isinstance(last.get("new"), int) else ""
    return f"{sign} {ended}{kept}"


def details(word: ProfileWord, state: ProfileState | None) -> Content:
    """What a profile says, a line a field; when it runs next, and why its last run failed."""
    kind = KIND[word.source]
    known = warnings(kind, word.fields)
    lines = [joined((word.name, "bold"), ("  ", ""), (kind.title, "$secondary"))]
    for name in (*kind.fields, "enabled", "every", *kind.more):
        value = word.fields.get(name)
        if value is None and (name in kind.more or (value := default(kind, name)) is None):
            continue
        if name == "every" and not enabled(word):
            continue  # it runs by hand alone
        warning = (f"  ! {known[name]}", "$warning") if name in known else ("", "")
        lines.append(joined((f"{FIELD[name].label:<25}", "$secondary"), (said(name, value), ""), warning))
    last = state.last if state else None
    if state and state.next_start and enabled(word):
        lines.append(joined((f"{'Next run':<25}", "$secondary"), (local(state.next_start), "")))
    if last is not None and last.get("ended"):
        lines.append(joined((f"{'Last run':<25}", "$secondary"), (local(last["ended"]), "")))
    if last is not None and last.get("error"):
        lines.append(joined(("✗ ", "bold $error"), (str(last["error"]), "$error")))
    return Content("\n").join(lines)


def said(name: str, value: Any) -> str:
    """A field's value in words."""
    field = FIELD[name]
    if field.type == "password":
        return described(value)
    if field.type == "list":
        return ", ".join(value) or "none"
    return field.says[0 if value else 1] if field.type == "flag" else str(value)
