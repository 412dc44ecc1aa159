"""Excel 97 to 2003, and the binary form of later ones (.xlsb), by calamine.

Calamine makes the whole grid of a sheet, so it is used for these two only: an .xlsx with two cells far
apart would need all memory. Here the worker's limit of memory ends it.
"""

from __future__ import annotations

import io

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, WorksheetNotFound

from muniment.contents.collector import Collector, Locked


def read_excel(data: bytes, into: Collector) -> None:
    """Read the names of all sheets, and their cells.

    Raises:
        Locked: It is encrypted.
        CalamineError: It is damaged.
    """
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    except PasswordError as error:
        raise Locked from error
    for name in book.sheet_names:
        into.add(name)
        with into.noting():
            try:
                sheet = book.get_sheet_by_name(name)
            except (WorksheetNotFound, CalamineError) as error:
                if "not a worksheet" in str(error).lower():  # a chart or a macro
                    continue
                raise
            for row in sheet.iter_rows():
                if cells := [str(cell) for cell in row if cell != ""]:
                    into.add("\t".join(cells))
