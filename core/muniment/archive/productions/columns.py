"""The columns of load files, in their order. The names are those that review programs map by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo

from muniment.archive.productions.documents import Document, Party

BETWEEN = "; "
"""Separates several values of a field."""
FIRST, LAST = -62_135_510_400, 253_402_214_399
"""The times that can be written in any time zone: the years 1 to 9999, without their first and last day."""


def joined(values: Iterable[str]) -> str:
    """Join the values of a field."""
    return BETWEEN.join(values)


def at(time: int, zone: tzinfo = UTC) -> datetime:
    """Return a time (seconds since 1970 UTC) in a zone; a time that no calendar has is moved into it."""
    return datetime.fromtimestamp(min(max(time, FIRST), LAST), zone)


def moment(time: int | None) -> str:
    """Write a time (seconds since 1970 UTC) as ISO 8601 in UTC; "" for none."""
    return f"{at(time).replace(tzinfo=None).isoformat()}Z" if time is not None else ""


def party_text(party: Party) -> str:
    """Write a line of an envelope, such as `bcc:eve@example.com (by all@example.com)`."""
    return f"{party.role}:{party.address}" + (f" (by {party.via})" if party.via else "")


def _header(name: str) -> Callable[[Document], str]:
    return lambda document: document.header(name)


def _only_message(value: Callable[[Document], str]) -> Callable[[Document], str]:
    return lambda document: value(document) if document.is_message else ""


COLUMNS: dict[str, Callable[[Document], str]] = {
    "BEGBATES": lambda document: document.number,
    "ENDBATES": lambda document: document.number,
    "BEGATTACH": lambda document: document.family[0],
    "ENDATTACH": lambda document: document.family[1],
    "PARENTID": lambda document: document.parent,
    "DOCTYPE": lambda document: "Message" if document.is_message else "Attachment",
    "CUSTODIAN": lambda document: document.custodian,
    "ALLCUSTODIANS": lambda document: joined(document.custodians),
    "FROM": _header("From"),
    "TO": _header("To"),
    "CC": _header("Cc"),
    "BCC": _header("Bcc"),
    "ENVELOPEFROM": lambda document: joined(party.address for party in document.senders()),
    "ENVELOPETO": lambda document: joined(map(party_text, document.recipients())),
    "SUBJECT": _header("Subject"),
    "DATESENT": lambda document: moment(document.sent),
    "DATERECEIVED": lambda document: moment(document.received),
    "MESSAGEID": _header("Message-ID"),
    "INREPLYTO": _header("In-Reply-To"),
    "REFERENCES": _header("References"),
    "CONVERSATION": lambda document: document.conversation,
    "FILENAME": lambda document: document.filename,
    "FILEEXT": lambda document: document.ending,
    "MIMETYPE": lambda document: document.content_type,
    "FILESIZE": lambda document: str(document.native.size),
    "SHA256": lambda document: document.native.sha256,
    "MD5": lambda document: document.native.md5,
    "HASATTACH": _only_message(lambda document: "Y" if document.files else "N"),
    "ATTACHCOUNT": _only_message(lambda document: str(len(document.files))),
    "NATIVEPATH": lambda document: document.native.path,
    "TEXTPATH": lambda document: document.text.path if document.text is not None else "",
    "FOLDER": lambda document: joined(document.folders),
    "ARCHIVEID": lambda document: document.message,
    "NOTES": lambda document: joined(document.notes),
}
"""Each column, and its value for a document."""
PATHS = frozenset({"NATIVEPATH", "TEXTPATH"})
"""Columns with paths, which a DAT file writes with backslashes."""
