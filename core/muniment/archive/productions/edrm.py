"""EDRM XML 1.2, in which review programs exchange documents with their fields, files and families.

Written after the schema documentation of EDRM (https://edrm.net/resources/frameworks-and-standards/edrm-xml/).
Names of tags that begin with # are those of the standard; the others are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from muniment.archive.productions.columns import COLUMNS, joined, moment
from muniment.archive.productions.documents import Document, WrittenFile, user_of
from muniment.archive.productions.forms import LoadForm, content_of

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Root MajorVersion="1" MinorVersion="2" Description="Production of a Muniment archive" Locale="US" '
    'DataInterchangeType="Update">\n<Batch>\n<Documents>\n'
)
MIDDLE, TAIL = "</Documents>\n<Relationships>\n", "</Relationships>\n</Batch>\n</Root>\n"
_OWN = (
    "BEGBATES", "ENDBATES", "BEGATTACH", "ENDATTACH", "PARENTID", "ALLCUSTODIANS", "ENVELOPEFROM",
    "ENVELOPETO", "MESSAGEID", "INREPLYTO", "REFERENCES", "CONVERSATION", "SHA256", "ARCHIVEID", "NOTES",
)  # fmt: skip
"""Columns that have no tag of the standard."""


class Tag(NamedTuple):
    """A field of a document."""

    name: str
    kind: str
    """The type of its value: Text, DateTime, Boolean or LongInteger."""
    value: str


class EdrmForm(LoadForm):
    """An EDRM XML file."""

    about = "  loadfile.xml       an EDRM XML 1.2 load file: documents, fields, files and families\n"

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self._documents, self._relationships = self._open(), self._open()
        self._documents.write(HEAD.encode())

    def add(self, document: Document) -> None:
        self._documents.write("".join(_document(document)).encode("utf-8", "backslashreplace"))
        if document.parent:
            names = {"Type": "Attachment", "ParentDocID": document.parent, "ChildDocID": document.number}
            self._relationships.write(f"<Relationship{_attributes(names)}/>\n".encode())

    def files(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        yield "loadfile.xml", self._pieces()

    def _pieces(self) -> Iterator[bytes]:
        yield from content_of(self._documents)
        yield MIDDLE.encode()
        yield from content_of(self._relationships)
        yield TAIL.encode()


def _document(document: Document) -> Iterator[str]:
    kind = "Message" if document.is_message else "File"
    names = {"DocID": document.number, "DocType": kind, "MimeType": document.content_type}
    yield f"<Document{_attributes(names)}>\n<Tags>\n"
    for tag in tags_of(document):
        values = {"TagName": tag.name, "TagDataType": tag.kind, "TagValue": tag.value}
        yield f"<Tag{_attributes(values)}/>\n"
    yield "</Tags>\n<Files>\n"
    yield _file("Native", document.native)
    if document.text is not None:
        yield _file("Text", document.text)
    yield "</Files>\n<Locations>\n"
    for folder in document.folders:
        yield f"<Location><Custodian>{escape(user_of(folder))}</Custodian>"
        yield f"<LocationURI>{escape(folder)}</LocationURI></Location>\n"
    yield "</Locations>\n</Document>\n"


def tags_of(document: Document) -> Iterator[Tag]:
    """Yield the fields of a document that have a value."""
    for name, field in (("From", "From"), ("To", "To"), ("CC", "Cc"), ("BCC", "Bcc"), ("Subject", "Subject")):
        yield from _text(f"#{name}", document.header(field))
    for name, time in (("#DateSent", document.sent), ("#DateReceived", document.received)):
        if time is not None:
            yield Tag(name, "DateTime", moment(time))
    if document.is_message:
        yield Tag("#HasAttachments", "Boolean", "true" if document.files else "false")
        yield Tag("#AttachmentCount", "LongInteger", str(len(document.files)))
        yield from _text("#AttachmentNames", joined(document.files))
    yield from _text("#FileName", document.filename)
    yield from _text("#FileExtension", document.ending)
    yield Tag("#FileSize", "LongInteger", str(document.native.size))
    for name in _OWN:
        yield from _text(name, COLUMNS[name](document))


def _text(name: str, value: str) -> Iterator[Tag]:
    if value:
        yield Tag(name, "Text", value)


def _file(kind: str, file: WrittenFile) -> str:
    folder, _, name = file.path.rpartition("/")
    names = {"FilePath": folder, "FileName": name, "FileSize": str(file.size), "Hash": file.md5}
    return f"<File{_attributes({'FileType': kind})}><ExternalFile{_attributes(names)}/></File>\n"


def _attributes(values: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in values.items())
