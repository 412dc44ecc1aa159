from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.sanitise import NAME_LIMIT, clean, filename

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


def test_clean_keeps_lines_where_asked() -> None:
    assert clean("a\tb\r\nc\rd\n\x1b[2Je", newline=True) == "a b\nc\nd\n\ufffde"


@given(HOSTILE)
def test_clean_text_holds_nothing_but_what_shows(text: str) -> None:
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


def test_hostile_text_takes_linear_time() -> None:
    started = time.perf_counter()
    for piece in ("\x1b[", "\x1b]", "\x1b[1;", "\x1b ", "\x9d", "\u0300", "\u200b", "\x1b]a\x1b"):
        clean(piece * (500_000 // len(piece)))
    assert time.perf_counter() - started < 20
