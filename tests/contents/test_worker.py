"""The worker that reads attachments ends by no document, or another one goes on behind it."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import pytest

from muniment.contents.client import ContentsReader
from muniment.contents.model import GAVE_UP, IN_PART, LEFT_OUT, PACKED, TOO_LARGE, ReadFile, WantedContents
from muniment.parsing.process import WorkersUnusable
from muniment.parsing.reader import OpenMail
from support.attachments import docx, packed, read_files
from support.reports import plain

WORDS = docx("seven sacks of barley")
ENTITIES = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
LAUGHTER = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY l0 "lol">{ENTITIES}]><d><t>&l9;</t></d>'


@pytest.fixture(autouse=True)
def doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workers find the doubles of the tests."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


def found(files: tuple[ReadFile, ...]) -> dict[str, tuple[str, str]]:
    """Text and note of each file by its name."""
    return {file.name: (file.text, file.why) for file in files}


@pytest.mark.parametrize("deadly", ["kill.docx", "spin.docx", "swell.docx"])
def test_the_other_attachments_are_read_if_the_worker_dies_on_one(deadly: str) -> None:
    files = read_files(
        {"a.docx": WORDS, deadly: WORDS, "z.docx": WORDS}, reader=ContentsReader("support.dying_contents")
    )
    assert found(files) == {
        "a.docx": ("seven sacks of barley", ""),
        deadly: ("", GAVE_UP),
        "z.docx": ("seven sacks of barley", ""),
    }
    assert [file.number for file in files] == [1, 2, 3]


def test_a_message_that_kills_five_workers_is_given_up() -> None:
    files = read_files(
        {f"kill{n}.docx": WORDS for n in range(8)}, reader=ContentsReader("support.dying_contents")
    )
    assert [file.why for file in files] == [GAVE_UP] * 5


def test_a_worker_that_can_not_start_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(WorkersUnusable, match="repair the installation"):
        read_files({"a.docx": WORDS}, reader=ContentsReader("no.such.module"))


def test_a_large_message_comes_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mail"
    path.write_bytes(plain(attachments=[("a.docx", WORDS), ("noise.bin", bytes(9 * 1024 * 1024))]))
    with closing(ContentsReader()) as reader, path.open("rb") as file:
        assert found(reader.read(OpenMail(file), WantedContents())) == {
            "a.docx": ("seven sacks of barley", "")
        }


def test_kinds_and_sizes_that_are_left_out_have_a_note() -> None:
    files = {"a.docx": WORDS, "b.txt": b"rye"}
    assert found(read_files(files, WantedContents(kinds=("text",)))) == {
        "a.docx": ("", LEFT_OUT),
        "b.txt": ("rye", ""),
    }
    assert found(read_files(files, WantedContents(largest_file=10)))["a.docx"] == ("", TOO_LARGE)


def test_a_picture_is_no_attachment_with_text() -> None:
    assert read_files({"photo.png": b"\x89PNG\r\n\x1a\n" + bytes(500), "noise.bin": bytes(range(256))}) == ()


def test_bombs_of_xml_end_at_their_limits() -> None:
    huge = b"<w:t>" + b"A" * 1000 + b"</w:t>"
    files = read_files(
        {
            "long.docx": docx(more={"word/header1.xml": b"<d xmlns:w='w'>" + huge * 30_000 + b"</d>"}),
            "packed.docx": docx(more={"word/header1.xml": b"<d>" + b" " * (80 << 20) + b"</d>"}),
            "laughing.docx": docx("ha", more={"word/footer1.xml": LAUGHTER}),
            "many.docx": packed({f"word/header{n}.xml": "<t>x</t>" for n in range(21_000)}),
        }
    )
    why = {file.name: file.why for file in files}
    assert why["long.docx"] == IN_PART
    assert why["packed.docx"] == why["many.docx"] == PACKED
    assert why["laughing.docx"].startswith("damaged")
    assert next(file.text for file in files if file.name == "laughing.docx") == "ha"
