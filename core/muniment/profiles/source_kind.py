"""What the program knows of a kind of source, and the checks of a profile by its kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from muniment.profiles.fields import FIELD, FIELDS, SCHEDULE, ProfileField
from muniment.profiles.settings import Security, SourceSettings

Problems = Iterator[tuple[str, str]]
"""Names of wrong fields, each with a sentence."""
ReportPlace = Literal["gateway", "mailbox", "embedded"]
"""Where journal reports go, as `[journaling] reports` in vault.toml says it."""


class SourceKind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of source: all facts about it that other parts of the program need."""

    name: str
    title: str
    """Its name for people, in a few words."""
    settings: type[SourceSettings]
    """The struct of its settings; its tag is `name`."""
    fields: tuple[str, ...]
    """The fields that the form shows at first, in this order; `enabled` and `every` follow for all kinds."""
    more: tuple[str, ...]
    """The fields that the form shows on request, since their defaults are usually right."""
    rules: tuple[Rule, ...]
    """What makes a profile wrong, in the order in which problems are reported."""
    opens: str
    """`MODULE:CLASS` of the source in `muniment.sources`. It is imported when a source is opened."""
    page: str
    """The page and heading of the documents that describe it."""
    server: bool = False
    """Whether it is on a network, so that host, mailbox and password are needed."""
    files: bool = False
    """Whether it is a file or folder, so that path is needed."""
    once: bool = False
    """Whether it is usually imported once. The app's form of a new profile then says "by hand only"."""
    journal: bool = False
    """Whether journal reports are unwrapped by default. True if only an administrator can put mail there."""
    reports: ReportPlace | None = None
    """The place of journal reports that the set-up checklist checks with such a profile."""
    delete: bool = False
    """Whether kept mail is deleted at the source by default."""
    regenerates: bool = False
    """Whether the service writes a message's bytes again at each fetch, so that they are not the original."""
    cuts_host: bool = False
    """Whether the part of a mailbox from `@` on is dropped, since people often paste it with its host."""
    host: str = ""
    """The server's name, if it is usually the same."""
    ports: Mapping[Security, int] = {}
    """The usual port for each way in which a connection can be secured."""
    security: Security = "tls"
    """How a connection is usually secured."""
    tls_by_port: bool = False
    """Whether the usual port of "tls" alone means "tls", regardless of `security`."""
    speaks_first: bool = False
    """Whether servers send the first line."""
    auth: tuple[str, ...] = ("password",)
    """The possible ways to log in, the usual one first."""
    scopes: Mapping[str, tuple[str, ...]] = {}
    """The scopes of access tokens for each way to log in with them. `{host}` is the server, `{access}` is
    Read, or ReadWrite for a profile that deletes."""

    def secured_by(self, port: int | None) -> Security:
        """How a connection to a port is secured if the profile does not say; `port` None is the usual one."""
        return "tls" if self.tls_by_port and port == self.ports["tls"] else self.security


Rule = Callable[[SourceKind, Mapping[str, Any]], Problems]
"""Finds what is wrong with the fields of a profile; all fields have a value."""


def asked(kind: SourceKind) -> tuple[ProfileField, ...]:
    """The fields of a kind that the form shows at first, with the schedule at the end."""
    return tuple(FIELD[name] for name in (*kind.fields, *SCHEDULE))


def folded(kind: SourceKind) -> tuple[ProfileField, ...]:
    """The fields of a kind that the form shows on request."""
    return tuple(FIELD[name] for name in kind.more)


def default(kind: SourceKind, field: str) -> Any:
    """The value of a field that is left out, for a kind; None if that depends on other fields."""
    if field in ("journal", "delete"):
        return getattr(kind, field)
    if field == "auth":
        return kind.auth[0]
    return FIELD[field].default


def choices(kind: SourceKind, field: ProfileField) -> tuple[str, ...]:
    """The possible values of a field, for a kind; empty for any."""
    return kind.auth if field.name == "auth" else field.choices


def tidied(kind: SourceKind, field: str, typed: str) -> str:
    """A typed text without blanks around it; some kinds also drop the part of a mailbox from `@` on."""
    text = typed.strip()
    return text.partition("@")[0].strip() if field == "mailbox" and kind.cuts_host else text


def in_file(sentence: str) -> str:
    """A rule's sentence for a reader of vault.toml: `{journal=true}` is journal = true."""

    def name(found: re.Match[str]) -> str:
        field, value = found[1], found[2]
        return f"{field} = {value}" if value else field

    return _worded(sentence, name)


def in_form(sentence: str) -> str:
    """A rule's sentence for the user of a form: `{journal=true}` is Content "journal reports"."""

    def name(found: re.Match[str]) -> str:
        field, value = FIELD[found[1]], (found[2] or "").strip('"')
        if field.type == "flag" and value:
            value = field.says[0 if value == "true" else 1]
        return f'{field.label} "{value}"' if value else field.label

    return _worded(sentence, name)


def _worded(sentence: str, name: Callable[[re.Match[str]], str]) -> str:
    """Replace the names of fields; braces around anything else, such as a typed text, stay."""
    return re.sub(
        r'\{(\w+)(?:=("?[\w-]+"?))?\}', lambda found: name(found) if found[1] in FIELD else found[0], sentence
    )


def problems(
    kind: SourceKind, fields: Mapping[str, Any], words: Callable[[str], str] = in_file
) -> dict[str, str]:
    """Check the fields of a profile.

    Args:
        kind: The kind of source.
        fields: The fields, with the types of vault.toml. A field that is missing or None has its default.
        words: Makes a rule's sentence readable: `in_file` or `in_form`.

    Returns:
        The first error of each wrong field, as a sentence; {} if there are none.
    """
    found: dict[str, str] = {}
    values = {field.name: fields.get(field.name) for field in FIELDS}
    for name, value in values.items():
        value = default(kind, name) if value is None else value
        values[name] = tuple(value) if isinstance(value, list) else value
    for rule in kind.rules:
        for name, sentence in rule(kind, values):
            found.setdefault(name, words(sentence))
    return found


def warnings(kind: SourceKind, fields: Mapping[str, Any]) -> dict[str, str]:
    """Values that are valid and may surprise, as a sentence for each field."""
    deletes = default(kind, "delete") if fields.get("delete") is None else fields["delete"]
    journal = default(kind, "journal") if fields.get("journal") is None else fields["journal"]
    if kind.delete and not deletes:
        return {"delete": "mail stays at the gateway after archiving: its mailbox will fill up"}
    if kind.server and deletes and not journal:
        return {"delete": "its owner will no longer find archived mail in this mailbox"}
    return {}
