"""Text of many charsets in a real vault; the tests in tests/soak try every label."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from muniment.mail.charsets.labels import charset_of
from support.cases import cases_dir
from support.charset_table import BEGIN, outcomes
from support.labelled import labelled
from support.page_tables import PAGE
from support.vaults import TestVault

FEW = (
    *(
        "utf-8",
        "iso-8859-1",
        "windows-31j",
        "iso-2022-jp",
        "x-sjis",
        "euc-jp",
        "big5",
        "hz-gb-2312",
        "gb2312",
    ),
    *(
        "ks_c_5601-1987",
        "iso-2022-kr",
        "windows-874",
        "x-cp1250",
        "koi8-r",
        "iso-8859-8-i",
        "utf-7",
        "utf-16",
    ),
    *("x-mac-ce", "ansi_x3.110", "ebcdic-cp-us"),
)


def test_text_of_many_charsets_is_archived_shown_and_found(tmp_path: Path) -> None:
    few = [one for one in labelled() if one.label.lower() in FEW]
    assert len(few) == len(FEW)
    found = outcomes(TestVault(tmp_path / "vault"), few)
    assert [outcome for outcome in found if not all(outcome[1:])] == []


def test_cases_are_found_by_their_text(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    names = sorted(
        [*cases_dir().glob("cs-*.eml"), *cases_dir().glob("[xy]-*.eml"), cases_dir() / "f-raw-gbk.eml"]
    )
    vault.archive([path.read_bytes() for path in names])
    seen = set()
    for query, subject in {
        "御見積書": "御見積①㈱青空",
        "髙橋": "御見積①㈱青空",
        "終了": "x jis one bad byte",
        "München OR Grüße Rest": "x utf7 one bad",
        "ใบแจ้งหนี้": "ใบแจ้งหนี้",
        "Příloha": "x-cp1250 label",
        "Müller 1.200": "Angebot für Müller",
        "Škoda": "ascii label cp1252",
        "Žižkov": "no label cp1252",
        "Schäfer": "meta says 1252",
        "subject:Müller GmbH": "Müller GmbH",
        "Dzień": "y utf8 as 1252",
        "subject:合同报价": "raw gbk subject: 合同报价",
        "subject:оплату": "raw koi8 Счёт на оплату",
        "subject:請求書 raw": "raw sjis 請求書",
        "碁峰公司": "big5 eten",
        "恒隆中心": "呢個係報價單",
        "カタカナ注文書": "ｶﾅ注文書",
        "subject:カナ注文書": "ｶﾅ注文書",
        "見積①号": "euc jp ms row",
        "見積①です": "windows-31j label",
        "filename:pdf see file": "f raw-gbk",
        'filename:"±¨¼Ûµ¥.pdf"': "f raw-gbk",  # no label of this mail names GBK, so this is shown
    }.items():
        assert subject in [hit.subject for hit in vault.search(query)], query
        seen.add(subject)
    assert seen == {hit.subject for hit in vault.messages()}


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the table has the labels of Python 3.11")
def test_the_document_names_every_charset_and_label() -> None:
    """The table is checked by `make soak`, which tries the same labels."""
    rows = PAGE.read_text("utf-8").partition(BEGIN)[2]
    for one in labelled():
        assert f"`{one.label}`" in rows, one.label
        assert f"| {charset_of(one.label)} |" in rows
