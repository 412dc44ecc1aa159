"""People and folders as somebody names them: who does not exist is an error, never "no messages".

An auditor takes an empty list for a finding. So a name that is nobody's, or a folder that nobody has, is
refused with the names that come close. Only those who may know all names are told these: what a plain user
asks for is compared with their own folders alone (see service.operations.own_mail).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from muniment.archive.query import And, In, Node, Not, Or
from muniment.archive.query import User as Named
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound
from muniment.people.directory import User

USUAL = ("Inbox", "Sent")
"""Folders that everybody has, even while they are empty."""
CLOSE = 3
"""Names that are suggested, at most."""
LIKE = 0.6
"""How alike a suggested name is, at least (difflib's ratio)."""
WHO = ": `muniment users list` names them all"
COMPARED = 20_000
"""Names that are compared, at most: it takes time in proportion to their number."""


def person(vault: Vault, name: str) -> User:
    """The user whom a name or an address means.

    The directory makes a user of every address in an own domain; one without mail does not exist.

    Raises:
        NotFound: there is none; says whose names come close.
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
    """` (did you mean a, b or c?)` for the names that come close; "" where none does.

    Addresses are alike when what stands before the `@` is: most share their domain.
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
    """The folder that somebody means, in any case, among those of `owner` and the usual ones.

    Raises:
        NotFound: it is none of them; says which there are.
    """
    known = list(dict.fromkeys((*names, *USUAL)))
    for one in (name, *(one for one in known if one.casefold() == name.casefold())):
        if one in known:
            return one
    close = suggestion(name, known)
    there = "" if close else f"; there are {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}"
    raise NotFound(f"{owner} has no folder {name!r}{close}{there}")


def require_known(vault: Vault, node: Node, user: User | None, own: bool = False) -> None:
    """See that a query names people and folders that exist; `user` is whose mail it is about, None for all.

    `own`: it is they who ask. They may name nobody but themselves, which is seen to elsewhere, and must not
    learn who else there is.

    Raises:
        NotFound: it does not.
    """
    tree = vault.catalog.tree
    for condition in _conditions(node):
        if isinstance(condition, Named):
            if not own:
                person(vault, condition.name)
        elif user is None:
            folder("nobody", condition.folder, (name for _, folders in tree() for name, _ in folders))
        else:
            folder(user.primary, condition.folder, (name for name, _ in vault.catalog.folders(user.id)))


def _conditions(node: Node) -> Iterator[Named | In]:
    """All that `user:` and `in:` name in a query."""
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from _conditions(item)
        case Not(item):
            yield from _conditions(item)
        case Named() | In():
            yield node
        case _:
            pass
