"""Folding: texts, queries and highlights use the same form, and it agrees with what the screen shows."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
import tantivy
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.text import folding
from muniment.mail.text.folding import fold, halfway, plain, second_spellings, spelled
from muniment.system.sanitise import clean

FOLDED = {
    "case": ("STRASSE GROẞ ΤΆΞΙΣ Ա", "strasse gross ταξισ ա"),
    "Latin accents": ("Crème brûlée, Żółć, Đà Nẵng, Ærø, œuvre", "creme brulee zolc da nang aero oeuvre"),
    "Turkish": ("İSTANBUL ISPARTA Işık ığdır", "istanbul isparta isik igdir"),
    "soft hyphens": ("Donau\xaddampf\xadschiffahrt", "donaudampfschiffahrt"),
    "zero width": (
        "in\u200bvoice num\u200cber\u200d pay\ufeffment dead\u2060line",
        "invoice number payment deadline",
    ),
    "marks of direction": (
        "pay\u200ement \u200f\u05e9\u05dc\u05d5\u05dd \u061ca",
        "payment \u05e9\u05dc\u05d5\u05dd a",
    ),
    "overrides": ("a\u202eb \u2067c\u2069", "a b c"),
    "escapes": ("a\x1b[31mred\x1b[0m \x9b1mx \x1b]0;title\x07y", "a red x y"),
    "variation selectors and tags": ("a\ufe0fb\U000e0041c", "abc"),
    "Persian": ("می\u200cخواهم", "ميخواهم"),
    "half-width kana": ("ﾃﾞｰﾀｾﾝﾀｰ ﾊﾟﾘ", "デ ー タ セ ン タ ー パ リ"),
    "kana in pieces": ("て\u3099ーた", "で ー た"),
    "full width": ("ＩＮＶＯＩＣＥ　２０２６", "invoice 2026"),
    "mathematical letters": ("𝐇𝐞𝐥𝐥𝐨 𝒲𝓸𝓻𝓵𝓭 𝟙𝟚", "hello world 12"),
    "circled": ("ⒽⒺⓁⓁⓄ ① ❶ ⓫", "hello 1 1 11"),
    "Roman numerals": ("Kapitel Ⅷ ⅳ", "kapitel viii iv"),
    "ligatures": ("ﬁne ﬄuent ĳs", "fine ffluent ijs"),
    "symbols beside words": ("Foo™ №5 3½ 5㎏", "foo tm no 5 3 1 2 5 kg"),
    "superscripts": ("CO₂ m²", "co2 m2"),
    "harakat and tatweel": ("مُحَمَّدٌ مـحـمـد", "محمد محمد"),
    "alef, yeh and heh": ("أحمد إلى آخر مدرسة علی کتاب", "احمد الي اخر مدرسه علي كتاب"),
    "niqqud": ("שָׁלוֹם בְּרֵאשִׁ֖ית", "שלום בראשית"),
    "Syriac": ("ܫܠܳܡܳܐ", "ܫܠܡܐ"),
    "digits": ("٢٠٢٦ ۲۰۲۶ २०२६ ๒๕๖๙", "2026 2026 2026 2569"),
    "Greek": ("ᾧ ἄνθρωπε ᾼ", "ω ανθρωπε α"),
    "Cyrillic": ("Йод ёлка и\u0301 Їжак Ўзбек", "йод елка и їжак ўзбек"),
    "Devanagari": ("हिन्दी ज़रूर \u0958\u0932\u092e", "हिन्दी जरूर कलम"),
    "Bengali": ("\u09a1\u09bc\u09be \u09dc\u09be", "\u09a1\u09bc\u09be \u09a1\u09bc\u09be"),
    "Tamil": ("கொ க\u0bc6\u0bbe", "கொ கொ"),
    "Thai": ("น้ำ นํ้า", "น \u0e4d า น \u0e4d า"),
    "Lao": ("ນໍ້າ ນ້ຳ", "ນ \u0ecd າ ນ \u0ecd າ"),
    "Khmer": ("វិក្ក", "វ \u17b7 ក \u17d2 ក"),
    "Korean": (unicodedata.normalize("NFD", "요청서") + " 회의", "요 청 서 회 의"),
    "Han": ("我们2024年", "我 们 2024 年"),
    "compatibility ideographs": ("\uf900\u2f00", "豈 一"),
    "iteration marks": ("佐々木", "佐 々 木"),
    "apostrophes": ("don't don’t donʼt ʻokina", "don t don t don t okina"),
    "underscores and signs": ("plan_b.xlsx a@b.example C++", "plan b xlsx a b example c"),
    "long ligatures": ("\ufdfa", "صلي"),
}


@pytest.mark.parametrize("kind", FOLDED)
def test_each_example_is_folded(kind: str) -> None:
    text, expected = FOLDED[kind]
    assert fold(text).split() == expected.split()
    assert fold(expected).split() == expected.split()


ANY = st.text(max_size=60)
ODD = st.text(
    alphabet=st.characters(categories=["Mn", "Mc", "Me", "Cf", "Lo", "Lm", "Sk", "Nd", "So"])
    | st.sampled_from("aeouAOU \n\t\x1b\x9b[]31m\x07\x00\xad\u0308\u030a\u202e\ufffd\ud800äöüßıİﾊﾟｶﾞ")
    | st.characters(min_codepoint=0x1100, max_codepoint=0x11FF)
    | st.characters(min_codepoint=0x0E00, max_codepoint=0x0EFF),
    max_size=60,
)


def words(text: str) -> list[str]:
    return fold(text).split()


@given(ANY | ODD)
def test_the_index_sees_what_the_screen_shows(text: str) -> None:
    assert words(clean(text)) == words(text)
    assert words(clean(text, newline=True)) == words(text)


@given(ANY | ODD)
def test_folding_again_changes_nothing(text: str) -> None:
    assert words(fold(text)) == words(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | ODD)
def test_unicode_forms_of_one_text_fold_alike(text: str) -> None:
    shown = clean(text)
    for form in ("NFC", "NFD", "NFKC"):
        if form != "NFKC" or not (folding._APART.search(shown) or set(folding._LONG) & set(shown)):
            assert words(unicodedata.normalize(form, shown)) == words(shown), form


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_the_fast_path_for_latin_1_gives_the_same_result(text: str) -> None:
    assert halfway(text).split() == folding._any_text(text).split()


@given(ANY | ODD)
def test_the_result_has_only_words_and_blanks(text: str) -> None:
    for char in fold(text):
        assert char == " " or unicodedata.category(char)[0] in "LNM", ascii(char)
    assert fold(text) == plain(halfway(text))


def test_every_letter_is_found_at_least_as_well_as_by_the_library() -> None:
    """Before format 5 the index library folded. Every character that it took for a letter still is one."""
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw()).filter(tantivy.Filter.lowercase())
    library = builder.filter(tantivy.Filter.ascii_fold()).build()
    differing = {}
    for char in map(chr, range(0x80, sys.maxunicode + 1)):
        if unicodedata.category(char)[0] in "LN":
            [found] = library.analyze(char) or [""]
            if found.isascii() and words(found) != words(char):
                differing[char] = found
    assert differing == {"ẛ": "f"}, "it is an s with a dot"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Müller aus Köln", {"mueller", "koeln"}),
        ("Mu\u0308ller, MÜLLER und mu\u200b\u0308ller", {"mueller"}),
        ("Søren, Århus", {"soeren", "aarhus"}),
        ("Übergrüße", {"uebergruesse"}),
        ("Ärger (größer) Ä", {"aerger", "groesser", "ae"}),
        ("Ａ\u0308rzte", {"aerzte"}),
        ("neue blaue Quelle poet ñandú ǖ", set()),
    ],
)
def test_umlauts_have_a_second_spelling(text: str, expected: set[str]) -> None:
    assert second_spellings(halfway(text)) == expected
    assert {spelled(word) for word in halfway(text).split()} >= expected


def test_hostile_text_takes_linear_time() -> None:
    started = time.process_time()
    for piece in (
        "\ufdfa",
        "a\u0308",
        "\u0301\u0316",
        "ü",
        "ﾊﾟ",
        "\u0e4d\u0e48",
        "漢",
        "\x1b[",
        "\u1161",
        "ß",
    ):
        text = piece * (200_000 // len(piece))
        folded = halfway(text)
        assert len(folded) <= 6 * len(text)
        second_spellings(folded)
    assert time.process_time() - started < 10
