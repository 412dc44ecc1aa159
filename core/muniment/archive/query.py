"""The query language: what Gmail's and Outlook's users type, read into a small tree.

    invoice "red car" -draft             words, a phrase, not this word
    from:anna OR from:bob                either; OR joins its two neighbours before the space does
    (a OR b) NOT c        a | b          parentheses, other spellings
    from: to: cc: bcc: subject: body: filename:     a word, a "phrase", an address, or (several)
    invoi*                               words that begin so
    has:attachment  in:inbox  in:sent  in:"a folder"  user:anna@example.com  id:3f9a01c2
    after:2024-05-01  before:2024-05     from the start of it, earlier than it
    on:2024-05-01  on:today  on:7d       within it; 7d, 2w, 3m, 1y are days so long ago
    larger:5M  smaller:10k               bytes, k, M, G (of 1,024)

A space means AND. `a AND b` binds tighter than OR, OR tighter than a space: `x a OR b` is
`x (a OR b)`, as in Gmail. OR, AND and NOT are operators in capitals only.
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from muniment.archive.periods import period
from muniment.errors import QueryError

MAX_QUERY = 16_384
"""Characters in a query."""
MAX_TERM = 512
"""Characters in one word or phrase."""
MAX_WORD = 127
"""Bytes of UTF-8 in one run of letters and digits; longer runs are not in the index."""
MAX_TERMS = 256
"""Words, phrases and conditions in a query."""
MAX_DEPTH = 40
"""Parentheses and NOTs within each other."""
MIN_ID = 8
"""Hex digits of a message's id."""

TEXT_FIELDS = ("from", "to", "cc", "bcc", "subject", "body", "filename")
FIELDS = (*TEXT_FIELDS, "has", "in", "user", "before", "after", "on", "larger", "smaller", "id")


@dataclass(frozen=True, slots=True)
class And:
    """All of them; of nothing: every message."""

    items: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What does not match."""

    item: Node


@dataclass(frozen=True, slots=True)
class Word:
    """A word, an address or the like; `field` is one of TEXT_FIELDS, "" for the usual ones."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that follow each other."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Prefix:
    """What the (last) word begins with."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Since:
    """Dated at `time` or later; seconds since 1970 UTC."""

    time: int


@dataclass(frozen=True, slots=True)
class Until:
    """Dated before `time`; seconds since 1970 UTC."""

    time: int


@dataclass(frozen=True, slots=True)
class Larger:
    """Of more than `size` bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """Of fewer than `size` bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class HasAttachment:
    """Has at least one attachment."""


@dataclass(frozen=True, slots=True)
class In:
    """Stands in a folder of the user the query is about, or of anybody."""

    folder: str


@dataclass(frozen=True, slots=True)
class User:
    """Concerns a person, under any address of theirs."""

    name: str


@dataclass(frozen=True, slots=True)
class Number:
    """The message in the record of that number, -1 for none. Nobody types it: it stands for a public id."""

    number: int


@dataclass(frozen=True, slots=True)
class Id:
    """Its SHA-256 begins with these hex digits (lower case)."""

    prefix: str


Text = Word | Phrase | Prefix
Condition = Since | Until | Larger | Smaller | HasAttachment | In | User | Id | Number
Node = And | Or | Not | Text | Condition

EVERYTHING = And()


def parse(query: str, *, now: float | None = None, zone: tzinfo = UTC) -> Node:
    """Read a query; an empty one finds everything.

    `now` (seconds since 1970 UTC) and `zone` decide what `today` or `7d` mean, and where a day begins.

    Raises:
        QueryError: it can't be read; `position` is the character to put the caret under.
    """
    return _Parser(query, time.time() if now is None else now, zone).parse()


def both(nodes: Iterable[Node]) -> Node:
    """All of `nodes`, without needless nesting."""
    items = _flat(nodes, And)
    return items[0] if len(items) == 1 else And(items)


def either(nodes: Iterable[Node]) -> Node:
    """One of `nodes` (at least one is needed), without needless nesting."""
    items = _flat(nodes, Or)
    return items[0] if len(items) == 1 else Or(items)


def negate(node: Node) -> Node:
    """What `node` does not match."""
    return node.item if isinstance(node, Not) else Not(node)


def _flat(nodes: Iterable[Node], kind: type[And] | type[Or]) -> tuple[Node, ...]:
    items: list[Node] = []
    for node in nodes:
        items.extend(node.items if isinstance(node, kind) else (node,))
    return tuple(items)


# --- writing it down again ----------------------------------------------------------------------


def unparse(node: Node) -> str:
    """A query that is read as `node` again."""
    match node:
        case And(items):
            return " ".join(_operand(item, within=And) for item in items)
        case Or(items):
            return " OR ".join(_operand(item, within=Or) for item in items)
        case Not(item):
            text = _operand(item, within=Not)
            return ("NOT " if text.startswith("-") else "-") + text
        case Word(text, field):
            return _named(field, text)
        case Phrase(text, field):
            return _named(field, f'"{text}"')
        case Prefix(text, field):
            return _named(field, text + "*")
        case _:
            return _condition(node)


def _operand(node: Node, within: type) -> str:
    loose = isinstance(node, (And, Or)) and not (within is And and isinstance(node, Or))
    return f"({unparse(node)})" if loose else unparse(node)


def _named(field: str, text: str) -> str:
    return f"{field}:{text}" if field else text


def _condition(node: Node) -> str:
    match node:
        case Since(seconds):
            return "after:" + _instant(seconds)
        case Until(seconds):
            return "before:" + _instant(seconds)
        case Larger(size):
            return f"larger:{size}"
        case Smaller(size):
            return f"smaller:{size}"
        case In(folder):
            return f'in:"{folder}"'
        case User(name):
            return f'user:"{name}"'
        case Id(prefix):
            return f"id:{prefix}"
        case _:
            return "has:attachment"


def _instant(seconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# --- reading it ---------------------------------------------------------------------------------

_QUOTES = '"“”„'
_SPACE = re.compile(r"\s*")
_KEYWORD = re.compile(rf"(?:(OR|\|\|?)|(AND)|(NOT))(?=[\s(){_QUOTES}]|$)")
_RUN = re.compile(rf"[^\s(){_QUOTES}]+")
_NAME = re.compile(r"([A-Za-z_]{2,}):")
_QUOTED = re.compile(rf"[{_QUOTES}]([^{_QUOTES}]*)[{_QUOTES}]")
_SCHEMES = frozenset(
    {"http", "https", "ftp", "ftps", "mailto", "file", "tel", "sip", "urn", "cid", "data", "imap"}
)


class _Parser:
    """Recursive descent; a method for each level of binding."""

    def __init__(self, query: str, now: float, zone: tzinfo) -> None:
        self._query = query
        self._now = now
        self._zone = zone
        self._at = 0
        self._terms = 0

    def parse(self) -> Node:
        if len(self._query) > MAX_QUERY:
            raise self._error(f"A query has at most {MAX_QUERY:,} characters; shorten it.", MAX_QUERY)
        node = self._list("", 0)
        if self._at < len(self._query):
            raise self._error("This parenthesis was never opened; take it away or open it before.")
        if node is None:
            if self._query.strip():
                raise self._error("There is no word to search for; type at least one letter or digit.", 0)
            return EVERYTHING
        return node

    def _error(self, message: str, position: int | None = None) -> QueryError:
        return QueryError(message, self._query, self._at if position is None else position)

    def _skip(self) -> None:
        match = _SPACE.match(self._query, self._at)
        self._at = match.end() if match else self._at

    def _ended(self) -> bool:
        """At the end of the query or of a group."""
        self._skip()
        return self._at >= len(self._query) or self._query[self._at] == ")"

    def _keyword(self) -> tuple[str, int]:
        """The operator that is next ("" for none), and where it ends."""
        self._skip()
        match = _KEYWORD.match(self._query, self._at)
        return (
            ("", self._at)
            if match is None
            else (("OR", "AND", "NOT")[(match.lastindex or 1) - 1], match.end())
        )

    def _take(self, keyword: str) -> bool:
        """Step over `keyword` if it is next."""
        name, end = self._keyword()
        if name == keyword:
            self._at = end
        return name == keyword

    def _list(self, field: str, depth: int) -> Node | None:
        found = []
        while not self._ended():
            found.append(self._either(field, depth))
        nodes = [node for node in found if node is not None]
        return both(nodes) if nodes else None

    def _either(self, field: str, depth: int) -> Node | None:
        return self._joined("OR", either, lambda: self._both(field, depth))

    def _both(self, field: str, depth: int) -> Node | None:
        return self._joined("AND", both, lambda: self._unary(field, depth))

    def _joined(
        self, keyword: str, join: Callable[[Iterable[Node]], Node], operand: Callable[[], Node | None]
    ) -> Node | None:
        found = [operand()]
        while self._take(keyword):
            found.append(operand())
        nodes = [node for node in found if node is not None]
        return join(nodes) if nodes else None

    def _unary(self, field: str, depth: int) -> Node | None:
        if depth > MAX_DEPTH:
            raise self._error(f"Parentheses and NOTs go {MAX_DEPTH} deep at most; make the query flatter.")
        if self._take("NOT") or self._minus():
            node = self._unary(field, depth + 1)
            return None if node is None else negate(node)
        if self._ended():
            raise self._error(
                "Something to search for is missing here; type a word or take the operator away."
            )
        if keyword := self._keyword()[0]:
            raise self._error(f'{keyword} joins two things; put one before it, or "{keyword}" in quotes.')
        return self._primary(field, depth)

    def _minus(self) -> bool:
        """Step over a minus that stands directly before what it negates."""
        self._skip()
        after = self._query[self._at + 1 : self._at + 2]
        negates = (
            self._query.startswith("-", self._at)
            and bool(after)
            and after not in "-)"
            and not after.isspace()
        )
        self._at += negates
        return negates

    def _primary(self, field: str, depth: int) -> Node | None:
        char = self._query[self._at]
        if char == "(":
            return self._group(field, depth)
        if char in _QUOTES:
            return self._phrase(field)
        name = _NAME.match(self._query, self._at)
        if name and name[1].lower() in FIELDS:
            return self._named(name[1].lower(), name.end(), depth)
        start, run = self._at, self._run()
        if name:
            self._refuse_unknown(name[1], run, start)
        return self._word(run, field, start)

    def _group(self, field: str, depth: int) -> Node | None:
        start = self._at
        self._at += 1
        node = self._list(field, depth + 1)
        if self._at >= len(self._query):
            raise self._error("This parenthesis is never closed; close it or take it away.", start)
        self._at += 1
        return node

    def _quoted(self) -> str:
        match = _QUOTED.match(self._query, self._at)
        if match is None:
            raise self._error("This quote is never closed; close it or take it away.")
        self._at = match.end()
        return match[1]

    def _run(self) -> str:
        match = _RUN.match(self._query, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _phrase(self, field: str) -> Node | None:
        start = self._at
        text = self._quoted()
        return self._leaf(Phrase(text, field), start) if self._searchable(text, field, start) else None

    def _word(self, text: str, field: str, start: int) -> Node | None:
        if not self._searchable(text, field, start):
            return None
        if not text.endswith("*"):
            return self._leaf(Word(text, field), start)
        stem = text.rstrip("*")
        last = _runs(stem)[-1]
        if len(last) < 2 and last.isascii():
            raise self._error("Too many words begin so; type at least two letters before the *.", start)
        return self._leaf(Prefix(stem, field), start)

    def _searchable(self, text: str, field: str, start: int) -> bool:
        """Whether there is anything but punctuation in it; punctuation among plain words is passed over."""
        if len(text) > MAX_TERM:
            raise self._error(f"A word or phrase has at most {MAX_TERM} characters; shorten it.", start)
        runs = _runs(text)
        if any(len(run.encode("utf-8", "replace")) > MAX_WORD for run in runs if _alphabetic(run)):
            raise self._error("This word is too long to be in the index; search for something else.", start)
        if field and not runs:
            raise self._error(f"There is no letter or digit after {field}: to search for.", start)
        return bool(runs)

    def _leaf(self, node: Node, start: int) -> Node:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._error(f"A query has at most {MAX_TERMS} words and conditions; shorten it.", start)
        return node

    def _refuse_unknown(self, name: str, run: str, start: int) -> None:
        value = run[len(name) + 1 :]
        if not value or value[0] in "/:\\" or name.lower() in _SCHEMES or name[0] == "_":
            return
        near = difflib.get_close_matches(name.lower(), FIELDS, 1)
        hint = f"did you mean {near[0]}:?" if near else 'put it in "quotes" to search for the text.'
        raise self._error(f"There is no {name}: to search by; {hint}", start)

    def _named(self, name: str, value_at: int, depth: int) -> Node | None:
        start, self._at = self._at, value_at
        char = self._query[value_at : value_at + 1]
        if name in TEXT_FIELDS and char == "(":
            if depth >= MAX_DEPTH:
                raise self._error(
                    f"Parentheses and NOTs go {MAX_DEPTH} deep at most; make the query flatter."
                )
            return self._group(name, depth)
        if name in TEXT_FIELDS and char and char in _QUOTES:
            return self._phrase(name)
        value = self._quoted() if char and char in _QUOTES else self._run()
        if not value.strip():
            raise self._error(f"{name}: needs a value, directly after the colon.", value_at)
        if name in TEXT_FIELDS:
            return self._word(value, name, value_at)
        return self._leaf(self._condition(name, value.strip(), value_at), start)

    def _condition(self, name: str, value: str, at: int) -> Node:
        match name:
            case "has":
                return self._has(value, at)
            case "in":
                return In(self._short(value, at))
            case "user":
                return User(self._short(value, at))
            case "id":
                return self._id(value, at)
            case "larger":
                return Larger(self._size(value, at))
            case "smaller":
                return Smaller(self._size(value, at))
            case _:
                return self._dated(name, value, at)

    def _short(self, value: str, at: int) -> str:
        if len(value) > MAX_TERM:
            raise self._error(f"A name has at most {MAX_TERM} characters; shorten it.", at)
        return value

    def _has(self, value: str, at: int) -> Node:
        if value.lower() not in ("attachment", "attachments"):
            raise self._error("has: knows only has:attachment.", at)
        return HasAttachment()

    def _id(self, value: str, at: int) -> Node:
        if not re.fullmatch(rf"[0-9A-Fa-f]{{{MIN_ID},64}}", value):
            raise self._error(f"id: takes {MIN_ID} to 64 hex digits of a message's id.", at)
        return Id(value.lower())

    def _size(self, value: str, at: int) -> int:
        match = re.fullmatch(r"(?i)([0-9]{1,15})(?:\.([0-9]{1,3}))?(|b|[kmg](?:i?b)?)", value)
        if match is None:
            raise self._error("A size is a number of bytes, or one with k, M or G, such as larger:5M.", at)
        unit = 1 << 10 * "bkmg".index(match[3][:1].lower() or "b")
        thousandths = int((match[2] or "0").ljust(3, "0"))
        return int(match[1]) * unit + thousandths * unit // 1000

    def _dated(self, name: str, value: str, at: int) -> Node:
        try:
            start, end = period(value, self._now, self._zone)
        except ValueError:
            raise self._error(
                "A date is written 2024-05-01, 2024-05, 2024, today, or 7d, 2w, 3m, 1y.", at
            ) from None
        match name:
            case "after":
                return Since(start)
            case "before":
                return Until(start)
            case _:
                return And((Since(start), Until(end)))


def _runs(text: str) -> list[str]:
    """The runs of letters and digits in it."""
    return re.findall(r"[^\W_]+", text)


def _alphabetic(run: str) -> bool:
    """Whether it is kept as one word; scripts written without spaces are cut into characters."""
    return run.isascii() or not any(char >= "\u0e00" for char in run)
