"""Requests and replies about rights: who may read whose mail, and who could on a day."""

from __future__ import annotations

from muniment.api.base import Request, WireWord


class MailLimitsWord(WireWord, frozen=True):
    """What an auditor with limits may read: mail within all limits that are given. Part of GrantAccess."""

    people: tuple[str, ...] = ()
    """Names or addresses of people: it is in a folder of one of them, or of a member of one of the groups."""
    groups: tuple[str, ...] = ()
    """Names of groups; who is a member when the mail is read counts."""
    since: str = ""
    """It is dated on this day, month or year, or later, as lists and searches show its date."""
    until: str = ""
    """It is dated on this day, month or year at the latest."""
    case: str = ""
    """An open legal hold with this case number certainly covers it."""


class GrantWord(WireWord, frozen=True):
    """The right of a login to read mail of others."""

    id: str
    login: str
    """A login, or `group:` and a group whose members' logins have it."""
    person: str
    """The person's label; "" for a group, or with limits."""
    since: int
    until: int = 0
    """The first second at which it is over; 0 if it has no end."""
    reason: str = ""
    by: str = ""
    """Login of the administrator who granted it."""
    ended: int = 0
    """When it was revoked; 0 if it was not."""
    ended_by: str = ""
    active: bool = True
    """Whether it is in force now."""
    group: str = ""
    """The group whose members' mail it is."""
    limits: str = ""
    """What an auditor with limits may read by it, in words; "" for another right."""


class SealWord(WireWord, frozen=True):
    """A person whose mail only named logins may open."""

    person: str
    logins: tuple[str, ...]
    since: int
    reason: str = ""
    by: str = ""
    ended: int = 0
    """When it was lifted or replaced; 0 if it is in force."""


class AccessRights(WireWord, frozen=True):
    """Everybody who has a right beyond their own mail."""

    owner: str
    """Login of the vault's owner, who may do everything, as root may."""
    administrators: tuple[str, ...] = ()
    auditors: tuple[str, ...] = ()
    users: tuple[tuple[str, str], ...] = ()
    """Login and address of each line of [access.users]."""
    grants: tuple[GrantWord, ...] = ()
    seals: tuple[SealWord, ...] = ()


class ListAccess(Request, frozen=True):
    """Ask who has which rights.

    Role: auditor.
    Reply: AccessRights.
    """

    former: bool = False
    """Whether grants and seals that are over are listed as well."""


class GrantAccess(Request, frozen=True):
    """Let a login read mail of others: of a person or a group as they do, or as an auditor with limits.

    With "access grant" in [approvals], this asks another administrator for it.

    Role: administrator.
    Reply: Decided.

    Raises:
        NotFound: There is no such person or group.
        UsageError: The login, the reason or the end is missing or wrong, or the login has this right; or not
            just one of person, group and limits is given.
    """

    login: str
    """A login, or `group:` and a group: the logins of people who are in it when they read."""
    user: str = ""
    """Name or address of the person."""
    reason: str = ""
    until: str = ""
    """The last day of the right; "" for no end."""
    zone: str = ""
    """Time zone of the days; "" for UTC."""
    group: str = ""
    """The group whose members' mail it is; who is a member when it is read counts."""
    limits: MailLimitsWord | None = None
    """Makes the login an auditor of the mail within these limits."""


class AskAccess(Request, frozen=True):
    """Ask an administrator for the right to read one person's mail. Another person's approval grants it.

    Role: user. It reveals nothing of the person.
    Reply: Decided, which always waits for an administrator.

    Raises:
        UsageError: The person, the reason or the end is missing or wrong, or just this waits already.
    """

    user: str
    """Address of the person."""
    reason: str
    until: str
    """The last day of the right."""
    zone: str = ""
    """Time zone of that day; "" for UTC."""


class RevokeAccess(Request, frozen=True):
    """End a grant.

    Role: administrator.
    Reply: Done.

    Raises:
        NotFound: There is no such grant that is in force.
    """

    id: str
    """Id of the grant, or an unambiguous beginning."""
    reason: str


class SealMail(Request, frozen=True):
    """Leave a person's mail to named logins, also where others may read everything.

    Role: administrator.
    Reply: Done.

    Raises:
        NotFound: There is no such person.
        UsageError: No login is named, or the reason is missing.
    """

    user: str
    """Name or address of the person."""
    logins: tuple[str, ...]
    reason: str


class UnsealMail(Request, frozen=True):
    """Lift the seal of a person's mail.

    With "access unseal" in [approvals], this asks another administrator for it.

    Role: administrator.
    Reply: Decided.

    Raises:
        NotFound: There is no such person, or the mail is not sealed.
    """

    user: str
    reason: str


class ReaderWord(WireWord, frozen=True):
    """Why a login could read a message, or a person's mail."""

    login: str
    right: str
    """"owner", "administrator", "auditor", "own mail", "grant" or "limited auditor"."""
    person: str = ""
    """Whose mail it is to this login; "" for everybody's."""
    since: int = 0
    """Since when it had the right; 0 if that is not recorded."""
    until: int = 0
    """When the right was over; 0 if it was not."""
    grant: str = ""
    """Id of the grant."""
    reason: str = ""
    by: str = ""
    limits: str = ""
    """What a limited auditor could read, in words."""
    group: str = ""
    """The group by which the login has the right, or whose mail it is."""


class Readers(WireWord, frozen=True):
    """Who could read a message or a person's mail on a day."""

    start: int
    """The beginning of the day."""
    end: int
    """The end of the day, or now if it is today."""
    readers: tuple[ReaderWord, ...] = ()
    sealed: tuple[SealWord, ...] = ()
    """Seals of that day that left readers out. Readers who were left out are not listed."""
    people: tuple[str, ...] = ()
    """Whose folders it was in, or whose mail it is."""
    archived: int = 0
    """When the message was archived; 0 for a question about a person or a login."""
    gaps: tuple[str, ...] = ()
    """Sentences that say what is not recorded for that day."""


class GetReaders(Request, frozen=True):
    """Ask who could read a message on a day.

    Role: auditor.
    Reply: Readers.

    Raises:
        NotFound: There is no such message, or more than one.
        UsageError: The day can't be read, or is to come.
    """

    id: str
    on: str = ""
    """The day; "" for today."""
    zone: str = ""
    reason: str = ""


class GetRightsOf(Request, frozen=True):
    """Ask what a login could read on a day, or who could read the mail of a person.

    Role: auditor.
    Reply: Readers.

    Raises:
        NotFound: There is neither such a person nor such a login.
        UsageError: The day can't be read, or is to come.
    """

    who: str
    """A login, or a person's name or address."""
    on: str = ""
    zone: str = ""
