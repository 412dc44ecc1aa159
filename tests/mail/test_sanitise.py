"""The sanitiser leaves nothing that can harm a terminal, a log or a file name."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.system.sanitise import NAME_LIMIT, clean, filename

HOSTILE = st.text(max_size=40) | st.text(
    alphabet=st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"])
    | st.sampled_from("a[]31m;\\~."),
    max_size=40,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("grün 你好 👍", "grün 你好 👍"),
        ("a\x1b[31mred\x1b[0m", "a\ufffdred\ufffd"),
        ("\x1b]0;title\x07x", "\ufffdx"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "\ufffdlink\ufffd"),
        ("\x9b31mx", "\ufffdx"),
        ("\x1b]never ended, so never hidden", "\ufffd]never ended, so never hidden"),
        ("pay\u200bpal", "paypal"),
        ("x\u202egnp.exe", "x\ufffdgnp.exe"),
        ("a\r\nb\tc\u2028d\u00a0e", "a b c d e"),
        ("\x00\x7f\x85\ud800\ue000", "\ufffd\ufffd\ufffd\ufffd\ufffd"),
        ("hi\U000e0041\U000e0042", "hi"),
        ("a" + "\u0300" * 50, "a" + "\u0300" * 4),
        ("[/x] [bold]", "[/x] [bold]"),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


REAL = {
    "Hebrew, pointed and accented": "בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים אֵ֥ת הַשָּׁמַ֖יִם וְאֵ֥ת הָאָֽרֶץ׃ הַשָּׁ֔מֶשׁ",
    "Arabic, pointed": "ٱلْحَمْدُ لِلَّهِ رَبِّ ٱلْعَٰلَمِينَ ٱلرَّحْمَٰنِ ٱلرَّحِيمِ إِيَّاكَ نَعْبُدُ وَإِيَّاكَ نَسْتَعِينُ",
    "Thai": "ที่นี่น้ำผึ้งปั๊มน้ำมันผู้ใหญ่เก้าอี้",
    "Devanagari": "हिन्दी में अंतर्राष्ट्रीय ज़्यादा कीं ऱ्हास क्षत्रियों ॐ",
    "Tibetan": "བོད་སྐད་ཧཱུྃ་རྒྱུ་ བསྒྲུབས་ ཨོཾ་མ་ཎི་པདྨེ་ཧཱུྃ༔",
    "Burmese": "မြန်မာဘာသာ မြွှော်း ကျွန်ုပ်တို့၏ ချွေးတွေကြွေ",
    "Khmer": "ភាសាខ្មែរ ស្ត្រី ញ៉ាំ",
    "Tamil": "தமிழ் மொழி கௌ",
    "Vietnamese": unicodedata.normalize("NFD", "Tiếng Việt: Nguyễn Thị Hường được hưởng phở"),
    "Greek": unicodedata.normalize("NFD", "ᾧ ἄνθρωπε, ᾯ τᾶν"),
    "Korean": unicodedata.normalize("NFD", "대한민국 값없이 뷁"),
    "phonetic": "t͡ʃ n̥ ã̰́ ɔ̃̀ː",
}


@pytest.mark.parametrize("language", REAL)
def test_real_text_keeps_its_marks(language: str) -> None:
    assert clean(REAL[language]) == REAL[language]


OF_SCRIPTS = [mark for mark in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(mark)[0] == "M"]
"""Every combining mark of every script."""


def longest_run(text: str) -> int:
    """The most marks on one character."""
    runs = "".join("m" if unicodedata.category(char)[0] == "M" else " " for char in text).split()
    return max(map(len, runs), default=0)


def test_marks_of_no_script_stack_up() -> None:
    for mark in OF_SCRIPTS:
        for other in ("", "\u05b0", "\ufe20", "\u0300"):
            assert longest_run(clean("a" + (mark + other) * 104)) <= 8, ascii(mark + other)


@given(st.lists(st.sampled_from(OF_SCRIPTS) | st.sampled_from("ab \u200d\ufe0f\u034f👍"), max_size=60))
def test_mixed_marks_do_not_stack_up(pieces: list[str]) -> None:
    shown = clean("".join(pieces))
    assert longest_run(shown) <= 8
    assert clean(shown) == shown
    assert [one for one in shown if one in "ab👍"] == [one for one in pieces if one in "ab👍"]


def test_korean_vowels_do_not_stack_up() -> None:
    assert clean("가" + "\u1161" * 104) == "가" + "\u1161" * 8


def test_clean_keeps_lines_where_asked() -> None:
    assert clean("a\tb\r\nc\rd\n\x1b[2Je", newline=True) == "a b\nc\nd\n\ufffde"


@given(HOSTILE)
def test_clean_text_has_only_visible_characters(text: str) -> None:
    for shown in (clean(text), clean(text, newline=True).replace("\n", "")):
        assert all(unicodedata.category(char)[0] not in "CZ" or char == " " for char in shown)
        assert clean(shown) == shown
        shown.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\x\\y.txt", "C__x_y.txt"),
        ("CON.txt", "_CON.txt"),
        ("nul", "_nul"),
        ("-rf", "rf"),
        (".bashrc", "bashrc"),
        ("...", "unnamed"),
        ("", "unnamed"),
        ("a\x00b\n.txt", "a_b .txt"),
        ("fdp\u202e.exe", "fdp_.exe"),
        ("trailing. ", "trailing"),
    ],
)
def test_filename(text: str, name: str) -> None:
    assert filename(text) == name


@given(HOSTILE | st.text(min_size=100, max_size=400))
def test_filename_is_safe(text: str) -> None:
    name = filename(text)
    assert 0 < len(name.encode()) <= NAME_LIMIT
    assert not set(name) & set('/\\:*?"<>|\0\n')
    assert name[0] not in ".-~ "
    assert filename(name) == name


def test_long_names_keep_their_extension() -> None:
    assert filename("ü" * 200 + ".docx").endswith("ü.docx")


def test_a_long_name_of_marks_is_cleaned_quickly() -> None:
    started = time.process_time()
    name = filename("a" + "\u05b0\u05b9" * 200_000 + "\u0315\u0300" * 200_000 + ".docx")
    assert time.process_time() - started < 1
    assert name.startswith("a")
    assert name.endswith(".docx")


@pytest.mark.slow
def test_hostile_text_takes_linear_time() -> None:
    started = time.perf_counter()
    for piece in (
        "\x1b[",
        "\x1b]",
        "\x1b[1;",
        "\x1b ",
        "\x9d",
        "\u0300",
        "\u05b0\u05b9",
        "\u200b",
        "\x1b]a\x1b",
    ):
        clean(piece * (500_000 // len(piece)))
    assert time.perf_counter() - started < 20
