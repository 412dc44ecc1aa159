"""From the tree of a query to what the index library runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tantivy import FieldType, Occur, Query

from muniment.archive import query as q
from muniment.archive.index.document import (
    ID_DIGITS,
    MAX_DATE,
    SENT,
    analyzer,
    clean,
    fold,
    in_tag,
    known_tag,
    order_of,
    schema,
    tagged,
)

MAX_U64 = (1 << 64) - 1
PLAIN = ("subject", "sender", "to", "cc", "filename", "body")
"""Where plain words are sought. Not in bcc: that is for those who may see it."""
_TEXT = {"from": "sender", "to": "to", "cc": "cc", "bcc": "bcc"}
_ADDRESSED = frozenset(_TEXT)
_WEIGHTS = {"subject": 4.0, "sender": 2.0, "filename": 2.0}
"""What a word counts where all words count alike; 1.0 in other fields."""


@dataclass(frozen=True, slots=True)
class UserAddress:
    """An address, and when it was a person's: [valid_from, valid_to), seconds since 1970 UTC."""

    address: str
    valid_from: int | None = None
    valid_to: int | None = None
    tagged: bool = False
    """Whether mail to the address with a `+tag` is theirs too, as in the organisation's own domains."""


@dataclass(frozen=True, slots=True)
class UserTerms:
    """A person, as the index can find them: by their addresses."""

    addresses: tuple[UserAddress, ...]
    everything: bool = False
    """For a person who can't be told by addresses (the catch-all): any message may be theirs."""


Users = Callable[[str], UserTerms]
"""Looks a person up by the name or address typed after `user:`; raises MunimentError if there is none."""

_SCHEMA = schema()
_ANALYZER = analyzer()


class Compiler:
    """Compiles a query for one reader.

    `scope` is the person whose mail is searched, None for everybody's. Unless `bcc_allowed`, what only the
    sender may know (Bcc, recipients that no header shows, who else has it) is matched in what `scope` sent.
    Sizes are then those of public forms, and all words weigh alike: how rare a word is in a shard tells of
    everybody's mail. With `loose`, what it can't tell for sure excludes nothing: the catalog has the last
    word on it.
    """

    def __init__(self, users: Users, scope: UserTerms | None, bcc_allowed: bool, loose: bool = False) -> None:
        self._users = users
        self._scope = scope
        self.bcc_allowed = bcc_allowed
        self._loose = loose

    def compile(self, node: q.Node) -> Query:
        """The query to run; within the scope, if there is one.

        Raises:
            MunimentError: `user:` names nobody.
        """
        found = self._node(node, ())
        return found if self._scope is None else _all([found, self._placed(self._scope, None)])

    def compile_part(self, node: q.Node) -> Query:
        """As `compile`, for a part of a query, without the scope."""
        return self._node(node, ())

    def _node(self, node: q.Node, about: tuple[UserTerms, ...]) -> Query:
        """`about`: the persons whose folders `in:` means here; none for anybody's."""
        match node:
            case q.And(items):
                return self._and(items, about)
            case q.Or(items):
                return _any(self._node(item, about) for item in items)
            case q.Not(item):
                return _everything() if self._unsure(item, about) else _none(self._node(item, about))
            case q.Word() | q.Phrase() | q.Prefix():
                return self._text(node)
            case q.In(folder):
                return self._in(folder, about)
            case q.User(name):
                return self._user(self._users(name))
            case _:
                return _condition(node, "size" if self.bcc_allowed else "public")

    def _and(self, items: tuple[q.Node, ...], about: tuple[UserTerms, ...]) -> Query:
        named = tuple(self._users(name) for item in items for name in named_users(item))
        inner = named or about
        since = [item.time for item in items if isinstance(item, q.Since)]
        until = [item.time for item in items if isinstance(item, q.Until)]
        rest = [item for item in items if not isinstance(item, (q.Since, q.Until))]
        found = [self._node(item, inner) for item in rest if not isinstance(item, q.Not)]
        unwanted = [item.item for item in rest if isinstance(item, q.Not)]
        without = [self._node(item, inner) for item in unwanted if not self._unsure(item, inner)]
        if since or until:
            found.append(_dated(max(since, default=None), min(until, default=None)))
        return _all(found, without)

    def _unsure(self, node: q.Node, about: tuple[UserTerms, ...]) -> bool:
        return self._loose and vague(node, bool(about or self._scope))

    # --- people and folders

    def _user(self, terms: UserTerms) -> Query:
        placed = self._placed(terms, None)
        return placed if terms == self._scope else self._secret(placed)

    def _in(self, folder: str, about: tuple[UserTerms, ...]) -> Query:
        persons = (self._scope,) if self._scope else about
        if not persons:
            return self._secret(_tag(in_tag(folder)))
        return _any(self._placed(person, folder) for person in persons)

    def _placed(self, terms: UserTerms, folder: str | None) -> Query:
        """Messages placed with a person, or in a folder of theirs."""
        if terms.everything:
            return Query.all_query() if folder is None else _tag(in_tag(folder))
        return _any(_placed_at(address, folder) for address in terms.addresses)

    def _secret(self, found: Query) -> Query:
        """`found`, as far as the reader may know it."""
        if self.bcc_allowed:
            return found
        if self._scope is None or self._scope.everything:
            return Query.empty_query()
        names = (clean(address.address) for address in self._scope.addresses)
        sent = _any(_tag(f"{field}:{name}") for name in names for field in ("from", "from+"))
        return _all([found, self._placed(self._scope, SENT), sent])

    def _hidden(self, tag: str) -> Query:
        """What an envelope alone says under a tag, as far as the reader may know it.

        Whoever sent a copy knows what that copy says, and nothing of what others' copies say.
        """
        if self.bcc_allowed:
            field, _, name = tag.partition(":")
            return _tag(f"{field}+:{name}")
        if self._scope is None or self._scope.everything:
            return Query.empty_query()
        return self._secret(_any(_known_by(address, tag) for address in self._scope.addresses))

    # --- words

    def _text(self, node: q.Text) -> Query:
        if node.field in _ADDRESSED:
            return self._addressed(node)
        return _any(self._words(node, field) for field in ((node.field,) if node.field else PLAIN))

    def _words(self, node: q.Text, field: str) -> Query:
        if self.bcc_allowed:
            return _words(node, field)
        return Query.const_score_query(_own_words(node, field), _WEIGHTS.get(field, 1.0))

    def _addressed(self, node: q.Text) -> Query:
        """An address whole, a domain, or words of the header."""
        typed = "" if isinstance(node, q.Prefix) else clean(node.text).strip("<>,;").lower()
        exact, domain = _as_address(typed)
        found = [] if exact else [self._words(node, _TEXT[node.field])]
        hidden = []
        if name := exact or domain:
            found.append(_tag(f"{node.field}:{name}"))
            hidden.append(self._hidden(f"{node.field}:{name}"))
        public = self._secret(_any(found)) if node.field == "bcc" else _any(found)
        return _any([public, *hidden])


def vague(node: q.Node, about: bool) -> bool:
    """Whether the index may find too much: by what names people or, `about` them, folders of theirs."""
    match node:
        case q.And(items) | q.Or(items):
            inner = about or any(named_users(item) for item in items)
            return any(vague(item, inner) for item in items)
        case q.Not(item):
            return vague(item, about)
        case q.In():
            return about
        case _:
            return isinstance(node, q.User)


def named_users(item: q.Node) -> list[str]:
    """The persons that an item of a conjunction is about."""
    match item:
        case q.User(name):
            return [name]
        case q.Or(items) if all(isinstance(one, q.User) for one in items):
            return [one.name for one in items if isinstance(one, q.User)]
        case _:
            return []


def _as_address(typed: str) -> tuple[str, str]:
    """What is matched whole (an address, or @ and a domain), or else what may be a domain, with its @."""
    if any(char.isspace() for char in typed):
        return "", ""
    if "@" in typed:
        return typed, ""
    return "", f"@{typed}" if "." in typed else ""


def _placed_at(address: UserAddress, folder: str | None) -> Query:
    name = clean(address.address)
    names = (name, tagged(name)) if address.tagged else (name,)
    found = _any(_tag(f"party:{one}" if folder is None else in_tag(folder, one)) for one in names)
    bounds = []
    if address.valid_from is not None and address.valid_from > 0:
        bounds.append(_range("last", address.valid_from, MAX_U64))
    if address.valid_to is not None:
        bounds.append(_range("first", 0, address.valid_to - 1))
    return _all([found, *bounds])


def _words(node: q.Text, field: str) -> Query:
    words = _ANALYZER.analyze(fold(node.text))
    if not words:
        return Query.empty_query()
    if isinstance(node, q.Prefix):
        patterns = [re.escape(word) for word in words]
        patterns[-1] += ".*"
        if len(patterns) == 1:
            return Query.regex_query(_SCHEMA, field, patterns[0])
        return Query.regex_phrase_query(_SCHEMA, field, list(patterns))
    if len(words) == 1:
        return Query.term_query(_SCHEMA, field, words[0], "freq")
    return Query.phrase_query(_SCHEMA, field, list(words))


def _known_by(address: UserAddress, tag: str) -> Query:
    """What was sent under an address, all of it while the address was that person's, and has a tag."""
    found = [_tag(known_tag(clean(address.address), tag))]
    if address.valid_from is not None and address.valid_from > 0:
        found.append(_range("first", address.valid_from, MAX_U64))
    if address.valid_to is not None:
        found.append(_range("last", 0, address.valid_to - 1))
    return _all(found)


def _own_words(node: q.Text, field: str) -> Query:
    """As `_words`, without the limit on how many words of everybody's mail a phrase's last one may stand for.

    A phrase that ends in the begin of a word is found by the words before it and, anywhere, that one.
    """
    words = _ANALYZER.analyze(fold(node.text))
    if not isinstance(node, q.Prefix) or len(words) < 2:
        return _words(node, field)
    last = Query.regex_query(_SCHEMA, field, re.escape(words[-1]) + ".*")
    before = words[:-1]
    if len(before) == 1:
        return _all([Query.term_query(_SCHEMA, field, before[0], "freq"), last])
    return _all([Query.phrase_query(_SCHEMA, field, list(before)), last])


def _condition(node: q.Node, size_field: str) -> Query:
    match node:
        case q.Since(time):
            return _dated(time, None)
        case q.Until(time):
            return _dated(None, time)
        case q.Larger(size):
            return _range(size_field, size + 1, MAX_U64)
        case q.Smaller(size):
            return _range(size_field, 0, size - 1)
        case q.Id(prefix) if len(prefix) >= ID_DIGITS:
            return _tag(f"id:{prefix[:ID_DIGITS]}")
        case q.Id(prefix):
            return Query.regex_query(_SCHEMA, "tags", f"id:{prefix}.*")
        case q.Number(number):
            return Query.empty_query() if number < 0 else with_ids(_everything(), [number])
        case q.HasAttachment():
            return _tag("has:attachment")
        case _:
            raise TypeError(f"no such query: {node!r}")


# --- the library's queries ----------------------------------------------------------------------


def _tag(tag: str) -> Query:
    return Query.const_score_query(Query.term_query(_SCHEMA, "tags", tag, "basic"), 0.0)


def _range(field: str, least: int, most: int) -> Query:
    """`field` within [least, most]."""
    if least > most:
        return Query.empty_query()
    found = Query.range_query(_SCHEMA, field, FieldType.Unsigned, least, most)
    return Query.const_score_query(found, 0.0)


def _dated(since: int | None, until: int | None) -> Query:
    least = 0 if since is None or since <= 0 else order_of(since, 0)
    most = MAX_U64 if until is None or until > MAX_DATE else order_of(until, 0) - 1
    return _range("order", least, most)


def with_ids(found: Query, ids: Iterable[int]) -> Query:
    """What of `found` has one of these ids."""
    return _all([found, Query.const_score_query(Query.term_set_query(_SCHEMA, "id", list(ids)), 0.0)])


def past_order(found: Query, order: int | None, oldest: bool = False) -> Query:
    """What of `found` comes after the message with this key: newest first or, with `oldest`, oldest first."""
    if order is None:
        return found
    return _all([found, _range("order", order + 1, MAX_U64) if oldest else _range("order", 0, order - 1)])


def _any(queries: Iterable[Query]) -> Query:
    items = list(queries)
    return items[0] if len(items) == 1 else Query.boolean_query([(Occur.Should, item) for item in items])


def _all(queries: Iterable[Query], without: Iterable[Query] = ()) -> Query:
    items = [(Occur.Must, item) for item in queries] or [(Occur.Must, _everything())]
    items += [(Occur.MustNot, item) for item in without]
    return items[0][1] if len(items) == 1 else Query.boolean_query(items)


def _none(found: Query) -> Query:
    return _all([], [found])


def _everything() -> Query:
    return Query.const_score_query(Query.all_query(), 0.0)
