"""An IMAP session that puts messages into a folder: finding or making it, searching it, APPEND."""

from __future__ import annotations

import imaplib
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

from muniment.errors import SourceError
from muniment.net.retry import TransientError
from muniment.net.server_text import one_line
from muniment.sources.imap.client import MailLiteral, reason, translated
from muniment.sources.imap.connection import FolderGone, FolderNotOpened, ImapWire
from muniment.sources.imap.namespaces import FolderOwner, locate, own_prefix
from muniment.sources.imap.text import (
    ListedFolder,
    decode_folder,
    encode_folder,
    quoted_bytes,
    read_found,
    text,
)

MOST_CANDIDATES = 20
"""Most messages of a folder that are compared with one message."""
_APPENDED = re.compile(r"\[APPENDUID (\d{1,10}) (\d{1,10})\]", re.IGNORECASE)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FULL = ("OVERQUOTA", "NOPERM")
"""Codes of a refusal that holds for every message (RFC 5530)."""


class AppendRefused(SourceError):
    """The server does not take one message. The text is the server's, on one line."""


class WritableFolder(NamedTuple):
    """A folder that is selected."""

    raw: bytes
    """Its name at the server."""
    uidvalidity: str
    flags: tuple[str, ...]
    """The flags that it keeps; none if the server does not say (PERMANENTFLAGS)."""


class ImapWriter(ImapWire):
    """A logged-in connection that writes. Its methods raise as those of ImapWire."""

    def open_folder(self, names: tuple[str, ...], titled: str) -> WritableFolder:
        """Select a folder of the mailbox's own, which is made if it is missing.

        Args:
            names: The names of its levels.
            titled: Its name as the archive has it, by which a folder in any language is found.
        """
        namespaces = self.namespaces()
        listed = self.folders([b""])
        own = [one for one in locate(listed, namespaces) if one.whose is FolderOwner.OWN and not one.view]
        found = next((one.listed.raw for one in own if one.folder.names == names), None)
        found = found or next((one.listed.raw for one in own if one.folder.title == titled), None)
        raw = found if found is not None else self._raw(names, listed, own_prefix(namespaces))
        if found is None and raw.upper() != b"INBOX":
            self._make(raw)
        state = self.select("/".join(names), raw)
        stated = self._client.response("PERMANENTFLAGS")[1][0]
        flags = stated.decode("ascii", "replace").strip("()").split() if stated else ()
        return WritableFolder(raw, state.uidvalidity, tuple(flags))

    @staticmethod
    def _raw(names: tuple[str, ...], listed: list[ListedFolder], prefix: str) -> bytes:
        if len(names) == 1 and names[0].upper() == "INBOX":
            return b"INBOX"
        delimiter = next((one.delimiter for one in listed if one.delimiter), "")
        if any(delimiter and delimiter in name for name in names) or (len(names) > 1 and not delimiter):
            raise SourceError(
                f"The folder {one_line('/'.join(names))} can't be made, since this server uses {delimiter!r} "
                "between the names of folders: give another name."
            )
        return encode_folder(prefix + delimiter.join(names)).encode()

    def _make(self, raw: bytes) -> None:
        name = quoted_bytes(raw).decode("utf-8", "surrogateescape")
        with translated(self._endpoint, self._client):
            kind, data = self._client.create(name)
            if kind == "OK":
                self._client.subscribe(name)  # else many programs do not show it
                return
        if "[ALREADYEXISTS]" not in text(data).upper():
            raise SourceError(
                f"{self._endpoint.address} can't make the folder {one_line(decode_folder(raw))} "
                f"({self._quote(text(data))}): name another one."
            )

    def sized(self, size: int) -> list[int]:
        """The UIDs of messages of exactly this size, the newest first, at most MOST_CANDIDATES."""
        return self._search("LARGER", str(size - 1), "SMALLER", str(size + 1))

    def named(self, message_id: str) -> list[int]:
        """The UIDs of messages with this Message-ID, the newest first, at most MOST_CANDIDATES."""
        if not message_id.isascii() or not message_id.isprintable():
            return []
        return self._search("HEADER", "Message-ID", quoted_bytes(message_id.encode()).decode())

    def _search(self, *words: str) -> list[int]:
        with translated(self._endpoint, self._client):
            kind, data = self._client.uid("SEARCH", *words)
            if kind == "OK":
                found = read_found(data, self._client.response("ESEARCH")[1])
                return sorted(found, reverse=True)[:MOST_CANDIDATES]
        raise TransientError(
            f"{self._endpoint.address} could not search ({self._quote(text(data))}): run again later."
        )

    def append(self, raw: bytes, mail: MailLiteral, date: int, flags: tuple[str, ...]) -> str:
        """Append a message to the folder `raw`.

        Args:
            raw: The folder's name at the server.
            mail: The message, in lines that end with CRLF.
            date: When it was received, in seconds since 1970 UTC.
            flags: Its flags.

        Returns:
            UIDVALIDITY and UID of the message, as `7:31`; "" if the server does not say (UIDPLUS).

        Raises:
            AppendRefused: The server does not take this message.
        """
        name = quoted_bytes(raw).decode("utf-8", "surrogateescape")
        with translated(self._endpoint, self._client):
            kind, data = self._append(name, mail, date, flags)
        answer = text(data)
        if kind == "OK":
            found = _APPENDED.search(answer)
            return f"{found[1]}:{found[2]}" if found else ""
        raise self._not_appended(raw, answer)

    def _append(
        self, name: str, mail: MailLiteral, date: int, flags: tuple[str, ...]
    ) -> tuple[str, list[Any]]:
        try:
            return self._client.append_exactly(name, f"({' '.join(flags)})", internal_date(date), mail)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:  # BAD
            return "NO", [reason(error).encode()]

    def _not_appended(self, raw: bytes, answer: str) -> SourceError:
        why, upper = self._quote(answer), answer.upper()
        if "[TRYCREATE]" in upper:
            return FolderGone(
                f"{self._endpoint.address} has no folder {one_line(decode_folder(raw))} any more ({why})."
            )
        if any(f"[{code}]" in upper for code in _FULL):
            return SourceError(f"{self._endpoint.address} takes no more mail for this mailbox ({why}).")
        if self.passes(answer):
            return FolderNotOpened(f"{self._endpoint.address} can't store a message now ({why}).")
        return AppendRefused(why)


def internal_date(time: int) -> str:
    """A time as APPEND takes it (RFC 9051, date-time), in quotes."""
    at = datetime.fromtimestamp(max(time, 0), UTC)
    return f'"{at.day:02d}-{_MONTHS[at.month - 1]}-{at.year:04d} {at:%H:%M:%S} +0000"'
