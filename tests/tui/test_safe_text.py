"""Text reaches the screen only through `safe_text`."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from rich.segment import Segment
from textual.color import Color
from textual.content import Content

import muniment_tui
from muniment_tui.terminal.output_filter import OutputFilter
from muniment_tui.terminal.safe_text import block, joined, shown
from muniment_tui.widgets.text import TextLines, harmless, same
from support.engine_double import HOSTILE, assert_harmless

SOURCE = Path(muniment_tui.__file__).parent
PARSING = {
    "Static", "Label", "DataTable", "OptionList", "SelectionList", "RichLog", "Log", "Tree", "DirectoryTree",
    "Button", "Checkbox", "RadioButton", "RadioSet", "Select", "Collapsible", "Tabs", "TabbedContent",
    "Markdown",
    "MarkdownViewer", "Digits", "Pretty", "Link", "Header", "Footer", "ListView", "TextArea", "Input",
}  # fmt: skip
"""Textual's widgets that take a `str` and draw it unchanged or parse it as markup."""
MAY = {
    "widgets/text.py": {"Static"},
    "widgets/entry.py": {"Input"},
}
"""Modules that derive a safe widget from one of them."""
TITLES = {"border_title", "border_subtitle", "tooltip", "title", "sub_title"}
"""Attributes that Textual parses as markup."""


def modules() -> list[tuple[str, ast.Module]]:
    paths = list(SOURCE.rglob("*.py"))
    assert SOURCE / "app.py" in paths
    return [(str(path.relative_to(SOURCE)), ast.parse(path.read_text())) for path in paths]


def test_every_content_is_harmless() -> None:
    for content in (
        shown(HOSTILE),
        shown(HOSTILE, "bold"),
        block(HOSTILE),
        joined((HOSTILE, "dim"), ("x", "")),
    ):
        assert_harmless(content.plain)
    assert "[bold red]" in shown(HOSTILE).plain
    assert shown("[/x]").plain == "[/x]"


def test_widgets_refuse_a_str() -> None:
    wrong: Any  # what a type checker would refuse too
    for wrong in (HOSTILE, "harmless"):
        with pytest.raises(TypeError, match=r"muniment_tui\.terminal\.safe_text"):
            harmless(wrong)
    with pytest.raises(TypeError):
        TextLines(wrong).say(wrong)


def test_content_from_elsewhere_is_made_harmless() -> None:
    assert_harmless(harmless(Content(HOSTILE)).plain)
    styled = shown("good", "bold")
    assert harmless(styled) is styled


def test_contents_with_different_styles_differ() -> None:
    assert not same(shown("a", "bold"), shown("a"))
    assert same(shown("a", "bold"), shown("a", "bold"))


def test_the_output_filter_removes_control_characters() -> None:
    segments = OutputFilter({}).apply([Segment("good"), Segment(HOSTILE)], Color(0, 0, 0))
    assert segments[0].text == "good"
    assert_harmless(segments[1].text)


def test_no_screen_uses_a_widget_that_parses_markup() -> None:
    """Screens use only widgets that take a Content."""
    for name, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else ""
            assert called not in PARSING, f"{name}:{node.lineno} makes a {called}"


def test_no_class_derives_from_a_widget_that_parses_markup() -> None:
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                assert bases & PARSING <= MAY.get(name, set()), f"{name}:{node.lineno}"


def test_notifications_and_titles_contain_no_markup() -> None:
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in ("notify", "from_markup"), f"{name}:{node.lineno}: use tell()"
                markup = [word for word in node.keywords if word.arg == "markup"]
                assert all(ast.literal_eval(word.value) is False for word in markup), f"{name}:{node.lineno}"
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Attribute) and target.attr in TITLES:
                        made = node.value.func if isinstance(node.value, ast.Call) else None
                        fine = isinstance(made, ast.Name) and made.id in ("shown", "joined", "harmless")
                        assert fine, f"{name}:{node.lineno} sets {target.attr}"
