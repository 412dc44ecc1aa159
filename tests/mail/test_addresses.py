"""Addresses: their normalised form, and the mailboxes of a field."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.mail.headers import addresses
from muniment.mail.headers.addresses import (
    ADDRESS_LIMIT,
    COUNT_LIMIT,
    HeaderAddress,
    domain,
    mailboxes,
    normalise,
    parse,
    usable,
    without_tag,
)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (" <Anna@Example.COM> ", "anna@example.com"),
        ("SMTP:Anna@Example.com", "anna@example.com"),
        ("<smtp:anna@example.com>", "anna@example.com"),
        ("smtp:<anna@example.com>", "anna@example.com"),
        ("mailto: smtp: < <anna@example.com> >", "anna@example.com"),
        ("IMCEAEX-_O=ORG_CN=A@Example.com", "imceaex-_o=org_cn=a@example.com"),
        ("JOSE\u0301@example.com", "jos\u00e9@example.com"),
        ("bob@contoso.com.", "bob@contoso.com"),
        ('"Bob"@contoso.com', "bob@contoso.com"),
        ('"b\\ob"@contoso.com', "bob@contoso.com"),
        ('"bob..x"@contoso.com', "bob..x@contoso.com"),
        ('"a b"@contoso.com', '"a b"@contoso.com'),
        ('"a\\ b"@contoso.com', '"a b"@contoso.com'),
        ('"a\\"b"@contoso.com', '"a\\"b"@contoso.com'),
        ('"a@b"@contoso.com', '"a@b"@contoso.com'),
        ('""@contoso.com', '""@contoso.com'),
        ("info@XN--MNCHEN-3YA.example", "info@m\u00fcnchen.example"),
        ("bob@[192.0.2.1]", "bob@[192.0.2.1]"),
        ("", ""),
    ],
)
def test_normalise(written: str, address: str) -> None:
    assert normalise(written) == address


@given(
    st.lists(
        st.sampled_from(
            [*'@<>\\", a.+/=', "smtp:", "mailto:", "xn--", "x.example", "\u3002", "\uff20", "\u00a0"]
        )
        | st.characters(),
        max_size=8,
    ).map("".join)
)
def test_a_routed_address_is_found_by_its_normalised_form(written: str) -> None:
    """The directory normalises an address once more, the index does not."""
    once = normalise(written)
    if usable(once):
        assert normalise(once) == once


@given(st.text(max_size=20))
def test_normalising_twice_changes_nothing_for_usable_addresses(text: str) -> None:
    once = normalise(f"a{text.strip()}@example.com")
    if usable(once):
        assert normalise(once) == once


def test_long_text_is_cut_before_it_is_composed() -> None:
    started = time.process_time()
    for marks in ("\u05b0\u05b9", "\u0315\u0300", "\u0323\u0307"):
        long = normalise("a" + marks * 500_000 + "@example.com")
        assert len(long) == ADDRESS_LIMIT + 1
        assert not usable(long)
    assert time.process_time() - started < 1


@given(st.integers(0, 30))
def test_an_address_of_the_longest_kind_is_usable(less: int) -> None:
    address = "a" * (ADDRESS_LIMIT - 2 - less) + "@x"
    assert normalise(f"  {address.upper()}  ") == address
    assert usable(normalise(address))


def test_parts_of_an_address() -> None:
    assert without_tag("bob+news@x.com") == "bob@x.com"
    assert without_tag("bob@x+y.com") == "bob@x+y.com"
    assert without_tag("+news@x.com") == "+news@x.com"
    assert without_tag("bob") == "bob"
    assert domain("a@b@X.com") == "x.com"
    assert domain("root") == ""


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("anna@x", [("", "anna@x")]),
        ('Anna Berg <anna@x>, "Berg, Bob" <bob@x>', [("Anna Berg", "anna@x"), ("Berg, Bob", "bob@x")]),
        ("Berg, Anna <anna@x>, bob@x", [("Berg, Anna", "anna@x"), ("", "bob@x")]),
        ("undisclosed-recipients:;", []),
        ("Team: a@x, B <b@x>;, c@x", [("", "a@x"), ("B", "b@x"), ("", "c@x")]),
        ("anna@x (Anna (the) Berg)", [("Anna (the) Berg", "anna@x")]),
        ("=?utf-8?q?a=2Cb?= <a@x>, =?utf-8?q?gr=C3=BCn?= <g@x>", [("a,b", "a@x"), ("grün", "g@x")]),
        ("<@relay,@other:user@x>", [("", "user@x")]),
        ('"a,b"@x, c@x', [("", '"a,b"@x'), ("", "c@x")]),
        ("a @ x.com", [("", "a@x.com")]),
        ("a@x b@y", [("", "a@x"), ("", "b@y")]),
        ("a@x; b@y", [("", "a@x"), ("", "b@y")]),
        ("Foo <a@x, b@y", [("Foo", "a@x"), ("", "b@y")]),
        ('"open <a@x>, b@y', [("open", "a@x"), ("", "b@y")]),
        ("(open a@x, b@y", [("open", "a@x"), ("", "b@y")]),
        ("Anna </O=ORG/CN=ANNA>", [("Anna", "/O=ORG/CN=ANNA")]),
        ("mailto:a@x", [("", "a@x")]),
        ("root, Anna", [("", "root"), ("", "Anna")]),
        ("Anna Berg", [("Anna Berg", "")]),
        ("<>", []),
        ("", []),
    ],
)
def test_parse(value: str, found: list[tuple[str, str]]) -> None:
    assert parse(value) == [HeaderAddress(*each) for each in found]
    assert parse(value.encode()) == [HeaderAddress(*each) for each in found]


WHOLE = "=?utf-8?q?Bob_=3Cbob=40contoso.com=3E?="
BOB, CAROL = ("Bob", "bob@contoso.com"), ("Carol", "carol@contoso.com")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (WHOLE, [BOB]),
        (
            "=?utf-8?B?Qm9iIEdyw7bDn2UgPGJvYkBjb250b3NvLmNvbT4=?=",
            [("Bob Gr\u00f6\u00dfe", "bob@contoso.com")],
        ),
        ("=?utf-8?q?bob=40contoso.com?=", [("", "bob@contoso.com")]),
        ("=?utf-8?q?bob@contoso.com?=", [("", "bob@contoso.com")]),
        ("=?utf-8?q?Bob_<bob@contoso.com>?=", [BOB]),
        ("=?utf-8?q?Bob_=3Cbob=40con?= =?utf-8?q?toso.com=3E?=", [BOB]),
        ("=?utf-8?q?Bob_=3Cbob=40contoso.com=3E=2C_Carol_=3Ccarol=40contoso.com=3E?=", [BOB, CAROL]),
        (
            "=?utf-8?q?Bob_=3Cbob=40contoso.com=3E=2C?= =?utf-8?q?_Carol_=3Ccarol=40contoso.com=3E?=",
            [BOB, CAROL],
        ),
        (f"{WHOLE}, =?utf-8?q?Carol_=3Ccarol=40contoso.com=3E?=", [BOB, CAROL]),
        (f"{WHOLE}, carol@contoso.com", [BOB, ("", "carol@contoso.com")]),
        (f"{WHOLE}, Carol <carol@contoso.com>", [BOB, CAROL]),
        (f"carol@contoso.com, {WHOLE}", [("", "carol@contoso.com"), BOB]),
        (f"Team: {WHOLE};", [BOB]),
        (f'"{WHOLE}"', [BOB]),
        ("Bob <=?utf-8?q?bob=40contoso.com?=>", [BOB]),
        ("=?utf-8?q?j=C3=B6rg?=@contoso.com", [("", "j\u00f6rg@contoso.com")]),
        ("Bob <bob@=?utf-8?q?m=C3=BCnchen.example?=>", [("Bob", "bob@m\u00fcnchen.example")]),
        ("=?utf-8?q?Anna?=", [("Anna", "")]),
        ("=?utf-8?q?Berg?=, =?utf-8?q?Anna?= <anna@x>", [("Berg, Anna", "anna@x")]),
        ("=?utf-8?q?a=2Cb=3C?= <a@x>", [("a,b<", "a@x")]),
        ("a=?b@x.com", [("", "a=?b@x.com")]),
        ("=?utf-8?q?=3D=3Futf-8=3Fq=3Fbob=3D40contoso.com=3F=3D?=", [("=?utf-8?q?bob=40contoso.com?=", "")]),
    ],
)
def test_encoded_words_around_a_whole_mailbox_are_read(value: str, found: list[tuple[str, str]]) -> None:
    assert parse(value) == [HeaderAddress(*each) for each in found]
    assert parse(value.encode()) == [HeaderAddress(*each) for each in found]


MALLORY = "mallory@evil.example"
HIDDEN = (
    "=?utf-8?q?bob=40contoso.com?=",
    "=?utf-8?q?bob@contoso.com?=",
    "=?utf-8?q?bob=40contoso.com=2C?=",
    "=?utf-8?q?bob@contoso.com,?=",
    "=?utf-8?q?,_bob@contoso.com,?=",
    "=?utf-8?q?Bob_<bob@contoso.com>?=",
    "=?utf-8?q?Bob_<bob@contoso.com>,?=",
    "=?utf-8?q?Bob_=3Cbob=40contoso.com=3E=2C?=",
    "=?utf-8?q?x=22_=3Cbob=40contoso.com=3E=2C_=22?=",
    "=?utf-8?b?Ym9iQGNvbnRvc28uY29tLCA=?=",
    "=?utf-8?q?=3Cbob=40con?= =?utf-8?q?toso.com=3E=2C?=",
    "=?utf-8?q?a=3A_bob=40contoso.com=3B?=",
)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(
    "form",
    [
        "{} <{}>",
        '"{}" <{}>',
        "{} {}",
        "{1} ({0})",
        "({}) {}",
        "<{1}> {0}",
        "{1} {0}",
        "x {} y <{}>",
        "{}<{}>",
    ],
)
def test_an_encoded_name_adds_no_address(hidden: str, form: str) -> None:
    """A name that looks like Bob's address puts no mail into Bob's folder: a real address is beside it."""
    assert [normalise(one.address) for one in parse(form.format(hidden, MALLORY))] == [MALLORY]
    assert mailboxes([form.format(hidden, MALLORY).encode()]) == (MALLORY,)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_an_encoded_half_of_an_address_adds_no_address(hidden: str) -> None:
    for value in (f"{hidden}@evil.example", f"<{hidden}@evil.example>", f"x@{hidden}", f"x <y@{hidden}>"):
        assert "bob@contoso.com" not in mailboxes([value])


@given(
    st.lists(
        st.sampled_from(
            [WHOLE, *HIDDEN, *'"<>(),;: @', "=?", "?=", "a@x", f"<{MALLORY}>", "=?utf-8?q?a?=", "\\"]
        ),
        max_size=12,
    ).map("".join)
)
def test_lists_with_encoded_words_never_raise_and_end(value: str) -> None:
    for address in mailboxes([value]):
        assert usable(address)
        assert normalise(address) == address


@given(st.text(alphabet='ab@<>,;:"()\\ \n=?', max_size=60) | st.binary(max_size=40))
def test_parse_never_raises(value: str | bytes) -> None:
    for name, address in parse(value):
        f"{name}{address}".encode()


@given(st.lists(st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.com", fullmatch=True), max_size=20))
def test_every_address_of_a_list_is_found(addresses: list[str]) -> None:
    assert [entry.address for entry in parse(", ".join(addresses))] == addresses
    assert [
        entry.address for entry in parse(", ".join(f'"N, N" <{each}>' for each in addresses))
    ] == addresses


pieces = st.sampled_from(
    [
        *("Anna Berg", "anna@Example.com", "bob@b.example", "/o=a/cn=b", '"Berg, Anna"', '"a\\"b"', "smtp:"),
        *("=?utf-8?Q?A=2C_b?=", "=?utf-8?B?YUBiLmV4YW1wbGU=?=", "=?x?q?a b?=", "=?", "?=", "(c)", "@"),
        *("x" * 65 + "@b.example", "a@b.example.", "\u00e4@b.example", "xn--mnchen-3ya.example"),
        *("<", ">", "<", ">", ",", ",", ", ", ";", ":", "\\", '"', " ", "\t", "\x1b", "\0", "'", "="),
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(pieces, max_size=9), st.booleans())
def test_the_fast_path_for_plain_lists_gives_the_result_of_the_parser(parts: list[str], raw: bool) -> None:
    text = "".join(parts)
    value = text.encode() if raw else text
    found = (normalise(entry.address) for entry in parse(value))
    assert mailboxes([value]) == tuple(dict.fromkeys(address for address in found if usable(address)))


def test_a_plain_list_takes_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "parse", None)
    anna, bob = b'"Berg, Anna" <Anna@plain.example>', b"=?utf-8?q?B=C3=B6b?= Ob <bob@plain.example>"
    plain = anna + b",\r\n " + bob + b" , eve@plain.example"
    assert mailboxes([plain]) == ("anna@plain.example", "bob@plain.example", "eve@plain.example")


@pytest.mark.parametrize("count", [3_000, COUNT_LIMIT - 1, COUNT_LIMIT, COUNT_LIMIT + 1])
def test_a_long_plain_list_gives_the_result_of_the_parser(count: int) -> None:
    value = ", ".join(f'"U" <u{number}@example.com>' for number in range(count))
    assert mailboxes([value]) == tuple(entry.address for entry in parse(value))


@pytest.mark.parametrize("piece", ["<", "<,", "()", '""', ":", "a:", "<a ", '"'])
def test_an_address_behind_many_brackets_is_found(piece: str) -> None:
    started = time.process_time()
    found = parse(piece * (1_000_000 // len(piece)) + " , bob@example.com")
    assert found[-1].address == "bob@example.com"
    assert time.process_time() - started < 2


def test_count_is_bounded() -> None:
    assert len(parse("a@x," * 30_000)) == 10_000
    assert len(parse("a@x, b@x", 1)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        '"a,b@x,',
        "<",
        "<a,",
        '("',
        "(",
        "()",
        '"\\',
        "<<>",
        ":",
        ";a:",
        '\\"',
        "((\\",
        "<@",
        '<"\\',
        "a ",
        "x<y,z ",
        "=?",
        "=?a?q?b?=",
        "=?a?q?b@c?=,",
        "=?a?q?b=40c,?=",
        "<=?a?q?b@c?=>",
        "=?a?b?",
    ],
)
def test_hostile_lists_take_linear_time(piece: str) -> None:
    started = time.process_time()
    parse(piece * (60_000 // len(piece)), 10**9)
    parse("()" * 20_000 + "@" + piece * (20_000 // len(piece)) + ":" * 20_000, 10**9)
    assert time.process_time() - started < 2


def test_usable() -> None:
    assert usable("a@x")
    assert usable('"a b"@x')
    assert usable("/o=org/cn=a b")
    assert not any(map(usable, ["", "a", "@x", "a@", "a b@x", "a@x y", "/o", "a@" + "x" * 2000]))
