"""Writes and parses the texts of IMAP: names, sets of numbers, and answers to commands."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from muniment.sources.folders import FolderUse, use_by_name
from muniment.sources.received import at

_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_UID = re.compile(rb"\bUID (\d{1,10})\b")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,20})")
LARGEST_SIZE = 2**53
"""Largest size in bytes that is believed; a larger one counts as this."""
_FLAGS = re.compile(rb"\bFLAGS \(([^()]*)\)")
_DATE = re.compile(rb'\bINTERNALDATE "([ \d]\d)-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"')
_QUOTED = rb'"((?:[^"\\]|\\.)*)"'
_LABELLED = b"X-GM-LABELS ("
_LABELS = re.compile(rb'X-GM-LABELS \(((?:[^()"]|"(?:[^"\\]|\\.)*")*)\)', re.DOTALL)
_LABEL = re.compile(_QUOTED + rb"|([^\s()\"]+)", re.DOTALL)
_LISTED = re.compile(
    rb"\(([^)]*)\) (?:" + _QUOTED + rb"|NIL) (?:" + _QUOTED + rb"|([^ ]+))", re.IGNORECASE | re.DOTALL
)
_FOUND = re.compile(rb"\bALL ([\d:,]+)")
_LITERAL = re.compile(rb"\{(\d+)\+?\}\s*\Z")
_NOT_SELECTABLE = {"\\noselect", "\\nonexistent"}
_USES = {
    "\\sent": FolderUse.SENT,
    "\\drafts": FolderUse.DRAFTS,
    "\\junk": FolderUse.JUNK,
    "\\trash": FolderUse.DELETED,
    "\\archive": FolderUse.ARCHIVE,
    "\\all": FolderUse.ALL,
}
"""Special uses of folders (RFC 6154, 2)."""
MOST_LEVELS = 100
"""Largest number of levels into which a folder's name is split."""
MOST_FOUND = 1_000_000
"""Most numbers in an answer to SEARCH; no search here asks for so large a number."""
_SHORT_BODY = re.compile(rb'\bBODY\[\](?:<\d+>)? "((?:[^"\\]|\\.)*)"')


class ListedMessage(NamedTuple):
    """One message of a listing."""

    uid: int
    size: int
    """Bytes (RFC822.SIZE)."""
    flags: tuple[str, ...]
    date: int | None
    """INTERNALDATE in seconds since 1970 UTC; None if it can't be read."""
    labels: tuple[str, ...] = ()
    """Gmail's labels; a system label is written like `\\Inbox`."""


class ListedFolder(NamedTuple):
    """A folder that can be selected, as LIST names it."""

    name: str
    """The server's name, decoded from modified UTF-7 if possible."""
    levels: tuple[str, ...]
    use: FolderUse
    raw: bytes
    """The name in the bytes that the server sent."""
    delimiter: str = ""
    """The character between levels; "" if names have only one level."""
    flags: frozenset[str] = frozenset()
    """Attributes in lower case, such as `\\flagged`."""


def quoted(text: str) -> bytes:
    """An IMAP quoted string (RFC 9051, 9): safe for any text without line breaks."""
    return quoted_bytes(text.encode())


def quoted_bytes(text: bytes) -> bytes:
    """The same as `quoted`, for bytes."""
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def encode_folder(name: str) -> str:
    """A folder's name in modified UTF-7 (RFC 3501, 5.1.3)."""
    out: list[str] = []
    for plain, other in re.findall(r"([ -~]+)|([^ -~]+)", name):
        if plain:
            out.append(plain.replace("&", "&-"))
        else:
            encoded = base64.b64encode(other.encode("utf-16-be")).decode().rstrip("=")
            out.append(f"&{encoded.replace('/', ',')}-")
    return "".join(out)


def decode_folder(name: bytes) -> str:
    """Decode a folder's name from modified UTF-7 (RFC 3501, 5.1.3) or UTF-8; invalid parts stay unchanged."""
    text = name.decode("utf-8", "surrogateescape")

    def decoded(found: re.Match[str]) -> str:
        if not found[1]:
            return "&"
        encoded = found[1].replace(",", "/")
        try:
            return base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode("utf-16-be")
        except (ValueError, UnicodeDecodeError):
            return found[0]

    return re.sub(r"&([A-Za-z0-9+,]*)-", decoded, text).encode("utf-8", "replace").decode()


def uid_set(uids: Iterable[int]) -> str:
    """A sequence set (RFC 9051, 9) of these UIDs, with ranges such as `3:7`."""
    runs: list[list[int]] = []
    for uid in sorted(uids):
        if runs and runs[-1][1] + 1 == uid:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(a) if a == b else f"{a}:{b}" for a, b in runs)


def read_list(data: list[Any]) -> list[ListedFolder]:
    """The folders in an answer to LIST that can be selected."""
    return [found for line in joined(data) if (found := _listed(line))]


def joined(data: list[Any]) -> Iterator[bytes]:
    """The lines of an answer, with literals replaced by quoted strings."""
    line: list[bytes] = []
    for part in data:
        if isinstance(part, tuple):
            line += part[0].rpartition(b"{")[0], quoted_bytes(part[1])
        elif isinstance(part, bytes):
            yield b"".join((*line, part))
            line.clear()
    if line:
        yield b"".join(line)


def _listed(line: bytes) -> ListedFolder | None:
    found = _LISTED.match(line)
    flags = frozenset(found[1].decode("ascii", "replace").lower().split()) if found else frozenset()
    if found is None or flags & _NOT_SELECTABLE:
        return None
    raw = _unescaped(found[3]) if found[3] is not None else found[4]
    name = decode_folder(raw)
    delimiter = _unescaped(found[2]).decode("utf-8", "replace") if found[2] else ""
    levels = split_levels(name, delimiter)
    return ListedFolder(name, levels, use_of(flags, levels), raw, delimiter, flags)


def unlisted(raw: bytes) -> ListedFolder:
    """A folder that can be selected and that LIST does not have, as some servers hide those of others."""
    name = decode_folder(raw)
    delimiter = next((one for one in "/.\\" if one in name), "")
    return ListedFolder(name, split_levels(name, delimiter), FolderUse.NONE, raw, delimiter)


def split_levels(name: str, delimiter: str) -> tuple[str, ...]:
    """The levels of a folder's name; everything below MOST_LEVELS is one level."""
    return tuple(name.split(delimiter, MOST_LEVELS - 1)) if delimiter else (name,)


def use_of(flags: frozenset[str], levels: tuple[str, ...]) -> FolderUse:
    """The use of a folder, from its attributes or else from its name."""
    use = next((_USES[flag] for flag in sorted(flags) if flag in _USES), None)
    return use or use_by_name(levels)


def read_rows(data: list[Any]) -> Iterator[ListedMessage]:
    """The messages in an answer to FETCH."""
    for line in joined(data):
        start = line.find(_LABELLED)
        labels = _LABELS.match(line, start) if start >= 0 else None
        if labels:  # labels are free text, in which the patterns below could match
            line = line[: labels.start()] + line[labels.end() :]
        uid, size = _UID.search(line), _SIZE.search(line)
        if uid and size:
            flags = _FLAGS.search(line)
            words = tuple(flags[1].decode("ascii", "replace").split()) if flags else ()
            yield ListedMessage(
                int(uid[1]),
                min(int(size[1]), LARGEST_SIZE),
                words,
                _date(line),
                tuple(_read_labels(labels[1])) if labels else (),
            )


def _read_labels(text: bytes) -> Iterator[str]:
    for found in _LABEL.finditer(text):
        yield decode_folder(_unescaped(found[1]) if found[1] is not None else found[2])


def read_found(search: list[Any], esearch: list[Any]) -> set[int]:
    """The numbers in an answer to SEARCH, in the old form (`SEARCH 1 2`) and the new one (RFC 4731).

    Raises:
        ValueError: Something in it is not a number, or there are more than MOST_FOUND.
    """
    found = {int(uid) for line in joined(search) for uid in line.split()}
    left = MOST_FOUND
    for line in joined(esearch):
        for run in every[1].split(b",") if (every := _FOUND.search(line)) else ():
            first, _, last = run.partition(b":")
            low, high = sorted((int(first), int(last or first)))
            left -= high - low + 1
            if left < 0:
                raise ValueError(run)
            found.update(range(low, high + 1))
    return found


def _date(line: bytes) -> int | None:
    found = _DATE.search(line)
    if not found:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
    if month.capitalize() not in _MONTHS:
        return None
    offset = int(hours) * 3600 + int(minutes) * 60
    written = (int(year), _MONTHS.index(month.capitalize()) + 1, int(day))
    return at(written, (int(hour), int(minute), int(second)), offset if sign == b"+" else -offset)


def read_bodies(data: list[Any]) -> Iterator[tuple[int, bytes]]:
    """The UIDs and bodies in an answer to FETCH.

    A UID can come before or after the literal. NIL is left out: servers send it for messages that another
    session has expunged. A literal that is shorter than announced is left out, too: the connection broke in
    it.
    """
    for index, part in enumerate(data):
        if isinstance(part, tuple):
            head, body = part
            length = _LITERAL.search(head)
            if length and len(body) < int(length[1]):
                continue
            tail = data[index + 1] if index + 1 < len(data) else b""
            uid = _UID.search(head) or (_UID.search(tail) if isinstance(tail, bytes) else None)
            if uid:
                yield int(uid[1]), body
        elif isinstance(part, bytes) and (short := _SHORT_BODY.search(part)) and (uid := _UID.search(part)):
            yield int(uid[1]), _unescaped(short[1])


def _unescaped(text: bytes) -> bytes:
    """The content of a quoted string."""
    return re.sub(rb"\\(.)", rb"\1", text, flags=re.DOTALL)


def words(data: list[Any]) -> frozenset[str]:
    """The words of an answer, in upper case."""
    return frozenset(text(data).upper().split())


def text(data: list[Any]) -> str:
    """An answer of imaplib as one text, without its literals."""
    return " ".join(part.decode("utf-8", "replace") for part in data if isinstance(part, bytes))
