"""What the project's own files say of each other: one version, and one set of checks."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment import __version__
from support.documents import anchors

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


NOT_ON_A_SECOND_PYTHON = {"bench", "cli", "runs", "service", "soak", "sources"}
"""Folders whose tests take long, since they start programs and servers. Bare Debians run them."""


def test_the_second_python_runs_every_folder_of_tests_but_those_named_here() -> None:
    script = (ROOT / "tools" / "second-python.sh").read_text(encoding="utf-8")
    lists = re.findall(r'^tests="(.*)"$', script, re.MULTILINE)
    folders = {path.parent.relative_to(ROOT / "tests").parts[0] for path in ROOT.glob("tests/*/**/test_*.py")}
    assert set(re.findall(r"tests/(\w+)", " ".join(lists))) == folders - NOT_ON_A_SECOND_PYTHON


def test_continuous_integration_skips_no_test_for_want_of_a_program() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 0 < script.index("export CI=") < script.index("make test")


MODULES, LINES = 25, 500
"""Most modules of a folder, and the number of lines that every module is below."""


def test_folders_and_modules_are_small() -> None:
    files = [file for root in ("core", "tui") for file in (ROOT / root).rglob("*.py")]
    modules = Counter(file.parent for file in files if file.name != "__init__.py")
    assert {folder.name: number for folder, number in modules.items() if number > MODULES} == {}
    assert [file.name for file in files if len(file.read_text(encoding="utf-8").splitlines()) >= LINES] == []


CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]+")
SET = ("setattr", "patch", "object")
"""Functions of pytest and of `unittest.mock` that replace what a module has."""
NO_CONSTRUCTOR = {
    "tests/support/hostile_parser/sitecustomize.py": "it is loaded into workers that the service starts",
}
"""Files that set a constant of a module, each with the reason why no test can hand the value over."""


def set_constants(file: Path) -> Iterator[str]:
    """Yield the constants of modules that a file sets, by a patch or by an assignment."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        match node:
            case ast.Call(ast.Attribute(attr=how), [*_, ast.Constant(str(name)), _]) if how in SET:
                names = [name.rpartition(".")[2]]
            case ast.Assign(targets=targets):
                names = [target.attr for target in targets if isinstance(target, ast.Attribute)]
        yield from filter(CONSTANT.fullmatch, names)


@pytest.mark.slow
def test_no_test_sets_a_constant_of_a_module() -> None:
    """A limit or a clock is a value that a test hands to a constructor or a function."""
    found = {path.relative_to(ROOT).as_posix(): [*set_constants(path)] for path in ROOT.glob("tests/**/*.py")}
    assert {name: names for name, names in found.items() if names and name not in NO_CONSTRUCTOR} == {}
    assert all(found[name] for name in NO_CONSTRUCTOR)


WITHOUT_FOLDER = ("-P", "-I")
"""Options of Python that keep modules of the current folder, or beside a script, from being imported."""


def careless_starts(file: Path) -> Iterator[str]:
    """Yield where a command in a file starts Python without one of these options."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.List | ast.Tuple):
            continue
        words = [ast.unparse(word) for word in node.elts]
        for number, word in enumerate(words):
            option = words[number + 1].strip("'\"") if number + 1 < len(words) else ""
            if word == "sys.executable" and option not in WITHOUT_FOLDER:
                yield f"{file.relative_to(ROOT)}:{node.lineno}"


def test_python_is_started_without_the_current_folder() -> None:
    """Anybody can put a module into a folder such as /tmp; it must not run as the caller, or as root."""
    files = [*ROOT.glob("core/**/*.py"), *ROOT.glob("tui/**/*.py")]
    assert sum("sys.executable" in path.read_text(encoding="utf-8") for path in files) >= 4
    assert [place for path in files for place in careless_starts(path)] == []


PAGES = ("CONTRIBUTING.md", "README.md")
FILE = re.compile(r"`((?:core|tui|tests|docs|tools|benchmarks)/[\w./-]+)`")
NAMED = re.compile(r"`(\w+)` (?:in|of) (?:the )?`((?:core|tui|tests|tools)/[\w./]+\.py)`")
MADE_UP = {
    "core/muniment/profiles/kinds/mh.py",
    "core/muniment/sources/files/mh.py",
    "tui/muniment_tui/runs/audit.py",
}
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
