"""The program starts quickly because it loads no heavy library."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "aiohttp",
    "asyncio",
    "tantivy",
    "sqlalchemy",
    "exchangelib",
    "zstandard",
    "rich",
    "aiosmtpd",
    "keyring",
    "textual",
)
CORE = str(Path(__file__).parents[2] / "core")
TUI = str(Path(__file__).parents[2] / "tui")


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*(name.partition('.')[0] for name in sys.modules))"
    paths = os.pathsep.join([CORE, TUI, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import muniment.client.client",
        "import muniment.cli, muniment.client.client",
        "import muniment.client.autostart",
        "import muniment.__main__",
        "import muniment_tui.__main__",
        "from muniment.__main__ import ENGINE\nfrom muniment.cli import main\nmain(['--help'], ENGINE)",
    ],
)
def test_starting_loads_no_heavy_library(code: str) -> None:
    assert not loaded_by(code) & set(HEAVY)
