"""The query language: what is read as which query, and how errors point at their place."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.query import (
    EVERYTHING,
    FIELDS,
    MAX_DEPTH,
    MAX_QUERY,
    MAX_TERMS,
    TEXT_FIELDS,
    And,
    Conversation,
    DatedBefore,
    DatedSince,
    GroupTerm,
    HasAttachment,
    HasUnreadable,
    IdPrefix,
    InFolder,
    InThread,
    LargerThan,
    MessageId,
    Node,
    Not,
    Or,
    PhraseTerm,
    PrefixTerm,
    SmallerThan,
    UserTerm,
    WordTerm,
    both,
    either,
    negate,
    parse,
    unparse,
)
from muniment.archive.query.reading import MAX_WILDS
from muniment.errors import QueryError

NOW = datetime(2024, 5, 15, 13, 30, tzinfo=UTC).timestamp()


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


A, B, C, D = WordTerm("a"), WordTerm("b"), WordTerm("c"), WordTerm("d")


@pytest.mark.parametrize(
    ("query", "node"),
    [
        ("", EVERYTHING),
        ("  \t ", EVERYTHING),
        ("a", A),
        ("a b", And((A, B))),
        ('"a b" c', And((PhraseTerm("a b"), C))),
        ("“a b” c", And((PhraseTerm("a b"), C))),
        ("-a", Not(A)),
        ("NOT a", Not(A)),
        ("NOT -a", A),
        ("not a or b", And((WordTerm("not"), A, WordTerm("or"), B))),
        ("a OR b", Or((A, B))),
        ("a | b || c", Or((A, B, C))),
        ("a b OR c d", And((A, Or((B, C)), D))),
        ("a AND b OR c", Or((And((A, B)), C))),
        ("(a b) OR c", Or((And((A, B)), C))),
        ("a (b (c d))", And((A, B, C, D))),
        ("a (b OR c)", And((A, Or((B, C))))),
        ("-(a b)", Not(And((A, B)))),
        ("a - b & c -- d", And((A, B, C, D))),
        ("a () b", And((A, B))),
        ("from:bob@x.com", WordTerm("bob@x.com", "from")),
        ("FROM:Bob", WordTerm("Bob", "from")),
        ('subject:"red car"', PhraseTerm("red car", "subject")),
        ("from:(a OR b) c", And((Or((WordTerm("a", "from"), WordTerm("b", "from"))), C))),
        ("subject:(a from:b)", And((WordTerm("a", "subject"), WordTerm("b", "from")))),
        ("-to:a", Not(WordTerm("a", "to"))),
        ("filename:report.pdf", WordTerm("report.pdf", "filename")),
        ("attachment:report.pdf", WordTerm("report.pdf", "attachment")),
        ('attachment:"red car"', PhraseTerm("red car", "attachment")),
        ("Attachment:(rep* OR a)", Or((PrefixTerm("rep", "attachment"), WordTerm("a", "attachment")))),
        ("invo*", PrefixTerm("invo")),
        ("subject:invo*", PrefixTerm("invo", "subject")),
        ("has:attachment", HasAttachment()),
        ("has:Unreadable", HasUnreadable()),
        ("has:Attachments", HasAttachment()),
        ("in:inbox", InFolder("inbox")),
        ('in:"Sent Items"', InFolder("Sent Items")),
        ("user:anna@x.com", UserTerm("anna@x.com")),
        ('group:"the board"', GroupTerm("the board")),
        ("id:3F9A01C2", IdPrefix("3f9a01c2")),
        ("larger:10k", LargerThan(10_240)),
        ("larger:1.5M", LargerThan(1_572_864)),
        ("larger:7", LargerThan(7)),
        ("smaller:2GB", SmallerThan(2 << 30)),
        ("smaller:300b", SmallerThan(300)),
        ("http://x.org/a?b", WordTerm("http://x.org/a?b")),
        ("mailto:a@b.c", WordTerm("mailto:a@b.c")),
        ("10:30", WordTerm("10:30")),
        ("Re: a", And((WordTerm("Re:"), A))),
        ("c:\\temp std::map", And((WordTerm("c:\\temp"), WordTerm("std::map")))),
        ("don't", WordTerm("don't")),
        ("東京", WordTerm("東京")),
    ],
)
def test_a_query_is_parsed(query: str, node: Node) -> None:
    assert parse(query, now=NOW) == node


@pytest.mark.parametrize(
    ("date", "start", "end"),
    [
        ("2024-05-01", at(2024, 5, 1), at(2024, 5, 2)),
        ("2024/5/1", at(2024, 5, 1), at(2024, 5, 2)),
        ("2024.05.01", at(2024, 5, 1), at(2024, 5, 2)),
        ("2024-12", at(2024, 12, 1), at(2025, 1, 1)),
        ("2024-02-29", at(2024, 2, 29), at(2024, 3, 1)),
        ("2024", at(2024, 1, 1), at(2025, 1, 1)),
        ("2024-05-01T10:30", at(2024, 5, 1, 10, 30), at(2024, 5, 1, 10, 31)),
        ("2024-05-01T10:30:05Z", at(2024, 5, 1, 10, 30, 5), at(2024, 5, 1, 10, 30, 6)),
        ("2024-05-01T10:30+02:00", at(2024, 5, 1, 8, 30), at(2024, 5, 1, 8, 31)),
        ("today", at(2024, 5, 15), at(2024, 5, 16)),
        ("Yesterday", at(2024, 5, 14), at(2024, 5, 15)),
        ("7d", at(2024, 5, 8), at(2024, 5, 9)),
        ("2w", at(2024, 5, 1), at(2024, 5, 2)),
    ],
)
def test_a_date_is_a_period(date: str, start: int, end: int) -> None:
    assert parse(f"after:{date}", now=NOW) == DatedSince(start)
    assert parse(f"before:{date}", now=NOW) == DatedBefore(start)
    assert parse(f"on:{date}", now=NOW) == And((DatedSince(start), DatedBefore(end)))


@pytest.mark.parametrize(
    ("dates", "start", "end"),
    [
        ("2024-01-01..2024-02-01", at(2024, 1, 1), at(2024, 2, 2)),
        ("2024.01.31..2024.02", at(2024, 1, 31), at(2024, 3, 1)),
        ("2024-05-01..2024-05-01", at(2024, 5, 1), at(2024, 5, 2)),
        ("2023..today", at(2023, 1, 1), at(2024, 5, 16)),
        ("7d..Yesterday", at(2024, 5, 8), at(2024, 5, 15)),
        ("2024-05-01T10:30..2024-05-01T10:30", at(2024, 5, 1, 10, 30), at(2024, 5, 1, 10, 31)),
    ],
)
def test_between_has_both_periods_and_all_from_one_to_the_other(dates: str, start: int, end: int) -> None:
    wanted = And((DatedSince(start), DatedBefore(end)))
    assert parse(f"between:{dates}", now=NOW) == parse(f'between:"{dates}"', now=NOW) == wanted
    assert parse(f"-between:{dates}", now=NOW) == Not(wanted)


@pytest.mark.parametrize(
    "typed", ["anna,bob@example.com", '"anna, bob@example.com"', '" anna ,bob@example.com "']
)
def test_between_two_people_is_mail_in_both_directions(typed: str) -> None:
    wanted = parse(
        "(from:anna (to:bob@example.com OR cc:bob@example.com OR bcc:bob@example.com))"
        " OR (from:bob@example.com (to:anna OR cc:anna OR bcc:anna))"
    )
    assert parse(f"between:{typed}") == wanted
    assert parse(f"-between:{typed}") == Not(wanted)
    assert parse(unparse(wanted)) == wanted


def test_between_takes_names_of_several_words_and_parts_of_words() -> None:
    assert parse('between:"Anna Berg,@example.com"') == parse(
        '(from:"Anna Berg" (to:@example.com OR cc:@example.com OR bcc:@example.com))'
        ' OR (from:@example.com (to:"Anna Berg" OR cc:"Anna Berg" OR bcc:"Anna Berg"))'
    )
    assert parse("between:ann*,bob") == parse(
        "(from:ann* (to:bob OR cc:bob OR bcc:bob)) OR (from:bob (to:ann* OR cc:ann* OR bcc:ann*))"
    )


def test_between_takes_people_with_dots_in_their_address() -> None:
    dotted = "j..doe@example.com"
    assert parse(f"between:{dotted},anna") == parse(
        f"(from:{dotted} (to:anna OR cc:anna OR bcc:anna))"
        f" OR (from:anna (to:{dotted} OR cc:{dotted} OR bcc:{dotted}))"
    )


def test_between_counts_a_wildcard_once() -> None:
    assert isinstance(parse("between:*anna,*berg between:*carl,*dora"), And)
    with pytest.raises(QueryError, match="begin with a wildcard") as caught:
        parse("between:*anna,*berg between:*carl,*dora *eve")
    assert caught.value.position == 40


def test_the_number_of_conversations_is_bounded() -> None:
    assert parse("thread:00000001 OR thread:0000000A OR thread:0000000a OR thread:00000001")
    assert parse(" ".join(f"thread:<0000000{n}>" for n in range(9)))
    with pytest.raises(QueryError, match="at most 2 conversations") as caught:
        parse("thread:00000001 -(a OR thread:00000002) thread:00000003")
    assert caught.value.position == 47


def test_a_message_id_may_look_like_the_id_of_a_message() -> None:
    assert parse("thread:3F9A01C2") == Conversation("3f9a01c2")
    assert parse("thread:<3F9A01C2>") == InThread("3f9a01c2")
    assert parse(unparse(InThread("3f9a01c2"))) == InThread("3f9a01c2")


def test_a_day_begins_in_the_readers_time_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert parse("after:2024-05-01", zone=berlin) == DatedSince(at(2024, 4, 30, 22))
    assert parse("on:2024-03-31", zone=berlin) == And(
        (DatedSince(at(2024, 3, 30, 23)), DatedBefore(at(2024, 3, 31, 22)))
    )


@pytest.mark.parametrize(
    ("query", "position", "says"),
    [
        ('a "b', 2, "quote"),
        ("a (b", 2, "never closed"),
        ("a b)", 3, "never opened"),
        ("OR a", 0, "OR"),
        ("a OR", 4, "missing"),
        ("a (b OR )", 8, "missing"),
        ("a NOT", 5, "missing"),
        ("a AND OR b", 6, "OR"),
        ("a form:b", 2, "did you mean from:?"),
        ("a xyzzy:b", 2, '"quotes"'),
        ("a from:", 7, "from:"),
        ("a from: b", 7, "from:"),
        ('in:"" b', 3, "in:"),
        ("a from:&", 7, "letter"),
        ("has:wings", 4, "has:attachment"),
        ("a before:yesteryear", 9, "2024-05-01"),
        ("after:2024-02-30", 6, "2024-05-01"),
        ("after:01/05/2024", 6, "2024-05-01"),
        ("on:9999", 3, "2024-05-01"),
        ("on:99999y", 3, "2024-05-01"),
        ("on:2024-13-01T10:00", 3, "2024-05-01"),
        ("between:2024-01-01", 8, "two dates"),
        ("a between:..2024-01-01", 10, "two dates"),
        ("between:2024-01-01..", 8, "two dates"),
        ("between:2024-13-01..2024-01-01", 8, "2024-05-01"),
        ("between:2024-01-01..soon", 20, "2024-05-01"),
        ("between:2024-01-01...2024-02-01", 20, "2024-05-01"),
        ("between:2024-02-01..2024-01-01", 8, "swap them"),
        ('between:" 2024-01-01..soon"', 22, "2024-05-01"),
        ("thread:12*", 9, "whole Message-ID"),
        ("between:anna,", 13, "letter"),
        ("a between:&,bob", 10, "letter"),
        ("between:anna,bob,carl", 16, "two people"),
        ('between:" anna,a*"', 15, "two letters"),
        ("attachment:&", 11, "attachment: needs at least one letter"),
        ("attachments:a", 0, "did you mean attachment:?"),
        ("larger:big", 7, "larger:5M"),
        ("id:12", 3, "hex"),
        ("a b*", 2, "two letters"),
        ("x " + "y" * 600, 2, "at most 512"),
        ("x " + "y" * 200, 2, "too long"),
        ("& - &", 0, "letter"),
        ("x" * (MAX_QUERY + 1), MAX_QUERY, "16,384"),
        ("ab " * (MAX_TERMS + 1), MAX_TERMS * 3, "256"),
        ("inv* " * (MAX_WILDS + 1), MAX_WILDS * 5, "100 wildcards"),
        ("aa*b*c?d*e " * 26, 25 * 11, "100 wildcards"),
        ('"inv* inv*" ' * 51, 50 * 12 + 1, "100 wildcards"),
    ],
)
def test_an_error_points_at_its_place(query: str, position: int, says: str) -> None:
    with pytest.raises(QueryError, match=r"^[^\n]*$") as caught:
        parse(query, now=NOW)
    assert caught.value.position == position
    assert caught.value.query == query
    assert says in str(caught.value)


@pytest.mark.parametrize("hostile", ["(", "-(", "NOT ", "from:(", "(a OR "])
def test_nesting_is_bounded(hostile: str) -> None:
    with pytest.raises(QueryError):
        parse(hostile * 2000)
    assert parse("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH) == A
    with pytest.raises(QueryError, match=f"{MAX_DEPTH} deep"):
        parse("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("query", "folder"),
    [
        (r'in:"the \"new\" one"', 'the "new" one'),
        (r"in:“the \”new\” one”", "the ”new” one"),
        (r'in:"a\b"', r"a\b"),
        (r'in:"a\\"', "a\\"),
        (r'in:"a\\\"b"', r"a\"b"),
    ],
)
def test_a_backslash_takes_a_quote_into_quotes(query: str, folder: str) -> None:
    assert parse(query) == InFolder(folder)
    assert parse(f"{query} red") == both((InFolder(folder), WordTerm("red")))


def test_a_quote_that_a_backslash_keeps_open_is_explained() -> None:
    with pytest.raises(QueryError, match="two backslashes"):
        parse(r'"C:\dir\" red')
    with pytest.raises(QueryError, match=r"never closed; close or remove it\.$"):
        parse('"red')
    with pytest.raises(QueryError, match="never closed"):
        parse('"' + "\\" * 8001 + '"')  # in a moment


def test_the_place_of_an_error_behind_escaped_quotes_is_right() -> None:
    with pytest.raises(QueryError) as caught:
        parse(r'"abc \"de\" x*"')
    assert caught.value.position == len(r'"abc \"de\" ')


def test_a_hundred_kilobytes_are_refused() -> None:
    with pytest.raises(QueryError, match="at most"):
        parse("word " * 20_000)


_NAMES = tuple(f"{name}:" for name in FIELDS)
_SIGNS = ("OR", "AND", "NOT", "|", "-", "(", ")", '"', "“", "\\", "*", " ", "  ", ":", "\0", "\n", "\ud800")
_VALUES = ("foo", "http://x", "2024-01-01", "5M", "attachment", "3f9a01c2", "10:30", "東京", "ü")
_PIECES = st.sampled_from((*_NAMES, *_SIGNS, *_VALUES))


@given(st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=30).map("".join)))
def test_any_text_is_parsed_or_refused(query: str) -> None:
    try:
        node = parse(query, now=NOW)
    except QueryError as refused:
        error = refused
    else:
        assert parse(unparse(node), now=NOW) == node
        return
    assert 0 <= error.position <= len(query)


_TEXT = st.sampled_from(["red", "Anna", "a@x.com", "10:30", "naïve", "東京", "x.y", "from", "don't"])
_PHRASE = st.sampled_from(['say "yes" 1', "c\\d\\", "“so” 1"])
_FIELD = st.sampled_from(["", *TEXT_FIELDS])
_TIME = st.integers(-2_000_000_000, 7_000_000_000)
_LEAF = st.one_of(
    st.builds(WordTerm, _TEXT, _FIELD),
    st.builds(PhraseTerm, st.one_of(_TEXT, _PHRASE), _FIELD),
    st.builds(PrefixTerm, st.sampled_from(["inv", "a@ex"]), _FIELD),
    st.builds(DatedSince, _TIME),
    st.builds(DatedBefore, _TIME),
    st.builds(LargerThan, st.integers(0, 1 << 40)),
    st.builds(SmallerThan, st.integers(0, 1 << 40)),
    st.just(HasAttachment()),
    st.just(HasUnreadable()),
    st.builds(
        InFolder, st.sampled_from(["inbox", "Sent Items", 'the "new" one', "“so”", "a\\b", "end\\", '\\"'])
    ),
    st.builds(UserTerm, st.sampled_from(["anna@x.com", "Anna Bell"])),
    st.builds(GroupTerm, st.sampled_from(["board", 'The "Board"'])),
    st.just(IdPrefix("3f9a01c2")),
    st.builds(MessageId, st.sampled_from(["3f9a01c2", "a1@x.com"])),
    st.builds(InThread, st.sampled_from(["3f9a01c2", "a1@x.com", "a<b"])),
    st.just(Conversation("3f9a01c2")),
)
TREES = st.recursive(
    _LEAF,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(both),
        st.lists(inner, min_size=1, max_size=4).map(either),
        inner.map(negate),
    ),
    max_leaves=12,
)


@given(TREES)
def test_an_unparsed_query_is_parsed_again(node: Node) -> None:
    assert parse(unparse(node)) == node
