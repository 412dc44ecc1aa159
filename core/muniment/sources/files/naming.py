"""Uses the names of files: some show that a file is no mail, and a path gives the name of a mail folder."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator

from muniment.sources.files.unpacking import ENDINGS
from muniment.sources.folders import title
from muniment.sources.passing import (
    APPLE_DOUBLE,
    INDEX,
    OUTLOOK,
    OUTLOOK_DATA,
    PACKED_FILES,
    readable,
)

_ENDINGS = {
    INDEX: (
        ".msf",
        ".mork",
        ".toc",
        ".idx",
        ".ind",
        ".ibex.index",
        ".cmeta",
        ".snm",
        ".db",
        ".plist",
        ".lock",
    ),
    OUTLOOK: (".msg", ".oft"),
    OUTLOOK_DATA: (".pst", ".ost"),
    PACKED_FILES: (".zip", ".tar", ".tgz", ".7z", ".rar", *(f".tar{packed}" for packed in ENDINGS)),
}  # fmt: skip
_INDEXES = frozenset(
    {
        "table_of_contents", ".ds_store", "desktop.ini", "thumbs.db", "maildirfolder", "subscriptions",
        "filterlog.html", "msgfilterrules.dat", "popstate.dat",
    }
)  # fmt: skip
_STARTS = ("dovecot", "courierimap", "courierpop", ".dovecot", ".mbsync", ".uidvalidity")
_TREES = (".sbd", ".mbox")
"""Endings of folders: Thunderbird keeps subfolders in NAME.sbd, Apple Mail keeps a folder in NAME.mbox."""
_SHIFTED = re.compile(r"&([A-Za-z0-9+,]{0,200})-")
_BOXES = (".mbox", ".mbx")


def reason_by_name(path: str) -> str:
    """Why a file is no mail according to its name; "" if the name does not show it."""
    name = os.path.basename(path).lower()  # noqa: PTH119  names need not be Unicode
    if name.startswith("._"):
        return APPLE_DOUBLE
    if name in _INDEXES or name.startswith(_STARTS):
        return INDEX
    return next((reason for reason, endings in _ENDINGS.items() if name.endswith(endings)), "")


def folder_title(path: str) -> str:
    """The title of the mail folder in an mbox file, from its path in a tree; "" for a file at the top."""
    *above, name = path.split("/")
    if not above and not name.lower().endswith(ENDINGS):
        return ""
    return title(readable(level) for level in _levels(above, name))


def maildir_title(path: str) -> str:
    """The title of a Maildir below another one, from its path: `.Folder.Sub`, or folders in folders."""
    found: list[str] = []
    for level in path.split("/"):
        inner = level.removeprefix(".")
        names = inner.removesuffix(".directory").split(".") if inner != level else [level]
        found.extend(_undo_utf7(readable(name)) for name in names if name)
    return title(found or [readable(path)])


def _undo_utf7(name: str) -> str:
    """Decode a name from modified UTF-7 (RFC 3501, 5.1.3), which Maildir++ uses; other names stay."""
    try:
        return _SHIFTED.sub(_shifted, name)
    except ValueError:
        return name


def _shifted(found: re.Match[str]) -> str:
    code = found[1].replace(",", "/")
    return base64.b64decode(code + "=" * (-len(code) % 4), validate=True).decode("utf-16-be") if code else "&"


def _levels(above: list[str], name: str) -> Iterator[str]:
    for level in above:
        yield _without(level, _TREES)
    bundle = bool(above) and above[-1].lower().endswith(".mbox")
    name = _without(name, ENDINGS)
    if not (bundle and name.lower() == "mbox"):
        yield _without(name, _BOXES)


def _without(name: str, endings: tuple[str, ...]) -> str:
    """A name without the first matching ending, unless nothing would be left."""
    ending = next((one for one in endings if name.lower().endswith(one) and len(name) > len(one)), "")
    return name[: len(name) - len(ending)]
