"""Regular expressions mean the same on every supported Python."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from re import _constants, _parser  # type: ignore[attr-defined]  # no other way to see what a pattern is made of
from typing import Any

import pytest

import muniment
from muniment.mail.content import content_hash
from muniment.mail.headers import fields
from muniment.mail.text.html import to_text

LOOKS = {_constants.ASSERT, _constants.ASSERT_NOT, _constants.MAX_REPEAT, _constants.MIN_REPEAT}
POSSESSIVE = {_constants.POSSESSIVE_REPEAT, _constants.ATOMIC_GROUP}


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """All patterns that our modules have or make, by name."""
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
    yield "muniment.mail.headers.fields._pattern", fields._pattern((b"to", b"subject"))
    yield "muniment.mail.content.content_hash._added_field", content_hash._added_field(b"\n")


def unsafe(parsed: Any) -> Iterator[Any]:
    """The operations in possessive groups that leave the wrong position behind when what follows them fails.

    In older releases the group then continues at the position of that operation. Operations at the group's
    beginning are harmless, and so are those that nothing follows which can fail.
    """
    for operation, arguments in parsed:
        for inner in parts(arguments):
            yield from displaced(inner, False, True) if operation in POSSESSIVE else unsafe(inner)


def displaced(items: Any, follows: bool, begins: bool) -> Iterator[Any]:
    """Those of the `items` in one possessive group. `follows`: something that can fail comes behind them."""
    for number, item in enumerate(items):
        operation, arguments = item
        behind = follows or any(can_fail(other) for other in list(items)[number + 1 :])
        begin = begins and number == 0
        bodies = list(parts(arguments))
        if operation in LOOKS:
            yield operation
        elif operation is _constants.BRANCH:
            if not begin and (behind or can_fail(item)):
                yield operation
            for body in bodies:
                yield from displaced(body, behind, begin)
        elif operation in POSSESSIVE:
            single = len(bodies[0]) == 1 and bodies[0].getwidth() == (1, 1)
            if (behind and not (single and begin)) or (can_fail(item) and not begin):
                yield operation
            for body in bodies:
                yield from displaced(body, False, True)
        else:
            for body in bodies:
                yield from displaced(body, behind, begin)


def can_fail(item: Any) -> bool:
    """Whether an operation can fail at any position."""
    operation, arguments = item
    if operation is _constants.POSSESSIVE_REPEAT:
        return bool(arguments[0] > 0)
    if operation is _constants.BRANCH:
        return all(any(map(can_fail, body)) for body in parts(arguments))
    if operation is _constants.SUBPATTERN:
        return any(can_fail(inner) for body in parts(arguments) for inner in body)
    return True


def parts(arguments: Any) -> Iterator[Any]:
    """The parsed patterns among the arguments of an operation."""
    if isinstance(arguments, _parser.SubPattern):
        yield arguments
    elif isinstance(arguments, tuple | list):
        for each in arguments:
            yield from parts(each)


def test_possessive_groups_contain_nothing_that_older_pythons_misread() -> None:
    """Python 3.11 before 3.11.5 continues at the wrong position if such a part of the group fails.

    https://github.com/python/cpython/issues/106052; Debian 12 has 3.11.2.
    """
    found = list(patterns())
    possessive = [name for name, each in found if re.search(r"[*+?}]\+", str(each.pattern))]
    assert len(possessive) > 5
    wrong = {
        name: left for name, each in found if (left := set(unsafe(_parser.parse(each.pattern, each.flags))))
    }
    assert not wrong


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?:a(?!b))*+", r"(?:ab?c)++", r"(?>x(?=y)z)", r"(?:x[ab]*+:)++", r"(?:a(?:b|cd):)*+",
        r"(?:(?:a(?:bc|d)|e):)++", r"(?:(?:ab)*+c)*+",
    ],
)  # fmt: skip
def test_the_rule_finds_such_groups(pattern: str) -> None:
    assert list(unsafe(_parser.parse(pattern)))


@pytest.mark.parametrize(
    "pattern", [r"(?:[^\\]|\\.)*+", r"(?:\n[ \t][^\n]*+)*+", r"[ab]*+c", r"(?:[ ]*+=[ ]*+)?+"]
)
def test_the_rule_allows_groups_that_are_right_everywhere(pattern: str) -> None:
    assert not list(unsafe(_parser.parse(pattern)))


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
