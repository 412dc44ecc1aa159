"""Splits a TOML text into blocks, one for each table header, so that a change of one leaves the others alone.

A block begins with the comment lines directly above its header, where people explain a table. tomlkit alone
would assign them to the previous table.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import tomlkit

Place = tuple[str, ...]
"""The keys of a table: () for the top, ("profile", "hq") for [profile.hq]."""
_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_OPENING = re.compile(
    r"""^([ \t]*)\[(?:[^\]"'\n]|"[^"\n]*"|'[^'\n]*')*\]([ \t]*(?:#[^\n]*)?)$""", re.MULTILINE
)
"""A table's header line, with the text before and after the header."""


def with_values(text: str, place: Place, values: Mapping[str, Any]) -> str:
    """Change values in a table. A missing table is added at the end.

    Args:
        text: The TOML text.
        place: The table.
        values: The new values; None removes a key.

    Returns:
        The changed text.

    Raises:
        tomlkit.exceptions.TOMLKitError: The change is not possible in this text.
    """
    blocks = _split(text)
    owners = _owners(blocks, place)
    if len(owners) == 1:
        body = blocks[owners[0]].rstrip()
        tail = blocks[owners[0]][len(body) :]
        blocks[owners[0]] = _changed(body and body + "\n", place, values).rstrip("\n") + (tail or "\n")
        return "".join(blocks)
    if owners:
        return _changed(text, place, values)
    present = {key: value for key, value in values.items() if value is not None}
    lines = [f"[{'.'.join(map(_key, place))}]", *(f"{_key(k)} = {literal(v)}" for k, v in present.items())]
    return text.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"


def without(text: str, place: Place) -> str:
    """The text without the table at `place`, which must exist."""
    blocks = _split(text)
    owners = _owners(blocks, place)
    if owners:
        return "".join(block for number, block in enumerate(blocks) if number not in owners)
    document = tomlkit.parse(text)
    del _table(document, place[:-1])[place[-1]]
    return tomlkit.dumps(document)


def renamed(text: str, place: Place, key: str) -> str:
    """The text with another last key for the table at `place`; its comments stay.

    Only headers are changed. A table in another notation stays as it is.
    """
    blocks = _split(text)
    for number in _owners(blocks, place):
        blocks[number] = _OPENING.sub(lambda found: _reheaded(found, place, key), blocks[number], count=1)
    return "".join(blocks)


def _reheaded(found: re.Match[str], place: Place, key: str) -> str:
    """A table's header line with another last key, if the header is that of `place` or of a table in it."""
    keys: list[str] = []
    inner: Any = tomllib.loads(found[0])
    while isinstance(inner, dict) and inner:
        ((name, inner),) = inner.items()
        keys.append(name)
    if tuple(keys[: len(place)]) != place:
        return found[0]
    keys[len(place) - 1] = key
    return f"{found[1]}[{'.'.join(map(_key, keys))}]{found[2]}"


def has_header(text: str, place: Place) -> bool:
    """Whether the table at `place` is there, and has a header of its own."""
    return bool(_owners(_split(text), place))


def literal(value: Any) -> str:
    """A value in TOML; a table is an inline table."""
    return str(tomlkit.item(_inline(value)).as_string())


def _split(text: str) -> list[str]:
    """The blocks of a text. A block ends before a header if it can be parsed, so not at a `[` in a list."""
    starts = [0]
    for match in _HEADER.finditer(text):
        if match.start() and _whole(text[starts[-1] : match.start()]):
            starts.append(_lead(text, match.start(), starts[-1]))
    return [text[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]


def _whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _lead(text: str, start: int, least: int) -> int:
    """The beginning of the comment lines directly above `start`, but not before `least`."""
    while start > least:
        above = text.rfind("\n", 0, start - 1) + 1
        if above < least or not text[above:start].lstrip().startswith("#"):
            break
        start = above
    return start


def _owners(blocks: list[str], place: Place) -> list[int]:
    """The numbers of the blocks that concern only the table at `place`; the top is the first block."""
    if not place:
        return [0]
    return [number for number, block in enumerate(blocks) if _is_about(tomllib.loads(block), place)]


def _is_about(tables: dict[str, Any], place: Place) -> bool:
    found: Any = tables
    for key in place:
        if not isinstance(found, dict) or set(found) != {key}:
            return False
        found = found[key]
    return isinstance(found, dict)


def _changed(text: str, place: Place, values: Mapping[str, Any]) -> str:
    document = tomlkit.parse(text)
    table = _table(document, place)
    for key, value in values.items():
        if value is not None:
            table[key] = _inline(value)
        elif key in table:
            del table[key]
    return tomlkit.dumps(document)


def _table(document: tomlkit.TOMLDocument, place: Place) -> Any:
    table: Any = document
    for key in place:
        table = table[key]
    return table


def _inline(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    table = tomlkit.inline_table()
    table.update(value)
    return table


def _key(key: str) -> str:
    return str(tomlkit.key(key).as_string())
