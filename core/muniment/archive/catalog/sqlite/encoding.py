"""Encodes values for the catalog's rows, and decodes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from operator import index
from typing import Any, TypeVar

from sqlalchemy import Connection, Select

from muniment.archive.catalog.sqlite import sql
from muniment.archive.facts import FramePosition
from muniment.mail.model import AddressRole, EnvelopeParty

T = TypeVar("T")
_SHOWN = 200
"""Most characters of a header field in lists."""


def split(sha: bytes) -> tuple[int, bytes]:
    """Split a hash into the integer for look-ups and the rest."""
    return int.from_bytes(sha[:8], "big", signed=True), sha[8:]


def number(name: bytes) -> int | None:
    """Return the integer for look-ups of a Message-ID's name (8 bytes); None for an empty name."""
    return int.from_bytes(name, "big", signed=True) if name else None


def join(key: int, rest: bytes) -> bytes:
    """Reverse `split`."""
    return key.to_bytes(8, "big", signed=True) + rest


def clean(value: str) -> str:
    """Escape lone surrogates, which mail may hold and a database does not take."""
    if value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode()


def shown(value: str) -> str:
    """Cut and clean the text of a header field for lists."""
    return clean(value[:_SHOWN])


def exact(value: str) -> bytes:
    """Encode text that must be read back exactly, lone surrogates included."""
    return value.encode("utf-8", "surrogatepass")


def read_exact(value: bytes | None) -> str:
    """Reverse `exact`; "" for None."""
    return (value or b"").decode("utf-8", "surrogatepass")


def words(values: Iterable[str]) -> str | None:
    """Encode short texts as JSON; None if there are none."""
    found = list(values)
    return json.dumps(found) if found else None


def read_words(value: str | None) -> tuple[str, ...]:
    """Reverse `words`."""
    return tuple(json.loads(value)) if value else ()


def numbers(values: Iterable[int]) -> str:
    """Encode numbers as text, in ascending order."""
    return " ".join(map(str, sorted(values)))


def read_numbers(value: str) -> set[int]:
    """Reverse `numbers`."""
    return set(map(int, value.split()))


def parties(given: Iterable[EnvelopeParty], ids: dict[str, int]) -> str:
    """Encode parties as text; `ids` holds the numbers of their addresses."""
    return ";".join(
        f"{party.role.value} {ids[party.address]} {ids[party.via]}"
        if party.via
        else f"{party.role.value} {ids[party.address]}"
        for party in given
    )


def party_ids(value: str) -> Iterator[tuple[AddressRole, int, int | None]]:
    """Reverse `parties`: yields role, the number of the address, and that of `via` (None if it has none)."""
    for item in value.split(";") if value else ():
        role, number, *via = item.split()
        yield AddressRole(int(role)), int(number), int(via[0]) if via else None


def position(row: Any) -> FramePosition:
    """Return the position of a row's record."""
    return FramePosition(whole(row.segment), whole(row.offset))


def whole(value: Any) -> int:
    """Return a row's value if it is an integer: in a damaged file it may have any type.

    Raises:
        TypeError: It is not an integer.
    """
    return index(value)


def text(value: Any) -> str:
    """Return a row's value if it is text.

    Raises:
        TypeError: It is not text.
    """
    if not isinstance(value, str):
        raise TypeError("the value is not text")
    return value


def blob(value: Any) -> bytes:
    """Return a row's value if it is a blob. `bytes` would make as many zeros as an integer says.

    Raises:
        TypeError: It is not a blob.
    """
    if not isinstance(value, bytes):
        raise TypeError("the value is not a blob")
    return value


def as_json(value: Any) -> str:
    """Return a row's value if it is JSON.

    Raises:
        ValueError: It is not JSON.
        TypeError: It is not text.
    """
    json.loads(value)
    return text(value)


def chunks(values: Iterable[T], size: int = sql.MANY) -> Iterator[list[T]]:
    """Yield the distinct values in lists of at most `size`."""
    found = list(dict.fromkeys(values))
    for start in range(0, len(found), size):
        yield found[start : start + size]


def fetch_many(
    connection: Connection, statement: Select[Any], many: Iterable[Any], **parameters: Any
) -> Iterator[Any]:
    """Yield the rows of a statement with an IN over `many`, which may have any number of values.

    Compiling an IN takes longer than the look-ups. So if it is the only parameter, the statement is compiled
    once for each power of two, and the last value is repeated to fill up.
    """
    for chunk in chunks(many):
        if parameters:
            yield from connection.execute(statement, {"many": chunk, **parameters}).all()
        else:
            count = 1 << (len(chunk) - 1).bit_length()
            values = (*chunk, *chunk[-1:] * (count - len(chunk)))
            yield from connection.exec_driver_sql(sql.many(statement, count), values).all()
