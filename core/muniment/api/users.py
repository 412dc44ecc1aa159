"""About users."""

from __future__ import annotations

from muniment.api.base import Request, Word


class UserWord(Word, frozen=True):
    user: str
    """Primary address; "catch-all" for the catch-all."""
    name: str
    aliases: tuple[str, ...] = ()
    automatic: bool = False
    messages: int = 0


class Users(Word, frozen=True):
    users: tuple[UserWord, ...]


class LoginWord(Word, frozen=True):
    """A login of [access.users], and whose mail it reads."""

    login: str
    address: str
    """As vault.toml has it."""
    state: str
    """"bound"; or why it reads nothing: "moved" (the address leads to another user than the one it is
    bound to), "nobody" (the address is nobody's), "unbound" (nobody has bound it to the address's user)."""
    user: str
    """The user that it is bound to; "" for none."""
    holder: str
    """The user whose the address is now; "" for nobody."""


class Logins(Word, frozen=True):
    logins: tuple[LoginWord, ...]


class MovedAddress(Word, frozen=True):
    """An address that leads to another user than before."""

    address: str
    before: str
    after: str
    """"" for nobody."""


class ListLogins(Request, frozen=True):
    """All logins of [access.users]. Reply: Logins."""


class BindLogins(Request, frozen=True):
    """Bind logins of [access.users] to the users whose their addresses are now. Reply: Done."""

    logins: tuple[str, ...]


class ListUsers(Request, frozen=True):
    """Reply: Users."""


class ShowUser(Request, frozen=True):
    """Reply: UserWord. `user` is any address of theirs."""

    user: str


class AddUser(Request, frozen=True):
    """A new user, or more aliases for one. Reply: Done, with the addresses that move and the logins.

    With `check`, here as in the other changes of users, nothing is changed: the reply says what would be.

    `since` (ISO date, "" for always) says from when an address taken over from another person is theirs.
    """

    name: str
    addresses: tuple[str, ...]
    since: str = ""
    check: bool = False
    zone: str = ""
    """Whose day `since` is, as in Search."""


class RemoveUser(Request, frozen=True):
    """Forget a user, or with `alias` one address of theirs. Mail stays. Reply: Done."""

    user: str
    alias: str = ""
    check: bool = False


class ImportUsers(Request, frozen=True):
    """Users from CSV text: a header line, then name,address[,alias ...] a line. Reply: Done."""

    text: str
    filename: str = ""
    check: bool = False
