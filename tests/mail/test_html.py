"""HTML to text, also of documents that were made to hurt a parser."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.html import LIMIT, to_text


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("<p>One<p>Two", "One\nTwo"),
        ("<div>Grüße &amp; K&uuml;sse</div>", "Grüße & Küsse"),
        ("one<br>two<BR/>three", "one\ntwo\nthree"),
        ("no<b>tab</b>le   wor\r\nds", "notable wor ds"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a\nb\nc"),
        ("<head><title>No</title><style>p {}</style></head><body>Yes<script>no()</script></body>", "Yes"),
        ("a<!-- no <p> -->b<style>p{color:red}</style>c", "abc"),
        ('<img src="http://tracker.example/x.png" alt="no">yes', "yes"),
        ('<a href="https://example.com/no" title="a>b">link</a>', "link"),
        ("<pre>one\n  two</pre>", "one\ntwo"),
        ("plain text", "plain text"),
        ("", ""),
        ("<frameset><frame></frameset>", ""),
        ("\0nul\0", "nul"),
    ],
)
def test_text_of_a_document(document: str, text: str) -> None:
    assert to_text(document) == text


@pytest.mark.parametrize(
    "style", ["hidden", 'style="display:none"', 'style="font-size:0"', 'style="color:#fff"']
)
def test_hidden_text_is_text(style: str) -> None:
    assert to_text(f"<p>shown</p><p {style}>hidden</p>") == "shown\nhidden"


def test_a_long_document_says_the_same_as_its_parts_do() -> None:
    row = '<tr class="a"><td id="x">Row <b>num</b>ber &euro; 1</td><!-- no --><td title="2>1">two</td></tr>'
    short = to_text(f"<table>{row}</table>")
    assert short == "Row number € 1\ntwo"
    assert to_text(f"<html><head><title>no</title></head><table>{row * 1000}</table>") == "\n".join(
        [short] * 1000
    )


N = 100_000
HOSTILE = {
    "nested": "<div>" * N,
    "lists": "<ul><li>" * N,
    "formatting": "".join(f"<font size={n}><p>" for n in range(N // 2)),
    "few but formatting": "".join(f"<font size={n}><p>" for n in range(499)),
    "attributes": "<p " + " ".join(f"a{n}" for n in range(N)) + ">",
    "attributes again": ("<p " + " ".join(f"a{n:x}" for n in range(900)) + ">") * 300,
    "angles": "<" * 10 * N,
    "open tags": "<a" * 5 * N,
    "open quotes": "<a \"'" * 2 * N,
    "quotes": ("<a '" + "\"x'" * 300) * 900,
    "comments": "<!--" * 2 * N,
    "scripts": "<script>" * N,
    "templates": "<template>" * N,
    "foster parents": "<table>" + "x<b>" * N,
    "ends": "</p>" * 2 * N,
    "misnested": "<b>" * N + "</i>" * N + "<p></b>" * N,
    "entities": "&" * 10 * N,
    "spaces": " " * 10 * N,
    "frames": "<frameset>" * N,
    "svg": "<svg><title>" * N,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_take_no_time(name: str) -> None:
    started = time.process_time()
    to_text("seen " + HOSTILE[name])
    assert time.process_time() - started < 1


def test_nested_text_is_still_found() -> None:
    assert to_text("<div>" * N + "deep") == "deep"


def test_a_document_is_read_up_to_its_limit() -> None:
    assert len(to_text("word " * LIMIT)) <= LIMIT


@given(st.text(alphabet=st.sampled_from("<>/!-'\"=& \n\fabpd\ud800é"), max_size=200))
def test_no_document_raises(document: str) -> None:
    assert isinstance(to_text(document), str)
