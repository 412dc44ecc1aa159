"""All spellings of an internationalised domain are one, and the spelling that is shown can't deceive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.headers.addresses import domain, normalise, usable
from muniment.mail.headers.domains import ascii_form, canonical, readable, spellings
from muniment.system.sanitise import clean

RUSSIA = "\u0440\u043e\u0441\u0441\u0438\u044f.\u0440\u0444"
SPELT = {
    "m\u00fcnchen.example": (
        "xn--mnchen-3ya.example",
        "XN--MNCHEN-3YA.EXAMPLE",
        "M\u00dcNCHEN.example",
        "mu\u0308nchen.example",
        "m\u00fcnchen.example.",
        "m\u00fcnchen\u3002example",
        "\uff4d\u00fc\uff4e\uff43\uff48\uff45\uff4e.example",
    ),
    "stra\u00dfe.example": ("xn--strae-oqa.example", "STRA\u1e9eE.example"),
    "\u4f8b\u3048.\u30c6\u30b9\u30c8": (
        "xn--r8jz45g.xn--zckzah",
        "\u4f8b\u3048\uff0e\u30c6\u30b9\u30c8",
    ),
    RUSSIA: ("xn--h1alffa9f.xn--p1ai", RUSSIA.upper()),
    "\u0645\u062b\u0627\u0644.example": ("xn--mgbh0fb.example",),
    "contoso.com": ("Contoso.COM", "contoso.com.", "\uff43ontoso.com"),
}


@pytest.mark.parametrize("shown", SPELT)
def test_all_spellings_are_one(shown: str) -> None:
    assert canonical(shown) == shown
    for spelling in SPELT[shown]:
        assert canonical(spelling) == shown
        assert normalise(f"Info@{spelling}") == f"info@{shown}"
        assert domain(f"info@{spelling}") == shown
        assert ascii_form(spelling) == ascii_form(shown)
    assert ascii_form(shown).isascii()


@pytest.mark.parametrize(
    ("domain_", "encoded"),
    [
        ("\u0430pple.com", "xn--pple-43d.com"),  # a Cyrillic a
        ("\u0430\u0440\u0440\u04cf\u0435.com", "xn--80ak6aa92e.com"),  # all Cyrillic
        ("\u03b1\u03bf.com", "xn--mxa2a.com"),  # all Greek
        ("a\u200db.com", "xn--ab-m1t.com"),
        ("\U0001f4a9.la", "xn--ls8h.la"),
        ("\u202em\u00fcnchen.com", ""),
        ("m\u00fcnchen\u200b\u202e.com", ""),
    ],
)
def test_a_label_that_may_deceive_is_shown_encoded(domain_: str, encoded: str) -> None:
    found = canonical(domain_)
    assert found.isascii()
    assert found == encoded or not encoded
    assert canonical(found) == found
    assert readable(f"Anna <anna@{found}>") == f"Anna <anna@{found}>"


def test_a_character_that_looks_like_an_at_sign_does_not_begin_a_domain() -> None:
    for sign in "\uff20\ufe6b":
        assert normalise(f"bob@x.example{sign}corp.example") == f"bob@x.example{sign}corp.example"
        assert domain(f"bob@x.example{sign}corp.example") != "corp.example"


BROKEN = (
    *("xn--", "xn--a", "xn---", "xn--zzzzzzzz99999", "xn--\u00e9", "xn--a.xn--b", "xn--" + "a" * 80, "a..b"),
    *(".", "", "\u00fc" * 70, "\u00fc" * 400, "xn--mnchen-3YA\x00", "[192.0.2.1]", "_dmarc.\u00fc.x"),
)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_domain_stays_unchanged(broken: str) -> None:
    found = canonical(broken)
    assert canonical(found) == found
    readable(broken), spellings(broken), ascii_form(broken)


LABELS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
XN = st.from_regex(r"xn--[a-z0-9-]{1,20}", fullmatch=True)


@given(
    st.lists(LABELS | XN | st.sampled_from(["m\u00fcnchen", "xn--mnchen-3ya", "example"]), max_size=4).map(
        ".".join
    )
)
def test_the_canonical_form_is_stable_and_that_of_its_encoding(written: str) -> None:
    found = canonical(written)
    assert canonical(found) == found
    if found.upper().lower() == found:  # not for ß, which is SS in capitals
        assert canonical(found.upper()) == found
    if "\ufffd" not in found and len(found) < 60:
        assert canonical(ascii_form(written)) == found


@given(st.lists(LABELS | XN, max_size=4).map(" ".join))
def test_readable_text_is_clean_for_the_terminal(text: str) -> None:
    shown = readable(text)
    assert len(clean(shown)) - len(shown) >= len(clean(text)) - len(text), "nothing more to take out"


@given(st.from_regex(r"[a-z\u00e4\u00f6\u00fc\u0435-\u0438]{1,10}\.example", fullmatch=True))
def test_each_spelling_of_a_query_leads_to_the_others(name: str) -> None:
    for text in (name, canonical(name), ascii_form(name)):
        assert {canonical(name), ascii_form(name)} <= set(spellings(text))
    assert spellings(f"see info@{name} now")[-1]


def test_words_that_are_no_domains_have_one_spelling() -> None:
    for text in ("invoice", "a.b.c", "M\u00fcnchen", "J\u00f6rg.M\u00fcller@example.com"):
        assert set(spellings(text)) == {text}


@given(st.text(max_size=30))
def test_normalising_an_address_with_any_domain_twice_changes_nothing(host: str) -> None:
    once = normalise(f"a@{host}")
    if usable(once):
        assert normalise(once) == once
