"""A TOML text as a row of blocks, one a table header, so that a change to one table leaves the rest be.

A block begins with the comment lines right above its header, since that is where people explain a
table; tomlkit alone would count them to the table before.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import tomlkit

Place = tuple[str, ...]
"""Where a table is: () for the top, ("profile", "hq") for [profile.hq]."""
_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_OPENING = re.compile(
    r"""^([ \t]*)\[(?:[^\]"'\n]|"[^"\n]*"|'[^'\n]*')*\]([ \t]*(?:#[^\n]*)?)$""", re.MULTILINE
)
"""A table's header line: what stands before it, and behind it."""


def with_values(text: str, place: Place, values: Mapping[str, Any]) -> str:
    """`text` with these values in the table at `place`; None takes one out.

    A table that isn't there yet is put at the end. Raises tomlkit's TOMLKitError for what it can't do.
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
    told = {key: value for key, value in values.items() if value is not None}
    lines = [f"[{'.'.join(map(_key, place))}]", *(f"{_key(k)} = {literal(v)}" for k, v in told.items())]
    return text.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"


def without(text: str, place: Place) -> str:
    """`text` without the table at `place`, which must be there."""
    blocks = _split(text)
    owners = _owners(blocks, place)
    if owners:
        return "".join(block for number, block in enumerate(blocks) if number not in owners)
    document = tomlkit.parse(text)
    del _table(document, place[:-1])[place[-1]]
    return tomlkit.dumps(document)


def renamed(text: str, place: Place, key: str) -> str:
    """`text` with the table at `place` under another last key; its comments stay.

    Only headers are changed: a table that is written otherwise is left as it is.
    """
    blocks = _split(text)
    for number in _owners(blocks, place):
        blocks[number] = _OPENING.sub(lambda found: _reheaded(found, place, key), blocks[number], count=1)
    return "".join(blocks)


def _reheaded(found: re.Match[str], place: Place, key: str) -> str:
    """A table's header line with another key at `place`."""
    keys: list[str] = []
    inner: Any = tomllib.loads(found[0])
    while isinstance(inner, dict) and inner:
        ((name, inner),) = inner.items()
        keys.append(name)
    if tuple(keys[: len(place)]) != place:
        return found[0]
    keys[len(place) - 1] = key
    return f"{found[1]}[{'.'.join(map(_key, keys))}]{found[2]}"


def literal(value: Any) -> str:
    """A value as TOML writes it; a table stands on one line."""
    return str(tomlkit.item(_inline(value)).as_string())


def _split(text: str) -> list[str]:
    """A block that parses by itself ends before a header; a `[` inside text or a list ends none."""
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
    """Where the comment lines right above `start` begin."""
    while start > least:
        above = text.rfind("\n", 0, start - 1) + 1
        if above < least or not text[above:start].lstrip().startswith("#"):
            break
        start = above
    return start


def _owners(blocks: list[str], place: Place) -> list[int]:
    """The blocks that are about the table at `place` and nothing else; the top is the first block."""
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
