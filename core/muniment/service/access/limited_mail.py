"""The mail that an auditor with limits may read: the one place that decides it.

To such a reader, other mail does not exist. So all that answers them asks `LimitedMail`, and gives the same
answer for a message, a folder or a person outside the limits as for one that there is not.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from muniment.archive.catalog import MessageRow
from muniment.archive.catalog.id_prefixes import is_prefix
from muniment.archive.operations.search import ReaderLimits
from muniment.archive.retention.coverage import MessagePage, SelectionMatch
from muniment.archive.retention.holds import Hold, holds_of
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound
from muniment.people.directory import CATCH_ALL, Directory, User
from muniment.people.grants import AccessGrant
from muniment.service.access.rights import closed_mail

STEP = 1_000
"""Messages that are looked at at a time."""


@dataclass(frozen=True, slots=True)
class AuditRight:
    """The rights of an auditor with limits, as they are when a request comes."""

    login: str
    grants: tuple[AccessGrant, ...]
    """Those with limits that are in force: what one of them allows is allowed."""
    own: str = ""
    """The id of the user that the login is bound to; "" for none."""

    @property
    def ids(self) -> str:
        """The ids of the grants, for the audit trail."""
        return " ".join(grant.id for grant in self.grants)


class GrantedMail:
    """The mail within the limits of one grant, by the people, groups and holds of a moment."""

    def __init__(
        self,
        vault: Vault,
        grant: AccessGrant,
        directory: Directory,
        holds: Sequence[Hold],
        at: int,
        end: int | None = None,
    ) -> None:
        """Prepare it.

        Args:
            vault: The vault.
            grant: A grant with limits.
            directory: The people and groups.
            holds: The holds that are open.
            at: The moment, in seconds since 1970 UTC.
            end: With it, who was in a group at some time from `at` to just before it counts.
        """
        limits = grant.limits
        assert limits is not None
        self.limits = limits
        self.people = grant.people(directory, at, end) if limits.of_people else None
        """The ids of the people whose mail it is; None for everybody."""
        self._matches = [
            SelectionMatch(vault, hold.selection, directory)
            for hold in holds
            if is_of_case(hold, limits.case)
        ]

    def among(self, page: MessagePage, holders: dict[int, set[str]]) -> set[int]:
        """Return the numbers of the messages of a page within the limits; `holders` has who has each."""
        limits, people = self.limits, self.people
        found = {
            row.sequence
            for row in page.rows
            if (limits.since is None or row.date >= limits.since)
            and (limits.until is None or row.date < limits.until)
            and (people is None or not people.isdisjoint(holders.get(row.sequence, ())))
        }
        if limits.case and found:
            found &= set[int]().union(*(match.coverage(page).certain for match in self._matches))
        return found


def is_of_case(hold: Hold, case: str) -> bool:
    """Whether a hold has a case number; no hold has an empty one."""
    return bool(case) and hold.case.casefold() == case.casefold()


class LimitedMail:
    """The mail that an auditor with limits may read now. Sealed mail is outside of all limits."""

    def __init__(self, vault: Vault, right: AuditRight) -> None:
        now, holds = int(time.time()), [hold for hold in holds_of(vault) if hold.open]
        self._vault = vault
        self._closed = closed_mail(vault, right.login, right.own)
        self._parts = [GrantedMail(vault, grant, vault.directory, holds, now) for grant in right.grants]

    @property
    def people(self) -> frozenset[str] | None:
        """The ids of the people whose folders there are for the reader; None for everybody's."""
        found = [part.people for part in self._parts]
        if None in found:
            return None
        return frozenset[str]().union(*filter(None, found)) - self._closed.users

    def knows_case(self, case: str) -> bool:
        """Whether the reader knows of a case, since a limit names it."""
        return any(case and part.limits.case.casefold() == case.casefold() for part in self._parts)

    def has_whole(self, user: str) -> bool:
        """Whether all mail of a person is within the limits."""
        return not self._closed and any(
            (part.people is None or user in part.people)
            and not part.limits.case
            and part.limits.since is part.limits.until is None
            for part in self._parts
        )

    def visible(self, rows: Sequence[MessageRow]) -> list[MessageRow]:
        """Return the messages within the limits, in the same order."""
        if not rows:
            return []
        page, numbers = MessagePage(self._vault, rows), [row.sequence for row in rows]
        holders = self._vault.catalog.holders_of(numbers)
        found = set[int]().union(*(part.among(page, holders) for part in self._parts))
        found -= self._closed.sealed_of(found)
        return [row for row in rows if row.sequence in found]

    def only(self, numbers: Sequence[int]) -> Collection[int]:
        """Return the subset of messages within the limits, by number."""
        found: set[int] = set()
        for start in range(0, len(numbers), STEP):
            rows = self._vault.catalog.rows(numbers[start : start + STEP])
            found.update(row.sequence for row in self.visible(rows))
        return found

    def message(self, id_: str) -> MessageRow:
        """Return the message with an id, or a prefix of one, within the limits.

        Raises:
            NotFound: There is none, or there are several.
        """
        found = self.look(id_)
        if found is None:
            raise NotFound(f"there is no message {id_!r} within your limits")
        return found

    def look(self, id_: str) -> MessageRow | None:
        """Return the only message within the limits with an id or a prefix; None if there is none."""
        rows = self.visible(self._vault.catalog.messages_by_prefix(id_)) if is_prefix(id_) else []
        return rows[0] if len(rows) == 1 else None

    def user(self, name: str) -> User | None:
        """Return the person with a name or address whose folders there are; None for anybody else."""
        try:
            user = self._vault.directory.find(name)
        except NotFound:
            return None
        people = self.people
        if people is None:
            return user if user.id not in self._closed.users else None
        return user if user.id in people else None

    @property
    def search_limits(self) -> ReaderLimits:
        """What a search may find."""
        return ReaderLimits(self.only, lambda name: self.user(name) is not None, self.look)

    def users(self) -> list[User]:
        """Return the people whose folders may have mail within the limits, by label; the catch-all last."""
        directory, people = self._vault.directory, self.people
        if people is None:
            found = [directory.find(label) for label, _ in self._vault.catalog.tree()]
            found = [user for user in found if user.id not in self._closed.users]
        else:
            found = [directory.user(user) for user in people]
        return sorted(found, key=lambda user: (user.id == CATCH_ALL, user.primary))

    def folders(self, user: User) -> Iterator[tuple[str, int]]:
        """Yield the folders of a person that have mail within the limits, with its number."""
        for name, count in self._vault.catalog.folders(user.id):
            whole = self.has_whole(user.id)
            number = count if whole else sum(len(rows) for rows in self.walk(user, name))
            if number:
                yield name, number

    def walk(
        self, user: User, folder: str, oldest_first: bool = False, around: int | None = None
    ) -> Iterator[list[MessageRow]]:
        """Yield the messages of a folder within the limits in the order of lists, page by page."""
        since, until = self._span()
        if around is None:
            around = since if oldest_first else None if until is None else until - 1
        after = ""
        while True:
            page = self._vault.catalog.page(user.id, folder, STEP, after, oldest_first, around)
            yield self.visible(page.rows)
            last = page.rows[-1].date if page.rows else 0
            past = until is not None and last >= until if oldest_first else since is not None and last < since
            after = page.after
            if past or not after:
                return

    def _span(self) -> tuple[int | None, int | None]:
        """Return the earliest beginning and the latest end of all limits; None for no bound."""
        starts = [part.limits.since for part in self._parts]
        ends = [part.limits.until for part in self._parts]
        since = None if None in starts else min(one for one in starts if one is not None)
        until = None if None in ends else max(one for one in ends if one is not None)
        return since, until

    def paths(self, numbers: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Return for each message the paths `label/folder` of the people whose folders there are."""
        people = self.people
        if people is None:
            hidden = {f"{label}/" for label in self._closed.labels}
            return {
                number: tuple(path for path in paths if not path.startswith(tuple(hidden)))
                for number, paths in self._vault.catalog.folders_of(numbers).items()
            }
        found: dict[int, list[str]] = {}
        for user in self.users():
            for number, folders in self._vault.catalog.own_folders(user.id, numbers).items():
                found.setdefault(number, []).extend(f"{user.primary}/{folder}" for folder in folders)
        return {number: tuple(paths) for number, paths in found.items()}

    def all(self) -> Iterator[list[MessageRow]]:
        """Yield all messages within the limits, page by page, in the order of their numbers."""
        yield from self.since(-1)

    def since(self, number: int) -> Iterator[list[MessageRow]]:
        """Yield the messages within the limits after a number, page by page."""
        while rows := self._vault.catalog.messages_after(number, STEP):
            yield self.visible(rows)
            number = rows[-1].sequence
