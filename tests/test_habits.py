"""What the project's own files say of each other: one version, and one set of checks."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from muniment import __version__

ROOT = Path(__file__).resolve().parents[1]
RELEASE = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", re.MULTILINE)


def test_package_program_and_changelog_name_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    newest = RELEASE.findall((ROOT / "CHANGELOG.md").read_text())[0]
    assert project["version"] == __version__ == newest


def test_pre_commit_runs_what_make_check_runs() -> None:
    target = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    checked = re.findall(r"@\$\(VENV\)/bin/(.+)", target)
    hooks = re.findall(r"entry: \.venv/bin/(.+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert checked
    assert [line.removesuffix(" .") for line in checked] == hooks
