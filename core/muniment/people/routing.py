"""Whose folders a message belongs in: its envelopes and the directory decide, nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from muniment.mail.model import INBOX_ROLES, SENT_ROLES, Party, Role
from muniment.people.directory import CATCH_ALL, Directory

INBOX = "Inbox"
SENT = "Sent"

TRUSTED = 0b0011
"""The routes of `archive.facts.Route` under which the parties say whose a message is."""
OWNED = 0b1000
"""The route under which it is the mailbox owner's, whatever the parties say."""

_FOLDERS: dict[Role, str] = dict.fromkeys(INBOX_ROLES, INBOX) | dict.fromkeys(SENT_ROLES, SENT)
_OWN_FOLDERS = {
    "": INBOX,
    "inbox": INBOX,
    "sent": SENT,
    "sent items": SENT,
    "sent messages": SENT,
}
"""How servers name the folders of a mailbox (RFC 3501: INBOX in any case)."""


class RoutedEnvelope(NamedTuple):
    """One copy of a message, as far as it says whose the message is."""

    route: int
    """An `archive.facts.Route`."""
    time: int
    """When it was journaled or received, seconds since 1970 UTC."""
    parties: tuple[Party, ...]
    owner: str = ""
    owner_folder: str = ""


class Placement(NamedTuple):
    """A folder in which a message stands."""

    user: str
    folder: str


NOBODYS = Placement(CATCH_ALL, INBOX)
"""Where a message stands that is nobody's."""


def place(envelopes: Iterable[RoutedEnvelope], directory: Directory) -> set[Placement]:
    """Where a message stands that came with these envelopes: never nowhere."""
    return united(set(), (places(e, directory) for e in envelopes))


def united(before: Iterable[Placement], more: Iterable[set[Placement]]) -> set[Placement]:
    """The places of a message that stood in `before`, once further envelopes bring `more`.

    Every envelope adds its places. In the catch-all stands what stands nowhere else.
    """
    found = set(before)
    found.discard(NOBODYS)
    found.update(*more)
    return found or {NOBODYS}


def places(envelope: RoutedEnvelope, directory: Directory) -> set[Placement]:
    """Where one envelope alone puts its message: nowhere, if it is not trusted or names no user."""
    found: set[Placement] = set()
    time = envelope.time
    if envelope.route & TRUSTED:
        for party in envelope.parties:
            folder = _FOLDERS.get(party.role)
            if folder is not None:
                user = directory.resolve(party.address, time)
                if user is not None:
                    found.add(Placement(user, folder))
    if envelope.route & OWNED:
        user = directory.resolve(envelope.owner, time)
        if user is not None:
            found.add(Placement(user, own_folder(envelope.owner_folder)))
    return found


def own_folder(name: str) -> str:
    """The archive's name for a folder of a mailbox."""
    return _OWN_FOLDERS.get(name.lower(), name)


def known(envelope: RoutedEnvelope, directory: Directory) -> bool:
    """Whether the envelope leads to any user but the catch-all."""
    return bool(places(envelope, directory))
