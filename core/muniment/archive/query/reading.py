"""Parses a query by recursive descent; errors point at the character that is wrong."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, tzinfo
from itertools import permutations
from typing import TypeVar

from muniment.archive.query.nodes import (
    EVERYTHING,
    FIELDS,
    TEXT_FIELDS,
    And,
    Conversation,
    DatedBefore,
    DatedSince,
    GroupTerm,
    HasAttachment,
    HasUnreadable,
    IdPrefix,
    InFolder,
    InThread,
    LargerThan,
    MessageId,
    Node,
    PhraseTerm,
    PrefixTerm,
    SmallerThan,
    Text,
    UserTerm,
    WordTerm,
    both,
    either,
    negate,
)  # fmt: skip
from muniment.errors import QueryError
from muniment.mail.headers.message_ids import bare_id
from muniment.mail.text.folding import fold
from muniment.mail.text.words import wild_words, wildcards
from muniment.system.periods import period

MAX_QUERY = 16_384
"""Most characters in a query."""
MAX_TERM = 512
"""Most characters in one word or phrase."""
MAX_WORD = 127
"""Most bytes of UTF-8 in one run of letters and digits; longer runs are not in the index."""
BEGIN, WITHIN = 2, 3
"""Fewest letters of a word with wildcards: before the first wildcard, or else in a row anywhere."""
MAX_WILD = 4
"""Most wildcards in a word: each multiplies the number of words that the index must try."""
MAX_OPEN = 4
"""Most words of a query that begin with a wildcard."""
MAX_WILDS = 100
"""Most wildcards in a query: a word with four of them may cost the service 4 MB and 40 ms."""
MAX_TERMS = 256
"""Most words, phrases and conditions in a query."""
MAX_THREADS = 2
"""Most conversations in a query: each one is looked up before the search, with searches of its own."""
MAX_DEPTH = 40
"""Deepest nesting of parentheses and NOTs."""
MIN_ID = 8
"""Fewest hex digits of a prefix of a message's id."""

HEX_ID = re.compile(rf"[0-9A-Fa-f]{{{MIN_ID},64}}")
"""What `id:` takes, and `thread:` as the id of a message. A Message-ID of this form needs `<>`."""
QUOTES = '"“”„'
"""Signs that begin or end a quoted text."""
_SPACE = re.compile(r"\s*")
_KEYWORD = re.compile(rf"(?:(OR|\|\|?)|(AND)|(NOT))(?=[\s(){QUOTES}]|$)")
_RUN = re.compile(rf"[^\s(){QUOTES}]+")
_NAME = re.compile(r"([A-Za-z_]{2,}):")
_ESCAPED = re.compile(rf"\\([{QUOTES}\\])")
"""A quote or a backslash in a quoted text. Any other backslash is itself."""
_QUOTED = re.compile(rf"[{QUOTES}]((?:[^{QUOTES}\\]|\\[{QUOTES}\\]|\\(?![{QUOTES}\\]))*)([{QUOTES}]?)")
"""A quoted text, up to the quote that closes it or, without one, to the end."""
_TYPED = frozenset(TEXT_FIELDS)
"""Names of the fields whose value is text."""
_PEOPLE = ("from", "to", "cc", "bcc")
_Leaf = TypeVar("_Leaf", bound=Node)
_SCHEMES = frozenset(
    {"http", "https", "ftp", "ftps", "mailto", "file", "tel", "sip", "urn", "cid", "data", "imap"}
)


def parse(query: str, *, now: float | None = None, zone: tzinfo = UTC) -> Node:
    """Parse a query.

    Args:
        query: The text as a user typed it; an empty one finds every message.
        now: The time that `today` and `7d` refer to, in seconds since 1970 UTC; by default the current time.
        zone: The time zone in which days begin.

    Raises:
        QueryError: The query is not valid; its `position` is the wrong character, counted from 0.
    """
    return _Parser(query, time.time() if now is None else now, zone).parse()


def _word_term(text: str, field: str = "") -> Text:
    """Return the term of one word, which may have wildcards."""
    stem = text.rstrip("*")
    return PrefixTerm(stem, field) if len(stem) in wildcards(text) else WordTerm(text, field)


def _recipient(person: dict[str, Text]) -> Node:
    return either(person[field] for field in ("to", "cc", "bcc"))


class _Parser:
    """A recursive descent parser with a method for each level of precedence."""

    def __init__(self, query: str, now: float, zone: tzinfo) -> None:
        self._query = query
        self._now = now
        self._zone = zone
        self._at = 0
        self._terms = 0
        self._threads: set[str] = set()
        self._wilds = 0
        """Number of wildcards so far."""
        self._open = 0
        """Number of words that begin with a wildcard: each is compared with all words of the index."""

    def parse(self) -> Node:
        if len(self._query) > MAX_QUERY:
            raise self._error(f"A query has at most {MAX_QUERY:,} characters; shorten it.", MAX_QUERY)
        node = self._list("", 0)
        if self._at < len(self._query):
            raise self._error("This parenthesis was never opened; remove it, or open one before it.")
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
        """Skip spaces, and return whether the query or the group ends here."""
        self._skip()
        return self._at >= len(self._query) or self._query[self._at] == ")"

    def _keyword(self) -> tuple[str, int]:
        """Return the operator that comes next ("" for none), and where it ends."""
        self._skip()
        match = _KEYWORD.match(self._query, self._at)
        return (
            ("", self._at)
            if match is None
            else (("OR", "AND", "NOT")[(match.lastindex or 1) - 1], match.end())
        )

    def _take(self, keyword: str) -> bool:
        """Skip `keyword` if it comes next, and return whether it did."""
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
            raise self._error(f"Parentheses and NOTs can be {MAX_DEPTH} deep; make the query simpler.")
        if self._take("NOT") or self._minus():
            node = self._unary(field, depth + 1)
            return None if node is None else negate(node)
        if self._ended():
            raise self._error("A word is missing here; type one, or remove the operator.")
        if keyword := self._keyword()[0]:
            raise self._error(f'{keyword} needs a word before it; to search for "{keyword}", use quotes.')
        return self._primary(field, depth)

    def _minus(self) -> bool:
        """Skip a minus directly before what it negates, and return whether there was one."""
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
        if char in QUOTES:
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
            raise self._error("This parenthesis is never closed; close or remove it.", start)
        self._at += 1
        return node

    def _quoted(self) -> str:
        match = _QUOTED.match(self._query, self._at)
        if match is None or not match[2]:
            hint = " A quote after a backslash does not close it; write two backslashes there."
            escapes = _ESCAPED.search(self._query, self._at) is not None
            raise self._error("This quote is never closed; close or remove it." + hint * escapes)
        self._at = match.end()
        return _ESCAPED.sub(r"\1", match[1])

    def _run(self) -> str:
        match = _RUN.match(self._query, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _phrase(self, field: str) -> Node | None:
        start = self._at
        text = self._quoted()
        if not self._searchable(text, field, start):
            return None
        typed = self._query[start + 1 : self._at - 1]
        self._check_wildcards(_ESCAPED.sub(r" \1", typed), start + 1)
        return self._leaf(PhraseTerm(text, field), start)

    def _word(self, text: str, field: str, start: int) -> Node | None:
        if not self._searchable(text, field, start):
            return None
        self._check_wildcards(text, start)
        return self._leaf(_word_term(text, field), start)

    def _check_wildcards(self, text: str, start: int) -> None:
        """Refuse wildcards that can't work or are too many; `start` is the text's position in the query."""
        if text.count("*") > MAX_WILD * MAX_OPEN:
            raise self._error("There are too many wildcards; remove some.", start + text.find("*"))
        for word in wild_words(text):
            if word.parted >= 0:
                raise self._error(
                    "A wildcard can't split a word of a script without spaces; search for both parts.",
                    start + word.parted,
                )
            if word.count > MAX_WILD:
                raise self._error(
                    f"A word has at most {MAX_WILD} wildcards; remove some.", start + word.start
                )
            self._wilds += word.count
            if self._wilds > MAX_WILDS:
                raise self._error(
                    f"A query has at most {MAX_WILDS} wildcards; search in two steps.", start + word.start
                )
            if word.literal >= BEGIN or (word.literal and word.narrow):
                continue
            self._open += 1
            if self._open > MAX_OPEN:
                raise self._error(
                    f"At most {MAX_OPEN} words of a query can begin with a wildcard; remove this one.",
                    start + word.start,
                )
            if word.longest < WITHIN:
                raise self._error(
                    "Too many words match; type at least two letters before the *, or three after it.",
                    start + word.start,
                )

    def _searchable(self, text: str, field: str, start: int) -> bool:
        """Return whether a text has letters or digits. Without any, a field is an error."""
        if len(text) > MAX_TERM:
            raise self._error(f"A word or phrase has at most {MAX_TERM} characters; shorten it.", start)
        words = fold(text).split()
        if any(len(word.encode()) > MAX_WORD for word in words):
            raise self._error("This word is too long to be in the index; search for something else.", start)
        if field and not words:
            raise self._error(f"{field}: needs at least one letter or digit.", start)
        return bool(words)

    def _leaf(self, node: _Leaf, start: int) -> _Leaf:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._error(f"A query has at most {MAX_TERMS} words and conditions; shorten it.", start)
        return node

    def _refuse_unknown(self, name: str, run: str, start: int) -> None:
        value = run[len(name) + 1 :]
        if not value or value[0] in "/:\\" or name.lower() in _SCHEMES or name[0] == "_":
            return
        near = difflib.get_close_matches(name.lower(), FIELDS, 1)
        hint = f"did you mean {near[0]}:?" if near else 'to search for the text, put it in "quotes".'
        raise self._error(f"There is no search field {name}:; {hint}", start)

    def _named(self, name: str, value_at: int, depth: int) -> Node | None:
        start, self._at = self._at, value_at
        char = self._query[value_at : value_at + 1]
        if name in _TYPED and char == "(":
            if depth >= MAX_DEPTH:
                raise self._error(f"Parentheses and NOTs can be {MAX_DEPTH} deep; make the query simpler.")
            return self._group(name, depth)
        if name in _TYPED and char and char in QUOTES:
            return self._phrase(name)
        value = self._quoted() if char and char in QUOTES else self._run()
        if not value.strip():
            raise self._error(f"{name}: needs a value, directly after the colon.", value_at)
        if name in _TYPED:
            return self._word(value, name, value_at)
        return self._leaf(self._condition(name, value.strip(), value_at), start)

    def _condition(self, name: str, value: str, at: int) -> Node:
        match name:
            case "has":
                return self._has(value, at)
            case "in":
                return InFolder(self._short(value, at))
            case "user":
                return UserTerm(self._short(value, at))
            case "group":
                return GroupTerm(self._short(value, at))
            case "id":
                return self._id(value, at)
            case "msgid":
                return MessageId(self._message_id(name, value, at))
            case "thread":
                if HEX_ID.fullmatch(value):
                    return self._conversation(value.lower(), at)
                return InThread(self._message_id(name, value, at))
            case "larger":
                return LargerThan(self._size(value, at))
            case "smaller":
                return SmallerThan(self._size(value, at))
            case "between":
                return self._between(value, at)
            case _:
                return self._dated(name, value, at)

    def _short(self, value: str, at: int) -> str:
        if len(value) > MAX_TERM:
            raise self._error(f"A name has at most {MAX_TERM} characters; shorten it.", at)
        return value

    def _has(self, value: str, at: int) -> Node:
        if value.lower() == "unreadable":
            return HasUnreadable()
        if value.lower() not in ("attachment", "attachments"):
            raise self._error("After has: comes attachment or unreadable, such as has:attachment.", at)
        return HasAttachment()

    def _id(self, value: str, at: int) -> Node:
        if not HEX_ID.fullmatch(value):
            raise self._error(f"id: takes {MIN_ID} to 64 hex digits of a message's id.", at)
        return IdPrefix(value.lower())

    def _conversation(self, prefix: str, at: int) -> Node:
        self._threads.add(prefix)
        if len(self._threads) > MAX_THREADS:
            raise self._error(
                f"A query has at most {MAX_THREADS} conversations; search for the others by themselves.", at
            )
        return Conversation(prefix)

    def _message_id(self, name: str, value: str, at: int) -> str:
        found = bare_id(value)
        if not found or "*" in found:
            star = max(value.find("*"), 0)
            raise self._error(
                f"{name}: takes a whole Message-ID, such as {name}:a1b2@example.com.", at + star
            )
        return found

    def _size(self, value: str, at: int) -> int:
        match = re.fullmatch(r"(?i)([0-9]{1,15})(?:\.([0-9]{1,3}))?(|b|[kmg](?:i?b)?)", value)
        if match is None:
            raise self._error("A size is a number of bytes, or one with k, M or G, such as larger:5M.", at)
        unit = 1 << 10 * "bkmg".index(match[3][:1].lower() or "b")
        thousandths = int((match[2] or "0").ljust(3, "0"))
        return int(match[1]) * unit + thousandths * unit // 1000

    def _dated(self, name: str, value: str, at: int) -> Node:
        start, end = self._period(value, at)
        match name:
            case "after":
                return DatedSince(start)
            case "before":
                return DatedBefore(start)
            case _:
                return And((DatedSince(start), DatedBefore(end)))

    def _between(self, value: str, at: int) -> Node:
        """Parse two dates (`A..B`), or two people (`a,b`)."""
        if "," in value:  # a name may have `..`, but no date has a comma
            return self._between_people(value, at)
        first, dots, last = value.partition("..")
        if not (first and dots and last):
            raise self._error(
                "between: takes two dates or two people, such as between:2024-01-01..2024-02-01 "
                "or between:anna,bob@example.com.",
                at,
            )
        at = max(at, self._query.find(value, at))  # behind a quote and blanks
        start = self._period(first, at)[0]
        end = self._period(last, at + len(first) + len(dots))[1]
        if end <= start:
            raise self._error("The second date is before the first; swap them.", at)
        return And((DatedSince(start), DatedBefore(end)))

    def _between_people(self, value: str, at: int) -> Node:
        """Return the mail of two people with each other: from one of them, to the other."""
        at = max(at, self._query.find(value, at))  # behind a quote and blanks
        comma = value.find(",")
        one, other = value[:comma].strip(), value[comma + 1 :].strip()
        if "," in other:
            raise self._error(
                "between: takes two people; put a name with a comma in two searches.",
                at + value.rfind(","),
            )
        places = at, at + comma + 1
        people = [self._person(text, place) for text, place in zip((one, other), places, strict=True)]
        return either(both((sender["from"], _recipient(to))) for sender, to in permutations(people))

    def _person(self, text: str, at: int) -> dict[str, Text]:
        """Parse a word or a name once, and return it as the value of each field with people."""
        self._searchable(text, "between", at)
        self._check_wildcards(text, at)
        node = PhraseTerm(text) if any(char.isspace() for char in text) else _word_term(text)
        return {field: self._leaf(replace(node, field=field), at) for field in _PEOPLE}

    def _period(self, value: str, at: int) -> tuple[int, int]:
        """Return the span [start, end) of a date that was typed at a position."""
        try:
            return period(value, self._now, self._zone)
        except ValueError:
            raise self._error(
                "A date is written 2024-05-01, 2024-05, 2024, today, or 7d, 2w, 3m, 1y.", at
            ) from None
