"""The namespaces of an IMAP server (RFC 2342): which folders are own, other users' or shared.

A prefix such as `INBOX.` is only a server's way to write names; people don't see it. So a folder below the
mailbox's own prefix is named without it. A folder below the prefix of other users or of shared folders
belongs to others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from muniment.sources.folders import FolderUse, MailFolder, title
from muniment.sources.imap.text import ListedFolder, decode_folder, split_levels, use_of

PUBLIC = "public folders"
"""The owner of public folders. It is not an address, so their mail is filed in the catch-all."""
_TOKEN = re.compile(rb'[()]|"((?:[^"\\]|\\.)*)(?:"|\Z|\\\Z)|[^()\s"]+', re.DOTALL)
"""A quoted string without an end goes to the end of the line, so that no byte is scanned twice."""
_DEPTH = 10
GMAIL = ("[gmail]", "[google mail]")
"""The folder that contains Gmail's own folders."""
_VIEWS = {"\\flagged", "\\important"}
"""Special uses (RFC 6154, RFC 8457) of folders that only show messages of other folders."""


class FolderOwner(Enum):
    """Who owns a folder."""

    OWN = auto()
    ANOTHERS = auto()
    PUBLIC = auto()


class ImapNamespace(NamedTuple):
    """A prefix of folder names, and who owns the folders below it."""

    prefix: bytes
    """As the server sends it, usually with the delimiter at its end."""
    whose: FolderOwner


@dataclass(frozen=True, slots=True)
class LocatedFolder:
    """A folder of a server, with its owner and its name for people."""

    listed: ListedFolder
    folder: MailFolder
    """The folder for `FolderChoice`: without the mailbox's own prefix, but with those of others."""
    whose: FolderOwner = FolderOwner.OWN
    person: str = ""
    """The owner's name at the server, for another user's folder."""
    title: str = ""
    """Its name in the archive; another user's folder has the name that it has for its owner."""
    view: bool = False
    """Whether it only shows messages of other folders."""


def read_namespaces(line: bytes) -> list[ImapNamespace]:
    """The prefixes in an answer to NAMESPACE, in its order: own, other users', shared (RFC 2342, 5)."""
    found: list[ImapNamespace] = []
    whose, depth, first = iter(FolderOwner), 0, False
    kind: FolderOwner | None = None
    for token in _TOKEN.finditer(line):
        if token[0] == b"(" and depth < _DEPTH:
            kind = next(whose, None) if depth == 0 else kind
            depth += 1
            first = depth == 2
        elif token[0] == b")":
            depth = max(depth - 1, 0)
        elif depth <= 0:
            next(whose, None)  # NIL: there is no namespace of this kind
        elif token[1] is not None and first and kind:
            found.append(ImapNamespace(re.sub(rb"\\(.)", rb"\1", token[1], flags=re.DOTALL), kind))
            first = False
    return found


def prefixes(namespaces: Sequence[ImapNamespace], *, shared: bool) -> list[bytes]:
    """The prefixes to give to LIST: "" and, with `shared`, those that servers list only by their prefix."""
    others = (one.prefix for one in namespaces if one.whose is not FolderOwner.OWN and one.prefix)
    return [b"", *(others if shared else ())]


def own_prefix(namespaces: Iterable[ImapNamespace]) -> str:
    """The prefix of the mailbox's own folders, such as `INBOX.`; usually ""."""
    return next((decode_folder(one.prefix) for one in namespaces if one.whose is FolderOwner.OWN), "")


def locate(listed: Sequence[ListedFolder], namespaces: Sequence[ImapNamespace]) -> list[LocatedFolder]:
    """Find the owner and the name of each folder; the order stays."""
    spaces = list(namespaces) or _guessed(listed)
    gmail = any(one.levels[0].casefold() in GMAIL and "\\all" in one.flags for one in listed)
    virtual = _VIEWS if gmail else {"\\flagged"}
    return [_located(one, spaces, virtual) for one in listed]


def _guessed(listed: Sequence[ListedFolder]) -> list[ImapNamespace]:
    """The namespaces of a server without NAMESPACE: all folders are own, below INBOX if all of them are."""
    others = [one for one in listed if one.name.upper() != "INBOX"]
    below = {
        one.raw[: 5 + len(one.delimiter)]
        for one in others
        if one.delimiter and one.raw[5:].startswith(one.delimiter.encode())
    }
    if others and len(below) == 1 and all(one.raw.startswith(tuple(below)) for one in others):
        (prefix,) = below
        if prefix[:5].upper() == b"INBOX":
            return [ImapNamespace(prefix, FolderOwner.OWN)]
    return [ImapNamespace(b"", FolderOwner.OWN)]


def _located(listed: ListedFolder, spaces: Sequence[ImapNamespace], virtual: set[str]) -> LocatedFolder:
    view = bool(listed.flags & virtual)
    space, rest = _space(listed, spaces)
    if space.whose is FolderOwner.ANOTHERS:
        return _anothers(listed, rest, view)
    if space.whose is FolderOwner.PUBLIC:
        folder = MailFolder(
            listed.levels, use_of(listed.flags, ("",))
        )  # no use is guessed from a public name
        return LocatedFolder(listed, folder, FolderOwner.PUBLIC, title=title(listed.levels), view=view)
    levels = split_levels(rest, listed.delimiter)
    if rest != listed.name and levels[0].casefold() == "inbox":
        levels = listed.levels  # a folder named INBOX below the inbox is not the inbox
    above = listed.levels[: len(listed.levels) - len(levels)]
    folder = MailFolder(levels, use_of(listed.flags, levels), above)
    return LocatedFolder(listed, folder, title=folder.title, view=view)


def _anothers(listed: ListedFolder, rest: str, view: bool) -> LocatedFolder:
    """Another user's folder. The level below the prefix is the user's name; that folder is their inbox."""
    person, *below = split_levels(rest, listed.delimiter)
    levels = tuple(below) or ("INBOX",)
    folder = MailFolder(levels, use_of(listed.flags, levels))
    if listed.delimiter == ".":
        person = person.replace("^", ".")  # Cyrus writes a dot in a name as ^
    seen = MailFolder(listed.levels, folder.use if folder.use is not FolderUse.INBOX else FolderUse.NONE)
    return LocatedFolder(listed, seen, FolderOwner.ANOTHERS, person, folder.title, view)


def _space(listed: ListedFolder, spaces: Sequence[ImapNamespace]) -> tuple[ImapNamespace, str]:
    """The namespace with the longest matching prefix, and the folder's name without that prefix.

    A folder in no namespace is own, unless its name begins with `#` (RFC 3501, 5.1.2).
    """
    if listed.name.upper() == "INBOX":
        return ImapNamespace(b"", FolderOwner.OWN), listed.name
    best: ImapNamespace | None = None
    rest = b""
    for space in spaces:
        below = _below(listed, space.prefix)
        if below is not None and (best is None or len(space.prefix) > len(best.prefix)):
            best, rest = space, below
    if best is None or (not best.prefix and listed.raw.startswith(b"#")):
        foreign = listed.raw.startswith(b"#")
        return ImapNamespace(b"", FolderOwner.PUBLIC if foreign else FolderOwner.OWN), listed.name
    return best, decode_folder(rest)


def _below(listed: ListedFolder, prefix: bytes) -> bytes | None:
    """The part of a folder's name after a prefix; None if it does not begin with that prefix.

    A prefix that ends with a letter or digit is a whole level: some servers omit its delimiter.
    """
    raw, start, delimiter = _comparable(listed.raw), _comparable(prefix), listed.delimiter.encode()
    if raw + delimiter == start:
        return b""
    if not raw.startswith(start):
        return None
    rest = listed.raw[len(prefix) :]
    if not prefix[-1:].isalnum() or not rest:
        return rest
    return rest[len(delimiter) :] if delimiter and rest.startswith(delimiter) else None


def _comparable(name: bytes) -> bytes:
    """A name for comparison: INBOX is not case-sensitive (RFC 9051, 5.1)."""
    return b"INBOX" + name[5:] if name[:5].upper() == b"INBOX" else name
