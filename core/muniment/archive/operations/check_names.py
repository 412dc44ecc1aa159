"""Checks names of people and folders in a request: an unknown name is an error, not an empty result.

An auditor takes an empty list for a finding. So an unknown person or folder is refused, and similar names are
suggested. Only readers who may know all names get suggestions: a plain user's request is compared only with
their own folders (see service.operations.own_mail).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from muniment.archive.query import And, InFolder, Node, Not, Or, UserTerm
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound
from muniment.people.directory import User

USUAL = ("Inbox", "Sent")
"""Folders that every user has, even while they are empty."""
CLOSE = 3
"""Most names that are suggested."""
LIKE = 0.6
"""Least similarity of a suggested name, as difflib's ratio."""
WHO = ": `muniment users list` lists all users"
COMPARED = 20_000
"""Most names that are compared: the time is proportional to their number."""


def person(vault: Vault, name: str) -> User:
    """Return the user with a name or an address.

    The directory has a user for every address in an own domain; here, one without mail does not exist.

    Raises:
        NotFound: There is no such user; the text suggests similar names.
    """
    try:
        user = vault.directory.find(name)
    except NotFound:
        user = None
    if user is None or (user.automatic and not vault.catalog.folders(user.id)):
        raise NotFound(f"there is no user {name!r}{suggestion(name, _labels(vault))}{WHO}")
    return user


def _labels(vault: Vault) -> Iterator[str]:
    for user in vault.directory.users():
        yield from user.addresses
    yield from (label for label, _ in vault.catalog.tree())


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean a, b or c?)` with similar names; "" if there are none.

    Addresses are compared by the part before the `@`, since most have the same domain.
    """
    folded = {one.casefold(): one for one, _ in zip(known, range(COMPARED), strict=False)}
    meant = name.strip().casefold()
    found = difflib.get_close_matches(meant, folded, 4 * CLOSE, LIKE)
    close = [folded[one] for one in found if _alike(meant.partition("@")[0], one.partition("@")[0])][:CLOSE]
    if not close:
        return ""
    *first, last = close
    return f" (did you mean {', '.join(first)}{' or ' if first else ''}{last}?)"


def _alike(one: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, one, other).ratio() >= LIKE


def folder(owner: str, name: str, names: Iterable[str]) -> str:
    """Return the folder with a name, in any case.

    Args:
        owner: Whose folders are searched, for the message.
        name: The folder's name as it was typed.
        names: The owner's folders; the usual ones are added.

    Raises:
        NotFound: There is no such folder; the text suggests similar names.
    """
    known = list(dict.fromkeys((*names, *USUAL)))
    for one in (name, *(one for one in known if one.casefold() == name.casefold())):
        if one in known:
            return one
    close = suggestion(name, known)
    there = "" if close else f"; there are {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}"
    who = f"{owner} has no" if owner else "no user has a"
    raise NotFound(f"{who} folder {name!r}{close}{there}")


def require_known(vault: Vault, node: Node, user: User | None, own: bool = False) -> None:
    """Check that the people and folders in a query exist.

    Args:
        vault: The vault.
        node: The parsed query.
        user: The person whose mail is searched; None for all mail.
        own: Whether that person is the one who searches. They must not learn which other users exist, so
            names after `user:` are not checked here.

    Raises:
        NotFound: A person or a folder does not exist.
    """
    tree = vault.catalog.tree
    for condition in _conditions(node):
        if isinstance(condition, UserTerm):
            if not own:
                person(vault, condition.name)
        elif user is None:
            folder("", condition.folder, (name for _, folders in tree() for name, _ in folders))
        else:
            folder(user.primary, condition.folder, (name for name, _ in vault.catalog.folders(user.id)))


def _conditions(node: Node) -> Iterator[UserTerm | InFolder]:
    """Yield the conditions `user:` and `in:` of a query."""
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from _conditions(item)
        case Not(item):
            yield from _conditions(item)
        case UserTerm() | InFolder():
            yield node
        case _:
            pass
