"""A message's text as a person reads it: which part is shown, and what is marked."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.text.drawn_line import DrawnLine
from muniment.mail.text.drawn_text import STYLES, DrawnText, read_drawn, styled
from muniment.mail.text.read_text import read_text
from muniment.system.sanitise import clean
from support.reports import plain

_WORD = re.compile(r"\w+")
PAGE = '<p>Dear Bob,</p><p>please <a href="https://evil.example/x">click here</a>.</p>'


def part(kind: str, text: str, more: str = "") -> str:
    return f"--b\r\nContent-Type: {kind}; charset=utf-8\r\n{more}\r\n{text}\r\n"


def mail(*parts: str, kind: str = "alternative") -> bytes:
    head = f"From: a@example.com\r\nSubject: s\r\nContent-Type: multipart/{kind}; boundary=b\r\n\r\n"
    return f"{head}{''.join(parts)}--b--\r\n".encode()


def kinds(drawn: DrawnText) -> dict[str, str]:
    return {drawn.text[start:end]: kind for start, end, kind in drawn.styles}


def test_a_page_replaces_the_plain_text_that_says_the_same() -> None:
    drawn = read_drawn(
        mail(part("text/plain", "Dear Bob,\r\n\r\nplease click here."), part("text/html", PAGE)), 70
    )
    assert drawn.text == "Dear Bob,\n\nplease click here [1].\n\nLinks\n[1] https://evil.example/x"
    assert kinds(drawn) == {"Links": "heading", "[1] https://evil.example/x": "target"}


def test_a_plain_text_with_words_of_its_own_is_kept() -> None:
    drawn = read_drawn(mail(part("text/plain", "Dear Eve,"), part("text/html", PAGE)), 70)
    assert drawn.text.startswith("Dear Eve,\nDear Bob,")


def nested(kind: str, *parts: str) -> str:
    """A multipart within the mail of `mail`, with a boundary of its own."""
    inner = "".join(parts).replace("--b\r\n", f"--{kind}\r\n")
    return f"--b\r\nContent-Type: multipart/{kind}; boundary={kind}\r\n\r\n{inner}--{kind}--\r\n"


HELLO = part("text/plain", "Dear Bob, click here.")
HTML = part("text/html", PAGE)
MAILING_LIST = part("text/plain", "Dear Bob")


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        (mail(HELLO, HTML, kind="mixed"), ["Dear Bob, click here.", "Dear Bob,"]),
        (mail(HELLO, HTML, kind="related"), ["Dear Bob, click here.", "Dear Bob,"]),
        (mail(HELLO, HTML), ["Dear Bob,"]),
        (mail(HELLO, nested("related", HTML)), ["Dear Bob,"]),
        (mail(nested("mixed", HELLO), nested("related", HTML)), ["Dear Bob,"]),
        (mail(nested("mixed", HELLO, HTML)), ["Dear Bob, click here.", "Dear Bob,"]),
        (mail(MAILING_LIST, nested("alternative", HELLO, HTML), kind="mixed"), ["Dear Bob", "Dear Bob,"]),
        (mail(nested("alternative", HELLO), HTML, kind="mixed"), ["Dear Bob, click here.", "Dear Bob,"]),
        (
            mail(nested("alternative", HELLO, part("text/html", "<p>other")), HTML, kind="mixed"),
            ["Dear Bob, click here.", "other", "Dear Bob,"],
        ),
        (
            mail(HELLO, part("message/rfc822", "Content-Type: text/html\r\n\r\n" + PAGE)),
            ["Dear Bob, click here.", "Dear Bob,"],
        ),
    ],
)
def test_only_a_version_of_the_same_text_is_replaced(message: bytes, lines: list[str]) -> None:
    drawn = read_drawn(message, 70).text.split("\n")
    assert [line for line in drawn if line.startswith(("Dear", "other"))] == lines


@pytest.mark.parametrize("kind", ["mixed", "alternative"])
@pytest.mark.parametrize("text", ["👍", ":-)", "…", "Dear Bob 👍", "?"])
def test_a_text_that_the_page_does_not_have_is_kept(text: str, kind: str) -> None:
    assert read_drawn(mail(part("text/plain", text), HTML, kind=kind), 70).text.startswith(f"{text}\nDear")


@pytest.mark.parametrize("text", ["👍", ":-)", "?"])
def test_a_text_without_words_is_replaced_by_a_page_that_has_it(text: str) -> None:
    assert read_drawn(mail(part("text/plain", text), part("text/html", f"<p>{text}")), 70).text == text


def test_a_file_without_words_is_shown() -> None:
    file = part("text/html", "<p>👍", 'Content-Disposition: attachment; filename="a.html"\r\n')
    assert read_drawn(mail(HELLO, file, kind="mixed"), 70).text == "Dear Bob, click here.\n👍"


def test_a_page_that_is_a_file_never_replaces_the_text() -> None:
    file = part(
        "text/html", "<p>Dear Bob, hello</p>", 'Content-Disposition: attachment; filename="a.html"\r\n'
    )
    drawn = read_drawn(mail(part("text/plain", "Dear Bob,"), file, kind="mixed"), 70)
    assert drawn.text == "Dear Bob,\nDear Bob, hello"


def test_quotes_by_level_and_the_signature_are_marked() -> None:
    body = "Yes.\n> Shall we?\n> Really?\n>> No.\n>>>> Never.\n-- \nAnna\nSales\n\nPS\n"
    assert kinds(read_drawn(plain(body=body), 70)) == {
        "> Shall we?\n> Really?": "quote1",
        ">> No.": "quote2",
        ">>>> Never.": "quote3",
        "-- \nAnna\nSales": "signature",
    }


def test_a_text_that_is_too_long_is_not_drawn() -> None:
    assert read_drawn(plain(body="word " * 300_000), 70) != DrawnText()
    many = [part("text/plain", f"{number}" * 1_000_000) for number in range(5)]
    assert read_drawn(mail(*many, kind="mixed"), 70) == DrawnText()


def test_the_number_of_styles_is_limited() -> None:
    lines = [DrawnLine(text) for _ in range(STYLES) for text in ("> a", ">> b")]
    assert len(styled(lines).styles) == STYLES


PIECES = st.sampled_from(
    [
        *(
            part("text/plain", "one two"),
            part("text/plain", "> quoted\r\n-- \r\nAnna"),
            part("text/html", PAGE),
        ),
        *(
            part("text/html", "<table><tr><td>one<td>12</table>"),
            part("text/plain", "\x1b[31mred\x1b[0m \u202ex"),
        ),
        part("text/html", "<p>page", 'Content-Disposition: attachment; filename="a.html"\r\n'),
        part("application/rtf", r"{\rtf1 rich text}"),
        part("message/rfc822", "Subject: inner\r\nContent-Type: text/html\r\n\r\n<ul><li>item one"),
    ]
)


@given(st.lists(PIECES, max_size=6), st.sampled_from(["mixed", "alternative"]), st.integers(-5, 300))
def test_every_word_of_the_text_is_shown(pieces: list[str], kind: str, width: int) -> None:
    message = mail(*pieces, kind=kind)
    drawn = read_drawn(message, width)
    words = set(_WORD.findall(clean(read_text(message).body, newline=True)))
    assert words <= set(_WORD.findall(clean(drawn.text, newline=True)))
    ends = [0, *(place for start, end, _ in drawn.styles for place in (start, end)), len(drawn.text)]
    assert ends == sorted(ends)


@given(st.binary(max_size=300))
def test_no_message_raises(data: bytes) -> None:
    assert isinstance(read_drawn(data, 80), DrawnText)


@pytest.mark.parametrize("width", [0, 1, 10**9])
def test_any_width_is_accepted(width: int) -> None:
    assert read_drawn(mail(part("text/html", PAGE)), width).text
