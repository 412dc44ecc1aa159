"""TOML text into plain tables; a typo becomes a sentence with its place."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from muniment.errors import ConfigError

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")
_KEY = re.compile(r"\s*([\w.\-\"\[\] ]{1,60})=")
_HEADER = re.compile(r"\s*\[[\w.\-\" ]{1,60}\]?\s*\Z")
_HINTS = (
    ("Invalid value", 'text stands in double quotes, as in host = "mail.example.org"'),
    ("Unescaped", 'a backslash is written twice, as in path = "C:\\\\mail"'),
    ("Illegal character", "text has its closing quote on the same line"),
    ("Expected '=' after a key", 'a line is key = value, as in host = "mail.example.org"'),
    ("Expected newline", "one key and its value stand on a line; is a quote missing?"),
    ("Expected ']'", "a table's header is closed by ], as in [profile.NAME]"),
    ("Cannot overwrite", "this key is there twice in one table; keep one"),
    ("Cannot declare", "this table is there twice; keep one"),
    ("Unclosed array", "a list is closed by ], with commas between its values"),
    ("Unterminated", "text has its closing quote on the same line"),
    ("Invalid statement", "a line is key = value, a [table], or begins with #"),
)


def parse(text: str, where: str) -> dict[str, Any]:
    """The tables of a TOML text; `where` names the file in messages.

    Raises:
        ConfigError: it isn't TOML; says line, column, and what is usual there. Values are not
            repeated, since a password may be among them.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_sentence(str(error), text, where)) from None
    except RecursionError:
        raise ConfigError(f"{where}: lists or tables are nested too deep; write them flat") from None
    except ValueError:
        raise ConfigError(f"{where}: a number has too many digits; write a smaller one") from None


def decode(data: bytes, where: str) -> str:
    """A file's bytes as text, a byte order mark dropped.

    Raises:
        ConfigError: it isn't UTF-8; says line and column.
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
    """The line, as far as it can't hold a secret: its key, or a table's header."""
    key = _KEY.match(line)
    if key:
        return f" in `{key[1].strip()} = ...`"
    return f" in `{line.strip()}`" if _HEADER.match(line) else ""
