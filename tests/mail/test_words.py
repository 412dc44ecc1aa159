"""Words of queries and texts: wildcards, and where a word lies in a text."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from muniment.mail.text.folding import halfway
from muniment.mail.text.words import SoughtWord, pattern_of, placed_words, sought_words, wild_words, wildcards
from muniment.system.sanitise import clean

ODD = st.text(
    alphabet=st.characters(categories=["Mn", "Mc", "Lo", "Lm", "Ll", "Lu", "Nd", "So", "Po"])
    | st.sampled_from("aou \n-_.äöüßﷺ½™\u0308\u3099ﾊﾟｶﾞ한\u1161\u11a8")
    | st.characters(min_codepoint=0x1100, max_codepoint=0x11FF)
    | st.characters(min_codepoint=0x0E00, max_codepoint=0x0EFF),
    max_size=40,
)


@given(st.text(max_size=40) | ODD)
def test_every_word_of_a_shown_text_has_its_place(text: str) -> None:
    shown = clean(text, newline=True)
    placed = placed_words(shown, 0, len(shown))
    words = halfway(shown).split()
    assert placed._words == words
    before = 0
    for number, word in enumerate(words):
        start, end = placed.span(number, number)
        assert 0 <= start < end <= len(shown)
        assert start >= before
        assert word in halfway(shown[start:end]).split()
        before = start


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("invoi*", ["invoi*"]),
        ("*rechnung", ["*rechnung"]),
        ("Hand*ung", ["hand*ung"]),
        ("wom?n", ["wom?n"]),
        ("who?", ["who"]),
        ("http://x.org/a?b", ["http", "x", "org", "a", "b"]),
        ("* a - *", ["a"]),
        ("*@outside.example", ["outside", "example"]),
        ("*.pdf", ["pdf"]),
        ("**bold**", ["**bold**"]),
        ("会议*", ["会", "议"]),
        ("Bitte die Handw*", ["bitte", "die", "handw*"]),
        ("Ko\u0308*", ["ko*"]),
    ],
)
def test_stars_beside_letters_are_wildcards(text: str, words: list[str]) -> None:
    assert [word.plain for word in sought_words(text)] == words


@given(st.text(max_size=40) | st.text("ab*?漢 @.é", max_size=20))
def test_any_text_has_words(text: str) -> None:
    for word in sought_words(text):
        assert word.plain.strip("*?")
        word.matches("any")
    for wild in wild_words(text):
        assert 0 <= wild.start < wild.end <= len(text)
        assert set(text[wild.start : wild.end]) & set("*?")
    assert all(text[at] in "*?" for at in wildcards(text))


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("h*nd*k", "h" + "nd" * 200_000),
        ("a*a*a*a*b", "a" * 200_000),
        ("*a?a?c*a?d", "a" * 200_000),
        ("ü*ü*ü*n", "ü" * 100_000),
    ],
)
def test_a_hostile_word_is_matched_quickly(query: str, word: str) -> None:
    [sought] = sought_words(query)
    started = time.process_time()
    assert not sought.matches(word)
    assert time.process_time() - started < 1


@given(st.text("ab*?", min_size=1, max_size=8), st.text("ab", max_size=12))
def test_wildcards_match_like_their_pattern(wild: str, word: str) -> None:
    assume("*" in wild or "?" in wild)
    expected = re.fullmatch(pattern_of(wild), word) is not None
    assert SoughtWord(wild, wild).matches(word) == expected


@pytest.mark.parametrize(
    ("query", "text", "matches"),
    [
        ("Müller", "mueller", True),
        ("Mueller", "müller", True),
        ("Mueller", "muller", False),
        ("muller", "müller", True),
        ("poet", "pot", False),
        ("Muel*", "müller", True),
        ("M*eller", "müller", True),
        ("*ung", "rechnung", True),
        ("*ung", "rechnungen", False),
        ("wom?n", "women", True),
        ("wom?n", "womeen", False),
    ],
)
def test_a_word_matches_the_words_that_it_finds(query: str, text: str, matches: bool) -> None:
    [word] = sought_words(query)
    assert word.matches(text) is matches
    assert SoughtWord("a", "a").wild is False
