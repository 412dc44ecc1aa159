"""As a person would, from an empty folder on: keys alone, in a terminal of 80x24."""

from __future__ import annotations

import os
import re
import signal
import zipfile
from contextlib import suppress
from pathlib import Path

from support.terminal import running

LETTER = (
    b"From: Ada <ada@quill.example>\r\nTo: bob@quill.example\r\nSubject: The lens has arrived\r\n"
    b"Date: Mon, 05 Jan 2026 10:00:00 +0000\r\nMessage-ID: <lens@quill.example>\r\n\r\nIt is in the box.\r\n"
)


def test_from_nothing_to_an_archived_found_and_exported_message(terminal, tmp_path):
    mail = tmp_path / "mail"
    mail.mkdir()
    (mail / "1.eml").write_bytes(LETTER)
    window = terminal()
    try:
        walk(window, mail, tmp_path / "found.zip")
    finally:
        for pid in running("muniment.service", str(window.folder)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    with zipfile.ZipFile(tmp_path / "found.zip") as archive:
        letters = [name for name in archive.namelist() if name.endswith(".eml")]
        assert [archive.read(name) for name in letters] == [LETTER]


def chosen(screen: str) -> str:
    """The kind of source that the list has its mark at."""
    found = re.search(r"› (\w+)", screen)
    return found[1] if found else ""


def walk(window, mail: Path, target: Path) -> None:
    """The way, as the screens lead."""
    window.wait_for("Make one here")
    window.type("Quill")
    window.press("Down")
    window.type("quill.example")
    window.press("Enter")
    window.wait_for("Vault made in", "Organisation", "First report")
    window.press("2")
    window.wait_for("a Add")
    window.press("a")
    window.wait_for("› gateway", "Folder of .eml files")
    while (kind := chosen(window.screen())) != "eml":
        window.press("Down")
        with suppress(AssertionError):  # a key that comes before the list has the focus is nobody's
            window.wait(lambda seen, kind=kind: chosen(seen) != kind, "the next kind", patience=5)
    window.press("Enter")
    window.wait_for("Path", "F2 Save")
    window.type("letters")
    window.press("Down")
    window.type(str(mail))
    window.press("F2")
    window.wait_for("Profile letters added")
    window.press("3")
    window.wait_for("letters", "1 new", "fetched  1 = 1 new")
    window.press("4")
    window.wait_for("bob@quill.example")
    window.press("/")
    window.type("lens")
    window.press("Enter")
    window.wait_for("1 message", "The lens has arrived")
    window.press("Enter")
    window.wait_for("It is in the box.")
    window.press("x")
    window.wait_for("Export 1 message")
    window.press("C-u")
    window.type(str(target))
    window.press("Enter")
    window.wait(lambda _: target.exists() and zipfile.is_zipfile(target), "the export to be there")
    window.press("q")
    assert window.wait_ended() == 0
