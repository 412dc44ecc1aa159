"""Requests about users, their addresses, and the logins that read their mail."""

from __future__ import annotations

from muniment.api.base import Request, WireWord


class AddressWord(WireWord, frozen=True):
    """A period in which a user has an address. Part of UserWord."""

    address: str
    since: int | None = None
    """The first second, since 1970 UTC; None for always."""
    until: int | None = None
    """The first second after it, since 1970 UTC; None if it has not ended."""
    origin: str = ""
    """Where it comes from: "hand" (typed by an administrator), "csv", "mail" (mail came for it, and no one
    has named its user), or "" if that was not recorded."""


class UserWord(WireWord, frozen=True):
    """A user."""

    user: str
    """Primary address."""
    name: str
    """"" for an automatic user."""
    aliases: tuple[str, ...] = ()
    """Further addresses."""
    automatic: bool = False
    """Whether Muniment made the user when their first mail came, and no administrator has named them."""
    messages: int = 0
    """Messages in their folders; one that is in two folders counts twice."""
    addresses: tuple[AddressWord, ...] = ()
    """All addresses with their periods, by address; empty for a plain user."""
    former: bool = False
    """Whether no address is theirs any more."""
    id: str = ""
    """What `AddUser.of` takes; it never changes. "" for an automatic user, and for a plain user."""


class Users(WireWord, frozen=True):
    """All users, sorted by address."""

    users: tuple[UserWord, ...]
    catch_all: int = 0
    """Messages of the catch-all, those of no known person; 0 for a plain user."""


class LoginWord(WireWord, frozen=True):
    """A login of [access.users] in vault.toml, and whose mail it reads."""

    login: str
    """Login name in the operating system."""
    address: str
    """The address that vault.toml gives it."""
    state: str
    """"bound": it reads the mail of `user`. The others read nothing: "moved" (the address leads to another
    user than the one it is bound to), "nobody" (no user has the address), "unbound" (no administrator has
    bound it to the user who has the address)."""
    user: str
    """Primary address of the user that it is bound to; "" for none."""
    holder: str
    """Primary address of the user who has `address` now; "" for none."""


class Logins(WireWord, frozen=True):
    """All logins of [access.users]."""

    logins: tuple[LoginWord, ...]


class MovedAddress(WireWord, frozen=True):
    """An address that leads to another user than before. Part of Done."""

    address: str
    before: str
    """Primary address of the former user."""
    after: str
    """Primary address of the new user; "" for none."""


class PersonChange(WireWord, frozen=True):
    """What a change of users does to one person. Part of Done."""

    user: str
    """Primary address."""
    name: str
    kind: str
    """"added", "changed" or "removed"."""
    addresses: tuple[str, ...] = ()
    """The addresses that they get or lose."""


class GetRefiling(Request, frozen=True):
    """Ask how far the mail is filed again that a change of users concerns.

    Role: auditor.
    Reply: Refiling.
    """


class Refiling(WireWord, frozen=True):
    """How far mail is filed again."""

    running: bool
    done: int = 0
    """Messages that are filed again."""
    expected: int = 0
    """All messages to be filed again; 0 if that is not known."""


class ListLogins(Request, frozen=True):
    """Ask for all logins of [access.users].

    Role: auditor.
    Reply: Logins.
    """


class BindLogins(Request, frozen=True):
    """Bind logins of [access.users] to the users who have their addresses now, all or none.

    Role: administrator.
    Reply: Done, with the logins.

    Raises:
        NotFound: vault.toml names no such login, or no user has its address.
    """

    logins: tuple[str, ...]
    """Login names."""


class ListUsers(Request, frozen=True):
    """Ask for all users.

    Role: user, who gets only themselves.
    Reply: Users.
    """


class ShowUser(Request, frozen=True):
    """Ask for one user.

    Role: user, for themselves.
    Reply: UserWord.

    Raises:
        NotFound: no user has this address.
    """

    user: str
    """Any address of the user."""


class AddUser(Request, frozen=True):
    """Add a user, or addresses to a user, or change a user's name and primary address.

    Role: administrator.
    Reply: Done, with the people, the addresses that move, the logins that change, and the number of
    messages that are filed again.

    Raises:
        ConfigError: the name is empty, an address is wrong or missing, or `since` is not a date.
        NotFound: there is no user `of`.
        UsageError: `zone` is unknown.
    """

    name: str
    """The user's name."""
    addresses: tuple[str, ...]
    """Their addresses; the first is the primary one."""
    since: str = ""
    """ISO date from which an address that is taken over from another person belongs to this user; "" for
    always."""
    check: bool = False
    """Dry run: change nothing, and reply with what would change."""
    zone: str = ""
    """The time zone of `since`, as in Search."""
    of: str = ""
    """`UserWord.id` of the user that is changed. With "", it is the user with the same primary address, or
    with one of the addresses and the same name, or else a new one."""


class RemoveUser(Request, frozen=True):
    """Remove a user, or one address of a user. No mail is deleted.

    Role: administrator.
    Reply: Done, with the people, the addresses that move, the logins that change, and the number of
    messages that are filed again.

    Raises:
        ConfigError: the user is an automatic one.
        NotFound: there is no such user, or they have no such alias.
    """

    user: str
    """Any address of the user."""
    alias: str = ""
    """The address to remove; "" removes the user."""
    check: bool = False
    """As in AddUser."""


class ImportUsers(Request, frozen=True):
    """Add users from CSV, all or none.

    Role: administrator.
    Reply: Done, with the people, the addresses that move, the logins that change, and the number of
    messages that are filed again.

    Raises:
        ConfigError: a line is wrong; says which.
    """

    text: str
    """A header line, then `name,address[,alias ...]` on each line."""
    filename: str = ""
    """Name of the file, for error messages."""
    check: bool = False
    """As in AddUser."""
