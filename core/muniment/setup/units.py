"""Whether systemd starts the service: the state of its units."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

from muniment.setup.model import CheckFinding, FindingVerdict

PATTERN = "muniment*"
SECONDS = 10


def units() -> Iterator[CheckFinding]:
    """One finding: whether a unit of Muniment is enabled, for the system or for this user."""
    if shutil.which("systemctl") is None:
        yield CheckFinding(
            "This system has no systemd, so something else must start the service.", FindingVerdict.MISSING
        )
        return
    enabled = [unit for scope in ((), ("--user",)) for unit in _enabled(*scope)]
    if not enabled:
        yield CheckFinding(
            "The service is not enabled in systemd: install it with `muniment service install`.",
            FindingVerdict.MISSING,
        )
        return
    yield CheckFinding(f"The system starts the service ({', '.join(sorted(enabled))}).")


def _enabled(*scope: str) -> list[str]:
    listed = _systemctl(*scope, "list-unit-files", "--no-legend", "--plain", PATTERN)
    rows = [line.split() for line in listed.splitlines()]
    return [row[0] for row in rows if len(row) >= 2 and row[1] in ("enabled", "enabled-runtime")]


def _systemctl(*words: str) -> str:
    try:
        done = subprocess.run(
            ["systemctl", *words], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
