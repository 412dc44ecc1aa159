"""What `status` says about the health of a vault."""

from __future__ import annotations

from typing import Any

from muniment.api import DiskState, Health
from muniment.cli.output import plain
from muniment.system.formatting import count, iso, local, size


def health_lines(health: Health) -> list[tuple[str, str]]:
    """The lines about health: names and values. Each problem has a line of its own, without a name."""
    found = len(health.problems)
    head = health.summary if not found else f"{health.verdict}, {found} problem{'' if found == 1 else 's'}:"
    lines = [("Health", head), *(("", f"{one.severity}: {one.text}") for one in health.problems)]
    if not judged(health):
        return lines
    lines.append(("Last report", local(health.last_report) if health.last_report else "none yet"))
    return [*lines, ("Disk", disk_text(health.disk))] if health.disk else lines


def judged(health: Health) -> bool:
    """Whether the caller may know how the vault is; a plain user may not."""
    return health.verdict != ""


def disk_text(disk: DiskState) -> str:
    """How much of the disk is free, and for how long that lasts."""
    lasts = f", full in about {count(disk.days_left)} days" if disk.days_left is not None else ""
    return f"{size(disk.free)} of {size(disk.total)} free{lasts}"


def health_as_json(health: Health) -> dict[str, Any]:
    """The health as `status --json` has it."""
    return {
        "verdict": health.verdict,
        "summary": health.summary,
        "problems": plain(health.problems),
        "last_report": iso(health.last_report) if health.last_report else None,
        "disk": plain(health.disk),
    }
