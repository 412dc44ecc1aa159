"""What the project's own files say of each other: one version, and one set of checks."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

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


PAGES = ("CONTRIBUTING.md", "README.md")
FILE = re.compile(r"`((?:core|tui|tests|docs|tools|benchmarks)/[\w./-]+)`")
NAMED = re.compile(r"`(\w+)` (?:in|of) (?:the )?`((?:core|tui|tests|tools)/[\w./]+\.py)`")
MADE_UP = {"core/muniment/sources/files/mh.py", "tui/muniment_tui/runs/audit.py"}
"""Files of the worked examples."""


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_are_there(page: str) -> None:
    named = set(FILE.findall((ROOT / page).read_text(encoding="utf-8")))
    assert [name for name in named - MADE_UP if not (ROOT / name).exists()] == []


def test_names_that_contributing_gives_are_in_their_files() -> None:
    named = NAMED.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(named) > 10
    assert [
        f"{name} in {file}"
        for name, file in named
        if file not in MADE_UP and not re.search(rf"\b{name}\b", (ROOT / file).read_text(encoding="utf-8"))
    ] == []


LINK = re.compile(r"\]\(([\w./-]*)(?:#([\w-]+))?\)")


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], ids=lambda path: path.name
)
def test_links_of_documents_lead_somewhere(page: Path) -> None:
    broken = []
    for target, part in LINK.findall(page.read_text(encoding="utf-8")):
        file = page.parent / target if target else page
        if not file.exists() or (part and part not in anchors(file)):
            broken.append(f"{target}#{part}")
    assert broken == []


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as links on GitHub have them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
