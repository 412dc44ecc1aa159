"""Tables: nothing is cut in a pipe, and on a terminal they use its width and no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from muniment.cli.layout.text_table import GAP, TableColumn, table_lines

COLUMNS = (
    TableColumn("ID"),
    TableColumn("From", most=20),
    TableColumn("Size", right=True),
    TableColumn("Subject", fill=True),
)
SHORT = ("3f7a91c20b44", "Ada", "1 B", "Lens")
LONG = ("ab12cd34ef56", "f" * 90, "12.3 kB", "s" * 300)


def lines(room: int | None, *rows: tuple[str, ...]) -> list[str]:
    return list(table_lines(COLUMNS, rows, room))


def test_nothing_is_cut_without_a_terminal() -> None:
    head, first, second = lines(None, SHORT, LONG)
    assert head.split() == ["ID", "From", "Size", "Subject"]
    assert second == f"{LONG[0]}  {LONG[1]}  {LONG[2]}  {LONG[3]}"
    assert first.split() == [*SHORT[:2], "1", "B", "Lens"]
    assert first.index("Lens") == second.index("sss")


def test_numbers_end_in_one_column() -> None:
    _, first, second = lines(None, SHORT, LONG)
    assert first.index("1 B") + 3 == second.index("12.3 kB") + 7


def test_a_table_that_fits_is_no_wider_than_its_cells() -> None:
    assert lines(200, SHORT) == lines(None, SHORT)


@pytest.mark.parametrize("room", [80, 120, 200])
def test_a_wide_terminal_is_used_to_its_end(room: int) -> None:
    head, _, second = lines(room, SHORT, LONG)
    assert cell_len(second) == room
    assert second.endswith("…")
    sender = head.index("Size") - head.index("From")
    assert sender >= 20 if room == 80 else sender > 20


def test_a_column_is_cut_to_its_most_before_the_filling_one_is_short() -> None:
    long = (LONG[0], "f" * 40, "1 B", "s" * 10)
    assert lines(80, long)[1].endswith("s" * 10)
    assert "f" * 40 in lines(80, long)[1]


@given(
    st.lists(st.tuples(*[st.text("ab漢é ", max_size=60)] * 4), max_size=4),
    st.integers(40, 220),
)
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, ...]], room: int) -> None:
    for line in lines(room, *rows):
        assert cell_len(line) <= room
    for row, line in zip(rows, lines(None, *rows)[1:], strict=True):
        assert line.rstrip().endswith(row[-1].rstrip())


def test_a_tiny_terminal_cuts_every_column() -> None:
    found = lines(4 * 3 + 3 * GAP, LONG)
    assert all(cell_len(line) <= 4 * 3 + 3 * GAP for line in found)
