"""Parses TOML into plain tables. A syntax error becomes a sentence with its line and column."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from muniment.errors import ConfigError

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")
_KEY = re.compile(r"\s*([\w.\-\"\[\] ]{1,60})=")
_HEADER = re.compile(r"\s*\[[\w.\-\" ]{1,60}\]?\s*\Z")
_HINTS = (
    ("Invalid value", 'write text in double quotes, as in host = "mail.example.org"'),
    ("Unescaped", 'write a backslash twice, as in path = "C:\\\\mail"'),
    ("Illegal character", "close the text with a quote on the same line"),
    ("Expected '=' after a key", 'write key = value, as in host = "mail.example.org"'),
    ("Expected newline", "write only one key and its value on a line; is a quote missing?"),
    ("Expected ']'", "a table's header is closed by ], as in [profile.NAME]"),
    ("Cannot overwrite", "this key is there twice in one table; keep one"),
    ("Cannot declare", "this table is there twice; keep one"),
    ("Unclosed array", "close the list with ], with commas between its values"),
    ("Unterminated", "close the text with a quote on the same line"),
    ("Invalid statement", "write key = value, a [table], or a comment that begins with #"),
)


def parse(text: str, where: str) -> dict[str, Any]:
    """Parse a TOML text.

    Args:
        text: The text.
        where: The file's name, for messages.

    Returns:
        Its tables.

    Raises:
        ConfigError: It is not TOML. The message has the line, the column and a hint. It quotes no values,
            since one can be a password.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_sentence(str(error), text, where)) from None
    except RecursionError:
        raise ConfigError(f"{where}: lists or tables are nested too deeply; write them flat") from None
    except ValueError:
        raise ConfigError(f"{where}: a number has too many digits; write a smaller one") from None
    if _has_long_number(tables):
        raise ConfigError(f"{where}: a number has too many digits; write a smaller one")
    return tables


def _has_long_number(tables: dict[str, Any]) -> bool:
    """Whether an integer has more bits than the 64 of TOML: Python reads it, but no reply can hold it."""
    waiting: list[Any] = [tables]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            return True
    return False


def decode(data: bytes, where: str) -> str:
    """Decode a file's bytes, and remove a byte order mark.

    Args:
        data: The bytes.
        where: The file's name, for messages.

    Raises:
        ConfigError: They are not UTF-8. The message has the line and the column.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise ConfigError(
            f"{where}, line {line}, column {column}: not UTF-8; save the file in that encoding"
        ) from None


def _sentence(problem: str, text: str, where: str) -> str:
    lines = text.split("\n")
    place = _PLACE.search(problem)
    if place is None:
        return f"{where}: {problem}"
    if place[1]:
        line, column = int(place[1]), int(place[2])
    else:
        line, column = len(lines), len(lines[-1]) + 1
    what = problem[: place.start()]
    hint = next((hint for start, hint in _HINTS if start in problem), "see the line")
    if not place[1] and "Cannot" not in problem:
        hint = "a list, a table or a quote before it is not closed"
    return f"{where}, line {line}, column {column}: {what}{_quoted(lines[line - 1])}; {hint}"


def _quoted(line: str) -> str:
    """The part of a line that can't contain a secret: its key, or a table's header."""
    key = _KEY.match(line)
    if key:
        return f" in `{key[1].strip()} = ...`"
    return f" in `{line.strip()}`" if _HEADER.match(line) else ""
