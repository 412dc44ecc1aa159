"""Values of settings as texts that a user types, and back: lists, tables, numbers, commands, passwords."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

YES, NO = "yes", "no"
VAULT, KEYRING, FILE, ENV, COMMAND = "vault", "keyring", "file", "env", "command"
PLACES = (VAULT, KEYRING, FILE, ENV, COMMAND)
"""Where a password can be kept. Muniment keeps the first two; the user provides the others."""
PLACE_NAMES = {VAULT: "vault", KEYRING: "keyring", FILE: "file", ENV: "env", COMMAND: "cmd"}
WHERE_LABELS = {FILE: "Path of the file", ENV: "Name of the variable", COMMAND: "Command"}
OURS = (VAULT, KEYRING)
SECRETS = "secrets/"
"""Prefix of the path of a password that Muniment keeps in the vault."""


def place_of(spec: Mapping[str, Any] | None) -> tuple[str, str]:
    """Where a password is, and the path, variable or command that the form shows."""
    if not spec:
        return VAULT, ""
    ((way, what),) = spec.items()
    if way == FILE and str(what).startswith(SECRETS):
        return VAULT, ""
    if way == KEYRING:
        return KEYRING, ""
    return way, shlex.join(what) if isinstance(what, list | tuple) else str(what)


def described(spec: Mapping[str, Any] | None) -> str:
    """Where a password is, in a few words."""
    if not spec:
        return "not set"
    place, where = place_of(spec)
    kept = {VAULT: "kept in the vault", KEYRING: "kept in the keyring"}
    return kept.get(place) or f"{place} {where}"


def line_of(items: Sequence[str]) -> str:
    """Texts separated by commas. A text that contains a comma is quoted."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(items)
    return out.getvalue().replace(",", ", ") if not any("," in item for item in items) else out.getvalue()


def items_of(text: str) -> tuple[str, ...]:
    """The texts on a line that `line_of` made."""
    rows = list(csv.reader([text], skipinitialspace=True))
    return tuple(item.strip() for item in (rows[0] if rows else []) if item.strip())


def number_of(text: str) -> int | None:
    """The whole number that a text is; None if it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def command_problem(text: str) -> str:
    """What is wrong with a command that prints a password, or ""."""
    try:
        return "" if shlex.split(text) else "enter the command that prints it"
    except ValueError:
        return "a quote is not closed"


def pairs_line(pairs: Mapping[str, Any]) -> str:
    """A table as `NAME = VALUE`, separated by commas."""
    return line_of([f"{name} = {value}" for name, value in pairs.items()])


def pairs_of(text: str) -> dict[str, str] | None:
    """The table on a line that `pairs_line` made; None if an entry is not `NAME = VALUE`, or is there
    twice."""
    found: dict[str, str] = {}
    for item in items_of(text):
        name, equals, value = item.partition("=")
        if not equals or not name.strip() or not value.strip() or name.strip() in found:
            return None
        found[name.strip()] = value.strip()
    return found
