"""The texts of requests are limited, so that reading them is no work."""

from __future__ import annotations

import threading
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from muniment import api
from muniment.api import ImportUsers, Request, Search, ShowUser, Status
from muniment.archive.query import MAX_QUERY
from muniment.client import protocol
from muniment.errors import QueryError, UsageError
from muniment.mail.headers.addresses import ADDRESS_LIMIT
from muniment.service.dispatch.lengths import COUNT_LIMIT, VALUE_LIMIT, check_lengths
from support.freezing import LONG, freezing_requests
from support.pace import longest
from support.served import served
from support.vaults import TestVault

ROUNDS = 10
"""How often a hostile caller sends a request."""
REQUESTS = [kind for kind in vars(api).values() if isinstance(kind, type) and issubclass(kind, Request)]


def held(kind: Any, value: str) -> Any:
    """A value of a field's type that contains the text `value`; None if the type has no text."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is str or kind is Any:
        return value
    if origin in (Union, UnionType):
        return next((found for found in (held(one, value) for one in inner) if found is not None), None)
    if origin is tuple and held(inner[0], value) is not None:
        return (held(inner[0], value),)
    if origin is dict:
        return {"a": held(inner[1], value)}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(**{field.name: held(field.type, value) for field in texts_of(kind)})
    return None


def texts_of(kind: type[msgspec.Struct]) -> list[Any]:
    """The fields of a struct inside a request that have texts."""
    hints = get_type_hints(kind)
    fields = [(field, hints[field.name]) for field in msgspec.structs.fields(kind)]
    return [field for field, hint in fields if held(hint, "x") is not None]


def with_text(kind: type[Request], name: str, value: str) -> Request | None:
    """A request of a class, with `value` in one field; None if the field has no text."""
    hints = get_type_hints(kind)
    text = held(hints[name], value)
    if text is None:
        return None
    others = {
        field.name: 1 if hints[field.name] is int else held(hints[field.name], "x")
        for field in msgspec.structs.fields(kind)
        if field.required
    }
    return kind(**{**others, name: text})


FIELDS = [
    (kind, field.name)
    for kind in REQUESTS
    for field in msgspec.structs.fields(kind)
    if with_text(kind, field.name, "x") is not None
]


def is_plain(kind: type[Request], name: str) -> bool:
    """Whether a field has texts of its own, not only in structs."""
    hint = get_type_hints(kind)[name]
    return all(
        not (isinstance(one, type) and issubclass(one, msgspec.Struct)) for one in (hint, *get_args(hint))
    )


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda one: getattr(one, "__name__", one))
def test_every_text_of_every_request_is_limited(kind: type[Request], name: str) -> None:
    usual, long = with_text(kind, name, "x" * 200), with_text(kind, name, LONG)
    assert usual is not None
    assert long is not None
    check_lengths(usual)
    if (kind, name) == (ImportUsers, "text"):  # a file of users is as long as a request may be
        check_lengths(long)
        return
    inner = name if is_plain(kind, name) else r"\w+"  # of a struct, the field in it is named
    with pytest.raises(UsageError, match=rf"'{inner}' has 200,013 characters, at most [\d,]+ are allowed"):
        check_lengths(long)


def test_many_fields_are_checked() -> None:
    assert len(FIELDS) > 40
    assert {(ShowUser, "user"), (Search, "query"), (api.AddUser, "addresses")} <= set(FIELDS)


def test_a_text_at_the_limit_passes() -> None:
    check_lengths(ShowUser(user="a" * ADDRESS_LIMIT))
    check_lengths(Search(query="a" * MAX_QUERY))
    check_lengths(api.PutProfile(name="p", fields={"a": ["x" * VALUE_LIMIT], "b": {"c": None}, "d": 3}))
    check_lengths(api.AddUser(name="A", addresses=("a@example.com",) * COUNT_LIMIT))


def test_a_list_that_is_too_long_is_refused() -> None:
    for addresses in (("a@example.com",) * (COUNT_LIMIT + 1), ("a" * (ADDRESS_LIMIT + 1),)):
        with pytest.raises(UsageError, match="'addresses' has"):
            check_lengths(api.AddUser(name="A", addresses=addresses))
    with pytest.raises(UsageError, match="'fields' has"):
        check_lengths(api.PutProfile(name="p", fields={"a": {str(n): 0 for n in range(COUNT_LIMIT + 1)}}))


def test_a_service_refuses_long_texts_at_once(tmp_path: Path) -> None:
    """Requests that would freeze the service delay no other: not even those of the same caller."""
    with served(TestVault(tmp_path / "vault").folder) as (client, _):
        hostile = [
            threading.Thread(target=refused, args=(client, one), daemon=True) for one in freezing_requests()
        ]
        for thread in hostile:
            thread.start()
        slowest, count = longest(
            lambda: client.call(api.GetStatus(), Status), lambda: any(one.is_alive() for one in hostile), 1.0
        )
        assert count > 0
        assert slowest < 1.0
        with pytest.raises(UsageError):
            list(client.stream(api.Export(query=LONG, path="x")))
        with pytest.raises(QueryError):
            client.call(Search(query="a" * (MAX_QUERY + 1)), api.Hits)


def refused(client: Any, request: Request) -> None:
    for _ in range(ROUNDS):
        with pytest.raises(UsageError, match="at most"):
            client.call(request, api.WireWord)


def test_the_error_does_not_repeat_the_text() -> None:
    with pytest.raises(UsageError) as caught:
        check_lengths(ShowUser(user=LONG))
    assert len(protocol.encoded(protocol.failure(caught.value))) < 300
