"""Answers the requests that read mail, for auditors and administrators."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from shutil import disk_usage

from msgspec.structs import replace

from muniment import api
from muniment.archive.catalog import FolderPage, MessageRow
from muniment.archive.catalog.id_prefixes import is_prefix
from muniment.archive.files.contents import opened
from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.index import SearchPage
from muniment.archive.operations import check_names
from muniment.archive.operations.answers import answers_of
from muniment.archive.operations.check_names import person
from muniment.archive.operations.export import ExportChoice, ExportView, export_messages
from muniment.archive.operations.export_stream import StreamedFile, stream_export
from muniment.archive.operations.indexing import behind
from muniment.archive.operations.public_ids import PublicIds
from muniment.archive.operations.search import find
from muniment.archive.query import PrefixTerm, parse
from muniment.archive.query.highlight import highlight_terms
from muniment.archive.senders.message_results import MessageResults, results_of
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound, UsageError, VaultError
from muniment.mail.headers.fields import block
from muniment.mail.model import AddressRole, EnvelopeParty
from muniment.mail.notes import OPAQUE
from muniment.mail.text.drawn_line import BROAD
from muniment.parsing.tasks import FileInfo
from muniment.people.directory import User
from muniment.service.contents.attachment_texts import files_found, unread_of, waiting_and_unread
from muniment.service.host.session import ClientSession
from muniment.service.operations.exports.export_steps import ExportSteps
from muniment.service.operations.message_view import OpenAttachment, read_view
from muniment.service.operations.retention.held import holds_over
from muniment.service.operations.time_zone import zone_asked
from muniment.system.paths import as_path, readable
from muniment.system.sanitise import clean

ROLES = {
    AddressRole.SENDER: "sender",
    AddressRole.ON_BEHALF_OF: "on-behalf-of",
    AddressRole.TO: "to",
    AddressRole.CC: "cc",
    AddressRole.BCC: "bcc",
    AddressRole.RECIPIENT: "recipient",
    AddressRole.EXPANDED: "expanded",
    AddressRole.FORWARDED: "forwarded",
}


def tree(session: ClientSession, request: api.GetTree) -> api.Tree:
    """Answer GetTree: all users who have messages, with their folders."""
    with session.reading() as vault:
        names = {user.primary: user.name for user in vault.directory.users()}
        return api.Tree(
            users=tuple(
                api.UserFolders(
                    user=user,
                    name=names.get(user, ""),
                    folders=tuple(api.Folder(name=name, count=count) for name, count in folders),
                )
                for user, folders in vault.catalog.tree()
            )
        )


def list_messages(session: ClientSession, request: api.ListMessages) -> api.Hits:
    """Answer ListMessages: a page of a user's folder."""
    with session.reading() as vault:
        user = person(vault, request.user)
        folder = _folder(vault, user, request.folder)
        page = folder_page(vault, user, folder, request)
        return folder_reply(page, behind(vault), hits(vault, page.sequences))


def folder_page(vault: Vault, user: User, folder: str, request: api.ListMessages) -> FolderPage:
    """The rows of the page that a request asks for."""
    return vault.catalog.page(
        user.id, folder, request.limit, request.after, request.oldest_first, request.around
    )


def folder_reply(page: FolderPage, late: int, rows: tuple[api.Hit, ...]) -> api.Hits:
    """A page of a folder as a reply; `late` is the number of messages that the index lacks."""
    return api.Hits(
        total=page.total, behind=late, hits=rows, after=page.after, before=page.before,
        first=page.first, exact=page.exact,
    )  # fmt: skip


def _folder(vault: Vault, user: User, name: str) -> str:
    """The name of the user's folder, given in any case. Every user has the usual ones. Raises NotFound."""
    return check_names.folder(user.primary, name, (one for one, _ in vault.catalog.folders(user.id)))


def search(session: ClientSession, request: api.Search) -> api.Hits:
    """Answer Search: a page of what a query finds."""
    started = time.monotonic()
    with session.reading() as vault:
        late = behind(vault)  # first, so that a message that is indexed meanwhile is not missed
        found = found_page(vault, request, request.user)
        rows = vault.catalog.rows(list(found.ids))
        entries = with_answers(vault, request, rows, _entries(vault, rows))
        reply = search_reply(request, found, late, entries, time.monotonic() - started)
        return replace(reply, waiting=waiting_and_unread(vault, session.settings())[0])


def found_page(vault: Vault, request: api.Search, user: str | User, own: bool = False) -> SearchPage:
    """The page of a search in all mail or in one user's mail; `own` as in `find`."""
    return find(
        vault, request.query, user, request.limit, request.after, request.by_relevance, own,
        request.oldest_first, request.around, zone_asked(request.zone), without=request.without,
    )  # fmt: skip


def search_reply(
    request: api.Search, found: SearchPage, late: int, rows: tuple[api.Hit, ...], seconds: float
) -> api.Hits:
    """A page of a search as a reply.

    `late` is the number of messages that the index lacks; `seconds` is the duration of the search.
    """
    return api.Hits(
        total=found.total, behind=late, hits=rows, after=found.after, before=found.before,
        first=found.first, exact=found.exact, seconds=seconds,
        marks=tuple(
            api.Mark(text=one.text, field=one.field, prefix=isinstance(one, PrefixTerm))
            for one in highlight_terms(parse(request.query))
        ),
    )  # fmt: skip


def with_answers(
    vault: Vault, request: api.Search, rows: list[MessageRow], entries: tuple[api.Hit, ...]
) -> tuple[api.Hit, ...]:
    """The entries of a page, each with the attachments that have words of the query.

    If the page is a conversation, each also has the id of the one that it answers.
    """
    above = answers_of(vault, parse(request.query), rows)
    files = files_found(vault, request.query, [row.sequence for row in rows])
    ids = {row.sequence: entry.id for row, entry in zip(rows, entries, strict=True)}
    return tuple(
        replace(
            entry,
            answers=ids[above[row.sequence]] if row.sequence in above else "",
            files=files.get(row.sequence, ()),
        )
        for row, entry in zip(rows, entries, strict=True)
    )


def hits(vault: Vault, sequences: Iterable[int]) -> tuple[api.Hit, ...]:
    """Messages by their record numbers, as entries of a list in the same order."""
    return _entries(vault, vault.catalog.rows(list(sequences)))


def _entries(vault: Vault, rows: list[MessageRow]) -> tuple[api.Hit, ...]:
    folders = vault.catalog.folders_of([row.sequence for row in rows])
    return tuple(
        api.Hit(
            id=row.sha.hex(),
            date=row.date,
            sender=row.sender,
            to=row.to,
            subject=row.subject,
            size=row.size,
            attachments=row.attachments,
            folders=tuple(folders.get(row.sequence, ())),
        )
        for row in rows
    )


def show(session: ClientSession, request: api.Show) -> api.Message:
    """Answer Show: a message in readable form, with the copies that brought it."""
    with session.reading() as vault:
        row = message_named(vault, request.id)
        envelopes = tuple(_envelopes(vault, row.sequence))
        folders = tuple(vault.catalog.folders_of([row.sequence]).get(row.sequence, ()))
        found = results_of(vault, row)
        notes = (*row.notes, clean(found.problem)) if found.problem else row.notes
        reply = message_reply(vault, row, envelopes, folders, notes, bcc=True, width=request.width)
        return replace(
            reply, holds=holds_over(vault, row), judged=found.judged, signatures=_signatures(found)
        )


def _signatures(found: MessageResults) -> tuple[api.SignatureWord, ...]:
    return tuple(
        api.SignatureWord(
            kind=clean(one.kind),
            state=clean(one.state),
            domain=clean(one.domain),
            selector=clean(one.selector),
            algorithm=clean(one.algorithm),
            instance=one.instance,
            signed=one.signed,
            expires=one.expires,
            asked=key.asked if key is not None else None,
            authentic=key is not None and key.authentic,
            reason=clean(one.reason),
        )
        for one, key in found.results
    )


def message_named(vault: Vault, id_: str) -> MessageRow:
    """The message with an id, which may be its SHA-256 or its public id, or a prefix of one.

    Raises:
        NotFound: there is no such message, or more than one.
    """
    try:
        return vault.catalog.message_by_prefix(id_)
    except NotFound:
        key = vault.directory.id_key
        row = PublicIds(key).find(vault.catalog, id_) if key and is_prefix(id_) else None
        if row is None:
            raise
        return row


def message_reply(
    vault: Vault,
    row: MessageRow,
    envelopes: tuple[api.EnvelopeWord, ...],
    folders: tuple[str, ...],
    notes: tuple[str, ...],
    bcc: bool,
    id_: str = "",
    width: int = 0,
) -> api.Message:
    """A message in readable form, as a reply.

    Args:
        vault: the vault.
        row: the message.
        envelopes: the copies that the caller may see.
        folders: the folders that the caller may see.
        notes: the notes that the caller may see.
        bcc: whether the caller may see the Bcc field.
        id_: the public id, for a plain user. The size is then that of the public form.
        width: cells that a table of the drawn text may take; 0 to draw nothing.

    Raises:
        LedgerDamaged, WorkersUnusable: the message can't be read.
    """
    view = read_view(vault, row, min(max(width, 0), BROAD))
    return api.Message(
        id=id_ or row.sha.hex(),
        date=row.date,
        size=row.public_size if id_ else row.size,
        headers=tuple(header for header in view.headers if bcc or header[0] != "Bcc"),
        text=view.text,
        attachments=attachment_replies(vault, row, view.files),
        envelopes=envelopes,
        folders=folders,
        notes=tuple(dict.fromkeys((*notes, *view.notes))),
        drawn=view.drawn,
        styles=view.styles,
    )


def _envelopes(vault: Vault, sequence: int) -> Iterator[api.EnvelopeWord]:
    for number, envelope in enumerate(vault.catalog.envelopes_of(sequence), start=1):
        yield api.EnvelopeWord(
            number=number,
            report=envelope.report,
            sha256=envelope.sha.hex(),
            size=envelope.size,
            time=envelope.time,
            parties=party_lines(envelope.parties),
            profile=envelope.profile,
            flags=envelope.flags,
        )


def party_lines(parties: Iterable[EnvelopeParty]) -> tuple[tuple[str, str, str], ...]:
    """Parties of an envelope as in api.EnvelopeWord."""
    return tuple((ROLES[party.role], party.address, party.via) for party in parties)


def read_raw(session: ClientSession, request: api.ReadRaw) -> Iterator[api.Chunk]:
    """Answer ReadRaw: exact bytes, as they were archived."""
    with session.reading() as vault:
        for data in _raw(vault, request):
            yield api.Chunk(data=data)


def _raw(vault: Vault, request: api.ReadRaw) -> Iterator[bytes]:
    if request.what == "quarantine":
        item = vault.catalog.quarantine_by_prefix(request.id)
        return vault.reader.content_at(item.position)
    row = message_named(vault, request.id)
    if request.what == "report":
        envelopes = list(vault.catalog.envelopes_of(row.sequence))
        if not 1 <= request.report <= len(envelopes):
            raise NotFound(_no_such_number(row.sha.hex()[:12], len(envelopes), "report"))
        return vault.reader.content_at(envelopes[request.report - 1].position)
    if request.what == "headers":
        with opened(vault.reader.content(row.sha), row.size, own_work(vault.folder)) as buffer:
            return iter((block(buffer),))
    return vault.reader.content(row.sha)


def read_attachment(session: ClientSession, request: api.ReadAttachment) -> Iterator[api.WireWord]:
    """Answer ReadAttachment: an attachment, decoded, or its text."""
    with session.reading() as vault:
        yield from attachment(vault, message_named(vault, request.id), request)


def attachment(
    vault: Vault, row: MessageRow, request: api.ReadAttachment, id_: str = ""
) -> Iterator[api.WireWord]:
    """The replies to ReadAttachment; `id_` is the public id, for a plain user."""
    shown_id = (id_ or row.sha.hex())[:12]
    if OPAQUE in row.notes:
        raise NotFound(f"message {shown_id} was stored without being read: only its bytes are available")
    with closing(OpenAttachment(vault, row, request.number, request.text)) as read:
        found = read.found
        if found.info is None:
            raise NotFound(_no_such_number(shown_id, found.count, "attachment"))
        if request.text and not found.info.is_text:
            kind = found.info.content_type
            raise UsageError(f"an attachment of type {kind} is not text: save it to a file")
        yield attachment_reply(found.info)
        if request.text:
            yield api.Chunk(data=found.text.encode("utf-8", "backslashreplace"))
            yield from (api.Step(text=note, ok=False) for note in found.notes)
            return
        yield from (api.Chunk(data=piece) for piece in read.pieces())
        if found.encoding == "base64" and found.size != found.info.size:
            yield api.Step(text="its base64 is broken: it was decoded as far as possible", ok=False)


def _no_such_number(shown_id: str, count: int, what: str) -> str:
    if count < 2:
        return f"message {shown_id} has {'only one' if count else 'no'} {what}"
    return f"message {shown_id} has {count} {what}s: give a number from 1 to {count}"


def attachment_replies(
    vault: Vault, row: MessageRow, files: Sequence[FileInfo]
) -> tuple[api.Attachment, ...]:
    """The attachments of a message, with what could not be read in them."""
    unread = unread_of(vault, row)
    return tuple(
        replace(attachment_reply(file), unread=unread.get(number, ""))
        for number, file in enumerate(files, start=1)
    )


def attachment_reply(file: FileInfo) -> api.Attachment:
    """An attachment as a reply."""
    return api.Attachment(
        filename=file.filename, content_type=file.content_type, size=file.size, within=file.within
    )


ROOM = 256 * 1024 * 1024
"""Bytes that an export leaves free on the vault's disk, so that runs can continue."""
LOOK = 1000
"""Messages between two checks of the free space."""
EXPORTED = 10_000
"""Largest number of messages that one export can name."""


def choice_of(vault: Vault, request: api.Export | api.Restore) -> ExportChoice:
    """The messages that a request selects.

    Raises:
        UsageError: there is more than one selection, or too many ids, or the time zone is unknown.
        NotFound: there is no such user or folder.
    """
    check_choice(request)
    if not request.folder:
        return ExportChoice(
            request.query, request.user, request.ids, zone=zone_name(request), without=request.without
        )
    user = person(vault, request.user)
    folder = _folder(vault, user, request.folder)
    return ExportChoice(user=request.user, folder=folder, without=request.without)


def zone_name(request: api.Export | api.Restore) -> str:
    """The time zone of a request's query. Raises UsageError if it is unknown."""
    zone_asked(request.zone)
    return request.zone


def check_choice(request: api.Export | api.Restore) -> None:
    """Check that a request has at most one selection, not too many ids, and no user beside ids.

    Raises:
        UsageError: one of these is wrong.
    """
    if len(request.ids) > EXPORTED:
        raise UsageError(f"at most {EXPORTED:,} messages can be named at a time: give a query instead")
    if bool(request.ids) + bool(request.query) + bool(request.folder) > 1:
        raise UsageError("a query, named messages and a folder exclude each other: give only one of them")
    if request.ids and request.user:
        raise UsageError("named messages go without a user: give only one of them")


def export(session: ClientSession, request: api.Export) -> Iterator[api.WireWord]:
    """Answer Export: write the messages to a folder, an mbox or a zip, with a manifest."""
    with session.reading() as vault:
        edition = ExportView(vault, choice_of(vault, request))
        done = yield from exported(session, vault, edition, Path(as_path(request.path)))
        yield api.Done(
            message=f"{done} messages exported to {readable(as_path(request.path))}, with a manifest."
        )


def exported(
    session: ClientSession, vault: Vault, edition: ExportView, path: Path
) -> Generator[api.WireWord, None, int]:
    """Write an export, or send it to the caller; returns the number of its messages.

    For this process's own user it is written to `path`. For any other caller it is sent file by file: the
    service must not write where they may not, nor leave files that they may not read. Only the manifest is
    stored temporarily.
    """
    if session.caller.uid == os.geteuid():
        return (yield from _written(edition, path))
    if path.name in ("", "..") or "\0" in path.name:
        raise UsageError(f"{str(path)!r} can't be the name of an export: name a new file or folder")
    work, done = make_work(own_work(vault.folder)), 0

    def progress(number: int) -> None:
        nonlocal done
        done = number
        if number % LOOK == 1:
            require_room(work)

    require_room(work)
    steps = ExportSteps()
    for piece in stream_export(edition, path, work, progress):
        if isinstance(piece, StreamedFile):
            yield api.ExportFile(name=piece.name)
        elif piece:
            yield api.Chunk(data=piece)
        yield from steps.due(done, edition.total)
    return done


def require_room(folder: Path) -> None:
    """Check that the disk of `folder` has room for the manifest of an export.

    Raises:
        VaultError: it has too little.
    """
    if disk_usage(folder).free < ROOM:
        raise VaultError(
            "the vault's disk has too little space for this export: export fewer messages at a time"
        )


def _written(edition: ExportView, path: Path) -> Generator[api.WireWord, None, int]:
    """Write an export for this process's own user."""
    done, steps = 0, ExportSteps()
    for done in export_messages(edition, path):
        yield from steps.due(done, edition.total)
    return done
