"""Whose folders are whose: the namespaces of an IMAP server (RFC 2342), and what its folders are then.

A prefix such as `INBOX.` is how a server writes names, and nothing that people see: names below a person's
own prefix are named without it. What lies below the prefix of other users or of what is shared belongs to
others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from muniment.sources.folders import Folder, Use, title
from muniment.sources.imap.text import Listed, decode_folder, split_levels, use_of

PUBLIC = "public folders"
"""The owner of what belongs to nobody: no address, so that it is filed in the catch-all."""
_TOKEN = re.compile(rb'[()]|"((?:[^"\\]|\\.)*)(?:"|\Z|\\\Z)|[^()\s"]+', re.DOTALL)
"""A quoted string that does not end goes to the end, so that nothing is looked at twice."""
_DEPTH = 10
GMAIL = ("[gmail]", "[google mail]")
"""What Gmail's own folders lie in."""
_VIEWS = {"\\flagged", "\\important"}
"""Special uses (RFC 6154, RFC 8457) of folders that show messages which lie elsewhere."""


class Whose(Enum):
    """To whom folders belong."""

    OWN = auto()
    ANOTHERS = auto()
    PUBLIC = auto()


class Namespace(NamedTuple):
    """A prefix of folders' names."""

    prefix: bytes
    """As it goes over the line, its delimiter included."""
    whose: Whose


@dataclass(frozen=True, slots=True)
class Located:
    """A folder of a server, and what it is for people."""

    listed: Listed
    folder: Folder
    """As filters see it: without a prefix of the mailbox's own, with those of others."""
    whose: Whose = Whose.OWN
    person: str = ""
    """Of another's folder: their name, as the server has it."""
    title: str = ""
    """How the archive names it; a folder of another's has the title that it has for them."""
    view: bool = False
    """Whether it only shows messages that lie elsewhere."""


def read_namespaces(line: bytes) -> list[Namespace]:
    """The prefixes in an answer to NAMESPACE: the personal ones, those of other users, the shared ones."""
    found: list[Namespace] = []
    whose, depth, first = iter(Whose), 0, False
    kind: Whose | None = None
    for token in _TOKEN.finditer(line):
        if token[0] == b"(" and depth < _DEPTH:
            kind = next(whose, None) if depth == 0 else kind
            depth += 1
            first = depth == 2
        elif token[0] == b")":
            depth = max(depth - 1, 0)
        elif depth <= 0:
            next(whose, None)  # NIL: there is none of this kind
        elif token[1] is not None and first and kind:
            found.append(Namespace(re.sub(rb"\\(.)", rb"\1", token[1], flags=re.DOTALL), kind))
            first = False
    return found


def prefixes(namespaces: Sequence[Namespace], *, shared: bool) -> list[bytes]:
    """What to ask LIST for: everything, and what servers list only when it is asked for by its prefix."""
    others = (one.prefix for one in namespaces if one.whose is not Whose.OWN and one.prefix)
    return [b"", *(others if shared else ())]


def own_prefix(namespaces: Iterable[Namespace]) -> str:
    """The prefix of the mailbox's own folders, such as `INBOX.`; mostly ""."""
    return next((decode_folder(one.prefix) for one in namespaces if one.whose is Whose.OWN), "")


def locate(listed: Sequence[Listed], namespaces: Sequence[Namespace]) -> list[Located]:
    """What a server's folders are for people, in its order."""
    spaces = list(namespaces) or _guessed(listed)
    gmail = any(one.levels[0].casefold() in GMAIL and "\\all" in one.flags for one in listed)
    virtual = _VIEWS if gmail else {"\\flagged"}
    return [_located(one, spaces, virtual) for one in listed]


def _guessed(listed: Sequence[Listed]) -> list[Namespace]:
    """The namespaces of a server that names none: everything is one's own, below INBOX if all else is."""
    others = [one for one in listed if one.name.upper() != "INBOX"]
    below = {
        one.raw[: 5 + len(one.delimiter)]
        for one in others
        if one.delimiter and one.raw[5:].startswith(one.delimiter.encode())
    }
    if others and len(below) == 1 and all(one.raw.startswith(tuple(below)) for one in others):
        (prefix,) = below
        if prefix[:5].upper() == b"INBOX":
            return [Namespace(prefix, Whose.OWN)]
    return [Namespace(b"", Whose.OWN)]


def _located(listed: Listed, spaces: Sequence[Namespace], virtual: set[str]) -> Located:
    view = bool(listed.flags & virtual)
    space, rest = _space(listed, spaces)
    if space.whose is Whose.ANOTHERS:
        return _anothers(listed, rest, view)
    if space.whose is Whose.PUBLIC:
        folder = Folder(listed.levels, use_of(listed.flags, ("",)))  # names say nothing here
        return Located(listed, folder, Whose.PUBLIC, title=title(listed.levels), view=view)
    levels = split_levels(rest, listed.delimiter)
    if rest != listed.name and levels[0].casefold() == "inbox":
        levels = listed.levels  # a folder of that name below the inbox is not the inbox
    above = listed.levels[: len(listed.levels) - len(levels)]
    folder = Folder(levels, use_of(listed.flags, levels), above)
    return Located(listed, folder, title=folder.title, view=view)


def _anothers(listed: Listed, rest: str, view: bool) -> Located:
    """A folder of another's: the level below the prefix names them, and is their inbox."""
    person, *below = split_levels(rest, listed.delimiter)
    levels = tuple(below) or ("INBOX",)
    folder = Folder(levels, use_of(listed.flags, levels))
    if listed.delimiter == ".":
        person = person.replace("^", ".")  # as Cyrus writes a dot in a name
    seen = Folder(listed.levels, folder.use if folder.use is not Use.INBOX else Use.NONE)
    return Located(listed, seen, Whose.ANOTHERS, person, folder.title, view)


def _space(listed: Listed, spaces: Sequence[Namespace]) -> tuple[Namespace, str]:
    """The namespace with the longest prefix of a folder's name, and the name without that prefix.

    What lies in none is one's own, but for names that begin with `#`, which never are (RFC 3501, 5.1.2).
    """
    if listed.name.upper() == "INBOX":
        return Namespace(b"", Whose.OWN), listed.name
    best: Namespace | None = None
    rest = b""
    for space in spaces:
        below = _below(listed, space.prefix)
        if below is not None and (best is None or len(space.prefix) > len(best.prefix)):
            best, rest = space, below
    if best is None or (not best.prefix and listed.raw.startswith(b"#")):
        foreign = listed.raw.startswith(b"#")
        return Namespace(b"", Whose.PUBLIC if foreign else Whose.OWN), listed.name
    return best, decode_folder(rest)


def _below(listed: Listed, prefix: bytes) -> bytes | None:
    """What follows a prefix in a folder's name; None where it has another one.

    A prefix that ends with a letter is a whole level: some servers leave out the delimiter behind it.
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
    """A name as it is compared: INBOX is so in any case (RFC 9051, 5.1)."""
    return b"INBOX" + name[5:] if name[:5].upper() == b"INBOX" else name
