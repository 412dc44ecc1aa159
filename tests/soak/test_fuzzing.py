"""Random changes to hostile and real mail find no input on which the readers of mail raise, hang or crash.

Each run is a separate process, so that a crash in native code counts as a failure. `make soak` fuzzes for an
hour in all; MUNIMENT_FUZZ_SECONDS sets another time. Inputs that reached new code are kept in `.fuzz`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzzing.targets import ROOT, TARGETS

SECONDS = int(os.environ.get("MUNIMENT_FUZZ_SECONDS", "3600"))
"""Total time of all targets, in seconds."""
START = 300
"""Extra seconds for a process to start and end."""

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed: it is made for Linux on x86-64",
)


def fuzz(target: str, seconds: int, folder: Path) -> str:
    """Fuzz a target, and return the fuzzer's output. A failing input fails the test."""
    command = [sys.executable, "-m", "fuzzing.fuzz", target, str(seconds), str(folder)]
    settings = {**os.environ, "MALLOC_PERTURB_": "85"}
    done = subprocess.run(
        command,
        cwd=ROOT / "tests",
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds + START,
        check=False,
    )
    output = done.stdout.decode("utf-8", "replace")
    failed = sorted((folder / "failures").glob(f"{target}-*"))
    inputs = "\n".join(f"{path}: {path.read_bytes()[:2000]!r}" for path in failed)
    assert done.returncode == 0, f"{output[-5000:]}\n{inputs}"
    assert not failed, f"an earlier run failed; remove it once it is mended:\n{inputs}"
    return output


def test_a_short_fuzzing_run_finds_nothing(tmp_path: Path) -> None:
    assert "Done " in fuzz("everything", 5, tmp_path)


def test_a_fault_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies is reported as a failure, and the tests continue."""
    faulty = "import ctypes, fuzzing.targets as t; t.TARGETS['faulty'] = lambda data: ctypes.string_at(0)"
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); {faulty}"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(AssertionError, match="faulty-crash-"):
        fuzz("faulty", 5, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 2 * START)
@pytest.mark.parametrize("target", TARGETS)
def test_long_fuzzing_finds_nothing(target: str) -> None:
    fuzz(target, max(SECONDS // len(TARGETS), 1), ROOT / ".fuzz")
