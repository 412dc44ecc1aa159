"""Collects the mail that concerns a person, page by page.

People are judged by the addresses on the copies of a message, as legal holds judge them: all addresses that
the person has or ever had count. A message that may be theirs, which is not certain, is collected as well:
the reviewer decides.

Sealed mail is never searched, so that what is collected says nothing about its text. So the query leaves it
in, and text that names the person does not find it.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from muniment.archive.catalog import MessageRow
from muniment.archive.operations.stage_progress import StageProgress
from muniment.archive.query import PhraseTerm, either, unparse
from muniment.archive.retention.coverage import BEHIND, NO_INDEX, UNKNOWN, MessagePage, SelectionMatch, pages
from muniment.archive.retention.selection import MailSelection
from muniment.archive.subject.records import Reach
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError

COLLECTING = "comparing mail with the person"
MOST_TEXTS = 50
"""Most names and addresses that are looked for in the text of mail."""
_WILD = re.compile("[*?]")
"""Wildcards in a query."""
_UNSEARCHED = frozenset({BEHIND, NO_INDEX})

SealedOf = Callable[[Collection[int]], set[int]]
"""Takes numbers of messages, and returns those that the caller must not open."""


@dataclass(slots=True)
class Collected:
    """What a request has."""

    end: int
    """Number of records of the ledger when it was collected."""
    messages: dict[Reach, array[int]] = field(
        default_factory=lambda: {"party": array("q"), "unsure": array("q"), "named": array("q")}
    )
    """The numbers of the messages, ascending, by why they are in it."""
    unread: int = 0
    """Messages whose people are unknown. They are not in the request."""
    unsearched: int = 0
    """Messages in whose text nothing could be looked for, since the index lacks them."""

    @property
    def total(self) -> int:
        """How many messages it has."""
        return sum(map(len, self.messages.values()))


def text_query(texts: Iterable[str]) -> str:
    """Return the query that finds mail whose text or headers have one of these texts."""
    terms = [PhraseTerm(_WILD.sub(" ", text)) for text in texts]
    return unparse(either(terms)) if terms else ""


def check_texts(texts: Sequence[str]) -> None:
    """Check what is to be looked for in the text of mail.

    Raises:
        UsageError: It is too much.
    """
    if len(texts) > MOST_TEXTS:
        raise UsageError(
            f"{len(texts)} names and addresses are too many to look for in the text of mail: at most "
            f"{MOST_TEXTS} are possible"
        )


def collect(
    vault: Vault, selection: MailSelection, texts: Sequence[str], sealed_of: SealedOf, size: int = 500
) -> Generator[StageProgress, None, Collected]:
    """Collect the mail that concerns a person.

    Args:
        vault: The vault.
        selection: The person, and what limits the request.
        texts: Names and addresses that are looked for in the text of other mail.
        sealed_of: See `SealedOf`.
        size: Messages of a page.

    Yields:
        How far it is.

    Returns:
        What was collected: nothing that came after the beginning.

    Raises:
        VaultError: The catalog can't be read.
    """
    found = Collected(vault.head.tree_size)
    whole, examined = vault.catalog.totals().messages, 0
    finder = _Finder(vault, selection, texts, sealed_of)
    for page in pages(vault, size):
        rows = [row for row in page.rows if row.sequence < found.end]
        finder.take(MessagePage(vault, rows), found)
        examined += len(rows)
        yield StageProgress(COLLECTING, examined, max(whole, examined))
        if len(rows) < len(page.rows):
            break
    return found


class _Finder:
    """Compares pages of messages with the person."""

    def __init__(
        self, vault: Vault, selection: MailSelection, texts: Sequence[str], sealed_of: SealedOf
    ) -> None:
        whole = replace(selection, query="", asked=0, zone="")
        self._vault = vault
        self._sealed_of = sealed_of
        self._party = SelectionMatch(vault, whole)
        self._dates = SelectionMatch(vault, replace(whole, people=()))
        wanted = MailSelection(query=selection.query, asked=selection.asked, zone=selection.zone)
        self._query = SelectionMatch(vault, wanted) if selection.query else None
        named = text_query(texts)
        self._named = SelectionMatch(vault, MailSelection(query=named)) if named else None

    def take(self, page: MessagePage, found: Collected) -> None:
        """Add the messages of a page that concern the person, each once."""
        covered = self._party.coverage(page)
        unknown = {number for number, why in covered.possible.items() if why == UNKNOWN}
        reach: dict[int, Reach] = dict.fromkeys(covered.certain, "party")
        reach |= dict.fromkeys(covered.possible.keys() - unknown, "unsure")
        searches = self._named is not None or self._query is not None
        sealed = self._sealed_of({row.sequence for row in page.rows}) if searches else set()
        if self._named is not None:
            reach |= self._that_name(page, reach.keys() | sealed, found)
        if self._query is not None:
            reach = self._limited(page, reach, sealed, found)
        found.unread += len(unknown - reach.keys())
        for row in page.rows:
            if row.sequence in reach:
                found.messages[reach[row.sequence]].append(row.sequence)

    def _that_name(self, page: MessagePage, without: Collection[int], found: Collected) -> dict[int, Reach]:
        """Return the messages whose text names the person."""
        assert self._named is not None
        rows = [row for row in page.rows if row.sequence not in without]
        inside = self._dates.coverage(MessagePage(self._vault, rows)).numbers
        covered = self._named.coverage(self._part(rows, inside))
        found.unsearched += sum(why in _UNSEARCHED for why in covered.possible.values())
        return dict.fromkeys(covered.certain, "named")

    def _limited(
        self, page: MessagePage, reach: dict[int, Reach], sealed: set[int], found: Collected
    ) -> dict[int, Reach]:
        """Return what the query finds of these messages, or may find, and all that are sealed."""
        assert self._query is not None
        covered = self._query.coverage(self._part(page.rows, reach.keys() - sealed))
        found.unsearched += sum(why in _UNSEARCHED for why in covered.possible.values())
        kept: dict[int, Reach] = {}
        for number, why in reach.items():
            if number in sealed or number in covered.certain:
                kept[number] = why
            elif number in covered.possible:
                kept[number] = "unsure"
        return kept

    def _part(self, rows: Sequence[MessageRow], numbers: Collection[int]) -> MessagePage:
        return MessagePage(self._vault, [row for row in rows if row.sequence in numbers])
