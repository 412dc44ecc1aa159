"""Lists: cursor, marks, columns, paged lists, trees, tails."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widget import Widget

from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.columns import GAP, ListColumn, in_cells, laid_out
from muniment_tui.widgets.paged import PAGE, PAGES, PagedList
from muniment_tui.widgets.rows import ListRow, RowList, ShortList
from muniment_tui.widgets.tail import TailList
from muniment_tui.widgets.tree import LazyTree, TreeNode
from support.engine_double import HOSTILE, assert_harmless
from support.screens import until

COLUMNS = [ListColumn("Date", 10), ListColumn("Subject"), ListColumn("Size", 8, right=True, since=60)]
Script = Callable[["Alone", Pilot[Any]], Awaitable[None]]


class Alone(App[None]):
    """One widget, and the messages that it posts."""

    AUTO_FOCUS: ClassVar = "*"

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget
        self.posted: list[tuple[object, ...]] = []

    def compose(self) -> Iterable[Widget]:
        yield self.widget

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        self.posted.append(("moved", message.index, message.row and message.row.key))

    def on_row_list_opened(self, message: RowList.Opened) -> None:
        self.posted.append(("opened", message.index, key_of(message.row)))

    def on_paged_list_wanted(self, message: PagedList.Wanted) -> None:
        self.posted.append(("wanted", message.start, message.end))
        self.wanted = message

    def on_lazy_tree_unfolded(self, message: LazyTree.Unfolded) -> None:
        self.posted.append(("unfolded", message.node.key))


def run(widget: Widget, script: Script, size: tuple[int, int] = (80, 24)) -> None:
    async def main() -> None:
        app = Alone(widget)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await script(app, pilot)

    asyncio.run(main())


def rows(start: int, end: int) -> list[ListRow]:
    return [ListRow(str(n), ("2026-01-05", f"subject {n}", "12 kB"), n) for n in range(start, end)]


def key_of(one: ListRow | TreeNode | None) -> str:
    assert one is not None
    return one.key


def lines(widget: Widget) -> list[str]:
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


# --- columns --------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [20, 40, 59, 60, 80, 200])
def test_columns_fill_the_width_and_disappear_if_there_is_no_room(width: int) -> None:
    layout = laid_out(COLUMNS, width)
    assert len(layout) == (3 if width >= 60 else 2)
    assert sum(cells for *_, cells in layout) + GAP * (len(layout) - 1) == width


@pytest.mark.parametrize("text", ["", "short", "much too long", "見積書をお送り", "e\u0301" * 20])
@pytest.mark.parametrize("right", [False, True])
def test_a_cell_has_exactly_its_width(text: str, right: bool) -> None:
    for cells in range(12):
        assert in_cells(shown(text), cells, right).cell_length == cells


# --- short lists ----------------------------------------------------------------------------


def test_keys_move_the_cursor_and_post_messages() -> None:
    widget = ShortList(COLUMNS)

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        widget.fill(rows(0, 50))
        for key, at in [
            ("down", 1), ("j", 2), ("k", 1), ("up", 0), ("up", 0), ("pagedown", 23), ("end", 49),
            ("down", 49),
            ("pageup", 26), ("home", 0), ("G", 49), ("g", 0),
        ]:  # fmt: skip
            await pilot.press(key)
            assert widget.cursor == at, key
            assert any(line.startswith("›") for line in lines(widget)), key
        await pilot.press("down", "enter")
        assert app.posted[-2:] == [("moved", 1, "1"), ("opened", 1, "1")]

    run(widget, script)


def test_marks_follow_their_rows() -> None:
    widget = ShortList(COLUMNS, marks=True)

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        widget.fill(rows(0, 5))
        assert [row.key for row in widget.chosen] == ["0"]
        await pilot.press("space", "down", "space")
        assert [row.key for row in widget.chosen] == ["0", "2"]
        widget.fill(rows(2, 9))
        assert [row.key for row in widget.chosen] == ["2"]
        assert lines(widget)[1].startswith(" ●") or lines(widget)[1].startswith("›●")
        await pilot.press("u")
        assert widget.marked == {}

    run(widget, script)


def test_lists_without_marks_ignore_the_mark_key() -> None:
    widget = ShortList(COLUMNS)

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        widget.fill(rows(0, 5))
        await pilot.press("space")
        assert (widget.marked, widget.cursor) == ({}, 0)

    run(widget, script)


def test_the_cursor_stays_on_its_row_when_rows_are_added() -> None:
    widget = ShortList(COLUMNS)

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        widget.fill(rows(10, 20))
        await pilot.press("down", "down")
        widget.fill(rows(0, 20))
        assert key_of(widget.current) == "12"
        widget.fill(rows(0, 3))
        assert key_of(widget.current) == "2"
        widget.fill([])
        assert widget.current is None
        assert widget.go_to("1") is False

    run(widget, script)


def test_a_row_with_a_new_style_is_redrawn() -> None:
    widget = ShortList([ListColumn("")])

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        for style in ("bold", "italic"):
            widget.fill([ListRow("1", (shown("a", style),))])
            drawn = {segment.text: segment.style for segment in widget.render_line(1)}
            assert getattr(drawn["a"], style), drawn

    run(widget, script)


def test_an_empty_list_shows_its_explanation() -> None:
    widget = ShortList(COLUMNS, empty=shown(f"Nothing yet {HOSTILE}"))

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        assert "Nothing yet" in "\n".join(lines(widget))
        assert_harmless("\n".join(lines(widget)))
        await pilot.press("enter", "end", "down", "pagedown")

    run(widget, script)


def test_a_click_moves_the_cursor_and_a_double_click_opens() -> None:
    widget = ShortList(COLUMNS)

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        widget.fill(rows(0, 5))
        await pilot.click(widget, offset=(5, 3))
        assert widget.cursor == 2
        await pilot.click(widget, offset=(5, 3), times=2)
        assert ("opened", 2, "2") in app.posted
        await pilot.click(widget, offset=(5, 0))
        await pilot.click(widget, offset=(5, 20))
        assert widget.cursor == 2

    run(widget, script)


# --- any number of rows ---------------------------------------------------------------------


def test_ten_million_rows_use_memory_for_the_visible_ones() -> None:
    widget = PagedList(COLUMNS)

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        tracemalloc.start()
        widget.show(10_000_000)
        await until(pilot, lambda: ("wanted", 0, PAGE) in app.posted)
        assert "···" in lines(widget)[1]
        widget.put(app.wanted, rows(0, PAGE))
        assert "subject 0" in lines(widget)[1]
        await pilot.press("end")
        await until(pilot, lambda: ("wanted", 10_000_000 - PAGE, 10_000_000) in app.posted)
        widget.put(app.wanted, rows(10_000_000 - PAGE, 10_000_000))
        await pilot.pause()
        assert key_of(widget.current) == "9999999"
        assert "subject 9999999" in lines(widget)[-1]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4_000_000

    run(widget, script)


def test_the_number_of_pages_in_memory_is_limited() -> None:
    widget = PagedList(COLUMNS)

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        widget.show(1_000_000)
        await until(pilot, lambda: ("wanted", 0, PAGE) in app.posted)
        for page in range(2 * PAGES):
            wanted = PagedList.Wanted(widget, page * PAGE, (page + 1) * PAGE, app.wanted.generation)
            widget.put(wanted, rows(wanted.start, wanted.end))
        assert len(widget._pages) == PAGES

    run(widget, script)


def test_pages_scrolled_past_are_not_requested() -> None:
    widget = PagedList(COLUMNS)

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        widget.show(1_000_000)
        for place in range(0, 1_000_000, 10_000):
            widget.cursor = place
        await pilot.pause()
        assert len([one for one in app.posted if one[0] == "wanted"]) < 10

    run(widget, script)


def test_rows_of_a_replaced_list_are_dropped() -> None:
    widget = PagedList(COLUMNS)

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        widget.show(500)
        await until(pilot, lambda: ("wanted", 0, PAGE) in app.posted)
        old = app.wanted
        widget.show(3, rows(7, 10))
        widget.put(old, rows(0, PAGE))
        assert key_of(widget.current) == "7"
        widget.resize_to(0)
        assert widget.current is None

    run(widget, script)


def test_failed_rows_are_requested_again() -> None:
    widget = PagedList(COLUMNS)

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        widget.show(500)
        await until(pilot, lambda: app.posted.count(("wanted", 0, PAGE)) == 1)
        widget.failed(app.wanted)
        widget.refresh()
        await until(pilot, lambda: app.posted.count(("wanted", 0, PAGE)) == 2)

    run(widget, script)


# --- tree -----------------------------------------------------------------------------------


def test_opening_a_node_requests_its_children() -> None:
    widget = LazyTree()

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        widget.show(
            [
                TreeNode("a", "Ada", children=None),
                TreeNode("b", "Bob", children=[TreeNode("b/Inbox", "Inbox")]),
            ]
        )
        assert widget.count == 2
        await pilot.press("right")
        assert app.posted[-1] == ("unfolded", "a")
        assert widget.node is not None
        widget.put(widget.node, [TreeNode("a/Inbox", "Inbox", "12"), TreeNode("a/Sent", "Sent")])
        assert widget.count == 4
        await pilot.press("right", "down")
        assert key_of(widget.node) == "a/Sent"
        await pilot.press("left")
        assert key_of(widget.node) == "a"
        await pilot.press("left")
        assert widget.count == 2
        assert widget.narrow("bob") == 1
        assert widget.narrow("inbox") == 2
        assert widget.narrow("") == 2

    run(widget, script)


def test_open_nodes_and_the_cursor_survive_an_update() -> None:
    widget = LazyTree()

    def people() -> list[TreeNode]:
        return [TreeNode(k, k, children=[TreeNode(f"{k}/Inbox", "Inbox")]) for k in "abc"]

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        widget.show(people())
        await pilot.press("down", "right", "down")
        assert key_of(widget.node) == "b/Inbox"
        widget.show([TreeNode("0", "0"), *people()])
        assert key_of(widget.node) == "b/Inbox"
        assert widget.count == 5

    run(widget, script)


# --- tail -----------------------------------------------------------------------------------


def test_a_tail_follows_until_the_user_scrolls() -> None:
    widget = TailList(kept=100)

    async def script(app: Alone, pilot: Pilot[Any]) -> None:
        widget.add(f"line {n}" for n in range(60))
        assert "line 59" in lines(widget)[-1]
        await pilot.press("up", "up")
        assert not widget.following
        at = key_of(widget.current)
        widget.add(["more", "and more"])
        assert key_of(widget.current) == at
        assert "2 new lines: End follows again" in lines(widget)[-1]
        widget.add(str(n) for n in range(20))
        assert key_of(widget.current) == at
        await pilot.press("end")
        assert widget.following
        assert lines(widget)[-1].endswith("19")
        widget.add(str(n) for n in range(500))
        assert widget.count == 100
        assert lines(widget)[-1].endswith("499")

    run(widget, script)


def test_every_list_is_harmless() -> None:
    for widget in (ShortList(COLUMNS), PagedList(COLUMNS), TailList(), LazyTree()):

        async def script(app: Alone, pilot: Pilot[Any], widget: Widget = widget) -> None:
            row = ListRow("1", (HOSTILE, HOSTILE, HOSTILE))
            if isinstance(widget, ShortList):
                widget.fill([row])
            elif isinstance(widget, PagedList):
                widget.show(1, [row])
            elif isinstance(widget, TailList):
                widget.add([HOSTILE])
            else:
                assert isinstance(widget, LazyTree)
                widget.show([TreeNode("a", HOSTILE, HOSTILE)])
            text = "".join(lines(widget))
            assert "[/x]" in text
            assert_harmless(text)
            assert isinstance(widget, RowList)

        run(widget, script)
