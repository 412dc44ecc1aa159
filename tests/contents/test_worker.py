"""The worker that reads attachments ends by no document, or another one goes on behind it."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from muniment.contents.client import ContentsReader
from muniment.contents.model import (
    DAMAGED,
    GAVE_UP,
    IN_PART,
    LEFT_OUT,
    PACKED,
    TOO_LARGE,
    ReadFile,
    WantedContents,
)
from muniment.parsing.process import WorkersUnusable
from muniment.parsing.reader import OpenMail
from support.attachments import docx, packed, read_files
from support.documents_of_all_kinds import KINDS
from support.pdf import FONT, objects, packed_stream, shown, stream
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
    with closing(ContentsReader("support.dying_contents")) as reader:
        files = read_files({"a.docx": WORDS, deadly: WORDS, "z.docx": WORDS}, reader=reader)
    assert found(files) == {
        "a.docx": ("seven sacks of barley", ""),
        deadly: ("", GAVE_UP),
        "z.docx": ("seven sacks of barley", ""),
    }
    assert [file.number for file in files] == [1, 2, 3]


def test_a_message_that_kills_five_workers_is_given_up() -> None:
    with closing(ContentsReader("support.dying_contents")) as reader:
        files = read_files({f"kill{n}.docx": WORDS for n in range(8)}, reader=reader)
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


def test_bombs_of_pdf_end_at_their_limits() -> None:
    assert bombs_of_pdf(pages=5_001, words=20_000)["pages.pdf"] == IN_PART


@pytest.mark.soak
def test_large_bombs_of_pdf_end_at_their_limits() -> None:
    found = bombs_of_pdf(pages=1_000_000, words=30_000_000)
    assert found["pages.pdf"] == IN_PART
    assert found["flate.pdf"] in (IN_PART, GAVE_UP, DAMAGED)


def bombs_of_pdf(pages: int, words: int) -> dict[str, str]:
    """The notes of documents with many pages, a long page, and deep nesting; a sound one comes last."""
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>"
    text = stream(shown("hello"))
    root = b"<</Type/Catalog/Pages 2 0 R>>"

    def paged(count: int, contents: bytes) -> bytes:
        kids = b"<</Type/Pages/Count %d/Kids[%s]>>" % (count, b"3 0 R " * count)
        return objects([root, kids, page, contents, FONT])

    many = b"BT /F1 12 Tf " + b"(AAAAAAAAAA) Tj " * words + b"ET"
    deep = objects([b"<</Type/Catalog/Pages 2 0 R/X %s%s>>" % (b"[" * 100_000, b"]" * 100_000)])
    with closing(ContentsReader()) as reader:
        files = read_files(
            {
                "pages.pdf": paged(pages, text),
                "flate.pdf": paged(1, packed_stream(many)),
                "deep.pdf": deep,
                "z.docx": WORDS,
            },
            reader=reader,
        )
    why = {file.name: file.why for file in files}
    assert why["deep.pdf"]
    assert why["z.docx"] == ""
    return why


def test_a_sheet_of_two_distant_cells_is_read_without_its_grid() -> None:
    cells = (
        '<row><c r="A1" t="inlineStr"><is><t>start</t></is></c></row>'
        '<row><c r="XFD1048576" t="inlineStr"><is><t>corner</t></is></c></row>'
    )
    sheet = f"<worksheet><sheetData>{cells}</sheetData></worksheet>"
    (file,) = read_files({"sparse.xlsx": docx(more={"xl/worksheets/sheet1.xml": sheet})})
    assert (file.text, file.why) == ("start corner", "")


def test_mutated_documents_stop_nothing() -> None:
    mutate(rounds=3)


@pytest.mark.soak
def test_a_thousand_mutated_documents_stop_nothing() -> None:
    mutate(rounds=60)


def mutate(rounds: int) -> None:
    """Read mutated documents of all kinds, each message with a sound one behind them."""
    random = Random(11)
    with closing(ContentsReader()) as reader:
        for round_ in range(rounds):
            broken = {f"{round_}-{name}": mutated(data, random) for name, (data, _) in KINDS.items()}
            files = read_files({**broken, "z.docx": WORDS}, reader=reader)
            assert files[-1].text == "seven sacks of barley"


def mutated(data: bytes, random: Random) -> bytes:
    """A document with bytes changed, zeros in it, or cut."""
    changed = bytearray(data)
    match random.randrange(3):
        case 0:
            for _ in range(random.randint(1, 30)):
                changed[random.randrange(len(changed))] = random.randrange(256)
        case 1:
            at = random.randrange(len(changed))
            changed[at : at + 40] = bytes(len(changed[at : at + 40]))
        case _:
            del changed[random.randrange(len(changed)) :]
    return bytes(changed)
