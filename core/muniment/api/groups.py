"""Requests and replies about groups: named sets of people and addresses, with dates."""

from __future__ import annotations

from muniment.api.base import Request, WireWord


class MemberWord(WireWord, frozen=True):
    """A period in which someone is a member of a group. Part of GroupWord."""

    member: str
    """The user's label, or the address."""
    address: bool = False
    """Whether it is an address that was no user's when it joined."""
    since: int | None = None
    """The first second, since 1970 UTC; None for always."""
    until: int | None = None
    """The first second after it, since 1970 UTC; None if no end is known."""
    now: bool = False
    """Whether it is this period now, or on the day that was asked about."""
    withdrawn: bool = False
    """Whether this was recorded, and was taken back later. Mail of that time stays held and kept."""


class GroupWord(WireWord, frozen=True):
    """A group."""

    name: str
    count: int
    """Members now, or on the day that was asked about."""
    former: int = 0
    """Members who were in it, and are not."""
    members: tuple[MemberWord, ...] = ()
    """All periods of all members, by member; only in the reply to ShowGroup."""
    grants: int = 0
    """Rights in force that this group gives, or that are about it."""


class Groups(WireWord, frozen=True):
    """All groups, by name."""

    groups: tuple[GroupWord, ...]


class ListGroups(Request, frozen=True):
    """Ask for all groups.

    Role: auditor.
    Reply: Groups.
    """


class ShowGroup(Request, frozen=True):
    """Ask who is in a group, and who was.

    Role: auditor.
    Reply: GroupWord.

    Raises:
        NotFound: There is no such group.
        UsageError: The day can't be read.
    """

    group: str
    """Its name, in any case."""
    on: str = ""
    """The day on which members count; "" for now."""
    zone: str = ""
    """The time zone of that day; "" for UTC."""


class JoinGroup(Request, frozen=True):
    """Make people and addresses members of a group, all or none. The first member makes the group.

    Where grants are about the group and "access grant" is in [approvals], this asks another administrator.

    Role: administrator.
    Reply: Decided.

    Raises:
        NotFound: Someone is neither a user nor an address.
        ConfigError: The name of the group or an address can't be used.
        UsageError: A day can't be read, or the end is before the beginning.
    """

    group: str
    members: tuple[str, ...]
    """Names or addresses of users, or other addresses."""
    since: str = ""
    """The first day. With "", who was never in the group was always in it, and who left is in it from now
    on."""
    until: str = ""
    """The last day; "" for no end."""
    zone: str = ""
    check: bool = False
    """Dry run: record nothing."""
    reason: str = ""
    """Why, for a second person who must approve it."""


class LeaveGroup(Request, frozen=True):
    """Let people and addresses leave a group, all or none.

    Role: administrator.
    Reply: Done.

    Raises:
        NotFound: There is no such group, or someone is not in it.
        UsageError: The day can't be read.
    """

    group: str
    members: tuple[str, ...]
    until: str = ""
    """The last day on which they are members; "" to end it now."""
    zone: str = ""
    check: bool = False
    """Dry run: record nothing."""


class ImportGroups(Request, frozen=True):
    """Make people members of groups from CSV, all or none.

    Role: administrator.
    Reply: Done.

    Raises:
        ConfigError: A line is wrong; says which. Or someone would join a group to which a grant refers, and
            "access grant" needs a second person.
        NotFound: Someone is neither a user nor an address.
    """

    text: str
    """A header line, then `group,member[,since[,until]]` on each line."""
    filename: str = ""
    """Name of the file, for error messages."""
    complete: bool = False
    """Whether these are all members of these groups: others leave now."""
    zone: str = ""
    check: bool = False
    """Dry run: record nothing."""
