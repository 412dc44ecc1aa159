"""The drawings in docs/architecture.md show the imports between rooms: all of them, and no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"muniment": ROOT / "core" / "muniment", "muniment_tui": ROOT / "tui" / "muniment_tui"}
LEFT_OUT = {
    "muniment": {"errors", "system"},
    "muniment_tui": {"core_errors", "core_system", "core_api"},
}
"""Rooms that every room may import, by package: the drawing has no arrows to them."""
MAIN = "main"
"""How the drawings name `__main__`."""

Arrow = tuple[str, str]


def drawn(package: str) -> set[Arrow]:
    """The arrows in the drawing of a package."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawings = re.findall(r"```mermaid\n(.*?)```", page, re.DOTALL)
    text = drawings[list(FOLDERS).index(package)]
    arrows = re.findall(r"^ *(\w+)(?:\[.*?\])? --> (.+)$", text, re.MULTILINE)
    return {(start, end.strip()) for start, ends in arrows for end in ends.split("&")}


def real(package: str) -> set[Arrow]:
    """The arrows that the imports in a package make."""
    arrows = set()
    for path in FOLDERS[package].rglob("*.py"):
        start = _room(path.relative_to(FOLDERS[package]).parts[0].removesuffix(".py"))
        for names in imported(ast.parse(path.read_text(encoding="utf-8"))):
            if names[0] not in FOLDERS or len(names) == 1 or names[1] == "__version__":
                continue
            end = _room(names[1]) if names[0] == package else f"core_{_room(names[1])}"
            if end != start and end not in LEFT_OUT[package]:
                arrows.add((start, end))
    return arrows


def imported(node: ast.AST) -> Iterator[list[str]]:
    """The parts of every name that code imports, at any place; not what only type checkers import."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name.split(".") for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "the rooms import each other by their full names"
            yield from (f"{child.module}.{alias.name}".split(".") for alias in child.names)
        yield from imported(child)


def _room(name: str) -> str:
    return MAIN if name == "__main__" else name


@pytest.mark.parametrize("package", FOLDERS)
def test_the_drawing_shows_the_imports(package: str) -> None:
    in_drawing, in_code = drawn(package), real(package)
    assert sorted(in_drawing - in_code) == [], "the drawing has arrows without an import"
    assert sorted(in_code - in_drawing) == [], "imports between rooms are not in the drawing"


@pytest.mark.parametrize("package", FOLDERS)
def test_the_drawing_shows_every_room(package: str) -> None:
    rooms = {_room(path.name.removesuffix(".py")) for path in FOLDERS[package].iterdir()}
    rooms -= {"__init__", "__pycache__"} | LEFT_OUT[package]
    assert rooms <= {end for arrow in drawn(package) for end in arrow}
