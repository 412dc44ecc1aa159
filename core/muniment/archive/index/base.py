"""The contract of every full-text index: what is put in, and how it is searched.

A **document** is a message in the form that is searched. Its **id** is the message's number: the sequence of
its record in the ledger. The **watermark** says how far the index is: it has everything in records below that
sequence. The **binding** is a text of the caller that says which ledger the index is of.

An index is a projection: it can be deleted, and made again from the ledger. It knows addresses, never people;
a query expands people when it runs, and the catalog decides whose a message is.

The tests in `tests/archive/index/contract` run on every implementation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from muniment.archive.index.model import (
    AttachmentState,
    ContentsState,
    IndexDocument,
    Placed,
    SearchPage,
    SearchScope,
    StoredSpan,
    Users,
    Verify,
)
from muniment.archive.query import Node, Text

MAX_LIMIT = 10_000
"""Most results of a page."""


class SearchIndex(Protocol):
    """The full-text index of a vault. One thread of one process writes it; any thread may search it.

    What is added or removed is durable and can be found after `commit`. A crash loses what was not committed,
    and never more: the caller then adds everything from the watermark on, and what is there already is
    replaced.

    Every method and property raises VaultError if the index can't be read, or is damaged.
    """

    @property
    def watermark(self) -> int:
        """Everything in records below this sequence is in the index; 0 in a new one."""

    @property
    def binding(self) -> str:
        """The text that the last commit stored to say which ledger this index is of; "" before the first."""

    @property
    def docs(self) -> int:
        """Number of documents that can be found."""

    @property
    def uncommitted(self) -> int:
        """Number of documents that were added or removed since the last commit."""

    @property
    def uncommitted_text(self) -> int:
        """Estimated bytes of text that were added since the last commit."""

    def search(
        self,
        node: Node,
        *,
        users: Users | None = None,
        placed: Placed | None = None,
        scope: SearchScope | None = None,
        limit: int = 50,
        after: str = "",
        by_relevance: bool = False,
        bcc_allowed: bool = True,
        count: bool = True,
        exact: bool = False,
        oldest_first: bool = False,
        around: int | None = None,
        only: Verify | None = None,
    ) -> SearchPage:
        """Search what is committed.

        In an index that was opened for searching, this includes what another process has committed meanwhile.

        Args:
            node: The parsed query.
            users: Looks up a name after `user:`; without it, `user:` finds no user.
            placed: Looks up the catalog's placements. With it, results of `user:` and `in:` are compared with
                them.
            scope: The person whose mail is searched; None searches all mail.
            limit: Most results of the page, from 1 to MAX_LIMIT.
            after: The position that a page with the same arguments returned, to go on there.
            by_relevance: Whether the most relevant messages come first; otherwise they are sorted by date,
                messages of the same second by id.
            bcc_allowed: Whether the reader may know Bcc and all recipients, as an auditor or administrator.
                Without it, Bcc, recipients that no header shows, and `user:` of others match only in mail
                that the scope's person sent.
            count: Whether to count all matches. Without it, the search may stop at the end of the page, and
                `total` is 0 and not exact.
            exact: Whether to verify all candidates of a scope, so that neither total, positions nor order
                reveal anything about other people's mail.
            oldest_first: Whether the oldest message comes first, in a search by date.
            around: The date to begin at, in seconds since 1970 UTC, in a search by date. It is ignored if
                `after` is given.
            only: Returns the subset of messages that the reader may find. Pass `exact` with it.

        Raises:
            QueryError: The query can't be run, or `after` is not a position from a page.
            NotFound: `user:` names an unknown user.
            VaultError: The index can't be read.
        """

    def with_contents(
        self, state: ContentsState, limit: int = 0, among: Sequence[int] | None = None
    ) -> tuple[int, tuple[int, ...]]:
        """Return how many messages have attachments in a state, and the ids of the newest `limit` of them.

        Args:
            state: How far their attachments were read.
            limit: Most ids, from 0 to MAX_LIMIT.
            among: The messages to consider; None for all.

        Raises:
            VaultError: The index can't be read.
        """

    def attachments(self, ids: Iterable[int]) -> dict[int, tuple[AttachmentState, ...]]:
        """Return what is known of the attachments of messages that were read; others are left out.

        Raises:
            VaultError: The index can't be read.
        """

    def files_with(self, words: Text, ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """Return which attachments of messages have all words of a text, by their place in `attachments`.

        Raises:
            VaultError: The index can't be read.
        """

    def add(self, docs: Iterable[IndexDocument], *, replace: bool = False) -> None:
        """Add documents, or replace those with the same id.

        Args:
            docs: The documents. Ids above the highest in the index need no deletion, so they may be faster.
            replace: Whether to delete documents with the same ids in any case.

        Raises:
            VaultError: The index can't be written, such as on a full disk. Close it and open it again, then
                add everything from the watermark on.
            VaultLocked: Another process is writing it.
        """

    def remove(self, ids: Iterable[int]) -> None:
        """Remove the documents with these ids, as far as they exist.

        Raises:
            VaultError: The index can't be written; see `add`.
            VaultLocked: Another process is writing it.
        """

    def stored_with(self, ids: Iterable[int]) -> list[StoredSpan]:
        """Return the spans of documents that share files with one of these ids.

        The words of a removed document stay in the files of its span. They are gone once every other document
        of the span was added again and committed; `is_renewed` says so.
        """

    def is_renewed(self, span: StoredSpan) -> bool:
        """Remove files that are no longer used, and return whether none of the span's files is left.

        Everything must be committed.

        Raises:
            VaultError: The index can't be written; see `add`.
            VaultLocked: Another process is writing it.
        """

    def commit(self, watermark: int, binding: str = "") -> None:
        """Make all changes durable and visible, then store the watermark.

        Args:
            watermark: Everything in records below this sequence is in the index.
            binding: Text that says which ledger the index is of, for the next opening.

        Raises:
            VaultError: The index can't be written; the watermark stays as it was.
        """

    def close(self) -> None:
        """Discard uncommitted changes and close the index. It may be called twice."""
