"""The words that read: the tree, lists, searches, messages, exact bytes."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from shutil import disk_usage

from muniment import api
from muniment.archive.catalog import MessageRow, Page
from muniment.archive.catalog.encoding import is_prefix
from muniment.archive.files.contents import opened
from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.index import Found
from muniment.archive.operations import check_names
from muniment.archive.operations.check_names import person
from muniment.archive.operations.export import Choice, Edition, export_messages
from muniment.archive.operations.export_stream import File, stream_export
from muniment.archive.operations.indexing import behind
from muniment.archive.operations.public_ids import PublicIds
from muniment.archive.operations.search import find
from muniment.archive.query import Prefix, parse
from muniment.archive.query.highlight import highlight_terms
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound, UsageError, VaultError
from muniment.mail.headers.fields import block
from muniment.mail.model import Party, Role
from muniment.mail.notes import OPAQUE
from muniment.parsing.tasks import FileInfo
from muniment.people.directory import User
from muniment.service.host.session import Session
from muniment.service.operations.message_view import Attachment, read_view
from muniment.service.operations.time_zone import zone_asked
from muniment.system.paths import as_path, readable

ROLES = {
    Role.SENDER: "sender",
    Role.ON_BEHALF_OF: "on-behalf-of",
    Role.TO: "to",
    Role.CC: "cc",
    Role.BCC: "bcc",
    Role.RECIPIENT: "recipient",
    Role.EXPANDED: "expanded",
    Role.FORWARDED: "forwarded",
}


def tree(session: Session, request: api.GetTree) -> api.Tree:
    """Users, their folders, and how many messages stand there."""
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


def list_messages(session: Session, request: api.ListMessages) -> api.Hits:
    """A page of a folder, newest first."""
    with session.reading() as vault:
        user = person(vault, request.user)
        folder = _folder(vault, user, request.folder)
        page = folder_page(vault, user, folder, request)
        return page_word(page, behind(vault), hits(vault, page.sequences))


def folder_page(vault: Vault, user: User, folder: str, request: api.ListMessages) -> Page:
    """The rows that a word asks for."""
    return vault.catalog.page(
        user.id, folder, request.limit, request.after, request.oldest_first, request.around
    )


def page_word(page: Page, late: int, rows: tuple[api.Hit, ...]) -> api.Hits:
    """A page of a folder as a word."""
    return api.Hits(
        total=page.total, behind=late, hits=rows, after=page.after, before=page.before,
        first=page.first, exact=page.exact,
    )  # fmt: skip


def _folder(vault: Vault, user: User, name: str) -> str:
    """The folder that a person means; every user has the usual ones. Raises NotFound."""
    return check_names.folder(user.primary, name, (one for one, _ in vault.catalog.folders(user.id)))


def search(session: Session, request: api.Search) -> api.Hits:
    """What a query finds, in the order that is asked for."""
    started = time.monotonic()
    with session.reading() as vault:
        late = behind(vault)  # asked first: what is indexed meanwhile is found, and rather counted twice
        found = found_page(vault, request, request.user)
        return found_word(request, found, late, hits(vault, found.ids), time.monotonic() - started)


def found_page(vault: Vault, request: api.Search, user: str | User, own: bool = False) -> Found:
    """What a search finds in everybody's mail or one person's; `own` as in `find`."""
    return find(
        vault, request.query, user, request.limit, request.after, request.by_relevance, own,
        request.oldest_first, request.around, zone_asked(request.zone),
    )  # fmt: skip


def found_word(
    request: api.Search, found: Found, late: int, rows: tuple[api.Hit, ...], seconds: float
) -> api.Hits:
    """A page of a search as a word."""
    return api.Hits(
        total=found.total, behind=late, hits=rows, after=found.after, before=found.before,
        first=found.first, exact=found.exact, seconds=seconds,
        marks=tuple(
            api.Mark(text=one.text, field=one.field, prefix=isinstance(one, Prefix))
            for one in highlight_terms(parse(request.query))
        ),
    )  # fmt: skip


def hits(vault: Vault, sequences: Iterable[int]) -> tuple[api.Hit, ...]:
    """Rows of a list, in order."""
    rows = vault.catalog.rows(list(sequences))
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


def show(session: Session, request: api.Show) -> api.Message:
    """One message, decoded to be read."""
    with session.reading() as vault:
        row = message_named(vault, request.id)
        envelopes = tuple(_envelopes(vault, row.sequence))
        folders = tuple(vault.catalog.folders_of([row.sequence]).get(row.sequence, ()))
        return message_word(vault, row, envelopes, folders, row.notes, bcc=True)


def message_named(vault: Vault, id_: str) -> MessageRow:
    """The message with an id: of its own, or of the kind that plain users know it by.

    Raises:
        NotFound: there is none, or more than one.
    """
    try:
        return vault.catalog.message_by_prefix(id_)
    except NotFound:
        key = vault.directory.id_key
        row = PublicIds(key).find(vault.catalog, id_) if key and is_prefix(id_) else None
        if row is None:
            raise
        return row


def message_word(
    vault: Vault,
    row: MessageRow,
    envelopes: tuple[api.EnvelopeWord, ...],
    folders: tuple[str, ...],
    notes: tuple[str, ...],
    bcc: bool,
    id_: str = "",
) -> api.Message:
    """A message with what its reader may see around it; `bcc` says whether its Bcc field is for them.

    `id_`: the id and, with it, the size of its public form that they know it by, unless by its own.
    """
    view = read_view(vault, row)
    return api.Message(
        id=id_ or row.sha.hex(),
        date=row.date,
        size=row.public_size if id_ else row.size,
        headers=tuple(header for header in view.headers if bcc or header[0] != "Bcc"),
        text=view.text,
        attachments=tuple(map(attachment_word, view.files)),
        envelopes=envelopes,
        folders=folders,
        notes=tuple(dict.fromkeys((*notes, *view.notes))),
    )


def _envelopes(vault: Vault, sequence: int) -> Iterator[api.EnvelopeWord]:
    for number, envelope in enumerate(vault.catalog.envelopes_of(sequence), start=1):
        yield api.EnvelopeWord(
            number=number,
            report=envelope.report,
            sha256=envelope.sha.hex(),
            size=envelope.size,
            time=envelope.time,
            parties=parties_words(envelope.parties),
            profile=envelope.profile,
            flags=envelope.flags,
        )


def parties_words(parties: Iterable[Party]) -> tuple[tuple[str, str, str], ...]:
    """Parties of an envelope as words have them."""
    return tuple((ROLES[party.role], party.address, party.via) for party in parties)


def read_raw(session: Session, request: api.ReadRaw) -> Iterator[api.Chunk]:
    """Exact bytes of a message, its header block, one of its reports, or a quarantined item."""
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
            had = "one report" if len(envelopes) == 1 else f"{len(envelopes)} reports"
            raise NotFound(f"message {row.sha.hex()[:12]} has {had}: name one of them")
        return vault.reader.content_at(envelopes[request.report - 1].position)
    if request.what == "headers":
        with opened(vault.reader.content(row.sha), row.size, own_work(vault.folder)) as buffer:
            return iter((block(buffer),))
    return vault.reader.content(row.sha)


def read_attachment(session: Session, request: api.ReadAttachment) -> Iterator[api.Word]:
    """One attachment of a message, decoded, or its text."""
    with session.reading() as vault:
        yield from attachment(vault, message_named(vault, request.id), request)


def attachment(
    vault: Vault, row: MessageRow, request: api.ReadAttachment, id_: str = ""
) -> Iterator[api.Word]:
    """The words that answer ReadAttachment; `id_` is the id that the caller knows the message by."""
    named = (id_ or row.sha.hex())[:12]
    if OPAQUE in row.notes:
        raise NotFound(f"message {named} was kept unread: its bytes alone can be had")
    with closing(Attachment(vault, row, request.number, request.text)) as read:
        found = read.found
        if found.info is None:
            had = "one attachment" if found.count == 1 else f"{found.count} attachments"
            raise NotFound(f"message {named} has {had}: name one of them")
        if request.text and not found.info.is_text:
            kind = found.info.content_type
            raise UsageError(f"an attachment of type {kind} is no text: save it to a file")
        yield attachment_word(found.info)
        if request.text:
            yield api.Chunk(data=found.text.encode("utf-8", "backslashreplace"))
            yield from (api.Step(text=note, ok=False) for note in found.notes)
            return
        yield from (api.Chunk(data=piece) for piece in read.pieces())
        if found.encoding == "base64" and found.size != found.info.size:
            yield api.Step(text="its base64 is broken: it was decoded as far as it can be", ok=False)


def attachment_word(file: FileInfo) -> api.Attachment:
    """An attachment as words have it."""
    return api.Attachment(
        filename=file.filename, content_type=file.content_type, size=file.size, within=file.within
    )


ROOM = 256 * 1024 * 1024
"""Bytes that an export leaves free on the vault's disk, so that it stops no run."""
LOOK = 1000
"""Messages between two looks at the disk."""
EXPORTED = 10_000
"""Messages that one export can name."""


def choice_of(vault: Vault, request: api.Export) -> Choice:
    """Which messages an export is of.

    Raises:
        UsageError: more than one thing is asked for, or too much.
        NotFound: there is no such folder.
    """
    check_choice(request)
    if not request.folder:
        return Choice(request.query, request.user, request.ids, zone=zone_name(request))
    user = person(vault, request.user)
    return Choice(user=request.user, folder=_folder(vault, user, request.folder))


def zone_name(request: api.Export) -> str:
    """The zone whose days an export's query means. Raises UsageError: it is not known here."""
    zone_asked(request.zone)
    return request.zone


def check_choice(request: api.Export) -> None:
    """See that an export asks for one thing, and not for too much. Raises UsageError."""
    if len(request.ids) > EXPORTED:
        raise UsageError(f"an export names at most {EXPORTED:,} messages: export what a search finds instead")
    if bool(request.ids) + bool(request.query) + bool(request.folder) > 1:
        raise UsageError("an export is of a query, of named messages or of a folder: choose one")


def export(session: Session, request: api.Export) -> Iterator[api.Word]:
    """Write what is asked for to a folder, an mbox or a zip, with a manifest."""
    with session.reading() as vault:
        edition = Edition(vault, choice_of(vault, request))
        done = yield from exported(session, vault, edition, Path(as_path(request.path)))
        yield api.Done(
            message=f"{done} messages exported to {readable(as_path(request.path))}, with a manifest."
        )


def exported(session: Session, vault: Vault, edition: Edition, path: Path) -> Generator[api.Word, None, int]:
    """Write an export; returns how many messages it holds.

    For another caller than this process's own user it is sent, file by file, as it is made: the service must
    neither write where they may not, nor leave there what they may not read. Its manifest alone is written
    down until then.
    """
    if session.caller.uid == os.geteuid():
        return (yield from _written(edition, path))
    if path.name in ("", "..") or "\0" in path.name:
        raise UsageError(f"{str(path)!r} is no name for an export: name a new file or folder")
    work, done = make_work(own_work(vault.folder)), 0

    def progress(number: int) -> None:
        nonlocal done
        done = number
        if number % LOOK == 1:
            require_room(work)

    require_room(work)
    for piece in stream_export(edition, path, work, progress):
        yield api.ExportFile(name=piece.name) if isinstance(piece, File) else api.Chunk(data=piece)
    return done


def require_room(folder: Path) -> None:
    """See that the vault's disk has room for an export's manifest.

    Raises:
        VaultError: it has not.
    """
    if disk_usage(folder).free < ROOM:
        raise VaultError("the vault's disk has too little room for this export: export less at a time")


def _written(edition: Edition, path: Path) -> Generator[api.Word, None, int]:
    """Write an export for this process's own user."""
    done = 0
    for done in export_messages(edition, path):
        if done % LOOK == 0:
            yield api.Step(text=f"{done} messages written")
    return done
