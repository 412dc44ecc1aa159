"""HTML drawn as lines: what a reader sees, and what no document can do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.text.drawn_line import FIXED, HEADING, TARGET, DrawnLine
from muniment.mail.text.html import LIMIT, to_text
from muniment.mail.text.html_drawing import ADDED, LISTED, draw
from muniment.system.sanitise import clean

WIDTH = 60


def drawn(html: str, width: int = WIDTH) -> str:
    return "\n".join(line.text for line in draw(html, width))


def row(*cells: str, tag: str = "td") -> str:
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>"


TABLE = f"<table>{row('Item', 'Price', tag='th')}{row('Red chair', '12.00')}{row('Desk', '1,300.00')}</table>"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("<h1>Offer</h1><p>Dear Bob,<p>thanks", "Offer\n\nDear Bob,\n\nthanks"),
        ("<div>one</div><div>two<br>three</div>", "one\ntwo\nthree"),
        ("one<br><br>two<div><br></div>three", "one\n\ntwo\n\nthree"),
        ("<p>a</p><ul><li>one<li>two</ul><p>b", "a\n\n• one\n• two\n\nb"),
        ("<ul><li><p>one</p></li><li>two<ul><li>deep</li></ul></li></ul>", "• one\n• two\n  • deep"),
        ("<ol start=9><li>nine<li>ten<li value=20>twenty</ol>", " 9. nine\n10. ten\n20. twenty"),
        ("<ul><li>one<div>more</div></ul>", "• one\n  more"),
        ("a<blockquote>b<blockquote>c</blockquote></blockquote>d", "a\n\n> b\n>\n> > c\n\nd"),
        ("</blockquote></ul></table></td>a<li>b", "a\n• b"),
        ("<pre>one\n  two\n\nthree</pre>", "one\n  two\n\nthree"),
        ("a<hr>b", f"a\n{'─' * 20}\nb"),
        (TABLE, "Item          Price\n─────────  ────────\nRed chair     12.00\nDesk       1,300.00"),
        (f"<table>{row('a', '漢字', 'c')}{row('aa', '漢', 'd')}</table>", "a   漢字  c\naa  漢    d"),
        (f"<table>{row('Title')}{row('a', 'b')}</table>", "Title\na  b"),
        (f"<table><tr><td colspan=2>Sum<td>9</tr>{row('a', 'b', '10')}</table>", "Sum      9\na    b  10"),
        (f"<table><tr><td rowspan=2>x<td>a</tr>{row('b')}</table>", "x  a\n   b"),
        (f"<table>{row('', 'a', '', 'b')}{row('', 'c', '', 'd')}</table>", "a  b\nc  d"),
        (f"<table>{row('only')}{row('column')}</table>", "only\ncolumn"),
        (f"<table>{row(TABLE)}{row('below')}</table>", f"{drawn(TABLE)}\n\nbelow"),
        (f"<table>{row('left ' * 9, 'right ' * 9)}</table>", f"{'left ' * 8}left\n{'right ' * 8}right"),
        (f"<table>{row('y' * 40, 'z' * 40)}{row('a', 'b')}</table>", f"{'y' * 40}\n{'z' * 40}\na\nb"),
        ("<span hidden>a</span><p style='display:none'>b", "a\n\nb"),
        ("a<svg><p>b</p></svg>c", "a\n\nb\n\nc"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_document_is_drawn(document: str, text: str) -> None:
    assert drawn(document) == text


def test_long_cells_are_wrapped_at_words_and_numbers_stay_whole() -> None:
    long = "a name that goes on and on"
    text = drawn(f"<table>{row(long, '1,300.00 EUR')}{row('b', '2.00 EUR')}</table>", 30)
    assert text == "a name that goes  1,300.00 EUR\non and on\nb                     2.00 EUR"


@pytest.mark.parametrize(
    ("document", "first"),
    [
        ('<a href="https://a.example/x">click here</a>, now', "click here [1], now"),
        ('<a href="https://a.example/x">click here </a>now', "click here [1] now"),
        ('wo<a href="https://a.example/x">r</a>d and', "word [1] and"),
        ('<a href="https://a.example/x"><div>Button</div></a>', "Button [1]"),
        ('<a href="https://a.example/x"><img alt="no"></a>', "[1]"),
        ('<a href=https://a.example/x>one <a href="https://a.example/x">two</a>', "one [1] two [1]"),
        ('<map><area href="https://a.example/x"></map>', "[1]"),
        ('<form action="https://a.example/x">Name</form>', "[1]"),
    ],
)
def test_a_link_is_numbered_and_its_target_listed(document: str, first: str) -> None:
    lines = draw(document, WIDTH)
    assert lines[0].text == first
    assert lines[-2:] == [DrawnLine("Links", HEADING), DrawnLine("[1] https://a.example/x", TARGET)]


@pytest.mark.parametrize(
    "document",
    [
        '<a href="https://a.example/x">https://a.example/x</a>',
        '<a href="mailto:bob@a.example">bob@a.example</a>',
        '<a href="#top">up</a>',
        '<a name="x">anchor</a>',
    ],
)
def test_a_link_that_is_its_own_text_or_leads_nowhere_is_not_listed(document: str) -> None:
    assert "[" not in drawn(document)


def test_a_link_that_runs_code_is_listed_but_cut() -> None:
    assert drawn("<a href='javascript:x()'>go</a>") == "go [1]\n\nLinks\n[1] javascript:x()"
    assert len(drawn(f"<a href='data:{'x' * 9000}'>go</a>")) < 300


def test_headings_targets_and_tables_have_their_kind() -> None:
    lines = draw(f"<h2>Title</h2>{TABLE}<a href=https://a.example>go</a>", WIDTH)
    kinds = {line.text: line.kind for line in lines}
    assert kinds["Title"] == kinds["Item          Price"] == HEADING
    assert kinds["Desk       1,300.00"] == FIXED
    assert kinds["[1] https://a.example"] == TARGET


HEADS = "<tr><th>Item<th>Price</tr>"
BODY = "<tr><td>Desk<td>12.50</tr>"


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        (HEADS + BODY, ["# Item  Price", "──", "Desk  12.50"]),
        ("<tr><th><th></tr>" + BODY + BODY, ["Desk  12.50", "Desk  12.50"]),
        ("<tr></tr>" + HEADS + BODY, ["# Item  Price", "──", "Desk  12.50"]),
        ("<tr><td colspan=2>List</tr>" + HEADS + BODY, ["List", "# Item  Price", "──", "Desk  12.50"]),
        ("<tr><th colspan=2>List</tr>" + HEADS + BODY, ["# List", "# Item  Price", "──", "Desk  12.50"]),
        (BODY + HEADS + BODY, ["Desk  12.50", "# Item  Price", "──", "Desk  12.50"]),
        (BODY + HEADS, ["Desk  12.50", "# Item  Price"]),
        ("<tr><th>Item<td>12.50</tr>" + BODY, ["Item  12.50", "Desk  12.50"]),
    ],
)
def test_a_head_row_is_a_heading_wherever_it_is(rows: str, lines: list[str]) -> None:
    found = [
        ("# " if line.kind == HEADING else "") + ("──" if line.text.startswith("─") else line.text)
        for line in draw(f"<table>{rows}</table>", WIDTH)
    ]
    assert found == lines


def test_links_beyond_the_limit_are_counted() -> None:
    many = "".join(f"<a href=https://a.example/{n}>x</a> " for n in range(LISTED + 7))
    assert drawn(many).endswith(
        f"[{LISTED}] https://a.example/{LISTED - 1}\nand 7 more, which only the source shows"
    )


TAGS = st.sampled_from(
    [
        *("<p>", "</p>", "<br>", "<div>", "</div>", "<b>", "</b>", "<h1>", "</h1>", "<hr>", "<!-- c -->"),
        *("<ul>", "</ul>", "<ol start=7>", "</ol>", "<li>", "<li value=3>", "<blockquote>", "</blockquote>"),
        *(
            "<table>",
            "</table>",
            "<tr>",
            "</tr>",
            "<td>",
            "</td>",
            "<th>",
            "<td colspan=3>",
            "<td rowspan=9>",
        ),
        *(
            "<caption>",
            "<pre>",
            "</pre>",
            "<svg>",
            "</svg>",
            "<textarea>",
            "</textarea>",
            "<title>no</title>",
        ),
        *(
            "<a href=https://a.example/x>",
            "<a href='javascript:y'>",
            "</a>",
            "<a>",
            "<area href=//b.example>",
        ),
        *("<form action=https://c.example>", "</form>", "<script>no</script>", "<option>", "<xmp>", "</xmp>"),
    ]
)
TEXTS = st.sampled_from(
    ["word", " ", "two words ", "é", "漢字", "12.50", "&amp;", "\n", "\t", "a\u0301", ".", "&#27;[2J"]
)
SOUP = st.lists(TAGS | TEXTS, max_size=60).map("".join)
_WORD = re.compile(r"\w+")


@given(SOUP, st.integers(1, 120))
def test_every_word_of_the_text_is_drawn_in_order(document: str, width: int) -> None:
    """Only a table may change the order: columns are wrapped, and what is in no cell stands before it."""
    words = _WORD.findall(clean(to_text(document), newline=True))
    shown = _WORD.findall(drawn(document, width))
    assert not [word for word in set(words) if shown.count(word) < words.count(word)]
    if "<t" not in document.replace("<title", "").replace("<textarea", ""):
        rest = iter(shown)
        assert all(word in rest for word in words)


@given(SOUP | st.text(alphabet=st.sampled_from("<>/!-'\"=& \n\f\x1b\x9bahtrd\ud800é"), max_size=200))
def test_no_document_raises_or_draws_control_characters(document: str) -> None:
    for line in draw(document, WIDTH):
        assert line.text.isprintable()
        assert len(line.text) <= 3 * len(document) + 200


PIECES = {
    "quotes": "<blockquote>x",
    "lists": "<ul><li>x",
    "tables": "<table><tr><td>x<td>y",
    "quotes in tables": "<blockquote><ol><table><tr><td>x",
    "rows": "<tr><td>x<td>y",
    "cells": "<td colspan=20 rowspan=20>x",
    "links": "<a href=//x>y",
    "unnamed links": "<a href=//x>",
    "tabs": "<pre>\t\tx",
    "paragraphs": "<p>x",
    "rules": "<hr>",
    "items": "<li>",
    "ends": "</td></table></ul></blockquote></a>",
}


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize(
    "before", ["", "<table><tr><td>" * 12, "<blockquote><ul>" * 99, "<pre>", "<table><tr><td>a<td>b"]
)
def test_a_drawing_is_bounded(name: str, before: str) -> None:
    document = before + PIECES[name] * (LIMIT // 32 // len(PIECES[name]))
    assert sum(len(line.text) + 1 for line in draw(document, 200)) <= 14 * len(document)


def test_marks_of_a_long_document_are_limited() -> None:
    document = "<blockquote><ol>" * 99 + "<p>x" * 90_000
    assert sum(len(line.text) + 1 for line in draw(document, 200)) <= ADDED + 2 * len(document)
