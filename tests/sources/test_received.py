"""When a message was received, according to its file or its service."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from exchangelib.util import TNS

from muniment.sources.ews import connection
from muniment.sources.graph import source
from muniment.sources.imap import text as imap_text
from muniment.sources.received import at, of_file, of_maildir

AT = int(datetime(2009, 11, 3, 9, 15, tzinfo=UTC).timestamp())


def stamped(path: Path, time: int) -> os.stat_result:
    path.write_bytes(b"x")
    os.utime(path, (time, time))
    return path.stat()


def test_a_file_has_its_own_time_unless_that_is_impossible(tmp_path: Path) -> None:
    assert of_file(stamped(tmp_path / "a", AT)) == AT
    for time in (0, 1, 315_532_800, 315_532_800 + 14 * 3600):
        assert of_file(stamped(tmp_path / "a", time)) is None


def test_a_maildir_file_has_the_earlier_of_two_times(tmp_path: Path) -> None:
    found = stamped(tmp_path / "a", AT)
    assert of_maildir("00000001.test", found) == AT
    assert of_maildir(f"{AT + 5}.M1P2.host:2,S", found) == AT
    assert of_maildir(f"{AT - 5}.M1P2.host:2,S", found) == AT - 5
    unpacked = stamped(tmp_path / "a", 0)
    assert of_maildir(f"{AT}.1.host", unpacked) == AT
    assert of_maildir("1.host", unpacked) is None


def test_an_impossible_time_is_none() -> None:
    assert at((2009, 11, 3), (9, 15, 0), 0) == AT
    assert at((2009, 2, 30), (9, 15, 0), 0) is None
    assert at((2009, 11, 3), (25, 15, 0), 0) is None
    assert at((2009, 11, 3), (9, 15, 0), 90_000) is None


@pytest.mark.parametrize(
    ("stated", "date"),
    [
        (b" 3-Nov-2009 09:15:00 +0000", AT),
        (b"03-Nov-2009 10:15:00 +0100", AT),
        (b"03-NOV-2009 04:15:00 -0500", AT),
        (b"33-Nov-2009 09:15:00 +0000", None),
        (b"03-Now-2009 09:15:00 +0000", None),
        (b"03-Nov-2009 29:15:00 +0000", None),
    ],
)
def test_an_imap_date_is_read_or_none(stated: bytes, date: int | None) -> None:
    (row,) = imap_text.read_rows([b'1 (UID 1 RFC822.SIZE 5 INTERNALDATE "' + stated + b'" FLAGS ())'])
    assert row.date == date


def item(received: str) -> Any:
    """An item in Exchange's list."""
    found = ElementTree.Element("Message")
    for name, text in (("ItemId", ""), ("Size", "5"), ("DateTimeReceived", received)):
        ElementTree.SubElement(found, f"{{{TNS}}}{name}").text = text
    return found


def test_a_date_of_graph_or_ews_is_read_or_none() -> None:
    for stamp in ("2009-11-03T09:15:00Z", "2009-11-03T10:15:00.1234567+01:00", "2009-11-03T09:15:00"):
        assert source._seconds(stamp) == connection._row(item(stamp)).date == AT
    for nonsense in ("", "soon", "9999-99-99", "2009-11-03T29:15:00Z"):
        assert source._seconds(nonsense) is connection._row(item(nonsense)).date is None
    assert source._seconds(None) is None
