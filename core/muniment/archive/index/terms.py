"""Compiles parsed queries for the index library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tantivy import Query

from muniment.archive import query as q
from muniment.archive.index.document import ID_DIGITS, SENT, clean, in_tag, known_tag, tagged
from muniment.archive.index.model import UserAddress, UserAddresses, Users
from muniment.archive.index.queries import (
    MAX_U64,
    all_of,
    any_of,
    dated,
    everything,
    has_tag,
    has_tag_like,
    in_range,
    none_of,
    with_ids,
)
from muniment.archive.index.wording import find_words
from muniment.mail.headers.addresses import normalise
from muniment.mail.headers.domains import PREFIX, canonical, spellings
from muniment.mail.headers.message_ids import bare_id
from muniment.mail.text.links import is_reduced, reduced
from muniment.mail.text.words import ANY, SoughtWord, sought_words, wildcards

PLAIN = ("subject", "sender", "to", "cc", "filename", "body", "attachment")
"""The fields in which plain words are searched, in addition to links; `bcc` is secret, so it is left out."""
_TEXT = {"from": "sender", "to": "to", "cc": "cc", "bcc": "bcc"}
_ADDRESSED = frozenset(_TEXT)
_FIELDS = {"attachment": ("filename", "attachment")}
"""The fields that a field of the query language searches, if they have other names."""
_WEIGHTS = {"subject": 4.0, "sender": 2.0, "filename": 2.0}
"""The weight of a word by its field, where rare words do not count more; 1.0 in other fields."""


class QueryCompiler:
    """Compiles a query for one reader."""

    def __init__(
        self,
        users: Users,
        scope: UserAddresses | None,
        bcc_allowed: bool,
        loose: bool = False,
        even: bool = False,
    ) -> None:
        """Keep what the reader is allowed to find.

        Args:
            users: Looks up a name after `user:`.
            scope: The person whose mail is searched; None for all mail.
            bcc_allowed: Whether the reader may know Bcc and all recipients. Otherwise Bcc, recipients that
                no header shows, and other people's having a message match only in mail that `scope` sent.
                Sizes are then those of public forms, and rare words weigh no more than others: how rare a
                word is in a shard would reveal something about other people's mail.
            loose: Whether a negated condition that the index can't decide excludes nothing, so that the
                catalog decides about the candidates.
            even: Whether rare words weigh no more than others also where Bcc is allowed.
        """
        self._users = users
        self._scope = scope
        self.bcc_allowed = bcc_allowed
        self._loose = loose
        self._even = even or not bcc_allowed

    def compile(self, node: q.Node) -> Query:
        """Compile a query, within the scope if there is one.

        Raises:
            MunimentError: `user:` names an unknown user.
        """
        found = self._node(node, ())
        return found if self._scope is None else all_of([found, self._placed(self._scope, None)])

    def compile_part(self, node: q.Node) -> Query:
        """Compile a part of a query, without the scope.

        Raises:
            MunimentError: `user:` names an unknown user.
        """
        return self._node(node, ())

    def _node(self, node: q.Node, about: tuple[UserAddresses, ...]) -> Query:
        """Compile a node; `about` are the people whose folders `in:` means there, none for any person's."""
        match node:
            case q.And(items):
                return self._and(items, about)
            case q.Or(items):
                return any_of(self._node(item, about) for item in items)
            case q.Not(item):
                return everything() if self._unsure(item, about) else none_of(self._node(item, about))
            case q.WordTerm() | q.PhraseTerm() | q.PrefixTerm():
                return self._text(node)
            case q.InFolder(folder):
                return self._in(folder, about)
            case q.UserTerm(name):
                return self._user(self._users(name))
            case _:
                return _condition(node, "size" if self.bcc_allowed else "public")

    def _and(self, items: tuple[q.Node, ...], about: tuple[UserAddresses, ...]) -> Query:
        named = tuple(self._users(name) for item in items for name in named_users(item))
        inner = named or about
        since = [item.time for item in items if isinstance(item, q.DatedSince)]
        until = [item.time for item in items if isinstance(item, q.DatedBefore)]
        rest = [item for item in items if not isinstance(item, (q.DatedSince, q.DatedBefore))]
        found = [self._node(item, inner) for item in rest if not isinstance(item, q.Not)]
        unwanted = [item.item for item in rest if isinstance(item, q.Not)]
        without = [self._node(item, inner) for item in unwanted if not self._unsure(item, inner)]
        if since or until:
            found.append(dated(max(since, default=None), min(until, default=None)))
        return all_of(found, without)

    def _unsure(self, node: q.Node, about: tuple[UserAddresses, ...]) -> bool:
        return self._loose and needs_catalog(node, bool(about or self._scope))

    # --- people and folders

    def _user(self, terms: UserAddresses) -> Query:
        placed = self._placed(terms, None)
        return placed if terms == self._scope else self._secret(placed)

    def _in(self, folder: str, about: tuple[UserAddresses, ...]) -> Query:
        persons = (self._scope,) if self._scope else about
        if not persons:
            return self._secret(has_tag(in_tag(folder)))
        return any_of(self._placed(person, folder) for person in persons)

    def _placed(self, terms: UserAddresses, folder: str | None) -> Query:
        """Messages that are filed with a person, or in a folder of theirs."""
        if terms.everything:
            return Query.all_query() if folder is None else has_tag(in_tag(folder))
        return any_of(_placed_at(address, folder) for address in terms.addresses)

    def _secret(self, found: Query) -> Query:
        """Restrict `found` to what the reader is allowed to know."""
        if self.bcc_allowed:
            return found
        if self._scope is None or self._scope.everything:
            return Query.empty_query()
        names = (clean(address.address) for address in self._scope.addresses)
        sent = any_of(has_tag(f"{field}:{name}") for name in names for field in ("from", "from+"))
        return all_of([found, self._placed(self._scope, SENT), sent])

    def _hidden(self, field: str, name: _Name) -> Query:
        """Messages with a name that only an envelope has, as far as the reader is allowed to know it.

        The sender of a copy knows the addresses on that copy, but not those on other people's copies.
        """
        if self.bcc_allowed:
            return name.tagged(f"{field}+:")
        if self._scope is None or self._scope.everything:
            return Query.empty_query()
        return self._secret(any_of(_known_by(address, field, name) for address in self._scope.addresses))

    # --- words

    def _text(self, node: q.Text) -> Query:
        text = _typed(node)
        if node.field in _ADDRESSED:
            return self._addressed(node.field, text)
        return any_of(self._plain(node, spelling) for spelling in spellings(text))

    def _plain(self, node: q.Text, text: str) -> Query:
        """Compile a text in one spelling of its domains."""
        words = sought_words(text)
        if node.field == "link":
            return self._words(_link_words(text, words), ("link",))
        if node.field:
            return self._words(words, _FIELDS.get(node.field, (node.field,)))
        links = _link_words(text, words)
        if links == words and not any(word.wild for word in words):
            found = [self._words(words, (*PLAIN, "link"))]  # one query is faster than two
        else:
            found = [self._words(words, PLAIN), self._words(links, ("link",))]
        if isinstance(node, q.WordTerm) and "@" in text and (name := bare_id(text)):
            found.append(has_tag(f"msgid:{clean(name)}"))
        return any_of(found)

    def _words(self, words: Sequence[SoughtWord], fields: Sequence[str]) -> Query:
        if not self._even:
            return find_words(words, fields)
        return find_words(words, fields, _weighed, everywhere=True)

    def _addressed(self, field: str, text: str) -> Query:
        """Compile an address or a part of one, a domain, or words of the header field."""
        name = _name_in(text)
        found = []
        if name is None or not name.whole:
            found = [self._words(sought_words(spelling), (_TEXT[field],)) for spelling in spellings(text)]
        hidden = []
        if name is not None:
            found.append(name.tagged(f"{field}:"))
            hidden.append(self._hidden(field, name))
        public = self._secret(any_of(found)) if field == "bcc" else any_of(found)
        return any_of([public, *hidden])


def _weighed(found: Query, field: str) -> Query:
    return Query.const_score_query(found, _WEIGHTS.get(field, 1.0))


def _typed(node: q.Text) -> str:
    return node.text + ANY if isinstance(node, q.PrefixTerm) else node.text


def _link_words(text: str, words: Sequence[SoughtWord]) -> Sequence[SoughtWord]:
    """Return the words that a link target has for these words."""
    return words if is_reduced(text) or wildcards(text) else sought_words(reduced(text))


@dataclass(frozen=True, slots=True)
class _Name:
    """An address, or @ and a domain; `*` in it matches anything."""

    name: str
    whole: bool
    """Whether it is certainly an address or domain; otherwise it may be a word, too."""

    def tagged(self, prefix: str) -> Query:
        """Messages with a tag of this prefix and name."""
        if ANY not in self.name:
            return has_tag(prefix + self.name)
        return has_tag_like(_literal(prefix) + ".*".join(map(_literal, self.name.split(ANY))))


def _literal(text: str) -> str:
    """Return a regular expression that matches a text literally."""
    return "".join(char if char.isalnum() else f"\\x{{{ord(char):x}}}" for char in text)


def _name_in(text: str) -> _Name | None:
    """Return the address or domain in a typed text; None for words."""
    typed = clean(text).strip("<>,;").lower()
    if any(char.isspace() for char in typed):
        return None
    local, at, host = typed.rpartition("@")
    if at:
        if not host:  # nora@
            return _Name(f"{local}@{ANY}", True)
        if local in ("", ANY):
            return _Name(f"@{_domain(host)}", True)
        return _Name(f"{local}@{_domain(host)}" if ANY in typed else normalise(typed), True)
    return _Name(f"@{_domain(typed)}", False) if "." in typed or typed.startswith(PREFIX) else None


def _domain(typed: str) -> str:
    """Return a domain in the form of the tags; a domain with wildcards is not changed."""
    return typed if ANY in typed else canonical(typed)


def needs_catalog(node: q.Node, about: bool) -> bool:
    """Return whether the index may find too much: for `user:`, or for `in:` if the query is about people.

    Args:
        node: The query, or a part of it.
        about: Whether the query is about certain people's mail.
    """
    match node:
        case q.And(items) | q.Or(items):
            inner = about or any(named_users(item) for item in items)
            return any(needs_catalog(item, inner) for item in items)
        case q.Not(item):
            return needs_catalog(item, about)
        case q.InFolder():
            return about
        case _:
            return isinstance(node, q.UserTerm)


def named_users(item: q.Node) -> list[str]:
    """Return the names of the people that an item of a conjunction is about."""
    match item:
        case q.UserTerm(name):
            return [name]
        case q.Or(items) if all(isinstance(one, q.UserTerm) for one in items):
            return [one.name for one in items if isinstance(one, q.UserTerm)]
        case _:
            return []


def _placed_at(address: UserAddress, folder: str | None) -> Query:
    name = clean(address.address)
    names = (name, tagged(name)) if address.tagged else (name,)
    found = any_of(has_tag(f"party:{one}" if folder is None else in_tag(folder, one)) for one in names)
    bounds = []
    if address.valid_from is not None and address.valid_from > 0:
        bounds.append(in_range("last", address.valid_from, MAX_U64))
    if address.valid_to is not None:
        bounds.append(in_range("first", 0, address.valid_to - 1))
    return all_of([found, *bounds])


def _known_by(address: UserAddress, field: str, name: _Name) -> Query:
    """Messages with a name that were sent under an address, all of them while the person had the address."""
    found = [name.tagged(known_tag(clean(address.address), f"{field}:"))]
    if address.valid_from is not None and address.valid_from > 0:
        found.append(in_range("first", address.valid_from, MAX_U64))
    if address.valid_to is not None:
        found.append(in_range("last", 0, address.valid_to - 1))
    return all_of(found)


def _condition(node: q.Node, size_field: str) -> Query:
    match node:
        case q.DatedSince(time):
            return dated(time, None)
        case q.DatedBefore(time):
            return dated(None, time)
        case q.LargerThan(size):
            return in_range(size_field, size + 1, MAX_U64)
        case q.SmallerThan(size):
            return in_range(size_field, 0, size - 1)
        case q.IdPrefix(prefix) if len(prefix) >= ID_DIGITS:
            return has_tag(f"id:{prefix[:ID_DIGITS]}")
        case q.IdPrefix(prefix):
            return has_tag_like(f"id:{prefix}.*")
        case q.RecordNumber(number):
            return Query.empty_query() if number < 0 else with_ids(everything(), [number])
        case q.RecordNumbers(numbers):
            return with_ids(everything(), numbers)
        case q.FileEnd(end):
            return has_tag(f"ends:{clean(end)}")
        case q.HasAttachment():
            return has_tag("has:attachment")
        case q.HasUnreadable():
            return has_tag("contents:unread")
        case q.MessageId(name):
            return has_tag(f"msgid:{clean(name)}")
        case q.InThread(name):
            return any_of(has_tag(f"{kind}:{clean(name)}") for kind in ("msgid", "ref"))
        case _:
            raise TypeError(f"no such query: {node!r}")
