"""The rules that several kinds of source share. Each yields names of wrong fields, with a sentence.

A sentence names a field as `{owner}` and a value as `{journal=true}`: the reader of vault.toml sees the names
there, the user of a form its labels (`source_kind.in_file`, `source_kind.in_form`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from muniment.profiles.fields import (
    FIELD,
    MAX_DAYS,
    MAX_PORT,
    MAX_SECONDS,
    PASSWORD_AUTH,
    USES,
    is_address,
    is_loopback,
)
from muniment.profiles.source_kind import Problems, Rule, SourceKind, tidied

FOLDER_FIELDS = ("folders", "exclude", "older_than", "newer_than", "delete_after")
"""The fields that choose mail of an ordinary mailbox by folder and age."""

# Compiled when they are used, since the command line imports the rules at its start.
_FINGERPRINT = r"(?:[0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}"
_ID = r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}"
_URL = r"https://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._/-]*)?"


def _numbers(kind: SourceKind, values: Mapping[str, Any]) -> Problems:
    port = values["port"]
    if port is not None and not 1 <= port <= MAX_PORT:
        yield "port", f"{{port}} must be from 1 to {MAX_PORT}"
    for key in ("timeout", "every"):
        if not 1 <= values[key] <= MAX_SECONDS:
            yield key, f"{{{key}}} must be from 1 to {MAX_SECONDS} (seconds)"
    for key in ("older_than", "newer_than", "delete_after"):
        if not 0 <= values[key] <= MAX_DAYS:
            yield key, f"{{{key}}} must be from 0 to {MAX_DAYS} (days)"


def _server(kind: SourceKind, values: Mapping[str, Any]) -> Problems:
    host = values["host"] or kind.host
    if not host:
        yield "host", f"a profile of kind {kind.name} needs {{host}}: the mail server's name"
    if any(c.isspace() or c in "/@" for c in host):
        yield "host", "{host} must be only a server's name or address, such as mail.example.org"
    # An application has no mailbox of its own.
    by_application = values["auth"] == "app" or not set(PASSWORD_AUTH) & set(kind.auth)
    if not tidied(kind, "mailbox", values["mailbox"]) and not (values["mailboxes"] and by_application):
        yield "mailbox", "{mailbox} is missing; give the name to log in with"
    if values["password"] is None and not (
        values["auth"] in ("device", "google") or (values["auth"] == "app" and values["certificate"])
    ):
        yield (
            "password",
            '{password} is missing; say where it is stored, such as password = { file = "secret" }',
        )
    if values["security"] == "none" and not is_loopback(host):
        yield (
            "security",
            '{security="none"} would send the password unencrypted; use "starttls" or "tls"'
            " (none is only for this machine)",
        )
    if values["fingerprint"] and not re.fullmatch(_FINGERPRINT, values["fingerprint"]):
        yield (
            "fingerprint",
            "{fingerprint} must have 64 hex digits (colons are allowed): the SHA-256 of the certificate",
        )
    for key in ("mailbox", "folder"):
        if any(c in "\r\n\0" for c in values[key]):
            yield key, f"{{{key}}} must be on one line"


def _path(kind: SourceKind, values: Mapping[str, Any]) -> Problems:
    if not values["path"]:
        yield "path", f"a profile of kind {kind.name} needs {{path}}: the file or folder to read"


def _people(kind: SourceKind, values: Mapping[str, Any]) -> Problems:
    owned = values["owner"] or "@" in values["mailbox"] or values["mailboxes"]
    if not values["journal"] and not owned:
        yield (
            "owner",
            "an ordinary mailbox needs {owner}: the address of its owner"
            " (or {journal=true} if it gets journal reports)",
        )
    for key in ("owner", "tenant"):
        if values[key] and not is_address(values[key]):
            yield key, f"{{{key}}} must be a mail address, such as name@example.org"


def _tokens(kind: SourceKind, values: Mapping[str, Any]) -> Problems:
    auth = values["auth"]
    if auth not in kind.auth:
        ways = " or ".join(kind.auth)
        yield "auth", f"a profile of kind {kind.name} can't log in by {auth}; {{auth}} must be {ways}"
    if auth in ("app", "device"):
        for key in ("directory", "client_id"):
            if not values[key]:
                yield key, f"{{{key}}} is missing; the Entra admin centre shows it with the application"
            elif not re.fullmatch(_ID, values[key]):
                yield key, f"{{{key}}} must be a domain or an id, such as contoso.onmicrosoft.com"
    if auth == "google" and not values["certificate"]:
        yield "certificate", "{certificate} is missing; name the service account's key file (JSON)"
    if not re.fullmatch(_URL, values["authority"]):
        yield "authority", "{authority} must be an address such as https://login.microsoftonline.us"


def _ordinary(kind: SourceKind, values: Mapping[str, Any]) -> Problems:
    known = (*kind.fields, *kind.more)
    for key in FOLDER_FIELDS:
        if values[key] != FIELD[key].default and (key not in known or values["journal"]):
            yield (
                key,
                f"{{{key}}} is for ordinary mailboxes with folders (imap, ews, graph), "
                "with {journal=false}",
            )
    if values["shared"] and ("shared" not in known or values["journal"]):
        yield "shared", "{shared} is for ordinary IMAP mailboxes, with {journal=false}"


def _chosen(kind: SourceKind, values: Mapping[str, Any]) -> Problems:
    if values["newer_than"] and values["newer_than"] <= values["older_than"]:
        yield "newer_than", "{newer_than} must be more days than {older_than}, or nothing is left to archive"
    for key in ("folders", "exclude"):
        for pattern in values[key]:
            if pattern.startswith("@") and pattern[1:].lower() not in USES:
                yield key, f"{{{key}}}: {pattern!r} is not a use of folders; the uses are @{', @'.join(USES)}"


def _several(kind: SourceKind, values: Mapping[str, Any]) -> Problems:
    several = values["mailboxes"]
    for key in ("mailboxes", "access"):
        if values[key] != FIELD[key].default and key not in (*kind.fields, *kind.more):
            yield key, f"a profile of kind {kind.name} has no {{{key}}}"
    for one in several:
        if one != "*" and not is_address(one):
            yield (
                "mailboxes",
                f"{{mailboxes}}: {one!r} is not a mail address; write addresses, or * alone for all",
            )
    if "*" in several and len(several) > 1:
        yield "mailboxes", '{mailboxes}: "*" means all, so it must be the only entry'


ON_A_SERVER: tuple[Rule, ...] = (_numbers, _server)
"""The first rules of a kind on a server."""
IN_FILES: tuple[Rule, ...] = (_numbers, _path)
"""The first rules of a kind in files."""
IN_THE_VAULT: tuple[Rule, ...] = (_numbers,)
"""The first rules of a kind whose place is known."""
WHOSE: tuple[Rule, ...] = (_people, _tokens, _ordinary)
"""The next rules of every kind: whose mail it is, how to log in, what only ordinary mailboxes have."""
WHICH: tuple[Rule, ...] = (_chosen, _several)
"""The last rules of every kind: which mail and which mailboxes are chosen."""
