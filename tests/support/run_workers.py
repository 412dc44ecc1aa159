"""Workers of runs that run another module than their own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from muniment.runs.prepare.worker_pool import WorkerPool


def run_workers(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let the workers of every run in this process run `module`, which may be one of the tests' own."""
    monkeypatch.setattr("muniment.service.host.run_host.WorkerPool", partial(WorkerPool, module=module))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
