"""No pattern that reads mail takes time that grows with the square of the text.

Each is tried on texts made for it: a string that it matches, and the beginnings of that string, many times. A
pattern is slowest where its beginning is found often and its end never.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import islice, product
from typing import Any

import pytest

import muniment.mail
from muniment.archive.index import document, wording
from muniment.archive.operations import conversations, export_targets
from muniment.archive.query import reading
from muniment.sources.files import containers, mbox_scan, naming, separator
from support.growth import repeated, too_steep

parser: Any = import_module("re._parser")
MODULES = (
    *(import_module(info.name) for info in pkgutil.walk_packages(muniment.mail.__path__, "muniment.mail.")),
    conversations,
    export_targets,
    reading,
    document,
    wording,
    containers,
    mbox_scan,
    naming,
    separator,
)
PATTERNS: dict[str, re.Pattern[Any]] = {
    f"{module.__name__.removeprefix('muniment.')}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
}
ONE_PLACE = {
    "mail.mime.walker._FIELD": "looks at the beginning of 1,000 bytes",
    "mail.journal.report._HEADER_LINE": "looks at the beginning of 200 bytes",
    "mail.headers.fields._NAME": "looks at the beginning of a field",
    "mail.headers.addresses._QUOTED": "is tried at a quote, and at no other once one was not closed",
    "mail.headers.addresses._MAILBOX": "is tried behind a comma, and at no other place once it failed",
    "archive.query.reading._NAME": "is tried where a word begins",
    "mail.content.public._NAME": "looks at the beginning of a line",
    "sources.files.containers._WIDE_FIELD": "looks at the beginning of a file",
    "sources.files.containers._LENGTH": "looks at the beginning of a file",
    "sources.files.containers._MARKUP": "looks at the beginning of a file",
    "sources.files.separator._BARE": "looks at a line of at most 1,000 bytes",
    "sources.files.separator._FIELD": "looks at the beginning of a line",
}
"""Patterns that are never searched for, but matched at one offset of a text."""
SIZE = 8 * 1024
MOST = 40
"""Strings that are tried for one pattern."""
CANDIDATES = "a b\n=?*<>\"'&-;:@(\x1b\u0301\ud7b0漢"


def samples(tree: Any) -> Iterator[str]:
    """Strings that a pattern matches: one repetition, and each alternative."""
    yield from map("".join, islice(product(*(list(islice(one(*node), 8)) for node in tree)), 200))


def one(kind: Any, value: Any) -> Iterator[str]:
    """The same for one node of a parsed pattern. Lookaheads and anchors match nothing."""
    name = str(kind)
    if name == "LITERAL":
        yield chr(value)
    elif name in ("IN", "NOT_LITERAL", "ANY"):
        yield member(kind, value)
    elif name.endswith("REPEAT"):
        yield from ("".join([text] * max(value[0], 1)) for text in samples(value[2]))
    elif name == "SUBPATTERN":
        yield from samples(value[-1])
    elif name == "ATOMIC_GROUP":
        yield from samples(value)
    elif name == "BRANCH":
        for branch in value[1]:
            yield from islice(samples(branch), 3)
    else:
        yield ""


def member(kind: Any, value: Any) -> str:
    """A character of a class: its first, or one that a negated class does not exclude."""
    if str(kind) == "IN" and str(value[0][0]) in ("LITERAL", "RANGE"):
        return chr(value[0][1] if str(value[0][0]) == "LITERAL" else value[0][1][0])
    if str(kind) == "IN" and str(value[0][0]) == "CATEGORY":
        return " " if "SPACE" in str(value[0][1]) and "NOT" not in str(value[0][1]) else "a"
    left = {chr(one[1]) for one in value if str(one[0]) == "LITERAL"} if str(kind) == "IN" else set()
    return next((char for char in CANDIDATES if char not in left), "a")


def pieces(pattern: re.Pattern[Any]) -> list[bytes]:
    """The strings from which the text is made: samples, and their beginnings."""
    raw = isinstance(pattern.pattern, bytes)
    made: dict[bytes, None] = {}
    for text in islice(
        samples(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE if raw else pattern.flags)), 20
    ):
        for end in {len(text), len(text) - 1, len(text) // 2, 1} - {0, -1}:
            made[text[:end].encode("latin-1" if raw else "utf-8", "replace")] = None
    return list(islice(made, MOST))


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_takes_linear_time(name: str) -> None:
    pattern = PATTERNS[name]

    def run(text: bytes) -> None:
        subject = text if isinstance(pattern.pattern, bytes) else text.decode("utf-8", "replace")
        if name in ONE_PLACE:
            pattern.match(subject)
        else:
            for _ in pattern.finditer(subject):
                pass

    steep = {piece: found for piece in pieces(pattern) if (found := too_steep(run, repeated(piece), SIZE))}
    assert not steep


@pytest.mark.slow
def test_a_pattern_that_takes_quadratic_time_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns: list[re.Pattern[Any]] = [
        re.compile(rb"name\*=([^';\s]+)'"),
        re.compile("<a[^>]*>"),
        re.compile("(?:a|b)+c"),
    ]
    for name, pattern in zip(("label", "tag", "nested"), patterns, strict=True):
        monkeypatch.setitem(PATTERNS, name, pattern)
        assert any(_fails(name) for _ in range(5)), name  # a busy machine blurs one measurement


def _fails(name: str) -> bool:
    try:
        test_a_pattern_takes_linear_time(name)
    except AssertionError:
        return True
    return False


def test_all_patterns_are_found() -> None:
    assert len(PATTERNS) > 60
    assert set(ONE_PLACE) <= set(PATTERNS)
    assert all(len(pieces(pattern)) >= 1 for pattern in PATTERNS.values())
