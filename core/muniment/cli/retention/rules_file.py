"""A file of retention rules, in TOML or JSON."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muniment.api import RuleSpec
from muniment.cli.retention.criteria import KEYS, criteria_of
from muniment.errors import ConfigError, UsageError

LIMIT = 4 * 1024**2
"""Most bytes of a file."""
_KEYS = KEYS | {"name", "keep", "dispose", "end_of_year"}


def read_rules_file(file: str) -> tuple[RuleSpec, ...]:
    """The rules of a file: a list `rule` of tables (`[[rule]]` in TOML).

    Raises:
        ConfigError: The file can't be read, or a rule in it is wrong; the sentence names the rule.
    """
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(LIMIT + 1)
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}.") from error
    if len(data) > LIMIT:
        raise ConfigError(f"{file} is larger than {LIMIT // 1024**2} MiB: split it.")
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{file} can't be read: {error}.") from error
    rules = value.get("rule")
    if not isinstance(rules, list) or not rules or value.keys() != {"rule"}:
        raise ConfigError(f"{file} has no list of rules: begin each rule with [[rule]], and nothing else.")
    return tuple(_rule(file, number, rule) for number, rule in enumerate(rules, 1))


def _rule(file: str, number: int, rule: object) -> RuleSpec:
    where = f"{file}, rule {number}"
    if not isinstance(rule, dict) or not isinstance(rule.get("name"), str):
        raise ConfigError(f'{where}: it needs a name, such as name = "invoices".')
    if unknown := rule.keys() - _KEYS:
        known = ", ".join(sorted(_KEYS))
        raise ConfigError(f"{where}: unknown key {min(unknown)!r}; known: {known}.")
    try:
        return spec_of(rule["name"], rule)
    except UsageError as error:
        raise ConfigError(f"{where}: {error}") from error


def spec_of(name: str, values: Mapping[str, Any]) -> RuleSpec:
    """A rule in the values of options, or in a table of a file.

    Args:
        name: Its name.
        values: `keep` or `dispose`, `end_of_year`, and the criteria.

    Raises:
        UsageError: A value can't be used.
    """
    keep, dispose = (str(values.get(key) or "") for key in ("keep", "dispose"))
    if bool(keep) == bool(dispose):
        raise UsageError('give either keep (at least) or dispose (after), such as keep = "10 years".')
    end_of_year = values.get("end_of_year", False)
    if not isinstance(end_of_year, bool):
        raise UsageError("end_of_year must be true or false.")
    return RuleSpec(
        name=name,
        kind="keep" if keep else "dispose",
        period=keep or dispose,
        anchor="year" if end_of_year else "received",
        mail=criteria_of(values),
    )
