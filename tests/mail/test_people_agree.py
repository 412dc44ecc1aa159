"""Routing, the catalog and the index read the same people from a message's headers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.index import IndexDocument
from muniment.archive.index.document import _tags
from muniment.mail.headers.routing import read_routing
from muniment.mail.model import AddressRole
from muniment.mail.text.outline import read_outline
from muniment.mail.text.read_text import read_text
from support import corpus
from support.cases import cases_dir

FIELDS = {
    "from": frozenset({AddressRole.SENDER, AddressRole.ON_BEHALF_OF}),
    "to": frozenset({AddressRole.TO}),
    "cc": frozenset({AddressRole.CC}),
    "bcc": frozenset({AddressRole.BCC}),
}
RESENT = (b"resent-", b"Resent-", b"RESENT-")


def routed(mail: bytes) -> dict[str, set[str]]:
    """The addresses that routing reads, by the field of a query that finds them."""
    parties = read_routing(mail).parties
    return {
        field: {party.address for party in parties if party.role in roles} for field, roles in FIELDS.items()
    }


def indexed(mail: bytes) -> dict[str, set[str]]:
    """The addresses by which a query of such a field finds the message."""
    tags = _tags(IndexDocument(1, 1, 1, 0, b"\0" * 32, read_text(mail)))
    return {
        field: {name for name in _named(tags, field) if name[0] != "@" or "@" in name[1:]} for field in FIELDS
    }


def _named(tags: set[str], field: str) -> Iterator[str]:
    """The addresses behind a field in tags, and domains that begin with `@`."""
    return (tag.removeprefix(f"{field}:") for tag in tags if tag.startswith(f"{field}:"))


def agree(mail: bytes) -> None:
    assert indexed(mail) == routed(mail)
    assert read_outline(mail)[1].people == read_text(mail).people


def genuine() -> Iterator[tuple[str, bytes]]:
    """Real and malformed mail without Resent fields.

    For such mail the index has the people of an envelope.
    """
    some = chain(islice(corpus.real(), 300), islice(corpus.malformed(), 400))
    return ((name, mail) for name, mail in some if not any(mark in mail for mark in RESENT))


def test_they_agree_on_real_and_malformed_mail() -> None:
    for name, mail in genuine():
        assert indexed(mail) == routed(mail), name


@pytest.mark.parametrize("name", ["a-whole-encoded.eml", "a-idn.eml", "a-idn-puny.eml"])
def test_they_agree_on_the_cases(name: str) -> None:
    agree((cases_dir() / name).read_bytes())


def test_the_cases_are_read_correctly() -> None:
    whole = routed((cases_dir() / "a-whole-encoded.eml").read_bytes())
    assert (whole["from"], whole["to"]) == ({"anna.s@contoso.com"}, {"bob@contoso.com"})
    assert routed((cases_dir() / "a-idn-puny.eml").read_bytes())["from"] == {"info@m\u00fcnchen.example"}


PIECES = (
    *("Anna ", "bob@contoso.com", "BOB@Contoso.COM.", '"bob"@contoso.com', "info@xn--mnchen-3ya.example"),
    *("<", ">", "<carol@contoso.com>", "(", ")", '"', ",", ";", ":", "\\", "@", " ", "\r\n ", "\r\n\t"),
    *("=?utf-8?q?Bob_=3Cbob=40contoso.com=3E?=", "=?utf-8?q?dave@contoso.com?=", "=?utf-8?B?", "?="),
    *(
        "=?utf-8?q?x=2C?=",
        "j\u00f6rg@m\u00fcnchen.example",
        "SMTP:",
        "/O=ORG/CN=ANNA",
        "root",
        "\x00",
        "a+b@x.y",
    ),
)
VALUES = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8).map("".join)


@given(st.lists(st.tuples(st.sampled_from(["From", "To", "Cc", "Bcc", "Sender", "to"]), VALUES), max_size=6))
def test_they_agree_on_any_header(fields: list[tuple[str, str]]) -> None:
    header = "".join(f"{name}: {value}\r\n" for name, value in fields)
    agree(header.encode("utf-8", "replace") + b"Subject: x\r\n\r\ntext")
