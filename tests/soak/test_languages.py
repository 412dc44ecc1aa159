"""Mail in any language is found by the words that are shown: sentences of translations, and a word in each
field.

Both tables are in docs/reading-mail.md and are compared with it. With MUNIMENT_TABLES=write they are updated
there.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.header import Header
from pathlib import Path
from urllib.parse import quote

import pytest

from muniment.api import Message
from muniment.errors import QueryError
from muniment.mail.text.folding import UNSPACED, fold
from muniment.mail.text.words import is_letter
from muniment.sources.imap.text import encode_folder
from muniment.system.sanitise import clean
from support.languages import CHARSETS, catalogues, mail, sentences
from support.page_tables import PAGE, check_table
from support.vaults import TestVault, put

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

LANGUAGES = (
    *(
        "am",
        "ar",
        "as",
        "be",
        "bg",
        "bn",
        "ca",
        "cs",
        "da",
        "de",
        "dz",
        "el",
        "es",
        "et",
        "fa",
        "fi",
        "fr",
        "gu",
    ),
    *(
        "he",
        "hi",
        "hr",
        "hu",
        "hy",
        "is",
        "it",
        "ja",
        "ka",
        "km",
        "kn",
        "ko",
        "lo",
        "lt",
        "lv",
        "ml",
        "my",
        "nb",
    ),
    *("ne", "nl", "or", "pl", "pt", "ro", "ru", "si", "sk", "sv", "ta", "te", "th", "tr", "uk", "ur", "vi"),
    *("zh_CN", "zh_TW"),
)
MAILS, LINES = 5, 12
WORDS, PHRASES = 15, 8
"""Number of words and phrases that are searched for in each language."""


@dataclass
class Recall:
    """What was searched for in a language, and how much was found."""

    mails: int = 0
    sought: dict[str, int] = field(default_factory=dict)
    missed: list[tuple[str, str]] = field(default_factory=list)

    def note(self, kind: str, query: str, found: bool) -> None:
        self.sought[kind] = self.sought.get(kind, 0) + 1
        if not found:
            self.missed.append((kind, query))

    def cell(self, kind: str) -> str:
        sought = self.sought.get(kind, 0)
        return f"{sought - sum(1 for one, _ in self.missed if one == kind)} of {sought}" if sought else ""


def finds(vault: TestVault, text: str, id_: str) -> bool | None:
    """Whether a quoted text finds a message; None for text that can't be searched for, such as
    punctuation."""
    words = fold(text).split()
    if not words or any(len(word.encode()) > 127 for word in words) or len(text) > 500:
        return None
    try:
        return any(hit.id == id_ for hit in vault.search(f'"{text}"'))
    except QueryError:
        return False


def otherwise(text: str) -> str:
    """The same words as another keyboard or system encodes them."""
    return unicodedata.normalize("NFD", text.upper())


def parts(chance: random.Random, token: str) -> Iterator[str]:
    """A part of a text without blanks, from one letter to another, as a person types part of a word."""
    letters = [at for at, char in enumerate(token) if unicodedata.category(char)[0] != "M"]
    if len(letters) > 3 and UNSPACED.search(token):
        first = chance.randrange(len(letters) - 2)
        last = min(first + chance.randint(2, 6), len(letters) - 1)
        yield token[letters[first] : letters[last]]


def recall_of(vault: TestVault, language: str, ids: list[str], texts: dict[str, str]) -> Recall:
    chance, found = random.Random(language), Recall(mails=len(ids))
    rows = [(id_, line.split()) for id_ in ids for line in texts[id_].split("\n") if line.strip()]

    def seek(kind: str, text: str, id_: str) -> None:
        result = finds(vault, text, id_)
        if result is not None:
            found.note(kind, text, result)

    for _ in range(WORDS):
        id_, tokens = chance.choice(rows)
        token = chance.choice(tokens)
        seek("words", token, id_)
        seek("typed otherwise", otherwise(token), id_)
        for part in parts(chance, token):
            seek("parts", part, id_)
    for _ in range(PHRASES):
        id_, tokens = chance.choice(rows)
        at = chance.randrange(max(len(tokens) - 1, 1))
        seek("phrases", " ".join(tokens[at : at + chance.randint(2, 4)]), id_)
    return found


def test_every_word_of_many_languages_is_found(tmp_path: Path) -> None:
    folder = catalogues(tmp_path)
    vault = TestVault(tmp_path / "vault")
    sent: dict[str, list[str]] = {}
    mails = []
    for language in LANGUAGES:
        lines = sentences(folder, language)
        for number, start in enumerate(range(0, min(len(lines), MAILS * LINES), LINES)):
            mails.append(mail(language, number, lines[start : start + LINES]))
            sent.setdefault(language, []).append(f"{language}-{number}@example.com")
    assert len(sent) >= 20
    summary = vault.archive(mails)
    assert (summary.state, summary.new) == ("ok", len(mails))
    rows, missed = [], list[tuple[str, str, str]]()
    for language, names in sent.items():
        ids = [vault.search(f"msgid:{name}")[0].id for name in names]
        texts = {id_: clean(vault.show(id_).text, newline=True) for id_ in ids}
        found = recall_of(vault, language, ids, texts)
        missed += ((language, *one) for one in found.missed)
        cells = [found.cell(kind) for kind in ("words", "typed otherwise", "phrases", "parts")]
        old = CHARSETS.get(language, "")
        rows.append(
            f"| {language} | {found.mails} | utf-8{f', {old}' if old else ''} | {' | '.join(cells)} |"
        )
    head = ["| language | mails | charsets | words | typed otherwise | phrases | parts |",
            "|---|---:|---|---:|---:|---:|---:|"]  # fmt: skip
    assert missed == []
    check_table("languages", [*head, *rows])


# --- each script in each field ----------------------------------------------------------------------

SCRIPTS = {
    "Latin, German": ("Grüße Überprüfung Straße", "iso-8859-15"),
    "Latin, Polish": ("Zażółć gęślą jaźń", "iso-8859-2"),
    "Latin, Turkish": ("İstanbul ığdır Şubesi", "iso-8859-9"),
    "Latin, Vietnamese": ("Tiếng Việt được", "utf-8"),
    "Latin, Danish": ("Blåbærgrød Århus Søren", "iso-8859-1"),
    "Latin, Czech": ("Příliš žluťoučký kůň", "windows-1250"),
    "Greek": ("Ευχαριστώ Τιμολόγιο", "iso-8859-7"),
    "Cyrillic, Russian": ("Счёт Йошкар договор", "koi8-r"),
    "Cyrillic, Ukrainian": ("Рахунок їжак ґанок", "koi8-u"),
    "Armenian": ("Հաշիվ շնորհակալություն", "utf-8"),
    "Georgian": ("ანგარიში მადლობა", "utf-8"),
    "Hebrew": ("חשבונית תודה", "windows-1255"),
    "Hebrew, pointed": ("שָׁלוֹם בְּרֵאשִׁית", "utf-8"),
    "Arabic": ("فاتورة شكرا", "windows-1256"),
    "Arabic, pointed": ("مُحَمَّدٌ رَسُولُ", "utf-8"),
    "Persian": ("می‌خواهم فاکتور", "utf-8"),
    "Devanagari": ("चालान हिन्दी विक्रय", "utf-8"),
    "Bengali": ("চালান বাংলা", "utf-8"),
    "Tamil": ("விலைப்பட்டியல் நன்றி", "utf-8"),
    "Telugu": ("ఇన్వాయిస్ ధన్యవాదాలు", "utf-8"),
    "Malayalam": ("ഇൻവോയ്സ് നന്ദി", "utf-8"),
    "Sinhala": ("ඉන්වොයිසිය ස්තූතියි", "utf-8"),
    "Thai": ("ใบแจ้งหนี้ ค่าน้ำ", "tis-620"),
    "Lao": ("ໃບແຈ້ງໜີ້ ສະບາຍດີ", "utf-8"),
    "Khmer": ("វិក្កយបត្រ ថ្មី", "utf-8"),
    "Burmese": ("ငွေတောင်းခံလွှာ ကျေးဇူး", "utf-8"),
    "Tibetan": ("བོད་སྐད་ བཀྲ་ཤིས་", "utf-8"),
    "Ethiopic": ("ደረሰኝ አመሰግናለሁ", "utf-8"),
    "Korean": ("견적서 요청서", "euc-kr"),
    "Korean, in jamo": (unicodedata.normalize("NFD", "견적서 요청서"), "utf-8"),
    "Japanese": ("請求書 データセンター", "iso-2022-jp"),
    "Japanese, half width": ("ﾃﾞｰﾀ ｾﾝﾀｰ", "utf-8"),
    "Chinese, simplified": ("采购合同 盖章", "gb18030"),
    "Chinese, traditional": ("採購合約 蓋章", "big5"),
    "full width": ("ＩＮＶＯＩＣＥ　２０２６", "utf-8"),
    "mathematical letters": ("𝐈𝐧𝐯𝐨𝐢𝐜𝐞 𝒹𝓊𝑒", "utf-8"),
    "soft hyphens": ("Donau\xaddampf\xadschiff Rech\xadnung", "iso-8859-1"),
    "zero width": ("in\u200bvoice pay\ufeffment", "utf-8"),
}
FIELDS = ("subject", "from", "to", "cc", "bcc", "filename", "body", "link", "in")
BARE = ("subject", "from", "to", "cc", "filename", "body", "link")
"""Fields in which words without a field are searched."""
SHOWN = ("from", "to", "cc", "bcc", "subject", "filename", "body", "in")
"""Fields that the message shows. Targets of links are only found."""


@dataclass(frozen=True)
class Case:
    """A mail with a text in one field."""

    script: str
    where: str
    text: str
    name: str
    mail: bytes


@dataclass
class Outcome:
    """How the mail of a case fared."""

    archived: bool
    shown: bool
    missed: list[str]
    """Queries for the field that do not find it."""
    bare: list[str]
    """Queries without a field that do not find it."""


def encodings(text: str, charset: str) -> Iterator[tuple[str, dict[str, bytes], bytes]]:
    """The field that holds a text, the header fields, and the body."""
    for each in dict.fromkeys((charset, "utf-8")):
        word = Header(text, each, maxlinelen=70).encode(linesep="\r\n").encode("ascii")
        yield "subject", {"Subject": word}, b"x"
        for name in ("From", "To", "Cc", "Bcc"):
            yield name.lower(), {name: word + b" <someone@outside.example>"}, b"x"
        raw = text.encode(each)
        star = f"attachment; filename*={each}''{quote(raw, safe='')}.txt".encode("ascii")
        quoted = b'attachment; filename="' + word.replace(b"\r\n", b"") + b'.txt"'
        for disposition in (star, quoted):
            yield "filename", {"Content-Disposition": disposition, "Content-Type": b"text/plain"}, b"x"
        plain = f'text/plain; charset="{each}"'.encode("ascii")
        yield "body", {"Content-Type": plain, "Content-Transfer-Encoding": b"8bit"}, raw
        markup = {"Content-Type": f'text/html; charset="{each}"'.encode("ascii")}
        yield "body", markup, b"<p><b>" + raw + b"</b></p>"
        yield "link", markup, b'<a href="http://shop.example/' + raw + b'">x</a>'
    references = "".join(f"&#{ord(char)};" for char in text).encode("ascii")
    yield "body", {"Content-Type": b"text/html"}, b"<p>" + references + b"</p>"
    for path in (references, quote(text, safe="").encode("ascii")):
        yield "link", {"Content-Type": b"text/html"}, b'<a href="http://shop.example/' + path + b'">x</a>'
    yield "in", {}, b"x"


def written(fields: dict[str, bytes], body: bytes, name: str) -> bytes:
    whole = {
        "From": b"ada@example.com",
        "To": b"bob@example.com",
        "Message-ID": f"<{name}>".encode(),
    } | fields
    header = b"".join(key.encode() + b": " + value + b"\r\n" for key, value in whole.items())
    return header + b"MIME-Version: 1.0\r\n\r\n" + body + b"\r\n"


def cases_of_scripts() -> Iterator[Case]:
    number = 0
    for script, (text, charset) in SCRIPTS.items():
        for where, fields, body in encodings(text, charset):
            name = f"{number}@scripts.example"
            yield Case(script, where, text, name, written(fields, body, name))
            number += 1


def filed(vault: TestVault, cases: list[Case]) -> None:
    """Archive all mails: those of `in` from a folder with the text as its title, in Ada's own mailbox."""
    summary = vault.archive(case.mail for case in cases if case.where != "in")
    assert (summary.state, summary.new) == ("ok", sum(case.where != "in" for case in cases))
    new = vault.maildir("own", journal=False, owner="ada@example.com", delete=False)
    for case in cases:
        if case.where == "in":
            folder = new.parent / f".{encode_folder(clean(case.text))}"
            for part in ("cur", "tmp", "new"):
                (folder / part).mkdir(parents=True)
            put(folder / "new", [case.mail])
    summary = vault.run("own")
    assert (summary.state, summary.new) == ("ok", len(SCRIPTS))


def shows(message: Message, where: str, text: str) -> bool:
    """Whether a field of a message shows a text on the screen."""
    headers = {name.lower(): value for name, value in message.headers}
    seen = {
        "body": message.text,
        "filename": " ".join(file.filename for file in message.attachments),
        "in": " ".join(message.folders),
    }
    shown = clean((headers | seen).get(where, ""), newline=True)
    return " ".join(clean(text).split()) in " ".join(shown.split())


def outcome(vault: TestVault, case: Case) -> Outcome:
    [hit] = vault.search(f"msgid:{case.name}")
    words = [word for word in clean(case.text).split() if any(map(is_letter, word))]
    texts = [one for each in (case.text, " ".join(words), *words) for one in (each, otherwise(each))]
    if case.where == "in":  # titles are whole, and compared without regard to case alone
        texts = [clean(case.text), clean(case.text).casefold()]

    def missed(begin: str) -> list[str]:
        queries = [f'{begin}"{one}"' for one in texts]
        return [query for query in queries if hit.id not in {found.id for found in vault.search(query)}]

    return Outcome(
        vault.raw(hit.id) == case.mail,
        case.where not in SHOWN or shows(vault.show(hit.id), case.where, case.text),
        missed(f"{case.where}:"),
        missed("") if case.where in BARE else [],
    )


def row(script: str, outcomes: dict[str, list[Outcome]]) -> str:
    """A line of the table: archived, shown and found for each field, and found without a field."""
    cells = []
    for where in FIELDS:
        found = outcomes[where]
        shown = str(sum(one.shown for one in found)) if where in SHOWN else "–"
        archived = sum(one.archived for one in found)
        cells.append(f"{archived}, {shown}, {sum(not one.missed for one in found)} of {len(found)}")
    bare = [one for where in BARE for one in outcomes[where]]
    charsets = ", ".join(dict.fromkeys((SCRIPTS[script][1], "utf-8")))
    cells.append(f"{sum(not one.bare for one in bare)} of {len(bare)}")
    return f"| {script} | {charsets} | {' | '.join(cells)} |"


def test_every_script_is_archived_shown_and_found_in_every_field(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    cases = list(cases_of_scripts())
    filed(vault, cases)
    table: dict[str, dict[str, list[Outcome]]] = {script: {} for script in SCRIPTS}
    wrong = []
    for case in cases:
        found = outcome(vault, case)
        table[case.script].setdefault(case.where, []).append(found)
        if not (found.archived and found.shown) or found.missed or found.bare:
            wrong.append((case.script, case.where, case.name, found))
    assert wrong == []
    head = [f"| script | charsets | {' | '.join(f'{one}:' for one in FIELDS)} | words alone |",
            "|---|---|" + "---:|" * (len(FIELDS) + 1)]  # fmt: skip
    check_table("scripts", [*head, *(row(script, outcomes) for script, outcomes in table.items())])


def test_the_page_has_both_tables() -> None:
    page = PAGE.read_text()
    for script in SCRIPTS:
        assert re.search(rf"^\| {re.escape(script)} \|", page, re.MULTILINE), script
    for language in LANGUAGES[:20]:
        assert re.search(rf"^\| {language} \|", page, re.MULTILINE), language
