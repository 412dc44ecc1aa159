"""Programs that vault.toml names are stopped in time."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from muniment.config.program import TooSlow, run_program


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_program_that_can_not_be_killed_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A double replaces sudo, whose processes belong to root, so that we can't send them signals."""
    pids: list[int] = []

    def refused(pid: int, number: int) -> None:
        pids.append(pid)
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refused)
    began = time.monotonic()
    with pytest.raises(TooSlow):
        run_program(
            [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, seconds=0.1, most=10, grace=0.1
        )
    assert time.monotonic() - began < 30
    os.kill(pids[0], signal.SIGKILL)
    os.waitpid(pids[0], 0)
