"""The reading worker: answers requests about mail, one batch after the other.

It is started as `python -P -m muniment.parsing.worker N`, where N is the socket that receives descriptors of
files. It ends when its input ends, so it never outlives the service. This is the only module of the room that
reads mail; nothing of the service may import it.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import IO

import msgspec

from muniment.mail.buffer import FileBuffer, sub
from muniment.mail.charsets.decode import Others
from muniment.mail.content.content_hash import content_hash
from muniment.mail.headers.domains import readable
from muniment.mail.headers.fields import block, decode, field
from muniment.mail.headers.routing import read_routing
from muniment.mail.journal.report import read_report
from muniment.mail.mime.parts import NOTE, FilePart, files
from muniment.mail.mime.stated_charsets import labels_of
from muniment.mail.mime.walker import content, leaves
from muniment.mail.model import Likeness, MailBuffer, MessageText, UnwrapError
from muniment.mail.signatures.model import MessageSignatures
from muniment.mail.signatures.read_signatures import read_signatures
from muniment.mail.text.drawn_text import DrawnText, read_drawn
from muniment.mail.text.likeness import likeness
from muniment.mail.text.outline import read_outline
from muniment.mail.text.read_text import read_file, read_message
from muniment.parsing.budget import CpuBudgets
from muniment.parsing.confinement import confine, last_words
from muniment.parsing.pipe_frames import PipeReader, send
from muniment.parsing.tasks import (
    ASKS,
    CONTENT,
    CONTENT_TEXT,
    COPY,
    DOCUMENT,
    DOCUMENTED,
    LIKENESS,
    MESSAGE,
    SHOWN,
    SIGNATURES,
    TEXT,
    VIEW,
    AttachmentContent,
    CopyFacts,
    DocumentFile,
    FileInfo,
    MessageDocument,
    MessageFacts,
    MessageView,
    ReaderAnswer,
    ReaderRequest,
)
from muniment.system.gc_tuning import ease_collector

MEMORY_LIMIT = 1024**3
"""Bytes of address space that a reading worker may use."""
SAMPLE = b"From: a@example.com\r\nTo: b@example.com\r\nContent-Type: text/html\r\n\r\n<p>Text</p>\r\n"
"""A mail that every worker can read."""


# --- tasks ----------------------------------------------------------------------------------


def view(buffer: MailBuffer, ask: ReaderRequest, into: int) -> MessageView:
    """A message as a person reads it."""
    known = leaves(buffer)
    others = labels_of(buffer, known)
    text = (read_outline if ask.outline else read_message)(buffer, known)[1]
    drawn = read_drawn(buffer, ask.option, known) if ask.option and not ask.outline else DrawnText()
    return MessageView(
        headers=_headers(buffer, SHOWN, others),
        text=text.body,
        files=tuple(_info(file) for file in files(buffer, known, others, inside=not ask.outline)),
        notes=text.notes,
        drawn=drawn.text,
        styles=drawn.styles,
    )


def _headers(buffer: MailBuffer, names: Sequence[bytes], others: Others) -> tuple[tuple[str, str], ...]:
    """The header fields with these names, by name and decoded value."""
    header = block(buffer)
    found = ((name.decode(), field(header, name)) for name in names)
    return tuple((name, _shown(name, value, others)) for name, value in found if value is not None)


def _shown(name: str, value: bytes, others: Others) -> str:
    """A header field as a person reads it, with the domains of people in Unicode."""
    text = decode(value, others)
    return readable(text) if name in ("From", "To", "Cc", "Bcc") else text


def content_of(buffer: MailBuffer, ask: ReaderRequest, into: int) -> AttachmentContent:
    """An attachment's content, or its text."""
    found = files(buffer, inside=not ask.outline)
    if not 1 <= ask.option <= len(found):
        return AttachmentContent(len(found))
    file = found[ask.option - 1]
    encoding = file.leaf.encoding
    if ask.task == CONTENT_TEXT.name:
        read = read_file(file)
        return AttachmentContent(len(found), _info(file), text=read.body, notes=read.notes, encoding=encoding)
    if into < 0:
        data = b"".join(content(file.buf, file.leaf))
        return AttachmentContent(len(found), _info(file), data, size=len(data), encoding=encoding)
    size = 0
    with os.fdopen(os.dup(into), "wb") as target:
        target.truncate(0)  # a worker that died on the same request may have written some of it
        target.seek(0)
        for piece in content(file.buf, file.leaf):
            size += target.write(piece)
    return AttachmentContent(len(found), _info(file), size=size, encoding=encoding)


def document_of(buffer: MailBuffer, ask: ReaderRequest, into: int) -> MessageDocument:
    """A message, and the content and text of all its attachments, which are written to a file."""
    known = leaves(buffer)
    others = labels_of(buffer, known)
    summary, text = (read_outline if ask.outline else read_message)(buffer, known)
    found = files(buffer, known, others, inside=not ask.outline)
    with os.fdopen(os.dup(into), "wb") as target:
        target.truncate(0)  # as in `content_of`
        target.seek(0)
        written = tuple(_written(file, target, read=not ask.outline) for file in found)
    return MessageDocument(_headers(buffer, DOCUMENTED, others), summary.date, text.body, written, text.notes)


def _written(file: FilePart, target: IO[bytes], read: bool) -> DocumentFile:
    """An attachment whose content was added to a file, with its text behind it if that is to be read."""
    size, info = 0, _info(file)
    for piece in content(file.buf, file.leaf):
        size += target.write(piece)
    text = read_file(file) if read and info.is_text else MessageText("", "", "", "", "", "", ())
    text_size = target.write(text.body.encode("utf-8", "backslashreplace"))
    whole = file.leaf.encoding != "base64" or size == file.size
    return DocumentFile(info, size, text_size, text.notes, whole)


def _info(file: FilePart) -> FileInfo:
    is_text = file.reading not in ("", NOTE)
    return FileInfo(file.filename, file.content_type, file.size, is_text, file.within)


def text_of(buffer: MailBuffer, ask: ReaderRequest, into: int) -> object:
    """What can be searched in a message."""
    return (read_outline if ask.outline else read_message)(buffer)[1]


def message_of(buffer: MailBuffer, ask: ReaderRequest, into: int) -> MessageFacts:
    """What the catalog stores of a message."""
    summary, text = (read_outline if ask.outline else read_message)(buffer)
    return MessageFacts(summary, text.notes, content_hash(buffer), len(buffer))


def copy_of(buffer: MailBuffer, ask: ReaderRequest, into: int) -> CopyFacts:
    """Whom a copy concerns, by its journal report or its headers."""
    problem = ""
    if ask.option:
        try:
            report = read_report(buffer)
        except UnwrapError as error:
            report, problem = None, str(error)
        if report is not None:
            notes = (*report.envelope.notes, *report.notes)
            placeholder = report.originals[0].placeholder
            key = placeholder.key if placeholder is not None else b""
            return CopyFacts(True, report.tenant, report.date, report.envelope.parties, notes, key=key)
    envelope = read_routing(buffer)
    return CopyFacts(False, "", None, envelope.parties, envelope.notes, problem)


def likeness_of(buffer: MailBuffer, ask: ReaderRequest, into: int) -> Likeness:
    """The hashes by which a rewritten message is recognised."""
    return likeness(buffer)


def signatures_of(buffer: MailBuffer, ask: ReaderRequest, into: int) -> MessageSignatures:
    """What the signatures of a message sign."""
    return read_signatures(buffer)


TASKS: dict[str, Callable[[MailBuffer, ReaderRequest, int], object]] = {
    VIEW.name: view,
    CONTENT.name: content_of,
    CONTENT_TEXT.name: content_of,
    TEXT.name: text_of,
    MESSAGE.name: message_of,
    COPY.name: copy_of,
    LIKENESS.name: likeness_of,
    DOCUMENT.name: document_of,
    SIGNATURES.name: signatures_of,
}


# --- answering ------------------------------------------------------------------------------


def answer(ask: ReaderRequest, mail: bytes | int, into: int = -1) -> ReaderAnswer:
    """Answer one request about a mail, given as bytes or as the descriptor of its file. Never raises."""
    try:
        with ExitStack() as stack:
            buffer: MailBuffer = mail if isinstance(mail, bytes) else stack.enter_context(FileBuffer(mail))
            budget = CpuBudgets([len(buffer)])
            stack.callback(budget.end)
            budget.begin(0)
            end = ask.end if ask.end >= 0 else len(buffer)
            part = sub(buffer, ask.start, end) if (ask.start, end) != (0, len(buffer)) else buffer
            return ReaderAnswer(msgspec.msgpack.encode(TASKS[ask.task](part, ask, into)))
    except Exception as error:  # noqa: BLE001 - a hostile mail may raise anything
        return ReaderAnswer(problem=type(error).__name__)


def _answer_all(
    asks: list[ReaderRequest], requests: PipeReader[list[ReaderRequest]], files: socket.socket
) -> list[ReaderAnswer]:
    mails = [requests.behind(ask.size) if ask.size >= 0 else b"" for ask in asks]
    answers = []
    for ask, mail in zip(asks, mails, strict=True):
        if ask.size >= 0:
            answers.append(answer(ask, mail))
            continue
        _, descriptors, _, _ = socket.recv_fds(files, 1, 2)
        try:
            answers.append(answer(ask, *descriptors))
        finally:
            for one in descriptors:
                os.close(one)
    return answers


def main() -> None:
    """Serve requests until the input ends."""
    confine(MEMORY_LIMIT)
    files = socket.socket(fileno=int(sys.argv[1]))
    requests = PipeReader(os.fdopen(os.dup(0), "rb"), ASKS)
    answers = last_words()
    send(answers, [answer(ReaderRequest(VIEW.name, len(SAMPLE)), SAMPLE)])
    ease_collector()
    while (asks := requests.receive()) is not None:
        send(answers, _answer_all(asks, requests, files))


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, EOFError, KeyboardInterrupt):
        sys.exit(0)
