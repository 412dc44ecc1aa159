"""What the panes of Home say: functions from the engine's reply to lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from textual.content import Content

from muniment.api import (
    ArrivalSeries,
    Health,
    HealthProfile,
    PastBackup,
    PastVerification,
    ProfileState,
    ProgressWord,
)
from muniment.cli.progress import far, remaining
from muniment.system.formatting import count, local_moment, size
from muniment_tui.home.ages import age, moment
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.chips import chip, sign

LABEL = 13
"""Cells of the label at the beginning of a line."""
PROFILES, NAMES = 8, 5
"""Most profiles, and most names of people, that a pane lists."""
SEVERITY = {"critical": "failed", "warning": "warning"}
"""The chip of each severity."""
WORDS = {"critical": "Critical: "}
"""What the text of a severity begins with, since colour alone must not say it."""
OUTSIDE = "outside"
"""The area of a line about something that is dealt with outside of Muniment."""
SETUP = "setup"
"""The area of the line about set-up, which is a screen of its own."""


class HomeLine(Struct, frozen=True):
    """A line of a pane, and where Enter leads from it."""

    head: Content
    """A label or a sign. Further rows of the line begin below the words, not below this."""
    words: Content
    area: str = OUTSIDE
    row: str = ""
    """What it concerns there; "" for the whole area."""


def _labelled(label: str, *parts: tuple[str, str] | Content, area: str = OUTSIDE, row: str = "") -> HomeLine:
    return HomeLine(shown(label.ljust(LABEL), "$secondary"), joined(*parts), area, row)


def _signed(kind: str, words: str, area: str = OUTSIDE, row: str = "") -> HomeLine:
    return HomeLine(joined(sign(kind), (" ", "")), shown(words), area, row)


def _plain(words: Content, area: str, row: str = "") -> HomeLine:
    return HomeLine(Content(), words, area, row)


# --- problems ---------------------------------------------------------------------------------------


def problem_lines(health: Health) -> list[HomeLine]:
    """The problems, the worst first, then set-up if it is not finished; a single good line otherwise."""
    found = [
        _signed(
            SEVERITY.get(one.severity, "warning"),
            f"{WORDS.get(one.severity, '')}{one.text}",
            one.area or OUTSIDE,
            one.row,
        )
        for one in health.problems
    ]
    if health.setup_done < health.setup_steps:
        words = f"Set-up: {health.setup_done} of {health.setup_steps} steps are done. Enter goes on with it."
        found.append(_signed("waiting", words, SETUP))
    if is_own(health):  # a plain user learns of no problems, so a sign of success would say too much
        return [_plain(shown(health.summary), OUTSIDE)]
    return found or [_signed("ok", health.summary or "The archive is well.", "proof")]


# --- arrivals ---------------------------------------------------------------------------------------


def arrival_lines(health: Health) -> list[HomeLine]:
    """When the last journal report was made."""
    when = moment(health.last_report, health.time) if health.last_report else "none has arrived yet"
    return [_labelled("Last report", (when, "bold"), area="messages")]


def series(arrived: ArrivalSeries) -> tuple[int, ...]:
    """The values of a chart: journal reports, or all copies if there are no reports."""
    if any(arrived.reports):
        return arrived.reports
    return arrived.others


def days_caption(health: Health) -> Content:
    """`30 days` with the sums of today and of an average day."""
    values = series(health.days)
    if not values:
        return Content()
    past = values[:-1]
    mean = sum(past) / len(past) if past else 0.0
    usual = "under 1" if 0 < mean < 0.5 else count(round(mean))
    return joined(
        ("A day".ljust(LABEL), "$secondary"), (f"{count(values[-1])} today", "bold"),
        (f" · {usual} on average in {len(values)} days", "$secondary"),
    )  # fmt: skip


def hours_caption(health: Health) -> Content:
    """`24 hours` with the sum of the current hour."""
    values = series(health.hours)
    if not values:
        return Content()
    return joined(
        ("An hour".ljust(LABEL), "$secondary"),
        (f"{count(values[-1])} since {_hour(health.hours.starts[-1])}", "bold"),
        (f" · {count(sum(values))} in {len(values)} hours", "$secondary"),
    )  # fmt: skip


def day_ends(arrived: ArrivalSeries) -> tuple[str, str]:
    """The labels at both ends of the chart of days."""
    return (f"{local_moment(arrived.starts[0]):%d %b}", "today") if arrived.starts else ("", "")


def hour_ends(arrived: ArrivalSeries) -> tuple[str, str]:
    """The labels at both ends of the chart of hours."""
    return (_hour(arrived.starts[0]), "now") if arrived.starts else ("", "")


def _hour(start: int) -> str:
    return f"{local_moment(start):%H:%M}"


# --- profiles ---------------------------------------------------------------------------------------


def profile_lines(health: Health, live: Mapping[str, ProfileState]) -> list[HomeLine]:
    """Each profile with its state, last run and next run. `live` has what is newer than the reply."""
    listed = health.profiles[:PROFILES]
    cells = [_cells(one, live.get(one.name), health.time) for one in listed]
    widths = [max((cell.cell_length for cell in column), default=0) for column in zip(*cells, strict=True)]
    found = [_row(one.name, row, widths) for one, row in zip(listed, cells, strict=True)]
    if (more := len(health.profiles) - PROFILES) > 0:
        found.append(_plain(shown(f"and {count(more)} more", "$secondary"), "profiles"))
    return found or [_signed("waiting", "No profile yet. Enter adds a mailbox.", "profiles")]


def _row(profile: str, cells: tuple[Content, ...], widths: list[int]) -> HomeLine:
    """Cells in columns. The last one that says something has no spaces after it."""
    name, *rest = (
        cell.pad_right(width - cell.cell_length) for cell, width in zip(cells, widths, strict=True)
    )
    words = Content("  ").join(cell for cell in rest if cell).rstrip()
    return HomeLine(joined(name, ("  ", "")), words, "runs", profile)


def _cells(known: HealthProfile, live: ProfileState | None, now: int) -> tuple[Content, ...]:
    """Name, state, last run or progress, and what comes next."""
    running = live.running if live is not None else None
    last = live.last if live is not None else known.last
    name = shown(known.name, "bold")
    if running is not None:
        return (name, *_running(running))
    start = live.next_start if live is not None else known.next_start
    coming = [(f"next {_hour(start)}", "$secondary")] if start else []
    if known.waiting:
        coming.append((f"{count(known.waiting)} waiting", "$warning"))
    return name, _state(known, last), shown(_last(last, now)), joined(*coming, gap="  ")


def _running(run: ProgressWord) -> tuple[Content, Content, Content]:
    if run.stage == "waiting":
        return chip("waiting", "queued"), Content(), Content()
    return chip("running", run.stage), shown(far(run)), shown(remaining(run), "$secondary")


def _state(known: HealthProfile, last: Mapping[str, Any] | None) -> Content:
    if not known.enabled:
        return chip("off", "by hand")
    if not known.tested:
        return chip("warning", "not tested")
    if last is None:
        return chip("waiting", "new")
    state = str(last.get("state", ""))
    return chip({"ok": "ok", "cancelled": "stopped"}.get(state, "failed"), state)


def _last(last: Mapping[str, Any] | None, now: int) -> str:
    if last is None:
        return "never ran"
    ended = int(last.get("ended", 0))
    return f"{count(int(last.get('new', 0)))} new, {age(ended, now)}" if ended else ""


# --- archive ----------------------------------------------------------------------------------------


def archive_lines(health: Health) -> list[HomeLine]:
    """Size, deduplication, index, disk and quarantine."""
    kept = health.bytes_ledger + health.bytes_catalog + health.bytes_index
    parts = [(size(kept), "bold")]
    if health.bytes_raw and health.bytes_ledger:
        factor = health.bytes_raw / health.bytes_ledger
        parts.append((f" for {size(health.bytes_raw)} of mail, {factor:.1f} to 1", "$secondary"))
    late = (f"lacks {count(health.behind)} messages", "$warning")
    items = (f"{count(health.quarantined)} to look at", "$warning")
    return [
        _labelled("Messages", (count(health.messages), "bold"), area="messages"),
        _labelled("Size", *parts, area="proof"),
        _labelled("Index", late if health.behind else ("has all messages", ""), area="proof"),
        *_disk(health),
        _labelled(
            "Quarantine", items if health.quarantined else ("empty", ""), area="runs", row="quarantine"
        ),
    ]


def _disk(health: Health) -> Iterator[HomeLine]:
    disk = health.disk
    if disk is None:
        return
    full = 100 * (disk.total - disk.free) // max(disk.total, 1)
    yield _labelled(
        "Disk", (f"{size(disk.free)} free", "bold"), (f" of {size(disk.total)}, {full}% full", "$secondary")
    )
    yield _labelled("", (_forecast(health), "$secondary"))


def _forecast(health: Health) -> str:
    disk = health.disk
    if disk is None or disk.a_day is None:
        return "its growth is known after two days"
    if disk.a_day <= 0:
        return "the vault does not grow"
    grows = f"grows by {size(disk.a_day)} a day"
    if disk.days_left is None:
        return f"{grows}, room for more than ten years"
    return f"{grows}, full in about {_span(disk.days_left)}"


def _span(days: int) -> str:
    if days < 100:
        return f"{days} day{'' if days == 1 else 's'}"
    return f"{days // 30} months" if days < 1000 else f"{days // 365} years"


# --- proof ------------------------------------------------------------------------------------------


def proof_lines(health: Health) -> list[HomeLine]:
    """The last verification and the last backup."""
    return [
        _labelled("Verified", *_verified(health.verified, health.time), area="proof", row="verify"),
        _labelled("Backup", *_backed_up(health.backup, health.time), area="proof", row="backup"),
    ]


def _verified(last: PastVerification | None, now: int) -> list[tuple[str, str] | Content]:
    if last is None:
        return [("never, as far as is known", "$secondary")]
    kind = ", deep" if last.deep else ""
    return [
        chip("ok" if last.ok else "failed"), (f" {moment(last.time, now)}", "bold"),
        (f"{kind}, by {last.who}" if last.who else kind, "$secondary"),
    ]  # fmt: skip


def _backed_up(last: PastBackup | None, now: int) -> list[tuple[str, str] | Content]:
    if last is None:
        return [("none by Muniment", "$secondary")]
    parts: list[tuple[str, str] | Content] = [
        chip("ok" if last.ok else "failed"), (f" {moment(last.time, now)}", "bold")
    ]  # fmt: skip
    if not last.ok and last.whole:
        parts.append((f", last good {age(last.whole, now)}", "$warning"))
    elif last.ok:
        parts.append((f", to {last.path}", "$secondary"))
    return parts


# --- people -----------------------------------------------------------------------------------------


def people_lines(health: Health) -> list[HomeLine]:
    """How many users there are, who is silent, and who is signed in."""
    return [
        _labelled("Users", (count(health.users), "bold"), area="people"),
        *_silent(health),
        *_present(health),
    ]


def _silent(health: Health) -> Iterator[HomeLine]:
    if not health.silent_total:
        quiet = ("none", "") if health.last_report else ("no reports yet", "$secondary")
        yield _labelled("Silent", quiet, area="people")
        return
    words = (f"{count(health.silent_total)} for {health.silent_days} days", "$warning")
    yield _labelled("Silent", words, area="people")
    for one in health.silent[:NAMES]:
        last = f"last report {age(one.last, health.time)}" if one.last else "no report yet"
        yield _labelled("", (f"{one.user}  ", ""), (last, "$secondary"), area="people", row=one.user)


def _present(health: Health) -> Iterator[HomeLine]:
    for number, user in enumerate(health.signed_in[:NAMES]):
        since = f", since {moment(user.since, health.time, aged=False)}"
        role = f", {user.role}" if user.role else ""
        label = "" if number else "Signed in"
        yield _labelled(
            label, (user.login, "bold"), (f"{role}{since}", "$secondary"), area="audit", row=user.login
        )
    if (more := len(health.signed_in) - NAMES) > 0:
        yield _labelled("", (f"and {count(more)} more", "$secondary"), area="audit")


# --- plain users -------------------------------------------------------------------------------------


def own_lines(health: Health) -> list[HomeLine]:
    """What a plain user sees: their own mail."""
    found = [_labelled("Messages", (count(health.messages), "bold"), area="messages")]
    if health.behind:
        words = (f"{count(health.behind)} can't be searched yet", "$warning")
        found.append(_labelled("Index", words, area="messages"))
    found.append(_plain(shown("Enter lists your mail. Press / there to search.", "$secondary"), "messages"))
    return found


def is_own(health: Health) -> bool:
    """Whether the reply is that of a plain user, which has no figures of the vault."""
    return not health.days.starts
