"""Targets of links, and the words by which they are found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.headers.message_ids import IDS, bare_id, bare_ids
from muniment.mail.text.html import LIMIT, link_targets
from muniment.mail.text.links import LINKS, TARGET_LIMIT, reduced


@pytest.mark.parametrize(
    ("html", "targets"),
    [
        ("<a href='http://hidden.example/path'>click</a>", ["http://hidden.example/path"]),
        ('<A title="x>y" HREF = "http://a.example/?q=1&amp;r=2">', ["http://a.example/?q=1&r=2"]),
        ("<a href=mailto:bob@x.example?subject=Hi>", ["mailto:bob@x.example?subject=Hi"]),
        ("<area/href=//x.example/y>", ["//x.example/y"]),
        ("<form method=post action='https://f.example/post'>", ["https://f.example/post"]),
        ("<a href='ht\ntp://z.exa\tmple'>", ["http://z.example"]),
        ("<a href='http://open.example/", ["http://open.example/"]),
        ("<a href=\\\\server\\share>", ["\\\\server\\share"]),
        ("<a href='javascript:alert(1)'><a href='#top'><a href='cid:1'><a name=x><abbr href=http://x>", []),
        ("<a data-href=http://x.example>", []),
        ("<a href=http://x.example><a href=http://x.example>", ["http://x.example"]),
        ("<img src=http://tracker.example/pixel>", []),
    ],
)
def test_the_targets_of_links(html: str, targets: list[str]) -> None:
    assert link_targets(html) == targets


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("http://hidden.example/pathword", "hidden example pathword"),
        ("https://Shop.example/Gr%C3%B6%C3%9Fe?item=42#top", "shop example grösse item 42 top"),
        ("mailto:bob@x.example?subject=Hello%20World", "bob x example subject hello world"),
        ("http://xn--mnchen-3ya.example/", "münchen example"),
        ("http://xn--\x80\xff.example/", "xn ÿ example"),
        ("https://x.example/track/3fa85f64abcd?id=1234567890", "x example track id 1234567890"),
        ("https://x.example/" + "a" * 25, "x example"),
        ("https://x.example/விலைப்பட்டியல்/ధన్యవాదాలు", "x example விலைப்பட்டியல் ధన్యవాదాలు"),
        ("https://x.example/ஸ்தூதியி9ஸ்தூதியி", "x example"),
        (
            "https://eur01.safelinks.protection.example/?url=https%3A%2F%2Fhidden.example%2Fa&data=05%7C02",
            "eur01 safelinks protection example url https hidden example a data 05 02",
        ),
    ],
)
def test_the_words_of_a_target(target: str, words: str) -> None:
    assert reduced(target) == words.replace("ÿ", "y")


def test_links_are_bounded() -> None:
    many = "".join(f"<a href=http://x.example/{number}>" for number in range(LINKS * 2))
    assert len(link_targets(many)) == LINKS
    [long] = link_targets(f"<a href='http://x.example/{'a' * 10_000}'>") or [""]
    assert len(long) <= TARGET_LIMIT
    assert link_targets(" " * LIMIT + "<a href=http://x.example>") == []


@given(st.text() | st.text("<a href=\"' >&#x;:/.%\\\n=formaction", max_size=80))
def test_no_document_raises(html: str) -> None:
    for target in link_targets(html):
        reduced(target)


@pytest.mark.parametrize(
    ("written", "bare"),
    [
        ("<A1@Example.com>", "a1@example.com"),
        (" a1@example.com ", "a1@example.com"),
        ("<a1@example.com> (added by relay)", "a1@example.com"),
        ("<>", ""),
        ("two words", ""),
        ("<" + "x" * 2000 + ">", ""),
        ("", ""),
    ],
)
def test_a_message_id_is_reduced_to_the_bare_id(written: str, bare: str) -> None:
    assert bare_id(written) == bare


def test_references_keep_the_first_and_the_last() -> None:
    assert bare_ids("<a@x> <b@x>\r\n <A@x>, mail of Monday <c@x>") == ("a@x", "b@x", "c@x")
    assert bare_ids("a@x b@x") == ("a@x", "b@x")
    assert bare_ids("your mail of Monday") == ()
    many = bare_ids(" ".join(f"<{number}@x>" for number in range(500)))
    assert (len(many), many[0], many[-1]) == (IDS, "0@x", "499@x")
