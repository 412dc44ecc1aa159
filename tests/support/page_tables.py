"""Tables of docs/reading-mail.md that long tests make: each is compared with the page, or written there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reading-mail.md"
WRITE = "MUNIMENT_TABLES"
"""With the value `write`, tables are written into the page."""


def check_table(name: str, lines: Iterable[str]) -> None:
    """Assert that the page has a table between the comments that name it, cell by cell.

    With MUNIMENT_TABLES=write, the table is written there instead.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name.partition(':')[0]} -->\n"
    before, _, rest = PAGE.read_text("utf-8").partition(begin)
    old, found, behind = rest.partition(end)
    assert found, f"{PAGE} has no place for the table of {name}"
    made = "\n".join(lines) + "\n"
    if os.environ.get(WRITE) == "write":
        PAGE.write_text(before + begin + made + end + behind, "utf-8")
        return
    assert old.splitlines() == made.splitlines(), f"the page is older: run again with {WRITE}=write"
