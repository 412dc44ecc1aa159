"""How values lie in the catalog's rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from operator import index
from typing import Any, TypeVar

from sqlalchemy import Connection, Select

from muniment.archive.catalog import sql
from muniment.archive.facts import Position
from muniment.errors import NotFound
from muniment.mail.model import Party, Role

T = TypeVar("T")
_SHOWN = 200
"""Characters of a header that lists keep."""
_PREFIX = 8
"""Hex digits that an id must be given with at least."""


def split(sha: bytes) -> tuple[int, bytes]:
    """A hash as the integer that is looked up, and the rest that is compared."""
    return int.from_bytes(sha[:8], "big", signed=True), sha[8:]


def number(name: bytes) -> int | None:
    """The name of a message (8 bytes) as it is looked up; None for none."""
    return int.from_bytes(name, "big", signed=True) if name else None


def join(key: int, rest: bytes) -> bytes:
    """The hash that `split` split."""
    return key.to_bytes(8, "big", signed=True) + rest


def prefix_range(prefix: str) -> tuple[bytes, bytes]:
    """The lowest and the highest SHA-256 whose hex begins with `prefix`.

    Raises:
        NotFound: that is no prefix of an id.
    """
    digits = prefix.strip().lower()
    if not is_prefix(digits):
        raise NotFound(f"{prefix!r} is no id; give at least {_PREFIX} of its hex digits.")
    return bytes.fromhex(digits.ljust(64, "0")), bytes.fromhex(digits.ljust(64, "f"))


def is_prefix(text: str) -> bool:
    """Whether a text can be the begin of an id."""
    digits = text.strip().lower()
    return _PREFIX <= len(digits) <= 64 and set(digits) <= set("0123456789abcdef")


def clean(value: str) -> str:
    """Text that a database takes: half a surrogate pair, which mail may hold, is spelled out."""
    if value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode()


def shown(value: str) -> str:
    """Text as lists keep it."""
    return clean(value[:_SHOWN])


def exact(value: str) -> bytes:
    """Text that must come back as it was, whatever it holds."""
    return value.encode("utf-8", "surrogatepass")


def read_exact(value: bytes | None) -> str:
    """What `exact` wrote; "" for what was never written."""
    return (value or b"").decode("utf-8", "surrogatepass")


def words(values: Iterable[str]) -> str | None:
    """Short texts as JSON; None for none."""
    found = list(values)
    return json.dumps(found) if found else None


def read_words(value: str | None) -> tuple[str, ...]:
    """What `words` wrote."""
    return tuple(json.loads(value)) if value else ()


def numbers(values: Iterable[int]) -> str:
    """Numbers as text, in order."""
    return " ".join(map(str, sorted(values)))


def read_numbers(value: str) -> set[int]:
    """What `numbers` wrote."""
    return set(map(int, value.split()))


def parties(given: Iterable[Party], ids: dict[str, int]) -> str:
    """Parties as text; `ids` are the numbers of their addresses."""
    return ";".join(
        f"{party.role.value} {ids[party.address]} {ids[party.via]}"
        if party.via
        else f"{party.role.value} {ids[party.address]}"
        for party in given
    )


def party_ids(value: str) -> Iterator[tuple[Role, int, int | None]]:
    """What `parties` wrote: role, the address's number, and that of `via`."""
    for item in value.split(";") if value else ():
        role, number, *via = item.split()
        yield Role(int(role)), int(number), int(via[0]) if via else None


def position(row: Any) -> Position:
    """Where a row's record begins."""
    return Position(whole(row.segment), whole(row.offset))


def whole(value: Any) -> int:
    """A number as a row has it: in a damaged one SQLite may find a value of any type.

    Raises:
        TypeError: it is no whole number.
    """
    return index(value)


def text(value: Any) -> str:
    """A text as a row has it. Raises TypeError: it is none."""
    if not isinstance(value, str):
        raise TypeError("a text was expected")
    return value


def as_json(value: Any) -> str:
    """A JSON text as a row has it. Raises ValueError or TypeError: it is none."""
    json.loads(value)
    return text(value)


def chunks(values: Iterable[T], size: int = sql.MANY) -> Iterator[list[T]]:
    """Lists of at most `size`, without repeats."""
    found = list(dict.fromkeys(values))
    for start in range(0, len(found), size):
        yield found[start : start + size]


def fetch_many(
    connection: Connection, statement: Select[Any], many: Iterable[Any], **parameters: Any
) -> Iterator[Any]:
    """Rows of a statement with an IN over `many`, any number of values.

    Writing out an IN costs more than looking the values up. So where that is the only parameter, the
    text is made once for each power of two, and the last value fills what is too many.
    """
    for chunk in chunks(many):
        if parameters:
            yield from connection.execute(statement, {"many": chunk, **parameters}).all()
        else:
            count = 1 << (len(chunk) - 1).bit_length()
            values = (*chunk, *chunk[-1:] * (count - len(chunk)))
            yield from connection.exec_driver_sql(sql.many(statement, count), values).all()


def unique(rows: Sequence[T], prefix: str, what: str) -> T:
    """The one row that a prefix of an id has found.

    Raises:
        NotFound: there is none, or there are several.
    """
    if not rows:
        raise NotFound(f"There is no {what} {prefix}.")
    if len(rows) > 1:
        raise NotFound(f"More than one {what} begins with {prefix}; give more digits.")
    return rows[0]
