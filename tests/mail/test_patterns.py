"""Regular expressions mean the same on every Python that is supported."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from re import _constants, _parser  # type: ignore[attr-defined]  # no other way to see what a pattern is made of
from typing import Any

import pytest

import muniment
from muniment.mail import headers
from muniment.mail.html import to_text

UNSAFE = {
    _constants.ASSERT, _constants.ASSERT_NOT, _constants.MAX_REPEAT, _constants.MIN_REPEAT,
}  # fmt: skip
POSSESSIVE = {_constants.POSSESSIVE_REPEAT, _constants.ATOMIC_GROUP}


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """All patterns that modules of ours have, by name."""
    for module in pkgutil.walk_packages(muniment.__path__, "muniment."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            held = (
                value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
            )
            for each in held:
                if isinstance(each, re.Pattern):
                    yield f"{module.name}.{name}", each
    yield "muniment.mail.headers._pattern", headers._pattern((b"to", b"subject"))


def inside_possessive(parsed: Any, within: bool = False) -> Iterator[Any]:
    """The operations of a parsed pattern that lie in a possessive repetition or an atomic group."""
    for operation, arguments in parsed:
        if within:
            yield operation
        for inner in parts(arguments):
            yield from inside_possessive(inner, within or operation in POSSESSIVE)


def parts(arguments: Any) -> Iterator[Any]:
    """The parsed patterns among the arguments of an operation."""
    if isinstance(arguments, _parser.SubPattern):
        yield arguments
    elif isinstance(arguments, tuple | list):
        for each in arguments:
            yield from parts(each)


def test_possessive_groups_hold_nothing_that_older_pythons_get_wrong() -> None:
    """Python 3.11 before 3.11.5 goes on at the wrong place where such a part of the group fails.

    https://github.com/python/cpython/issues/106052; Debian 12 has 3.11.2.
    """
    found = list(patterns())
    possessive = [name for name, each in found if re.search(r"[*+?}]\+", str(each.pattern))]
    assert len(possessive) > 5
    wrong = {
        name: unsafe
        for name, each in found
        if (unsafe := UNSAFE.intersection(inside_possessive(_parser.parse(each.pattern, each.flags))))
    }
    assert not wrong


@pytest.mark.parametrize("pattern", [r"(?:a(?!b))*+", r"(?:ab?c)++", r"(?>x(?=y)z)"])
def test_the_rule_finds_such_groups(pattern: str) -> None:
    assert UNSAFE.intersection(inside_possessive(_parser.parse(pattern)))


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<!---->wire--!>the money", "wire--!>the money"),
        ("<!-- a -->wire--><b>the money", "wire-->the money"),
        ("<script>x</script>wire</script>the money", "wirethe money"),
        ("<style>x</style>\"wire</style>'", "\"wire'"),
        ("<!-- wire", ""),
        ("<script>wire", ""),
        ("<textarea>wire</textarea>the money", "wirethe money"),
    ],
)
def test_text_behind_comments_and_scripts_is_text(html: str, text: str) -> None:
    assert "".join(to_text(html).split()) == "".join(text.split())
