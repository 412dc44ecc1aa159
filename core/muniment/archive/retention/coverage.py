"""Compares mail with selections: what is certainly selected, and what may be.

People and directions are judged by the addresses on the copies of a message, never by folders, since a change
of the directory files mail again. Where the answer depends on something that is not known, or that has
changed since the selection was recorded, a message **may be** selected: the index lacks it, its text can't be
read, or its address has moved. A hold covers what may be selected; a disposal takes only what certainly is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from muniment.archive.catalog import MessageRow
from muniment.archive.catalog.model import CatalogMention
from muniment.archive.facts import DAMAGED
from muniment.archive.operations.conversations import Known, with_conversations
from muniment.archive.operations.index_binding import is_bound
from muniment.archive.query import EVERYTHING, And, FileEnd, Node, RecordNumbers, both, either
from muniment.archive.retention.selected_people import MOVED, DirectionMatch, Fit, GroupMatch, PersonMatch
from muniment.archive.retention.selection import MailSelection, negates, query_of
from muniment.archive.vault.vault import Vault
from muniment.errors import MunimentError
from muniment.mail.headers.addresses import domain
from muniment.mail.model import INBOX_ROLES, SENT_ROLES
from muniment.mail.notes import CUT, ENCRYPTED, OPAQUE, PLACEHOLDER, UNREAD
from muniment.people.directory import Directory
from muniment.people.routing import INBOX, SENT, own_folder

PAGE = 500
"""Messages that are compared at a time."""
NOT_ALL_READ = frozenset({OPAQUE, UNREAD, CUT, ENCRYPTED, PLACEHOLDER, DAMAGED})
"""Notes of messages with text that a search does not find."""
BEHIND = "the index does not have it yet"
NO_INDEX = "the index can't be asked"
_UNREADABLE = frozenset({OPAQUE, UNREAD, DAMAGED})
"""Notes of messages whose envelope may not have been read."""
UNKNOWN = "its envelope could not be read, so its people are not known"
PARTLY_READ = "not all of its text can be read"
UNTRUSTED = "its envelope is not trusted"
NO_QUERY = "the query can't be read"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which messages of a page are selected, by number."""

    certain: frozenset[int]
    possible: dict[int, str]
    """What may be selected as well, and why that is not certain."""

    @property
    def numbers(self) -> set[int]:
        """All messages that are or may be selected."""
        return {*self.certain, *self.possible}


class MessagePage:
    """Some messages, with what selections ask about them. Several selections share one page."""

    def __init__(self, vault: Vault, rows: Sequence[MessageRow]) -> None:
        self.vault = vault
        self.rows = rows

    @cached_property
    def mentions(self) -> dict[int, list[CatalogMention]]:
        """The addresses on the copies of each message."""
        return self.vault.catalog.mentions([row.sequence for row in self.rows])

    @cached_property
    def profiles(self) -> dict[int, set[str]]:
        """The profiles that fetched each message."""
        return self.vault.catalog.profiles_of([row.sequence for row in self.rows])


def pages(vault: Vault, size: int = PAGE) -> Iterator[MessagePage]:
    """Yield all messages of a vault, in ascending order of their numbers."""
    after = -1
    while rows := vault.catalog.messages_after(after, size):
        yield MessagePage(vault, rows)
        after = rows[-1].sequence


class SelectionMatch:
    """A selection, ready to be compared with mail by the directory of this moment."""

    def __init__(self, vault: Vault, selection: MailSelection, directory: Directory | None = None) -> None:
        """Prepare it; `directory` is that of another moment, if it is not that of now."""
        now, directory = directory is None, directory or vault.directory
        ever = directory.ever
        self.selection = selection
        self._people = [PersonMatch(person, directory, ever) for person in selection.people]
        # A group that a directory of the past does not know had no members then.
        known = selection.groups if now else [name for name in selection.groups if directory.groups.has(name)]
        self._groups = GroupMatch(known, directory, ever) if selection.groups else None
        self._direction = DirectionMatch(selection, directory) if selection.direction else None
        self._folders = {own_folder(name).casefold() for name in selection.folders}
        self._query = _QueryMatch(vault, selection) if selection.query or selection.kinds else None

    def coverage(self, page: MessagePage) -> Coverage:
        """Compare a page of messages.

        Raises:
            VaultError: The catalog can't be read.
        """
        found = {row.sequence: (Fit.YES, "") for row in page.rows if self._fits_row(row)}
        for judge in self._judges(page):
            found = {number: _weaker(fit, judge(number)) for number, fit in found.items()}
            found = {number: fit for number, fit in found.items() if fit[0]}
        if self._query is not None and found:
            rows = [row for row in page.rows if row.sequence in found]
            answers = self._query.fits(rows)
            found = {number: _weaker(fit, answers[number]) for number, fit in found.items()}
        return Coverage(
            frozenset(number for number, (fit, _) in found.items() if fit is Fit.YES),
            {number: why for number, (fit, why) in found.items() if fit is Fit.MAYBE},
        )

    def _fits_row(self, row: MessageRow) -> bool:
        """Compare what a message's row has."""
        wanted = self.selection
        return (
            (wanted.least is None or row.size >= wanted.least)
            and (wanted.most is None or row.size <= wanted.most)
            and (wanted.since is None or row.received >= wanted.since)
            and (wanted.until is None or row.received < wanted.until)
        )

    def _judges(self, page: MessagePage) -> Iterator[Callable[[int], Judged]]:
        """Yield what compares messages by their files and copies, the cheapest first."""
        wanted = self.selection
        rows = {row.sequence: row for row in page.rows}
        unknown = {number for number, row in rows.items() if _has_unknown_people(row, page)}

        def doubted(judge: Callable[[int], Judged]) -> Callable[[int], Judged]:
            """Mail whose people are not known may be anybody's."""
            return lambda number: _at_least(judge(number), (Fit.MAYBE, UNKNOWN) if number in unknown else _NO)

        if wanted.attachments is not None:
            yield lambda number: self._of_files(rows[number])
        if wanted.profiles:
            yield lambda number: _of_profiles(page.profiles.get(number, set()), wanted.profiles)
        if wanted.domains:
            yield doubted(lambda number: self._of_domain(page.mentions.get(number, [])))
        if wanted.people or (wanted.folders and self._groups is None):
            yield doubted(lambda number: self._of_people(page.mentions.get(number, [])))
        if self._groups is not None:
            groups = self._groups
            yield doubted(lambda number: self._of_groups(groups, rows[number], page.mentions.get(number, [])))
        if self._direction is not None:
            direction = self._direction
            yield doubted(lambda number: _explained(direction.fit(page.mentions.get(number, [])), MOVED))

    def _of_files(self, row: MessageRow) -> Judged:
        """Compare whether it has files, which is not certain of mail that could not all be read."""
        if not row.attachments and not NOT_ALL_READ.isdisjoint(row.notes):
            return Fit.MAYBE, PARTLY_READ
        return _sure((row.attachments > 0) == self.selection.attachments)

    def _of_domain(self, mentions: Iterable[CatalogMention]) -> Judged:
        found = [one.trusted for one in mentions if domain(one.address) in self.selection.domains]
        return (Fit.MAYBE, UNTRUSTED) if found and not any(found) else _sure(bool(found))

    def _of_people(self, mentions: Iterable[CatalogMention]) -> Judged:
        """Compare people and folders: the mail must be in that folder of that person."""

        def fit(one: CatalogMention) -> Judged:
            return _explained(max((person.fit(one) for person in self._people), default=Fit.YES), MOVED)

        return self._best(mentions, fit)

    def _of_groups(self, groups: GroupMatch, row: MessageRow, mentions: Iterable[CatalogMention]) -> Judged:
        """Compare groups and folders: the mail must be in that folder of someone who was in the group."""
        return self._best(mentions, lambda one: groups.fit(one, row.received))

    def _best(self, mentions: Iterable[CatalogMention], judge: Callable[[CatalogMention], Judged]) -> Judged:
        """Return the best answer for the addresses that put a message in one of the folders."""
        best: Judged = (Fit.NO, "")
        for one in mentions:
            if self._folders and _folder(one).casefold() not in self._folders:
                continue
            judged = judge(one)
            if judged[0] is Fit.YES and not one.trusted:
                judged = Fit.MAYBE, UNTRUSTED
            best = max(best, judged, key=lambda found: found[0])
        return best


Judged = tuple[Fit, str]
"""Whether a message is selected, and why that is not certain."""


_NO: Judged = (Fit.NO, "")


def _sure(fits: bool) -> Judged:
    return (Fit.YES if fits else Fit.NO), ""


def _at_least(found: Judged, doubt: Judged) -> Judged:
    return found if found[0] else doubt


def _of_profiles(found: Collection[str], wanted: Collection[str]) -> Judged:
    """Compare the profiles that fetched a message; without a copy, they are not known."""
    return _sure(not set(found).isdisjoint(wanted)) if found else (Fit.MAYBE, UNKNOWN)


def _has_unknown_people(row: MessageRow, page: MessagePage) -> bool:
    """Return whether it is not known whose a message is: its envelope could not be read, or is lost."""
    return not page.mentions.get(row.sequence) or not _UNREADABLE.isdisjoint(row.notes)


def _explained(fit: Fit, why: str) -> Judged:
    return fit, why if fit is Fit.MAYBE else ""


def _weaker(one: Judged, other: Judged) -> Judged:
    return other if other[0] < one[0] else one


def _folder(mention: CatalogMention) -> str:
    """Return the folder that an address puts a message in; "" for none."""
    if mention.owner_folder:
        return own_folder(mention.owner_folder)
    return INBOX if mention.role in INBOX_ROLES else SENT if mention.role in SENT_ROLES else ""


class _QueryMatch:
    """The query of a selection, and the ends of file names, which the index is asked about."""

    def __init__(self, vault: Vault, selection: MailSelection) -> None:
        self._vault = vault
        self._known: Known = {}
        try:
            asked = query_of(selection)
            self._node: Node | None = both([*([] if asked == EVERYTHING else [asked]), *_kinds(selection)])
        except (MunimentError, ValueError):  # as another release or machine recorded it
            self._node = None
        self._negates = self._node is None or negates(self._node)

    def fits(self, rows: Sequence[MessageRow]) -> dict[int, Judged]:
        """Compare messages with the query. Those that the index can't judge may fit."""
        if self._node is None:
            return {row.sequence: (Fit.MAYBE, NO_QUERY) for row in rows}
        numbers = [row.sequence for row in rows]
        try:
            lacking, found = self._ask(self._node, numbers)
        except MunimentError:
            return dict.fromkeys(numbers, (Fit.MAYBE, NO_INDEX))
        return {row.sequence: self._judged(row, row.sequence in found, lacking) for row in rows}

    def _judged(self, row: MessageRow, found: bool, lacking: set[int]) -> Judged:
        if row.sequence in lacking:
            return Fit.MAYBE, BEHIND
        if (not found or self._negates) and not NOT_ALL_READ.isdisjoint(row.notes):
            return Fit.MAYBE, PARTLY_READ
        return _sure(found)

    def _ask(self, node: Node, numbers: Sequence[int]) -> tuple[set[int], set[int]]:
        """Return which messages the index lacks, and which ones the query finds."""
        vault = self._vault
        index = vault.index()
        watermark = index.watermark
        if not is_bound(vault, watermark, index.binding):
            return set(numbers), set()
        whole = self._with_conversations(node)
        page = index.search(
            And((whole, RecordNumbers(tuple(numbers)))), limit=max(len(numbers), 1), count=False
        )
        if index.watermark < watermark:  # it was replaced meanwhile
            return set(numbers), set()
        return vault.catalog.unindexed(numbers, watermark), set(page.ids)

    def _with_conversations(self, node: Node) -> Node:
        def look(prefix: str) -> MessageRow | None:
            rows = self._vault.catalog.messages_by_prefix(prefix)
            return rows[0] if len(rows) == 1 else None

        def find(part: Node, most: int) -> Sequence[int]:
            return self._vault.index().search(part, limit=most, count=False).ids

        return with_conversations(self._vault, node, look, find, self._known)


def _kinds(selection: MailSelection) -> list[Node]:
    """Return the condition for the ends of file names."""
    return [either(map(FileEnd, selection.kinds))] if selection.kinds else []


def covers(vault: Vault, selection: MailSelection, rows: Sequence[MessageRow]) -> Coverage:
    """Compare some messages with one selection; see `SelectionMatch` for many messages.

    Raises:
        VaultError: The catalog can't be read.
    """
    return SelectionMatch(vault, selection).coverage(MessagePage(vault, rows))
