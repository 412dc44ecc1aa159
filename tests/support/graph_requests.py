"""The requests that the Graph double knows: methods, paths, options, properties and header fields.

Everything else is refused: as the service does where a source says how, otherwise as unknown.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from support.graph_answers import failed, unknown

VERSION = "/v1.0"
MOST_IN_BATCH = 20
IMMUTABLE = 'IdType="ImmutableId"'
_NUMBERS = {"$top": re.compile(r"[1-9]\d{0,2}\Z"), "$skip": re.compile(r"\d{1,6}\Z")}
_PREFERENCE = re.compile(r'IdType="ImmutableId"|odata\.maxpagesize=(?P<page>[1-9]\d{0,3})\Z')
_OF_BATCH = {"id", "method", "url", "headers", "body"}
_OF_PART = {"Prefer", "Accept", "Content-Type"}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OF_MESSAGES = _words("""
bccRecipients body bodyPreview categories ccRecipients changeKey conversationId conversationIndex
createdDateTime flag from hasAttachments id importance inferenceClassification internetMessageHeaders
internetMessageId isDeliveryReceiptRequested isDraft isRead isReadReceiptRequested lastModifiedDateTime
parentFolderId receivedDateTime replyTo sender sentDateTime subject toRecipients uniqueBody webLink
""")
"""Every property of a message (D10)."""
_OF_FOLDERS = _words("childFolderCount displayName id isHidden parentFolderId totalItemCount unreadItemCount")
_SHOWN_OF_FOLDERS = _words("id displayName childFolderCount totalItemCount isHidden")
_SHOWN_OF_MESSAGES = _words("id receivedDateTime parentFolderId")


class Route(NamedTuple):
    """A kind of request."""

    name: str
    method: str
    path: tuple[str, ...]
    """Segments below the version; "*" stands for any."""
    options: frozenset[str] = frozenset()
    select: frozenset[str] = frozenset()
    """The properties that the double can show."""
    properties: frozenset[str] = frozenset()
    """The properties that there are; empty if the double does not know them all."""


_USER = ("users", "*")
_FOLDER = (*_USER, "mailFolders", "*")
_LIST = _words("$select $top $skip")
ROUTES = (
    Route("users", "GET", ("users",), _words("$select $top $skiptoken"), _words("id mail")),
    Route("folders", "GET", (*_USER, "mailFolders"), _LIST, _SHOWN_OF_FOLDERS, _OF_FOLDERS),
    Route("folder", "GET", _FOLDER, _words("$select"), _SHOWN_OF_FOLDERS, _OF_FOLDERS),
    Route("children", "GET", (*_FOLDER, "childFolders"), _LIST, _SHOWN_OF_FOLDERS, _OF_FOLDERS),
    Route("delta", "GET", (*_FOLDER, "messages", "delta"), _words("$select $skiptoken $deltatoken"),
          _SHOWN_OF_MESSAGES, _OF_MESSAGES),
    Route("value below a folder", "GET", (*_FOLDER, "messages", "*", "$value")),
    Route("message", "GET", (*_USER, "messages", "*"), _words("$select"), _SHOWN_OF_MESSAGES, _OF_MESSAGES),
    Route("value", "GET", (*_USER, "messages", "*", "$value")),
    Route("deletion", "POST", (*_USER, "messages", "*", "permanentDelete")),
)  # fmt: skip


@dataclass(frozen=True)
class Query:
    """A request that the double knows."""

    route: Route
    target: str
    """Path and options below the version."""
    segments: tuple[str, ...]
    options: dict[str, str]
    select: tuple[str, ...]
    page: int | None
    """The page size that it asks for by a header field."""


def below_version(target: str) -> str:
    """The target below the version, or raise the refusal."""
    if target.startswith(f"{VERSION}/"):
        return target.removeprefix(VERSION)
    if target.startswith("/beta/"):
        raise unknown("the version beta")
    raise failed("R16", 400, "BadRequest", "Invalid version.")


def query(method: str, target: str, headers: Mapping[str, str]) -> Query:
    """What a request below the version asks for, or raise the refusal."""
    path, _, rest = target.partition("?")
    segments = tuple(urllib.parse.unquote(part) for part in path.split("/")[1:])
    route = _route(method, segments)
    options = _options(route, rest)
    page = _page(headers)
    about_messages = "messages" in route.path
    if about_messages and IMMUTABLE not in _preferences(headers):
        raise unknown("an id that changes as messages move (D5): no code of ours may ask for one")
    return Query(route, target, segments, options, _select(route, options), page)


def _route(method: str, segments: tuple[str, ...]) -> Route:
    for one in ROUTES:
        alike = len(one.path) == len(segments) and all(
            asked and known in ("*", asked) for known, asked in zip(one.path, segments, strict=True)
        )
        if alike and one.method == method:
            return one
    raise unknown(f"{method} of /{'/'.join(segments)}")


def _options(route: Route, text: str) -> dict[str, str]:
    pairs = urllib.parse.parse_qsl(text, keep_blank_values=True)
    options = dict(pairs)
    for name, value in options.items():
        if name not in route.options or (name in _NUMBERS and not _NUMBERS[name].match(value)):
            raise unknown(f"the option {name}={value}")
    tokens = {"$skiptoken", "$deltatoken"} & set(options)
    if len(pairs) > len(options) or (tokens and len(options) > 1 and route.name == "delta"):
        raise unknown("an option twice, or beside a token")
    return options


def _select(route: Route, options: Mapping[str, str]) -> tuple[str, ...]:
    """The properties that are asked for."""
    if "$select" not in options:
        return ()
    names = tuple(options["$select"].split(","))
    for name in names:
        if route.properties and name and name not in route.properties:
            of_folders = route.properties is _OF_FOLDERS
            words = f"Could not find a property named '{name}' on type 'microsoft.graph."
            if of_folders:
                raise failed(
                    "R10", 400, "BadRequest", f"Parsing OData Select and Expand failed: {words}mailFolder'."
                )
            raise failed("R10", 400, "RequestBroker--ParseUri", f"{words}message'.")
        if name not in route.select:
            raise unknown(f"the property {name!r}")
    return names


def _preferences(headers: Mapping[str, str]) -> list[str]:
    given = {name.lower(): value for name, value in headers.items()}.get("prefer", "")
    return [one.strip() for one in given.split(",") if one.strip()]


def _page(headers: Mapping[str, str]) -> int | None:
    size = None
    for one in _preferences(headers):
        found = _PREFERENCE.match(one)
        if not found:
            raise unknown(f"the preference {one}")
        size = int(found["page"]) if found["page"] else size
    return size


def batch(body: bytes, content_type: str) -> list[dict[str, Any]]:
    """The requests of a batch, or raise the refusal (D1)."""
    if content_type.partition(";")[0].strip() != "application/json":
        raise unknown("a batch whose Content-Type is not JSON")
    try:
        value = json.loads(body)
        calls = value["requests"]
        ids = [call["id"].lower() for call in calls]
        methods, urls = [call["method"] for call in calls], [call["url"] for call in calls]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise failed("D1", 400, "BadRequest", "Invalid batch payload format.") from None
    if len(calls) > MOST_IN_BATCH or len(set(ids)) < len(ids):
        raise failed("D1", 400, "BadRequest", "Duplicate ids, or too many requests.")
    extra = (set(value) - {"requests"}).union(*(set(call) - _OF_BATCH for call in calls))
    if extra or not calls:
        raise unknown(f"a batch with {extra or 'nothing in it'}")
    for call, method, url in zip(calls, methods, urls, strict=True):
        _check_part(call, method, url)
    return list(calls)


def _check_part(call: dict[str, Any], method: str, url: str) -> None:
    names = set(call.get("headers", {}))
    if method != "GET" and ("body" not in call or "Content-Type" not in names):
        words = f"Write request id : {call['id']} does not contain Content-Type header or body."
        raise failed("R2", 400, "BadRequest", words)
    if names - _OF_PART or call.get("body", {}) != {} or not url.startswith("/"):
        raise unknown("an absolute url, a body that is not empty, or another header field in a batch")
