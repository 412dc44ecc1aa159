"""Text in every charset that mail uses, and what a bad byte, a cut or a wrong label costs."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from webencodings.labels import LABELS

from muniment.mail.charsets.decode import codec, to_text, writes_lines
from muniment.mail.charsets.escapes import READERS
from muniment.mail.charsets.labels import KNOWN, charset_of
from muniment.mail.charsets.recovery import MULTIBYTE, table
from muniment.mail.content.content_hash import content_hash
from muniment.mail.mime.stated_charsets import labels_of
from muniment.mail.mime.walker import attachments, leaves
from muniment.mail.text.listing import read_summary
from muniment.mail.text.outline import read_outline
from muniment.mail.text.read_text import PART_LIMIT, read_message, read_text
from support.cases import cases_dir
from support.labelled import UNKNOWN, Labelled, labelled, letter, number_word, sample

BAD = "\ufffd"
SENTENCES = {
    "iso2022_jp": "御見積書、至急お願いします。Hello 株式会社\r\n二行目のテキスト abc\r\nlast line\r\n",
    "iso2022_kr": "안녕하세요 세계 Hello 반갑습니다 한국어\r\n두번째 줄 abc 입니다\r\nlast line\r\n",
    "hz": "你好世界，再见 Hello 中文测试\r\n第二行 abc 文字\r\nlast ~ line\r\n",
    "gb18030": "你好世界，再见 Hello 中文测试没有空格的一长串文字\r\n第二行 abc 文字\r\nlast line\r\n",
    "big5": "你好世界，再見 Hello 中文測試沒有空格的一長串文字\r\n第二行 abc 文字\r\nlast line\r\n",
    "cp949": "안녕하세요 세계 Hello 반갑습니다한국어로된긴문장입니다\r\n두번째 줄 abc 입니다\r\nlast\r\n",
    "cp932": "御見積書①、至急お願いします。Hello 株式会社ｶﾅ\r\n二行目のテキスト abc です。\r\nlast line\r\n",
    "euc_jp": "御見積書、至急お願いします。Hello 株式会社ｶﾅ\r\n二行目のテキスト abc です。\r\nlast line\r\n",
    "johab": "안녕하세요 세계 Hello 반갑습니다한국어로된긴문장입니다\r\n두번째 줄 abc 입니다\r\nlast\r\n",
    "utf_8": "Grüße aus München, 你好世界 and more 日本語\r\nzweite Zeile äöü\r\n",
    "utf_7": "Grüße aus München, 你好世界 and more 日本語 + - text\r\nzweite Zeile äöü\r\n",
    "utf_16_le": "Grüße aus München, 你好世界 and more 日本語\r\nzweite Zeile äöü\r\n",
    "utf_32_be": "Grüße aus München, 你好世界 and more 日本語\r\nzweite Zeile äöü\r\n",
    "koi8_r": "Счёт на оплату, до понедельника\r\nвторая строка\r\n",
    "cp874": "เรียนลูกค้า ใบแจ้งหนี้เดือนนี้\r\nบรรทัดที่สอง\r\n",
    "cp1252": "„Grüße“ aus Köln – 50 €\r\nzweite Zeile\r\n",
}
COST = {"cp932": 3, "johab": 4, "big5": 6, "gb18030": 2, "cp949": 2, "hz": 2}
"""Characters that one bad byte costs, if more than one. A bad byte in place of the first byte of a character
can turn the second one into a character. UTF-7 has its own test."""


def case(name: str) -> bytes:
    raw: bytes = (cases_dir() / name).read_bytes()
    return raw


def message(label: str, body: bytes, kind: str = "text/plain", head: str = "") -> bytes:
    return f"{head}Content-Type: {kind}; charset={label}\r\n\r\n".encode() + body


# --- labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["mail", "WHATWG", "Python"])
def test_text_with_every_label_is_read_everywhere(source: str) -> None:
    """In the body, in an encoded word and in the name of a file, for labels from every list."""
    wrong = []
    for number, one in enumerate(labelled()):
        if one.source == source:
            mark, word = number_word(number), sample(one.codec)[1]
            summary, text = read_message(letter(one, number))
            read = (summary.subject, text.body, text.filenames, text.notes)
            if read != (f"{mark} {word}", f"{mark} {word}\nzzend\n", (f"{word}.txt",), ()):
                wrong.append((one, read))
    assert not wrong


def test_the_labels_of_the_whatwg_are_all_known() -> None:
    assert {label for label in LABELS if not codec(label)} == {"replacement", "x-user-defined"}
    assert len(labelled()) > 700


def test_every_known_label_is_tried() -> None:
    """Here and in the table of docs/reading-mail.md."""
    assert KNOWN - {re.sub("[^a-z0-9]+", "", one.label.lower()) for one in labelled()} == set()


@pytest.mark.parametrize("label", UNKNOWN)
def test_an_unknown_label_is_noted_and_the_text_is_read(label: str) -> None:
    read = read_text(message(label, "Grüße, Škoda".encode()))
    assert read.body == "Grüße, Škoda"
    assert read.notes == (f"unknown charset '{label}'",)
    assert read_text(message(label, "Škoda – 50 €".encode("cp1252"))).body == "Škoda – 50 €"


@pytest.mark.parametrize("stated", ['charset=""', "charset=", "charset", 'charset=" "'])
def test_an_empty_label_counts_as_no_label(stated: str) -> None:
    read = read_text(f"Content-Type: text/plain; {stated}\r\n\r\nGrüße".encode())
    assert (read.body, read.notes) == ("Grüße", ())


def test_codecs_of_one_byte_a_character_are_read_as_python_does() -> None:
    """Except for control characters of the upper half, and gaps that Windows' charsets fill."""
    for name in {charset_of(label) for label in KNOWN} - MULTIBYTE - set(READERS):
        if name in ("ascii", "utf_8") or name.startswith(("utf_16", "utf_32")):
            continue
        for byte in range(256):
            try:
                expected = bytes((byte,)).decode(name)
            except UnicodeDecodeError:
                continue
            if not "\x80" <= expected <= "\x9f":
                assert table(name)[byte] == expected, (name, byte)
        assert not [char for char in table(name) if "\x80" <= char <= "\x9f"], name


# --- the cases ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "subject", "body"),
    [
        ("cs-iso2022jp-nec", "御見積①㈱青空", "御見積書①号 ㈱青空商事 髙橋様 合計は３㎏です。"),
        ("cs-iso2022jp-kana", "ｶﾅ注文書", "半角のｶﾀｶﾅ注文書です"),
        ("cs-eucjp-ms", "euc jp ms row", "見積①号の件"),
        ("x-jis-one-bad-byte", "x jis one bad byte", f"請求書のお知らせ {BAD} 終了"),
        ("x-utf7-one-bad", "x utf7 one bad", f"Grüße und 斖{BAD}!- Rest"),
        ("cs-windows-874", "ใบแจ้งหนี้", "เรียนลูกค้า ใบแจ้งหนี้เดือนนี้"),
        ("cs-windows-31j", "windows-31j label", "見積①です"),
        ("cs-x-cp1250", "x-cp1250 label", "Příloha žlutý"),
        ("cs-big5-hkscs", "呢個係報價單", "啲貨唔該送嚟恒隆中心"),
        ("cs-big5-cp950", "big5 eten", "碁峰公司€報價"),
        ("cs-utf8-label-cp1252", "Angebot für Müller", "Angebot für Müller über 1.200 €"),
        ("cs-utf8-label-html-meta1252", "meta says 1252", "Grüße von Schäfer"),
        ("cs-ascii-label-cp1252", "ascii label cp1252", "Škoda kostet 50 € – „billig“"),
        ("cs-none-cp1252", "no label cp1252", "Žižkov costs 70 € … okay"),
        ("x-subj-cp1252-as-utf8", "Müller GmbH", "x"),
        ("y-utf8-as-1252", "y utf8 as 1252", "Grüße • Dzień dobry"),
        ("cs-x-user-defined-gbk", "raw gbk subject: 合同报价", "合同报价请查收"),
        ("cs-raw-koi8-subject", "raw koi8 Счёт на оплату", "Счёт на оплату"),
        ("cs-raw-sjis-subject", "raw sjis 請求書", "請求書です"),
    ],
)
def test_each_case_is_read(name: str, subject: str, body: str) -> None:
    mail = case(f"{name}.eml")
    summary, text = read_message(mail)
    assert (summary.subject, text.body.strip(), text.notes) == (subject, body, ())
    assert (read_summary(mail), read_outline(mail)[0]) == (summary, summary)


def test_a_raw_name_without_any_label_has_no_control_characters() -> None:
    """Nothing in this mail says GBK. The text by Windows-1252 can at least be seen and found."""
    (name,) = read_text(case("f-raw-gbk.eml")).filenames
    assert name == "±¨¼Ûµ¥.pdf"


def test_a_raw_name_is_read_in_the_charset_of_the_body() -> None:
    mail = case("f-raw-gbk.eml").replace(b'charset="utf-8"', b'charset="gb2312"')
    found = leaves(mail)
    assert read_text(mail).filenames == ("报价单.pdf",)
    assert [file.filename for file in attachments(mail, found, labels_of(mail, found))] == ["报价单.pdf"]
    assert read_outline(mail)[1].filenames == ("报价单.pdf",)


# --- bad bytes and cuts ---------------------------------------------------------------------------


def lost(text: str, read: str) -> int:
    """How many characters lie between the correct text in front of a fault and behind it."""
    before = next(
        (at for at, pair in enumerate(zip(text, read, strict=False)) if pair[0] != pair[1]),
        min(len(text), len(read)),
    )
    behind = 0
    while behind < min(len(text), len(read)) - before and text[-1 - behind] == read[-1 - behind]:
        behind += 1
    return len(text) - before - behind


@pytest.mark.parametrize("name", sorted(SENTENCES))
def test_text_without_faults_is_read_exactly(name: str) -> None:
    raw = SENTENCES[name].encode(name)
    assert to_text(raw, name) == SENTENCES[name]
    if name in READERS:  # the reader of faulty text agrees
        assert READERS[name](raw, False) == SENTENCES[name]


@pytest.mark.parametrize("name", sorted(set(SENTENCES) - {"utf_7"}))
def test_one_bad_byte_costs_one_character_or_little_more(name: str) -> None:
    text = SENTENCES[name]
    raw = text.encode(name)
    costs = []
    for at in range(len(raw)):
        for bad in (b"\xff", b"\x7f"):
            read = to_text(raw[:at] + bad + raw[at + 1 :], name)
            costs.append(lost(text, read))
            assert costs[-1] <= COST.get(name, 1), (at, bad, read)
            assert read.count(BAD) <= 2, (at, bad, read)
    assert sum(costs) / len(costs) < 1.5


@pytest.mark.parametrize("name", ["iso2022_kr", "euc_jp", "utf_8"])
def test_an_inserted_byte_costs_no_more_than_a_changed_one(name: str) -> None:
    text = SENTENCES[name]
    raw = text.encode(name)
    for at in range(len(raw)):
        assert lost(text, to_text(raw[:at] + b"\xff" + raw[at:], name)) <= 1, at


def test_a_character_that_a_server_split_is_joined() -> None:
    raw = "商情搜索，直接找到根源客户的".encode("gbk")
    assert to_text(raw[:13] + b"!\r\n " + raw[13:], "gb2312") == "商情搜索，直接找到根源客户的"


def test_a_bad_byte_in_utf_7_costs_no_more_than_the_piece_that_it_is_in() -> None:
    text = SENTENCES["utf_7"]
    raw = text.encode("utf_7")
    costs = [lost(text, to_text(raw[:at] + b"\xff" + raw[at + 1 :], "utf_7")) for at in range(len(raw))]
    assert max(costs) <= 6
    assert sum(costs) / len(costs) < 2


@pytest.mark.parametrize("name", sorted(SENTENCES))
def test_a_cut_costs_the_last_character(name: str) -> None:
    text = SENTENCES[name]
    raw = text.encode(name)
    for at in range(1, len(raw)):
        read = to_text(raw[:at], name, cut=True)
        assert text.startswith(read), (at, read)
        most = 1 if name != "utf_7" else 3
        assert lost(text[: len(read)], to_text(raw[:at], name)) <= most, at


@pytest.mark.slow
@pytest.mark.parametrize("label", ["utf-8", "", "gb2312", "iso-2022-jp", "utf-16", "big5"])
def test_the_limit_of_a_text_lies_between_characters(label: str) -> None:
    """The limit may be at any byte of a character: it gives no fault and no wrong guess."""
    name = {"": "utf-8", "utf-16": "utf-16-le", "gb2312": "gb18030"}.get(label, label)
    line = "日本語 和文です 漢字\r\n" if label != "big5" else "中文測試 報價單\r\n"
    for before in range(4):
        raw = ("x" * before + line * (PART_LIMIT // len(line.encode(name)) + 9)).encode(name)
        head = f"Content-Type: text/plain; charset={label}\r\n\r\n" if label else "\r\n"
        body = read_text(head.encode() + raw).body
        assert ("x" * before + line.replace("\r\n", "\n") * (PART_LIMIT // 10)).startswith(body)
        assert len(body.encode(name)) > PART_LIMIT * 0.8


TEXT = st.lists(
    st.sampled_from(["日本", "語の", "テキスト", "①", "ｶﾅ", "abc", " ", "\r\n", "、", "~", "\\", "1"]),
    max_size=30,
).map("".join)


@settings(max_examples=200)
@given(TEXT, st.sampled_from(["cp932", "iso2022_jp_ext", "euc_jp", "utf_7", "utf_8", "utf_16"]))
def test_text_of_any_charset_is_read_back(text: str, name: str) -> None:
    try:
        raw = text.encode(name)
    except UnicodeEncodeError:
        return
    label = "iso-2022-jp" if name == "iso2022_jp_ext" else name
    expected = raw.decode(name).translate(str.maketrans("〜", "～"))
    assert to_text(raw, label) == expected
    if charset_of(label) in READERS:
        assert READERS[charset_of(label)](raw, False) == expected


@settings(max_examples=300)
@given(
    st.binary(max_size=60),
    st.sampled_from([*sorted(SENTENCES), "iso-2022-cn", "cp500", "x", ""]),
    st.booleans(),
)
@example(b"+\x0e\x0f-", "utf_7", False)
@example(b"\x1b$B\x1bN\x1b", "iso2022_jp", True)
@example(b"\xed\xa0\x80\xed\xb0\x80\xff", "utf_8", False)
def test_no_bytes_raise_or_give_surrogates(raw: bytes, label: str, cut: bool) -> None:
    to_text(raw, label, lambda: ["gb2312", "iso-2022-jp", "cp500", "hz"], cut=cut).encode()


# --- no label, or a wrong one ---------------------------------------------------------------------


def others(*labels: str) -> Callable[[], Iterable[str]]:
    return lambda: labels


@pytest.mark.parametrize("label", ["", "us-ascii", "utf-8", "x-unknown"])
def test_text_without_a_helpful_label(label: str) -> None:
    utf8 = "Grüße, Müller, 日本語"
    assert to_text(utf8.encode(), label) == utf8
    assert to_text(utf8.encode() + b" \xff.", label) == f"{utf8} {BAD}."
    assert to_text(b"\xef\xbb\xbf" + utf8.encode(), label) == utf8
    assert to_text(b"\x1b$B8f8+@Q-!\x1b(B", label) == "御見積①"
    assert to_text("Счёт".encode("koi8-r"), label, others("utf-8", "koi8-r", "big5")) == "Счёт"
    assert to_text("報價單".encode("big5"), label, others("big5")) == "報價單"
    assert to_text("見積".encode("cp932"), label, others("iso-2022-jp")) == "見積"
    assert (
        to_text("Škoda – 50 €".encode("cp1252"), label, others("us-ascii", "utf-16", "hz")) == "Škoda – 50 €"
    )
    assert to_text(b"\x81\x8d\x9d \xe9t\xe9", label) == f"{BAD}{BAD}{BAD} été"


def test_another_label_counts_only_where_the_text_can_be_in_its_charset() -> None:
    assert to_text("Bäder für Müller".encode("cp1252"), "", others("gb2312")) == "Bäder für Müller"


def test_utf_8_with_a_label_of_one_byte_a_character() -> None:
    for label in ("iso-8859-1", "windows-1252", "iso-8859-15", "windows-1250"):
        assert to_text("Grüße • Dzień".encode(), label) == "Grüße • Dzień"
    assert to_text("Счёт на оплату".encode(), "koi8-r") == "Счёт на оплату"
    assert to_text("Protección".encode(), "windows-1251") == "Protección"
    assert to_text("日本語".encode(), "gb2312") == "日本語"


def test_utf_8_that_holds_a_replacement_character_is_utf_8() -> None:
    assert to_text(f"Grüße {BAD}".encode(), "iso-8859-1") == f"Grüße {BAD}"


def test_text_that_only_looks_like_utf_8() -> None:
    assert to_text("รถ".encode("cp874"), "windows-874") == "รถ"  # in UTF-8 the same bytes are `ö`
    assert to_text("CAFÉ…".encode("cp1252"), "windows-1252") == "CAFÉ…"
    assert to_text("系统".encode("gbk"), "gb2312") == "系统"
    assert to_text("её".encode("koi8-r"), "koi8-r") == "её"


def test_japanese_text_with_the_label_of_another_japanese_charset() -> None:
    text = "お見積書を送ります。至急"
    for label in ("iso-2022-jp", "shift_jis", "euc-jp"):
        for name in ("iso2022_jp", "cp932", "euc_jp"):
            assert to_text(text.encode(name), label) == text, (label, name)


def test_utf_16_and_utf_32_with_and_without_a_mark_and_a_label() -> None:
    for text in ("Grüße\r\n", "日本語の\r\nテキスト\r\n", "short"):
        for name in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
            marked = ("\ufeff" + text).encode(name)
            assert read_text(message(name[:6], marked)).body == text.replace("\r\n", "\n")
            assert read_text(message("utf-8", marked)).body == text.replace("\r\n", "\n")
            assert to_text(text.encode(name), name) == text
            assert to_text(text.encode(name), name[:6]) == text
    assert to_text(b"Plain text, in fact.\r\n", "utf-16") == "Plain text, in fact.\r\n"


def test_a_character_beyond_16_bits_as_two_surrogates() -> None:
    raw = "Party 🎉".encode("utf-16", "surrogatepass").decode("utf-16")
    cesu = b"".join(
        char.encode() if char < "\U00010000" else char.encode("utf-16-be").hex().encode() for char in raw
    )
    assert b"d83cdf89" in cesu
    assert to_text("Grüße ".encode() + b"\xed\xa0\xbc\xed\xbe\x89", "utf-8") == "Grüße 🎉"


def test_ascii_escapes_do_not_make_text_japanese() -> None:
    for text in ("\x1b[1mbold\x1b[0m", "\x1b]0;title\x07", "price in $B, (B) and $A"):
        assert to_text(text.encode(), "us-ascii") == text


def test_html_without_a_label_is_read_by_its_meta_element() -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r"><p>Счёт'.encode("koi8-r")
    for head in (b"", b"; charset=utf-8", b"; charset=us-ascii"):
        mail = (
            b"Subject: "
            + "Счёт".encode("koi8-r")
            + b"\r\nContent-Type: text/html"
            + head
            + b"\r\n\r\n"
            + page
        )
        summary, text = read_message(mail)
        assert (summary.subject, text.body) == ("Счёт", "Счёт")
        assert read_summary(mail) == summary


def test_parts_without_delimiters_are_read_in_the_charset_of_their_header() -> None:
    text = 'This is a MIME message.\r\nContent-Type: text/plain; charset="gb2312"\r\n\r\n合同报价\r\n'.encode(
        "gbk"
    )
    assert read_text(b"Content-Type: multipart/mixed\r\n\r\n" + text).body.split()[-1] == "合同报价"


def test_text_is_read_in_the_charset_of_the_encoded_words_in_the_header() -> None:
    text = "Счёт на оплату".encode("koi8-r")
    for field in (b"Subject", b"From"):
        mail = field + b": =?koi8-r?B?896j1A==?= <a@example.com>\r\n\r\n" + text
        assert read_text(mail).body == "Счёт на оплату"
    stray = b"X-Spam: =?koi8-r?B?896j1A==?=\r\n\r\n" + text  # fields of transport decide nothing
    assert read_text(stray).body == to_text(text)


def test_a_card_is_read_in_the_charset_of_its_properties() -> None:
    card = "BEGIN:VCARD\r\nN;CHARSET=windows-1251:Иванов\r\nEND:VCARD\r\n".encode("cp1251")
    assert "Иванов" in read_text(b"Content-Type: text/x-vcard\r\n\r\n" + card).body


def test_text_between_and_behind_labelled_parts_is_read_by_their_labels() -> None:
    mail = (
        b"Subject: \xba\xcf\xcd\xac\r\nFrom: \xd5\xc5 <a@example.com>\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xba\xcf\xcd\xac\xb1\xa8\xbc\xdb\r\n"
        b"--b\r\nContent-Type: text/plain; charset=gb2312\r\n\r\nx\r\n--b--\r\n"
    )
    summary, text = read_message(mail)
    assert (summary.subject, summary.sender) == ("合同", "张 <a@example.com>")
    assert text.body.split() == ["合同报价", "x"]


def test_a_nested_message_is_read_by_its_own_labels() -> None:
    inner = (
        b"Subject: \xf3\xde\xa3\xd4\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\n\xf3\xde\xa3\xd4\r\n"
    )
    mail = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain; charset=big5\r\n\r\nx\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--b--\r\n"
    )
    assert "Счёт" in read_text(mail).body.split("\n")[1:][0]


# --- ISO-2022 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "raw", "text"),
    [
        ("iso-2022-jp", b"\x1b$@8f8+@Q=q\x1b(J \\~", "御見積書 ¥‾"),
        ("iso-2022-jp", b"\x1b(I6E\x1b(B \xb6\xc5", "ｶﾅ ｶﾅ"),
        ("iso-2022-jp", b"\x0e6E\x0f x", "ｶﾅ x"),
        ("iso-2022-jp-2", b"\x1b$AND\x1b$(C1[\x1b$(D0!\x1b(B", "文글丂"),
        ("iso-2022-jp-2", b"\x1b.AFran\x1bNgais \x1b.F\x1bNa", "Français α"),
        ("iso-2022-jp-3", b"\x1b$(O.!\x1b(B", "俱"),
        ("iso-2022-cn", b"\x1b$)A\x0eVPND\x0f ok", "中文 ok"),
        ("iso-2022-cn", b"\x1b$)A\x0eVPND\x1b$)G^^l$^L\x0f", "中文報價單"),
        ("iso-2022-cn-ext", b"\x1b$*H\x1bN!! \x1bN~~", f"乂 {BAD}"),
        ("iso-2022-jp", b"\x1b$B8f8+\r\nplain words, no escape\r\n", "御見\r\nplain words, no escape\r\n"),
        ("iso-2022-jp", b"\x1b$B8f8+\r\n@Q=q\x1b(B\r\n", "御見\r\n積書\r\n"),
        ("iso-2022-kr", b"\x1b$)C\r\n\x0e>H3g\xff>H3g", f"\r\n안녕{BAD}안녕"),
        ("iso-2022-jp", b"a\x1b(\n\x1b$B8f8+\x1b(B\n", "a\x1b(\n御見\n"),
        ("hz", b"~{VPND~} a~~b~\r\nc", "中文 a~bc"),
        (
            "iso-2022-kr",
            b"\x1b$)C\r\n\x0e>H3g\x0f\r\n\x0e>H\r\nplain line\r\n",
            "\r\n안녕\r\n안\r\nplain line\r\n",
        ),
    ],
)
def test_text_with_switches_is_read(label: str, raw: bytes, text: str) -> None:
    assert to_text(raw, label) == text


# --- line ends are content in some charsets -------------------------------------------------------


def test_line_ends_count_in_charsets_that_write_them_differently() -> None:
    assert [writes_lines(label) for label in ("utf-16", "utf-32be", "cp500", "hz-gb-2312")] == [False] * 4
    assert all(map(writes_lines, ("", "utf-8", "iso-2022-jp", "big5", "koi8-r", "utf-7", "x-unknown")))
    for label, begin in (
        ("utf-8", "\ufeff"),
        ("us-ascii", "\ufeff"),
        ("x-unknown", "\ufeff"),
        ("utf-16", ""),
    ):
        raw = (begin + "first line\nsecond").encode("utf-16-le")
        other = raw.replace(b"\n", b"\r\n")
        assert content_hash(message(label, raw)) != content_hash(message(label, other)), (label, begin)
    for label in ("utf-8", "us-ascii", "koi8-r", "iso-2022-jp"):
        escaped = b"a\r\x1b$B\n\x1b(Bb"  # a line end differs before an escape and behind it
        assert read_text(message(label, escaped)).body == "a\n\nb"
        assert content_hash(message(label, b"a\nb")) == content_hash(message(label, b"a\r\nb"))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b"\r", b"\n", b"\r\n", b"\x1b$B", b"\x1b(B", b"\x0e", b"\x0f", b"~", b"~{", b"~}", b"+-"]
        )
        | st.sampled_from(
            ["日本".encode(name) for name in ("utf-8", "cp932", "utf-16-le", "euc_jp", "gb18030")]
        )
        | st.binary(max_size=4),
        max_size=12,
    ).map(b"".join),
    st.sampled_from(
        ["", "utf-8", "us-ascii", "x", "iso-8859-1", "iso-2022-jp", "hz", "utf-16", "big5", "utf-7"]
    ),
    st.sampled_from(["text/plain", "text/html"]),
)
def test_copies_of_one_hash_read_the_same(raw: bytes, label: str, kind: str) -> None:
    stated = f"; charset={label}" if label else ""
    head = f"Subject: x\nContent-Type: {kind}{stated}\nContent-Transfer-Encoding: 8bit\n\n".encode()
    one = head + raw + b"end"
    other = one.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if content_hash(one) == content_hash(other):
        assert read_text(one) == read_text(other)


def test_the_sample_mails_are_in_the_charset_of_their_label() -> None:
    """The helper that builds the labelled test mails uses the right charset."""
    mail = letter(Labelled("koi8-r", "koi8_r", "mail"), 7)
    assert b'charset="koi8-r"' in mail
    assert codecs.encode(f"{number_word(7)} {sample('koi8_r')[1]}", "koi8_r") in attachments_and_text(mail)


def attachments_and_text(mail: bytes) -> bytes:
    from muniment.mail.mime.walker import part_bytes

    return b"".join(part_bytes(mail, leaf) for leaf in leaves(mail))
