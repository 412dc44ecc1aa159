"""Requests about users, their addresses, and the logins that read their mail."""

from __future__ import annotations

from muniment.api.base import Request, WireWord


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


class Users(WireWord, frozen=True):
    """All users, sorted by address."""

    users: tuple[UserWord, ...]


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
    """Add a user, or addresses to a user.

    Role: administrator.
    Reply: Done, with the addresses that move and the logins that change.

    Raises:
        ConfigError: the name is empty, an address is wrong or missing, or `since` is not a date.
        UsageError: `zone` is unknown.
    """

    name: str
    """The user's name."""
    addresses: tuple[str, ...]
    """Their addresses; for a new user, the first is the primary one."""
    since: str = ""
    """ISO date from which an address that is taken over from another person belongs to this user; "" for
    always."""
    check: bool = False
    """Dry run: change nothing, and reply with what would change."""
    zone: str = ""
    """The time zone of `since`, as in Search."""


class RemoveUser(Request, frozen=True):
    """Remove a user, or one address of a user. No mail is deleted.

    Role: administrator.
    Reply: Done, with the addresses that move and the logins that change.

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
    Reply: Done, with the addresses that move and the logins that change.

    Raises:
        ConfigError: a line is wrong; says which.
    """

    text: str
    """A header line, then `name,address[,alias ...]` on each line."""
    filename: str = ""
    """Name of the file, for error messages."""
    check: bool = False
    """As in AddUser."""
