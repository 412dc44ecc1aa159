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


class ListUsers(Request, frozen=True):
    """Reply: Users."""


class ShowUser(Request, frozen=True):
    """Reply: UserWord. `user` is any address of theirs."""

    user: str


class AddUser(Request, frozen=True):
    """A new user, or more aliases for one. Reply: Done.

    `since` (ISO date, "" for always) says from when an address taken over from another person is theirs.
    """

    name: str
    addresses: tuple[str, ...]
    since: str = ""


class RemoveUser(Request, frozen=True):
    """Forget a user, or with `alias` one address of theirs. Mail stays. Reply: Done."""

    user: str
    alias: str = ""


class ImportUsers(Request, frozen=True):
    """Users from CSV text: a header line, then name,address[,alias ...] a line. Reply: Done."""

    text: str
    filename: str = ""
