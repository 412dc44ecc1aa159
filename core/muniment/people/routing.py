"""Routing: the folders that a message belongs in, decided only by its envelopes and the directory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from muniment.mail.model import INBOX_ROLES, SENT_ROLES, AddressRole, EnvelopeParty
from muniment.people.directory import CATCH_ALL, Directory

INBOX = "Inbox"
SENT = "Sent"

TRUSTED = 0b0011
"""The bits of `archive.facts.RoutingReason` with which the parties decide whose a message is."""
OWNED = 0b1000
"""The bit of `archive.facts.RoutingReason` with which a message belongs to the mailbox's owner."""

_FOLDERS: dict[AddressRole, str] = dict.fromkeys(INBOX_ROLES, INBOX) | dict.fromkeys(SENT_ROLES, SENT)
_OWN_FOLDERS = {
    "": INBOX,
    "inbox": INBOX,
    "sent": SENT,
    "sent items": SENT,
    "sent messages": SENT,
}
"""The archive's names of folders that servers name differently (RFC 3501: INBOX in any case)."""


class RoutedEnvelope(NamedTuple):
    """The fields of a copy that decide whose its message is."""

    route: int
    """An `archive.facts.RoutingReason`."""
    time: int
    """When it was journaled or received, in seconds since 1970 UTC."""
    parties: tuple[EnvelopeParty, ...]
    """Sender and recipients by the envelope."""
    owner: str = ""
    """The address of the mailbox's owner, with OWNED."""
    owner_folder: str = ""
    """The folder's name in that mailbox, with OWNED."""


class Placement(NamedTuple):
    """A folder that a message is in."""

    user: str
    """The user's id."""
    folder: str


CATCH_ALL_INBOX = Placement(CATCH_ALL, INBOX)
"""The folder of messages that belong to no known person."""


def route_message(envelopes: Iterable[RoutedEnvelope], directory: Directory) -> set[Placement]:
    """Return the folders of a message with these envelopes; there is at least one."""
    return unite(set(), (route_envelope(e, directory) for e in envelopes))


def unite(before: Iterable[Placement], more: Iterable[set[Placement]]) -> set[Placement]:
    """Add the folders that further envelopes give to a message.

    Args:
        before: The folders that the message is in.
        more: The folders by each further envelope.

    Returns:
        All folders; the catch-all only if there is no other.
    """
    found = set(before)
    found.discard(CATCH_ALL_INBOX)
    found.update(*more)
    return found or {CATCH_ALL_INBOX}


def route_envelope(envelope: RoutedEnvelope, directory: Directory) -> set[Placement]:
    """Return the folders by one envelope: none if it is not trusted or names no user."""
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
    """Return the archive's name for a folder of a mailbox."""
    return _OWN_FOLDERS.get(name.lower(), name)


def names_user(envelope: RoutedEnvelope, directory: Directory) -> bool:
    """Return whether an envelope leads to any user other than the catch-all."""
    return bool(route_envelope(envelope, directory))
