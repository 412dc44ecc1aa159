"""Imports point one way, and a program that asks the engine does not load it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("tantivy", "sqlalchemy", "exchangelib", "zstandard")


def test_every_import_contract_is_kept() -> None:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "module",
    [
        "muniment.client.client",
        "muniment.cli",
        "muniment.api",
        "muniment.system.sanitise",
        "muniment.profiles.registry",
    ],
)
def test_asking_the_engine_does_not_load_it(module: str) -> None:
    script = f"import {module}, sys; print(*(name for name in sys.modules if name.split('.')[0] in {HEAVY}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_worker_loads_what_reading_mail_takes_and_no_more() -> None:
    script = "import muniment.runs.prepare.worker_process, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert {"muniment.runs.prepare.prepare", "zstandard"} <= set(loaded)
    assert not {"tantivy", "sqlalchemy", "exchangelib"}.intersection(loaded)
    assert not [name for name in loaded if name.startswith(("muniment.archive.index", "muniment.people"))]
