"""The name of a file is read from every form in which programs write it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.headers.filenames import name_stated

STATED = {
    # RFC 6266 4.3: the form with a star counts, in any position.
    "attachment; filename*=UTF-8''M%C3%A4rz.pdf; filename=\"M_rz.pdf\"": "März.pdf",
    "attachment; filename=\"M_rz.pdf\"; filename*=UTF-8''M%C3%A4rz.pdf": "März.pdf",
    "attachment; filename*=\"iso-8859-1'de'M%E4rz.pdf\"": "März.pdf",
    "attachment; FILENAME*=utf-8''a.pdf": "a.pdf",
    # RFC 2231 3 and 4.1, and pieces out of order, twice, with encoded words, without a charset.
    "a; filename*0*=utf-8''M%C3; filename*1*=%A4rz; filename*2=.pdf": "März.pdf",
    'a; filename*1="b.pdf"; filename*0="a "': "a b.pdf",
    "a; filename*0=a; filename*0=x; filename*1=.pdf": "a.pdf",
    'a; filename*0="=?utf-8?Q?M=C3=A4"; filename*1="rz?=.pdf"': "März.pdf",
    "a; filename*=M%C3%A4rz.pdf": "März.pdf",
    # Against the rules: no quotes, quotes inside, an encoded word, the form with a star under the plain name.
    "attachment; filename=Offer for pump station.pdf": "Offer for pump station.pdf",
    "attachment; filename=Offer for pump.pdf; size=12": "Offer for pump.pdf",
    "attachment; filename=a=b.pdf ;size=12": "a=b.pdf",
    'attachment; filename="the "best" offer.pdf"; size=1': 'the "best" offer.pdf',
    'attachment; filename="never closed.pdf': "never closed.pdf",
    "attachment; filename='a.pdf'": "'a.pdf'",
    'attachment; filename="a\\"b.pdf"': 'a"b.pdf',
    'attachment; filename="a; b.pdf"; size=1': "a; b.pdf",
    "attachment; filename==?utf-8?Q?f=C3=BCr M=C3=BCller.pdf?=": "für Müller.pdf",
    "attachment; filename==?utf-8?Q?a;b.pdf?=; size=1": "a;b.pdf",
    'attachment; filename="=?utf-8?B?TcOkcno=?= =?utf-8?Q?_2026.pdf?="': "März 2026.pdf",
    "attachment; filename=\"UTF-8''M%C3%A4rz.pdf\"": "März.pdf",
    "attachment; filename=Größe Übersicht.pdf": "Größe Übersicht.pdf",
    "attachment;filename=a.pdf": "a.pdf",
    "attachment; size=1; filename = a.pdf": "a.pdf",
    "attachment": "",
    "attachment; filename=": "",
    'attachment; filename=""': "",
    "attachment; size=;;=; filename=a": "a",
    "attachment; 100% of it.pdf": "",
    'attachment; x-filename="a"': "",
}


@pytest.mark.parametrize("value", STATED)
def test_a_name_is_read_from_each_form(value: str) -> None:
    assert name_stated(value.encode(), b"") == STATED[value]
    as_type = value.replace("filename", "name").replace("FILENAME", "NAME")
    assert name_stated(b"", as_type.encode()) == STATED[value]


@pytest.mark.parametrize(
    ("disposition", "content_type", "best"),
    [
        ('a; filename="??????.pdf"', 'b; name="=?utf-8?B?TcOkcno=?=.pdf"', "März.pdf"),
        ('a; filename="M\ufffdrz.pdf"', "b; name*=utf-8''M%C3%A4rz.pdf", "März.pdf"),
        ('a; filename="what?.txt"', "b; name=other.txt", "what?.txt"),
        ('a; filename="????.pdf"', "b", "????.pdf"),
        ('a; filename=""', "b; name=a.pdf", "a.pdf"),
        ("a; filename=a.pdf", "b; name=b.pdf", "a.pdf"),
        ("a; filename*=no-such-set''%FF%FE; filename=a.pdf", "b; name=b.pdf", "ÿþ"),
        ("a; filename*=utf-16-le''%00%D8; filename=a.pdf", "b; name=b.pdf", "a.pdf"),
    ],
)
def test_the_best_of_several_names_counts(disposition: str, content_type: str, best: str) -> None:
    assert name_stated(disposition.encode(), content_type.encode()) == best


def percent(name: str, charset: str = "utf-8") -> str:
    return quote(name.encode(charset), safe="")


def pieces(name: str) -> str:
    raw = f"utf-8''{percent(name)}"
    return "; ".join(f"filename*{n}*={raw[at : at + 9]}" for n, at in enumerate(range(0, len(raw), 9)))


def word(name: str) -> str:
    return f"=?utf-8?B?{base64.b64encode(name.encode()).decode()}?="


def escaped(name: str) -> str:
    return name.replace("\\", r"\\").replace('"', r"\"")


FORMS: dict[str, Callable[[str], str]] = {
    "star": lambda name: f"filename*=utf-8''{percent(name)}",
    "quoted star": lambda name: f"filename*=\"utf-8'en'{percent(name)}\"",
    "utf-16 star": lambda name: f"filename*=utf-16-le''{percent(name, 'utf-16-le')}",
    "star and a stand-in": lambda name: f"filename=\"x.pdf\"; filename*=utf-8''{percent(name)}",
    "star and lost characters": lambda name: f"filename*=utf-8''{percent(name)}; filename=\"????\"",
    "raw": lambda name: f'filename="{escaped(name)}"',
    "encoded word": lambda name: f'filename="{word(name)}"',
    "bare encoded word": lambda name: f"filename={word(name)}; size=1",
    "name alone": lambda name: f"size=1;filename = {word(name)}",
}
NAMES = st.text(
    st.one_of(
        st.sampled_from("ab .,-_()[]{}!#%&'+=;@^~\"\\"),
        st.characters(codec="utf-8", categories=("L", "N")),
    ),
    min_size=1,
    max_size=60,
).map(lambda name: " ".join(name.split())).filter(lambda name: bool(name) and "=?" not in name)  # fmt: skip


@given(NAMES, st.sampled_from(sorted(FORMS)))
def test_any_name_is_read_from_every_form(name: str, form: str) -> None:
    assert name_stated(f"attachment; {FORMS[form](name)}".encode(), b"a/b") == name


@given(NAMES)
def test_any_name_is_read_from_pieces(name: str) -> None:
    if len(name) < 300:
        assert name_stated(f"attachment; {pieces(name)}".encode(), b"a/b") == name


@given(NAMES.filter(lambda name: not set(name) & set("\"';\\")))
def test_any_name_is_read_without_quotes(name: str) -> None:
    assert name_stated(f"attachment; filename={name}; size=1".encode(), b"a/b") == name


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_value_raises(disposition: bytes, content_type: bytes) -> None:
    name_stated(b"a; filename=" + disposition, b"a/b; name*0*=" + content_type).encode()
