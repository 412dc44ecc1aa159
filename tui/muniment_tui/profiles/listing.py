"""The rows of the list of profiles, and the details of one profile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.content import Content

from muniment.api import ProfileState, ProfileWord
from muniment.profiles.fields import FIELD
from muniment.profiles.registry import KIND
from muniment.profiles.source_kind import default, warnings
from muniment.system.formatting import local
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets import chips
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.rows import ListRow
from muniment_tui.widgets.typed_values import described

DELETED = " Archived mail is deleted at the source."
NO_LONGER = "New mail then stays at the source until you run the profile by hand."
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
    return ListRow(word.name, cells, word, "" if on else "$secondary")


def runs_by_itself(word: ProfileWord) -> bool:
    """Whether the schedule runs the profile."""
    return bool(word.fields.get("enabled", True)) and word.tested


def imported_once(word: ProfileWord) -> bool:
    """Whether a profile is an import that is meant to run by hand, such as that of an mbox file."""
    return KIND[word.source].once and not word.fields.get("enabled", True)


def every(word: ProfileWord) -> int:
    """Seconds between two scheduled runs."""
    return int(word.fields.get("every", FIELD["every"].default))


def deletes(word: ProfileWord) -> bool:
    """Whether archived mail is deleted at the source."""
    return bool(word.fields.get("delete", KIND[word.source].delete))


def switch_question(word: ProfileWord, *, on: bool) -> Content:
    """The question before automatic runs of a profile are turned on or off."""
    if not on:
        return joined((f"Stop automatic runs of {word.name}? ", "bold $warning"), (NO_LONGER, ""))
    return joined(
        (f"Run {word.name} automatically every {every(word)} s?", "bold"),
        ("" if word.tested else " It was not tested.", "$warning"),
        (DELETED if deletes(word) else "", "$warning"),
    )


def by_hand(words: Iterable[ProfileWord]) -> Content:
    """A line about the profiles that run by hand only, without imports. Empty if there are none."""
    held = [word for word in words if not runs_by_itself(word) and not imported_once(word)]
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


def last_run(state: ProfileState | None) -> Content:
    """The result of the last run, or that a run is in progress."""
    if state is None:
        return Content()
    if state.running is not None:
        waits = state.running.stage == "waiting"
        return chips.chip("waiting", "queued") if waits else chips.chip("running")
    last = state.last
    if last is None:
        return shown("never ran", "$secondary")
    ended = str(last.get("state", "?"))
    if ended != "ok":
        return chips.chip({"failed": "failed", "cancelled": "stopped"}.get(ended, "warning"), ended)
    kept = f", {last['new']:,} new" if isinstance(last.get("new"), int) else ""
    return chips.line("ok", f"ok{kept}")


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
