"""Messages, attachments and sources as documents to read."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.api import Attachment, EnvelopeWord, Hit, Message
from muniment.cli.layout.signature_lines import signature_sentences
from muniment.system.formatting import count, local, size
from muniment_tui.messages.document import DocumentWriter, TextDocument

NAME = 12
"""Width of a header's name, in cells."""
HEADER = 600
"""Characters of a header that are shown. The source shows all of it."""
LISTED = 20
"""Maximum number of attachments, or of addresses in one envelope, that are listed."""
SOURCE = 1_000_000
"""Bytes of a source that are shown."""
REGIONS = {"From": "from", "To": "to", "Cc": "cc", "Bcc": "bcc", "Subject": "subject"}
ROLES = {"on-behalf-of": "on behalf of", "expanded": "via a list"}
NO_NAME = "(no name)"
LABEL, QUIET, WARN = "$secondary", "$secondary", "$warning"


def message_document(message: Message) -> TextDocument:
    """A message: headers, text, attachments, folders and envelopes."""
    subject = next((value for name, value in message.headers if name == "Subject"), "")
    writer = DocumentWriter(subject or "(no subject)")
    for name, value in message.headers:
        _header(writer, name, value)
    if message.attachments:
        _header(writer, "Attached", _attached(message.attachments))
    for note in message.notes:
        _field(writer, "Note", note, WARN)
    writer.end_line()
    writer.section("text")
    text = message.drawn or message.text
    writer.put_drawn(text, message.styles if message.drawn else ())
    if not text.strip():
        writer.put("(no text)", QUIET)
    writer.end_line(2)
    _attachments(writer, message.attachments)
    _evidence(writer, message)
    return writer.document()


def preview_document(hit: Hit) -> TextDocument:
    """What a list holds of a message."""
    writer = DocumentWriter(hit.subject or "(no subject)")
    _header(writer, "From", hit.sender)
    _header(writer, "To", hit.to)
    _header(writer, "Subject", hit.subject or "(no subject)")
    _field(writer, "Date", local(hit.date))
    files = f", {count(hit.attachments)} attachments" if hit.attachments > 1 else ", 1 attachment"
    _field(writer, "Size", f"{size(hit.size)}{files if hit.attachments else ''}")
    _filed(writer, hit.folders[:LISTED])
    writer.end_line()
    writer.line(
        "Enter opens the message. Opening another person's mail is recorded in the audit trail.", QUIET
    )
    return writer.document()


def _header(writer: DocumentWriter, name: str, value: str) -> None:
    cut = len(value) - HEADER
    _field(writer, name, value[:HEADER], "bold" if name == "Subject" else "", REGIONS.get(name, ""))
    if cut > 0:
        writer.line(f"{'':<{NAME}}… and {count(cut)} more characters: h shows all headers", QUIET)


def _field(writer: DocumentWriter, name: str, value: str, style: str = "", region: str = "") -> None:
    writer.hang(NAME)
    writer.put(f"{name:<{NAME}}", LABEL)
    writer.put(value, style, region)
    writer.end_line()


def _filed(writer: DocumentWriter, folders: Sequence[str]) -> None:
    for number, place in enumerate(folders):
        _field(writer, "" if number else "Filed in", place)


def _attached(files: tuple[Attachment, ...]) -> str:
    named = ", ".join(file.filename or NO_NAME for file in files[:3])
    more = f" and {count(len(files) - 3)} more" if len(files) > 3 else ""
    return f"{named}{more} (a lists them)"


def _rule(writer: DocumentWriter, title: str) -> None:
    writer.section(title.lower())
    writer.line(f"── {title} ──", "$primary")


def _attachments(writer: DocumentWriter, files: tuple[Attachment, ...]) -> None:
    if not files:
        return
    _rule(writer, "Attachments")
    for number, file in enumerate(files[:LISTED], start=1):
        writer.put(f"{number:>3}. ", LABEL)
        writer.put(file.filename or NO_NAME, region="filename")
        where = f", in {file.within}" if file.within else ""
        writer.line(f"  {file.content_type or 'no type'}, {size(file.size)}{where}", QUIET)
        if file.unread:
            writer.line(f"     its text could not be read: {file.unread}", QUIET)
    if len(files) > LISTED:
        writer.line(f"     and {count(len(files) - LISTED)} more: a lists them all", QUIET)
    writer.end_line()


def _evidence(writer: DocumentWriter, message: Message) -> None:
    _rule(writer, "Envelope")
    _filed(writer, message.folders)
    _field(writer, "Archived", f"{size(message.size)}, dated {local(message.date)}")
    _field(writer, "Id", message.id)
    for sentence in signature_sentences(message):
        _field(writer, "Signature", sentence)
    for envelope in message.envelopes:
        _envelope(writer, envelope)


def _envelope(writer: DocumentWriter, envelope: EnvelopeWord) -> None:
    writer.end_line()
    kind = "Report" if envelope.report else "Copy"
    facts = [local(envelope.time)]
    if envelope.size:
        facts.append(size(envelope.size))
    if envelope.profile:
        facts.append(f"profile {envelope.profile}")
    writer.put(f"{kind} {envelope.number}", "bold")
    writer.put(f"  {', '.join(facts)}")
    writer.line(f"  ! {', '.join(envelope.flags)}" if envelope.flags else "", WARN)
    for role, address, via in envelope.parties[:LISTED]:
        writer.put(f"  {ROLES.get(role, role):<{NAME + 2}}", LABEL)
        writer.put(address)
        writer.line(f"  via the list {via}" if via else "", QUIET)
    if len(envelope.parties) > LISTED:
        writer.line(f"  and {count(len(envelope.parties) - LISTED)} more addresses", QUIET)


def source_document(title: str, data: bytes, notes: list[str], cut: bool) -> TextDocument:
    """Raw bytes as harmless text. `cut` is true if `data` is only the beginning."""
    writer = DocumentWriter(title)
    for note in notes:
        writer.line(f"Note: {note}.", WARN)
    if cut:
        writer.line(f"Only the first {size(len(data))} are shown; w writes the whole source to a file.", WARN)
    writer.put(data.decode("utf-8", "replace"), lines=True)
    return writer.document()


def attachment_document(file: Attachment, text: str, notes: list[str]) -> TextDocument:
    """The text of an attachment."""
    writer = DocumentWriter(file.filename or f"Attachment {NO_NAME}")
    _field(writer, "Attachment", file.filename or NO_NAME, "bold")
    _field(writer, "Type", f"{file.content_type or 'none stated'}, {size(file.size)}")
    for note in notes:
        _field(writer, "Note", note, WARN)
    writer.end_line()
    writer.put(text, region="body", lines=True)
    return writer.document()
