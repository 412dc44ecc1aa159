"""Requests about how long mail is kept: retention rules, what they would do, and disposal."""

from __future__ import annotations

from muniment.api.base import WireWord


class MailCriteria(WireWord, frozen=True):
    """Which mail a rule or a hold is about, as it was typed.

    All that is given must hold; of several values of one criterion, one is enough. Without any, it is about
    all mail.
    """

    people: tuple[str, ...] = ()
    """Names or addresses of users, or any other addresses: mail from them, to them, or in their mailbox."""
    domains: tuple[str, ...] = ()
    """Mail with an address in one of these domains."""
    direction: str = ""
    """"in", "out" or "internal"; "" for any."""
    folders: tuple[str, ...] = ()
    """Names of folders."""
    profiles: tuple[str, ...] = ()
    """Names of the profiles that fetched it first."""
    least: int | None = None
    """Least bytes of the message."""
    most: int | None = None
    """Most bytes of the message."""
    attachments: bool | None = None
    """Whether it has attachments."""
    kinds: tuple[str, ...] = ()
    """Ends of names of its files, such as "pdf"."""
    since: str = ""
    """Received on this day, month or year, or later."""
    until: str = ""
    """Received on this day, month or year at the latest, its end included."""
    query: str = ""
    """A search that finds it."""
