"""docs/security.md: each test that is named as a proof exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CELL = re.compile(r"^\|.*\| ([^|]*tests/[^|]*) \|$", re.MULTILINE)


def named() -> list[tuple[str, str]]:
    """File and name of each test; the name is empty where the whole file is meant."""
    found = []
    for cell in CELL.findall((ROOT / "docs" / "security.md").read_text()):
        file = ""
        for one in re.findall(r"`([^`]+)`", cell):
            path, _, name = one.partition("::")
            file = path or file
            found.append((file, name))
    return found


def test_every_named_test_exists() -> None:
    pairs = named()
    assert len(pairs) > 60
    for file, name in pairs:
        path = ROOT / file
        assert path.exists(), file
        if name:
            assert re.search(
                rf"^\s*(?:async )?(?:def {name}\(|class {name}\b|{name} = )", path.read_text(), re.M
            ), one_of(file, name)


def one_of(file: str, name: str) -> str:
    return f"{file} has no test {name}: docs/security.md names it"
