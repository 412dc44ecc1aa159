"""The unit and app tests on every other Python of this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = "tools/second-python.sh"
LONG = 5400
"""Timeout for one Python, in seconds."""


def others() -> list[str]:
    """The commands of the other Pythons, one for each version."""
    if not (ROOT / ".venv").exists():
        return []
    done = subprocess.run(["sh", SCRIPT, "--list"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.soak
@pytest.mark.timeout(6 * LONG)
def test_the_suite_passes_on_every_other_python() -> None:
    found = others()
    if not found:
        pytest.skip("there is no other Python on this machine; make second makes a Debian that has one")
    # A worker of this run must not pass for one of theirs.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    failed = []
    for python in found:
        done = subprocess.run(
            ["sh", SCRIPT, python],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LONG,
            check=False,
        )
        print(python, done.stdout[-3000:], sep="\n")
        if done.returncode:
            failed.append(python)
    assert failed == []
