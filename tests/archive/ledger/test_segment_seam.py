"""One module opens the files of segments; everything else goes through `SegmentStore`."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STORE = "muniment/archive/ledger/local_segments.py"
CHOICE = "muniment/archive/vault/layout.py"
"""The module that chooses the store."""
FILES = {"fcntl", "mmap", "muniment.system.atomic_files", "pathlib", "shutil", "tempfile"}
"""Modules by which files are opened."""
HARMLESS = {"io.BufferedReader", "os.sched_getaffinity"}
"""Calls that open nothing."""
LEDGER = "muniment/archive/ledger"
OWN_FILE = {"ledger_tree", "tree_tiles"}
"""Modules of the tree's tiles: a file beside the ledger, which is made again from the segments."""
LEDGER_MODULES = sorted(
    name
    for path in (ROOT / "core" / LEDGER).rglob("*.py")
    if (name := path.relative_to(ROOT / "core" / LEDGER).with_suffix("").as_posix()) not in OWN_FILE
)
FOLDER = {
    CHOICE: "makes the store, and names the files beside the segments",
    "muniment/archive/files/disk_usage.py": "adds up the sizes of its files",
    "muniment/archive/files/permissions.py": "looks at the mode and owner of every file",
    "muniment/archive/operations/backup.py": "makes the folder, and copies the files beside the segments",
    "muniment/archive/vault/open_vault.py": "looks whether there is a ledger",
    "muniment/service/operations/vaults.py": "looks whether there is a ledger, and how large it is",
}
"""Modules that name the ledger's folder, and why."""


@cache
def sources() -> dict[str, ast.AST]:
    """The code of every module, by its path."""
    return {
        path.relative_to(root).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for root in (ROOT / "core", ROOT / "tui")
        for path in root.rglob("*.py")
    }


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules that code imports, at any place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def texts(tree: ast.AST) -> Iterator[str]:
    """The strings in code that are not docstrings."""
    alone = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in alone:
            yield node.value


def names_folder(tree: ast.AST) -> bool:
    """Whether code makes a path that ends with the name of the ledger's folder."""
    operations = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp)]
    ends = [node.right for node in operations if isinstance(node.op, ast.Div)]
    return any(
        (isinstance(end, ast.Name) and end.id == "LEDGER")
        or (isinstance(end, ast.Constant) and str(end.value).split("/")[0] == "ledger")
        for end in ends
    )


@pytest.mark.slow
def test_only_the_store_knows_the_names_of_segment_files() -> None:
    assert [name for name, tree in sources().items() if any(".seg" in text for text in texts(tree))] == [
        STORE
    ]


def test_one_module_chooses_where_segments_are() -> None:
    module = STORE.removesuffix(".py").replace("/", ".")
    assert [name for name, tree in sources().items() if module in imported(tree)] == [CHOICE]


def test_only_some_modules_name_the_folder_of_the_ledger() -> None:
    assert {name for name, tree in sources().items() if names_folder(tree)} == set(FOLDER)


@pytest.mark.parametrize("module", [name for name in LEDGER_MODULES if name != "local_segments"])
def test_the_ledger_opens_no_file(module: str) -> None:
    tree = sources()[f"{LEDGER}/{module}.py"]
    assert FILES.isdisjoint(imported(tree))
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert {call for call in calls if call.split(".")[0] in ("io", "open", "os")} <= HARMLESS


WATCHED = '''
import sys
from pathlib import Path

opened = set()

def watch(event, arguments):
    """Note which module opens a segment: the innermost one that is not Python's own."""
    if event != "open" or not str(arguments[0]).endswith(".seg"):
        return
    frame = sys._getframe(1)
    while "muniment" not in frame.f_code.co_filename:
        frame = frame.f_back
    opened.add(Path(frame.f_code.co_filename).name)

from support.program import Program
from support.reports import plain, report
from support.vaults import TestVault

folder = Path(sys.argv[1])
sys.addaudithook(watch)
vault = TestVault(folder / "vault")
vault.archive([report(plain(subject=f"No {number}")) for number in range(5)])
vault.sound()
Program(vault.folder)("backup", str(folder / "backup"))
vault.rebuild()
print(*opened)
'''


@pytest.mark.slow
def test_no_other_module_opens_a_segment_while_a_vault_is_used(tmp_path: Path) -> None:
    """It is filled, verified, backed up and rebuilt."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tmp_path)], cwd=ROOT / "tests", capture_output=True, text=True
    )
    assert (done.stderr, done.stdout.split()) == ("", ["local_segments.py"])
