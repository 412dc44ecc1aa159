"""The app ends when its terminal is gone, also where nobody sends it a signal."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.teletype import Teletype
from support.terminal import MUNIMENT

FLUSH_FAILED = 120
"""Python's exit code if its last output can't be written."""


@pytest.mark.parametrize(
    "before", [[], ["env", "--ignore-signal=HUP"]], ids=["with SIGHUP", "SIGHUP ignored"]
)
def test_the_app_ends_without_its_terminal(before: list[str], tmp_path: Path) -> None:
    with Teletype([*before, *MUNIMENT], folder=tmp_path) as terminal:
        terminal.wait_for("Create the vault")
        assert terminal.unplug() in (143, FLUSH_FAILED)
