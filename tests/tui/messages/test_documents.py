"""Documents: rows of long texts, highlights, and the documents of messages and attachments."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from muniment.api import Attachment, Mark, SignatureWord
from muniment_tui.messages.dates import date_problem, period
from muniment_tui.messages.document import DocumentRows, DocumentWriter
from muniment_tui.messages.highlight import MOST, find
from muniment_tui.messages.message_document import attachment_document, message_document, source_document
from support.engine_double import HOSTILE, assert_harmless, assert_shown_harmlessly
from support.words import message

TEXT = st.text(st.sampled_from("ab \n漢é\u0301x"), max_size=200)


def rows_of(text: str, width: int) -> list[str]:
    rows, found = DocumentRows(text, width), list[str]()
    while (row := rows.row(len(found))) is not None:
        found.append(text[slice(*row)])
    assert rows.whole
    assert rows.height == len(found)
    return found


@pytest.mark.parametrize(
    ("text", "drawn", "says"),
    [
        ("", "", True),
        (" \n", " \n", True),
        ("", "Links\n[1] https://a.example", False),
        ("words", "", False),
        ("words", "\n", True),
    ],
)
def test_a_message_has_no_text_if_nothing_is_shown(text: str, drawn: str, says: bool) -> None:
    document = message_document(replace(message(), text=text, drawn=drawn, styles=()))
    assert ("(no text)" in document.text) == says


def test_a_message_says_what_its_signatures_gave() -> None:
    """And nothing if they were not judged."""
    judged = replace(message(), judged=1_764_583_200)
    word = SignatureWord("dkim", "broken", "a.example", "s1", reason="its body is not what was signed")
    assert "Signature" not in message_document(message()).text
    assert "none: the message has no signature of DKIM or ARC" in message_document(judged).text
    shown = message_document(replace(judged, signatures=(word,))).text
    assert "broken: DKIM of a.example; its body is not what was signed" in shown


@given(text=TEXT, width=st.integers(1, 12))
def test_rows_contain_the_whole_text_and_fit(text: str, width: int) -> None:
    found = rows_of(text, width)
    assert "".join("".join(found).split()) == "".join(text.split())
    for row in found:
        assert cell_len(row) <= max(width, 2)
    assert len(found) >= text.count("\n") + 1


def test_rows_break_between_words_if_possible() -> None:
    assert rows_of("one two three\n\nfour", 8) == ["one two", "three", "", "four"]
    assert rows_of("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert rows_of("", 4) == [""]


def test_further_rows_of_a_header_are_indented() -> None:
    text = "To    one two three four\nnext line that is long"
    rows = DocumentRows(text, 20, {0: 6})
    found = [(text[slice(*row)], rows.indent(row[0])) for row in map(rows.row, range(5)) if row]
    assert found == [("To    one two three", 0), ("four", 6), ("next line that is", 0), ("long", 0)]
    long = DocumentRows("word " * 2_000, 20, {0: 6})
    assert long.reach_place(9_000)
    assert long.indent(9_000) == 0
    narrow = DocumentRows(text, 12, {0: 6})
    assert [narrow.indent(row[0]) for row in map(narrow.row, range(4)) if row] == [0, 0, 0, 0]


def test_a_text_is_divided_only_as_far_as_it_is_seen() -> None:
    rows = DocumentRows("lorem ipsum " * 1_000_000, 80)
    rows.reach(50)
    assert len(rows._starts) == 51
    assert not rows.whole
    assert rows.height > 100_000
    assert rows.reach_place(100_000) == rows.reach_place(100_000)


@pytest.mark.slow
def test_hostile_lengths_are_handled_quickly() -> None:
    lines = ("a" * 2_000_000, "漢" * 200_000, "a\u0301\u0301" * 200_000, " " * 1_000_000, "\n" * 200_000)
    marks = [Mark(text="a"), Mark(text="aaaa", prefix=True), Mark(text="a a a")]
    started = time.process_time()
    for text in lines:
        DocumentRows(text, 80).reach(1 << 40)
        find(text, [("body", 0, len(text))], marks)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("text", "mark", "found"),
    [
        ("An INVOICE, invoices", Mark(text="invoice"), ["INVOICE"]),
        ("An INVOICE, invoices", Mark(text="invoi", prefix=True), ["INVOICE", "invoices"]),
        ("Grüße aus Łódź", Mark(text="grusse"), ["Grüße"]),
        ("Grüße aus Łódź", Mark(text="gruesse"), ["Grüße"]),
        ("Mueller, Müller, MULLER", Mark(text="Müller"), ["Mueller", "Müller", "MULLER"]),
        ("Mueller, Müller, MULLER", Mark(text="mueller"), ["Mueller", "Müller"]),
        ("neue und neu", Mark(text="neue"), ["neue"]),
        ("Handwerkerrechnung, Rechnungen", Mark(text="*rechnung"), ["Handwerkerrechnung"]),
        ("Handwerkerrechnung", Mark(text="hand*ung"), ["Handwerkerrechnung"]),
        ("Bitte die Handwerkerrechnung", Mark(text="die hand*"), ["die Handwerkerrechnung"]),
        ("ﾃﾞｰﾀｾﾝﾀｰ", Mark(text="データ"), ["ﾃﾞｰﾀ"]),
        ("שָׁלוֹם עולם", Mark(text="שלום"), ["שָׁלוֹם"]),
        ("مُحَمَّدٌ", Mark(text="محمد"), ["مُحَمَّدٌ"]),
        ("添付の請\n求書を", Mark(text="請求書"), ["請\n求書"]),
        ("e\u0301te\u0301 e\u0301tat", Mark(text="été"), ["e\u0301te\u0301"]),
        ("Ⅷ. Kapitel", Mark(text="viii"), ["Ⅷ"]),
        ("Zoë and ZOE", Mark(text="zoe"), ["Zoë", "ZOE"]),
        ("Łódź", Mark(text="lodz"), ["Łódź"]),
        ("a red\n  car, red-car, redcar", Mark(text="red car"), ["red\n  car", "red-car"]),
        ("write to ada@quill.example now", Mark(text="ada@quill.example"), ["ada@quill.example"]),
        ("光の漢字です", Mark(text="漢字"), ["漢字"]),
        ("İstanbul istanbul", Mark(text="istanbul"), ["İstanbul", "istanbul"]),
        ("nothing", Mark(text="!?"), []),
        ("subject", Mark(text="subject", field="subject"), []),
    ],
)
def test_highlights(text: str, mark: Mark, found: list[str]) -> None:
    spans = find(text, [("body", 0, len(text))], [mark])
    assert [text[start:end] for start, end in spans] == found


def test_highlights_are_limited_to_mail_and_to_their_fields() -> None:
    text = "Subject one\none two one"
    regions = [("subject", 8, 11), ("body", 12, 15)]
    assert find(text, regions, [Mark(text="one")]) == [(8, 11), (12, 15)]
    assert find(text, regions, [Mark(text="one", field="subject")]) == [(8, 11)]
    assert find(text, [], [Mark(text="one")]) == []
    assert len(find("a " * 20_000, [("body", 0, 40_000)], [Mark(text="a")])) == MOST


def test_positions_of_styles_and_sections() -> None:
    writer = DocumentWriter("t\x1b[2J")
    writer.put("From ", "bold")
    writer.put("a\nb", region="body", lines=True)
    writer.end_line()
    writer.section("end")
    writer.line("over")
    made = writer.document()
    assert (made.title, made.text) == ("t\ufffd", "From a\nb\nover")
    assert made.styles == ((0, 5, "bold"),)
    assert made.regions == (("body", 5, 8),)
    assert made.text[made.sections["end"] :] == "over"


def test_a_message_shows_all_its_facts() -> None:
    text = message_document(message()).text
    for part in (
        "Hello Bob,", "a.pdf", "application/pdf, 2.5 kB", "unknown charset", "bob@quill.example/Inbox",
        "Report 1", "! untrusted", "via the list all@quill.example",
    ):  # fmt: skip
        assert part in text


def test_a_nested_attachment_names_its_container() -> None:
    files = [
        Attachment("winmail.dat", "application/ms-tnef", 9),
        Attachment("a.txt", "text/plain", 3, within=1),
    ]
    lines = message_document(replace(message(), attachments=tuple(files))).text
    assert "application/ms-tnef, 9 B\n" in lines
    assert "text/plain, 3 B, in 1\n" in lines


def test_documents_are_harmless() -> None:
    file = Attachment(filename=HOSTILE, content_type=HOSTILE, size=3)
    documents = [
        message_document(message(HOSTILE * 3)),
        source_document(HOSTILE, HOSTILE.encode() * 100, [HOSTILE], cut=True),
        attachment_document(file, HOSTILE, [HOSTILE]),
    ]
    for made in documents:
        assert_shown_harmlessly(made.text.replace("\n", ""))
        assert_harmless(made.title)


@pytest.mark.parametrize(
    ("typed", "days"), [("2024", 366), ("2025", 365), ("2024-02", 29), ("2025-12", 31), (" 2025-3-9 ", 1)]
)
def test_dates(typed: str, days: int, frozen: None) -> None:
    first, last = period(typed)
    assert last + 1 - first == days * 86_400
    assert date_problem(typed) == ""


@pytest.mark.parametrize("typed", ["", "25", "2025-13", "2025-02-30", "yesterday", "0000", "2025-01-01x"])
def test_invalid_dates_are_reported(typed: str) -> None:
    assert "2025-03-14" in date_problem(typed)
