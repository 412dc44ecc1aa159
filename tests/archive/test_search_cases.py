"""Reported cases of searches: text is found as a reader sees it, and a wildcard works or is refused."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.archive.index import SearchIndex, SearchScope, UserAddress, UserAddresses
from muniment.archive.index.index import TantivyIndex
from muniment.archive.query import parse
from muniment.errors import QueryError
from muniment.mail.model import AddressRole
from support.cases import cases_dir
from support.indexed import document, mention, read_document

CASES: dict[str, tuple[list[str], list[str]]] = {
    "s-shy.eml": (["Donaudampfschiffahrt", "Donau\xaddampf\xadschiffahrt", "fährt", "faehrt"], ["dampf"]),
    "s-shy-html.eml": (
        ["Krankenversicherungsbestätigung", "krankenversicherungsbestaetigung", "*bestätigung"],
        ["Kranken"],
    ),
    "s-zwsp.eml": (
        ["invoice", "number", "payment", "deadline", "in\u200bvoice", '"our invoice number"'],
        ["voice"],
    ),
    "s-persian-zwnj.eml": (["می‌خواهم", "ميخواهم", "فاکتور", "فاكتور"], []),
    "s-turkish.eml": (
        [
            "istanbul",
            "ISTANBUL",
            "İstanbul",
            "ticaret",
            "TİCARET",
            "ışık",
            "isik",
            "IŞIK",
            "sozlesmesi",
            "subesi",
        ],
        [],
    ),
    "s-ja-kana-half.eml": (["データ", "ﾃﾞｰﾀ", "データセンター", "見積", "センターの見積"], ["テータ"]),
    "s-ja-kana-full.eml": (["データ", "ﾃﾞｰﾀ", "ﾃﾞｰﾀｾﾝﾀｰ", "見積"], []),
    "s-ja-mid.eml": (["東京", "東京支店", "会議", "請求書", "請求*"], ["京東", "議会"]),
    "s-ja-wrapped.eml": (["請求書", "添付の請求書", "データ"], []),
    "s-zh-mid.eml": (["采购合同", "合同", "盖章", "公司的采购"], ["同合"]),
    "s-ko.eml": (["회의", "회의를", "견적서", "서명"], ["의회"]),
    "s-ko-jamo.eml": (["요청서", unicodedata.normalize("NFD", "요청서"), "요청"], []),
    "s-thai.eml": (["ใบแจ้งหนี้", "ค่าน้ำ", "ค่าน้ำประปา", "วันศุกร์"], ["หนี้ใบ"]),
    "s-lao-khmer.eml": (["ໃບແຈ້ງໜີ້", "ສະບາຍດີ", "វិក្កយបត្រ", "ថ្មី"], []),
    "s-hindi.eml": (["चालान", "रसीद", "हिन्दी", "विक्रय", unicodedata.normalize("NFD", "भेजें")], []),
    "s-german.eml": (
        [
            "Müller",
            "muller",
            "Mueller",
            "MUELLER",
            "Straße",
            "strasse",
            "STRASSE",
            "Gross",
            "groß",
            "Überprüfung",
            "Ueberpruefung",
            "uberprufung",
            '"zum Mueller"',
            '"zum Müller"',
            "Muell*",
            "Müll*",
            "Fussgaengerzone",
        ],
        ["Muler", "Mullr"],
    ),
    "s-german-ae.eml": (
        ["Mueller", "Müller", "Köln", "Koeln", '"Herr Müller aus Köln"', "Köl*"],
        ["muller", "koln"],
    ),
    "s-german-compound.eml": (
        [
            "Handwerkerrechnung",
            "Handwerker*",
            "*rechnung",
            "Handwerker*ung",
            '"Bitte die Handw*"',
            "H*rechnung",
            "Grundst?ckskaufvertrag",
            "Grundstueckskaufvertrag",
            "Grundst*vertrag",
            "*kauf*",
            '"*rechnung und"',
            "from:*@outside.example",
            "from:nora@",
            "from:nor*@outside.example",
            "from:*@*.example",
            "from:*.example",
            "from:nora",
            "from:no*@",
            "to:bob@con*",
            "to:*@contoso.com",
        ],
        [
            "*rechnungen",
            "Handwerker*ungen",
            '"Bitte Handw*"',
            "from:ora@",
            "from:*@inside.example",
            "from:nora@out",
            "to:nora@",
            "from:*@contoso.com",
        ],
    ),
    "s-inline-html.eml": (
        [
            "hidden.example",
            "http://hidden.example/pathword",
            "pathword",
            "link:hidden.example",
            "link:hidden*",
            "Invoicenumber",
            "Köln",
            "Netto",
            "Brutto",
            "hiddenword",
            "漢",
        ],
        ["subject:hidden.example", "body:pathword", "nettobrutto"],
    ),
}


def index_of(folder: Path, mail: bytes) -> SearchIndex:
    index = TantivyIndex.open(folder / "index", heap=16_000_000)
    index.add([read_document(1, mail), document(2, subject="else", body="something else")])
    index.commit(2)
    return index


def found(index: SearchIndex, query: str) -> list[int]:
    return list(index.search(parse(query)).ids)


@pytest.mark.parametrize("name", CASES)
def test_text_is_found_as_a_reader_sees_it(tmp_path: Path, name: str) -> None:
    finds, misses = CASES[name]
    index = index_of(tmp_path, (cases_dir() / name).read_bytes())
    for query in finds:
        assert found(index, query) == [1], query
    for query in misses:
        assert found(index, query) == [], query
    index.close()


def test_every_case_is_tested() -> None:
    assert {path.name for path in cases_dir().glob("s-*.eml")} <= set(CASES)


# --- wildcards ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "position"),
    [
        ("red *ab", 4),
        ("a*", 0),
        ("red a*b*c", 4),
        ('red "the a*"', 9),
        ("subject:x*", 8),
        ("from:n*@outside.example", 5),
        ("東*京", 1),
        ("red 会*议", 5),
        ("a?b", 0),
        ("msgid:8b71*", 10),
        ("*one *two *six *ten *elf", 20),
        ("red ab" + "*c" * 100, 6),
        ("red ab" + "?" * 5 + "c", 4),
        ("from:a" + ".*" * 20 + "@example.com", 7),
    ],
)
def test_a_wildcard_that_can_not_work_is_refused_at_its_place(query: str, position: int) -> None:
    with pytest.raises(QueryError) as caught:
        parse(query)
    assert caught.value.position == position


BODIES = """
neue Quelle
neu
das nü
Herr Müller kam
Herr Mueller kam
Herr Muller kam
ein Poet
ein Pöt
ein Pot
Fru Sørensen, Ålborg
Müller-Übergrößenträger kam
jugo
juego
Herr Miller kam, Frau Müller nicht
""".strip().splitlines()


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchIndex]:
    index = TantivyIndex.open(tmp_path_factory.mktemp("german") / "index", heap=16_000_000)
    index.add([document(number, body=body, subject=f"s{number}") for number, body in enumerate(BODIES)])
    index.commit(len(BODIES))
    yield index
    index.close()


OWN = {'"Herr Muel*"': [3, 4, 13], '"Herr Mü*"': [3, 4, 5, 13]}
"""A plain user's phrase with a wildcard is searched by its parts: a limit would reveal other mail."""


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("neue", [0]),
        ("neu", [1]),
        ("nü", [2]),
        ("nue", [2]),
        ("Müller", [3, 4, 5, 10, 13]),
        ("Mueller", [3, 4, 10, 13]),
        ("Muller", [3, 5, 10, 13]),
        ("poet", [6, 7]),
        ("pot", [7, 8]),
        ("pöt", [6, 7, 8]),
        ("juego", [12]),
        ("Soerensen", [9]),
        ("Sörensen", [9]),
        ("sorensen", [9]),
        ("Aalborg", [9]),
        ("Uebergroessentraeger", [10]),
        ("Übergroessentraeger", [10]),
        ("Uebergrößentraeger", [10]),
        ("body:Mueller", [3, 4, 10, 13]),
        ("subject:Mueller", []),
        ('"Herr Mueller"', [3, 4]),
        ('"Herr Müller"', [3, 4, 5]),
        ('"Herr Muller"', [3, 5]),
        ('"Mueller Uebergroessentraeger"', [10]),
        ('"Mueller Uebergroessentraeger kam"', [10]),
        ('"Müller Übergrößenträger"', [10]),
        ("Muel*", [3, 4, 10, 13]),
        ("Uebergroess*", [10]),
        ("Ueber*traeger", [10]),
        ('"Herr Muel*"', [3, 4]),
        ('"Herr Mü*"', [3, 4, 5]),
        ("-Mueller herr", [5]),
    ],
)
def test_umlauts_have_both_spellings_and_no_others(german: SearchIndex, query: str, ids: list[int]) -> None:
    assert sorted(german.search(parse(query), limit=100).ids) == ids
    anna = UserAddresses((UserAddress("anna@x.com"),), everything=True)
    own = german.search(parse(query), scope=SearchScope(anna, set), bcc_allowed=False, exact=True)
    assert sorted(own.ids) == OWN.get(query, ids)


# --- Message-ID -----------------------------------------------------------------------------------

MAIL = (
    b"From: nora@outside.example\r\nTo: bob@contoso.com\r\nMessage-ID: <8b71a66d968c@Outside.example>\r\n"
    b"Subject: first\r\n\r\ntext\r\n"
)
ANSWER = (
    b"From: bob@contoso.com\r\nTo: nora@outside.example\r\nMessage-ID: <b2@contoso.com>\r\n"
    b"In-Reply-To: <8b71a66d968c@outside.example>\r\nSubject: second\r\n\r\ntext\r\n"
)
THIRD = (
    b"From: nora@outside.example\r\nTo: bob@contoso.com\r\nMessage-ID:\r\n <c3@outside.example> (odd)\r\n"
    b"References: <8b71a66d968c@outside.example>\r\n <b2@contoso.com>\r\nSubject: third\r\n\r\ntext\r\n"
)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchIndex]:
    index = TantivyIndex.open(tmp_path_factory.mktemp("talk") / "index", heap=16_000_000)
    bcc = mention(AddressRole.BCC, "secret@contoso.com")
    index.add(
        [read_document(number, mail, [bcc]) for number, mail in enumerate((MAIL, ANSWER, THIRD), start=1)]
    )
    index.commit(4)
    yield index
    index.close()


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("msgid:8b71a66d968c@outside.example", [1]),
        ("msgid:<8B71A66D968C@outside.example>", [1]),
        ('msgid:"<8b71a66d968c@outside.example>"', [1]),
        ("8b71a66d968c@outside.example", [1]),
        ("<8b71a66d968c@outside.example>", [1]),
        ("c3@outside.example", [3]),
        ("msgid:8b71a66d968c", []),
        ("msgid:nora@outside.example", []),
        ("thread:8b71a66d968c@outside.example", [1, 2, 3]),
        ("thread:<b2@contoso.com>", [2, 3]),
        ("thread:c3@outside.example", [3]),
        ("-thread:b2@contoso.com", [1]),
    ],
)
def test_a_mail_is_found_by_its_message_id(talk: SearchIndex, query: str, ids: list[int]) -> None:
    assert sorted(talk.search(parse(query), limit=100).ids) == ids


@pytest.mark.parametrize(("query", "position"), [("red msgid:", 10), ("msgid:<>", 6), ('thread:"a b"', 7)])
def test_a_text_that_is_not_a_message_id_is_refused(query: str, position: int) -> None:
    with pytest.raises(QueryError) as caught:
        parse(query)
    assert caught.value.position == position


def test_a_search_by_address_reveals_nothing_of_bcc(talk: SearchIndex) -> None:
    nora = SearchScope(UserAddresses((UserAddress("nora@outside.example"),)), set)
    for query in (
        "bcc:secret@*",
        "bcc:secret@",
        "to:*@contoso.com -bcc:*@contoso.com",
        "bcc:*cret*@contoso.com",
    ):
        every = sorted(talk.search(parse(query), limit=100).ids)
        own = talk.search(parse(query), scope=nora, bcc_allowed=False, exact=True)
        assert every == ([] if "-" in query else [1, 2, 3]), query
        assert own.ids == (), query
