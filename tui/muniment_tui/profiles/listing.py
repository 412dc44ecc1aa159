"""The rows of the list of profiles, and the details of one profile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.content import Content

from muniment.api import ProfileState, ProfileWord
from muniment.profiles.fields import FIELD, KIND, default, warnings
from muniment.system.formatting import local
from muniment_tui.profiles.draft import described
from muniment_tui.terminal.safe_text import joined
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.rows import ListRow

COLUMNS = (
    ListColumn("Profile", share=2),
    ListColumn("Kind", 7),
    ListColumn("Mailbox", share=3),
    ListColumn("Runs", 11),
    ListColumn("Last run", 16),
)


def row_of(word: ProfileWord, state: ProfileState | None) -> ListRow:
    """The row of a profile."""
    on = runs_by_itself(word)
    runs = f"every {every(word)} s" if on else "by hand"
    cells = (word.name, word.source, mailbox(word), runs, last_run(state))
    return ListRow(word.name, cells, word, "" if on else "dim")


def runs_by_itself(word: ProfileWord) -> bool:
    """Whether the schedule runs the profile."""
    return bool(word.fields.get("enabled", True)) and word.tested


def every(word: ProfileWord) -> int:
    """Seconds between two scheduled runs."""
    return int(word.fields.get("every", FIELD["every"].default))


def deletes(word: ProfileWord) -> bool:
    """Whether archived mail is deleted at the source."""
    return bool(word.fields.get("delete", KIND[word.source].delete))


def by_hand(words: Iterable[ProfileWord]) -> Content:
    """A line about the profiles that run by hand only. Empty if there are none."""
    held = [word for word in words if not runs_by_itself(word)]
    if not held:
        return Content()
    names = ", ".join(word.name if word.tested else f"{word.name} (not tested yet)" for word in held)
    verb = "runs by hand only" if len(held) == 1 else "run by hand only"
    return joined(("! ", "bold $warning"), (names, "bold"), (f" {verb}: d changes that.", "$warning"))


def mailbox(word: ProfileWord) -> str:
    """Where a profile fetches from, in a few words."""
    fields = word.fields
    if fields.get("host"):
        return f"{fields['host']} {fields.get('mailbox', '')}"
    return str(fields.get("path") or "the spool of this vault")


def last_run(state: ProfileState | None) -> str:
    """The result of the last run, or that a run is in progress."""
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
    """The profile's settings, one line each, its next run and the last run's error."""
    kind = KIND[word.source]
    known = warnings(kind, word.fields)
    lines = [joined((word.name, "bold"), ("  ", ""), (kind.title, "$secondary"))]
    for name in (*kind.fields, "enabled", "every", *kind.more):
        value = word.fields.get(name)
        if value is None and (name in kind.more or (value := default(kind, name)) is None):
            continue
        if name == "every" and not runs_by_itself(word):
            continue
        warning = (f"  ! {known[name]}", "$warning") if name in known else ("", "")
        lines.append(
            joined((f"{FIELD[name].label:<25}", "$secondary"), (value_text(name, value), ""), warning)
        )
    last = state.last if state else None
    if not word.tested:
        lines.append(joined(("! ", "bold $warning"), ("not tested yet: runs by hand only", "$warning")))
    if state and state.next_start and runs_by_itself(word):
        lines.append(joined((f"{'Next run':<25}", "$secondary"), (local(state.next_start), "")))
    if last is not None and last.get("ended"):
        lines.append(joined((f"{'Last run':<25}", "$secondary"), (local(last["ended"]), "")))
    if last is not None and last.get("error"):
        lines.append(joined(("✗ ", "bold $error"), (str(last["error"]), "$error")))
    return Content("\n").join(lines)


def value_text(name: str, value: Any) -> str:
    """The value of a field as text."""
    field = FIELD[name]
    if field.type == "password":
        return described(value)
    if field.type == "list":
        return ", ".join(value) or "none"
    return field.says[0 if value else 1] if field.type == "flag" else str(value)
