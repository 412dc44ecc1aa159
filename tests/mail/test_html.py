"""HTML to text, also for documents that are made to hurt a parser."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.text.html import LIMIT, to_text


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
        ("a<title>no</title>b", "a\nb"),
        ("<script>a<b></script >b<STYLE>c</style\n>d", "bd"),
        ("<script/>no</script>yes<script>no", "yes"),
        ("<textarea><!-- kept <b></textarea><xmp><i></xmp>", "<!-- kept <b><i>"),
        ("<plaintext><!-- <b>", "<!-- <b>"),
        ("<template>hidden is text</template>", "hidden is text"),
        ("a<!-->b<!--->c<!-- -- - -->d<!-- x --!>e", "abcde"),
        ("a<!doctype html>b<?php no ?>c</>d</ no>e<!no>f", "abcdef"),
        ("a<!-- never closed", "a"),
        ("5 < 6 <3 a<b", "5 < 6 <3 a"),
    ],
)
def test_text_of_a_document(document: str, text: str) -> None:
    assert to_text(document) == text


@pytest.mark.parametrize(
    "style", ["hidden", 'style="display:none"', 'style="font-size:0"', 'style="color:#fff"']
)
def test_hidden_text_is_text(style: str) -> None:
    assert to_text(f"<p>shown</p><p {style}>hidden</p>") == "shown\nhidden"


def test_a_long_document_gives_the_text_of_its_pieces() -> None:
    row = '<tr class="a"><td id="x">Row <b>num</b>ber &euro; 1</td><!-- no --><td title="2>1">two</td></tr>'
    short = to_text(f"<table>{row}</table>")
    assert short == "Row number € 1\ntwo"
    assert to_text(f"<html><head><title>no</title></head><table>{row * 1000}</table>") == "\n".join(
        [short] * 1000
    )


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("<a b='x>y'>", "z"),
        ('<a b = "x>y" c>', "z"),
        ('<a b=c="x>y>', "y>z"),
        ('<a ="x>y">', 'y">z'),
        ('<a "x>y">', 'y">z'),
        ("<a'b\"c>", "z"),
        ('<a b=""c="x>y"/d/>', "z"),
        ("<a/b\n=\n'>'\n>", "z"),
        ('<a b="never closed>', ""),
    ],
)
def test_a_tag_ends_where_the_standard_ends_it(tag: str, text: str) -> None:
    """Text that a browser shows can't be hidden in what looks like an attribute."""
    assert to_text(f"{tag}z") == text


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("&lt;b&gt; &amp;amp; &nbsp;x&#65;&#x42;&#128;&notit;", "<b> &amp; xAB€¬it;"),
        ("&#00000000000000065;&#x00000000000041;", "AA"),
        (f"a&#{'1' * 5000};b&#x{'f' * 5000};c", "a\ufffdb\ufffdc"),
        ("&am<i></i>p; &#65<b>6</b>", "&amp; A6"),
        ("&#xd800;&#0;&#x110000;", "\ufffd\ufffd\ufffd"),
    ],
)
def test_character_references(document: str, text: str) -> None:
    assert to_text(document) == text


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("<svg><style><p>shown", "shown"),
        ("<svg><style><p>shown</style></svg>", "shown"),
        ("<math><title>t</title><![CDATA[c]]></math>", "t\nc"),
        ("<style>/* <svg> */</style>shown", "shown"),
        ("<!-- <svg> --><style>no</style>shown", "shown"),
    ],
)
def test_nothing_hides_behind_an_image_in_the_text(document: str, text: str) -> None:
    assert to_text(document) == text


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
def test_hostile_documents_are_read_quickly(name: str) -> None:
    started = time.process_time()
    to_text("seen " + HOSTILE[name])
    assert time.process_time() - started < 1


# Documents that crash parsers in native code. They are read many times, since the behaviour of such a parser
# depends on the earlier content of its memory.
CRASHES = Path(__file__).parent / "crashes"
READS_CRASHES = """
import sys
from pathlib import Path
from muniment.mail.text.html import raw_text
from muniment.mail.text.read_text import read_message
for path in sorted(Path(sys.argv[1]).iterdir()):
    raw = path.read_bytes()
    once = read_message(raw), raw_text(raw.decode())
    for _ in range(30):
        assert (read_message(raw), raw_text(raw.decode())) == once, path
    print(path.name)
"""


@pytest.mark.parametrize("filling", ["0", "1", "85", "170", "255"])
def test_documents_that_crash_native_parsers_are_read(filling: str) -> None:
    """Fresh memory is filled with a pattern, so that the use of uninitialised memory shows."""
    settings = {**os.environ, "MALLOC_PERTURB_": filling, "PYTHONMALLOC": "malloc"}
    command: list[str | Path] = [sys.executable, "-X", "faulthandler", "-c", READS_CRASHES, CRASHES]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == sorted(path.name for path in CRASHES.iterdir()) != []


def test_reading_html_loads_no_native_parser() -> None:
    script = "import sys, muniment.mail.text.html; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"selectolax", "lxml", "html5lib", "bs4"}.intersection(done.stdout.split())


def test_nested_text_is_still_found() -> None:
    assert to_text("<div>" * N + "deep") == "deep"


def test_a_document_is_read_up_to_its_limit() -> None:
    assert len(to_text("word " * LIMIT)) <= LIMIT


NAMES = st.sampled_from(
    [
        "a",
        "B",
        "select",
        "option",
        "table",
        "tr",
        "form",
        "noscript",
        "foreignObject",
        "frameset",
        "o:p",
        "x-y",
    ]
)
VALUES = st.sampled_from(["", "=b", ' = "x>y"', "='</b>'", '=""', '=c"d', "=<b"])
ATTRIBUTES = st.tuples(st.sampled_from([" ", "\n", "\t "]), st.sampled_from(["b", 'q"', "<p", "'"]), VALUES)
TAGS = st.tuples(
    st.sampled_from(["", "/"]), NAMES, st.lists(ATTRIBUTES.map("".join), max_size=3).map("".join)
)
HIDDEN = st.sampled_from(
    [
        *(
            "<!-- a > b -- c -->",
            "<!-->",
            "<!--->",
            "<!-- x --!>",
            "<!doctype html>",
            "<?xml x='>",
            "</>",
            "</ x>",
        ),
        *(
            "<script>a</b><!-- c</script>",
            "<STYLE type=x>p>q{}</Style >",
            "<title><b></title>",
            "<![if !mso]>",
        ),
        *(
            "<iframe></ifram></iframe>",
            "<noembed><p></noembed>",
            "<noframes>x</noframes>",
            "<script/>x</script>",
        ),
    ]
)
SHOWN = st.sampled_from(["word ", "é ", "5 < 6 ", "a<3 ", "> ", '"q" ', "= ", "-- ", "]]> ", "' "])
SOUP = st.lists(
    TAGS.map(lambda tag: (f"<{''.join(tag)} >", ""))
    | HIDDEN.map(lambda tag: (tag, ""))
    | SHOWN.map(lambda word: (word, word))
)


@given(SOUP)
def test_exactly_the_words_between_tags_are_read(soup: list[tuple[str, str]]) -> None:
    document, text = ("".join(parts) for parts in zip(("", ""), *soup, strict=True))
    assert to_text(document).split() == text.split()


@given(st.text(alphabet=st.sampled_from("<>/!-'\"=& \n\fabpd\ud800é"), max_size=200))
def test_no_document_raises(document: str) -> None:
    assert isinstance(to_text(document), str)
