"""Answers the requests of plain users: about their own mail, and without a trace of other people's mail.

Each handler takes the user before the request. Other people's mail does not exist for it: errors and counts
are the same with and without it. A recipient sees the headers of a message without Bcc, and their own lines
of its envelopes. The sender sees all lines. Bytes and exports have the public form of a message
(mail/content/public.py), since servers write recipients into header fields of many names.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from muniment import api
from muniment.api import WireWord
from muniment.archive.catalog import EnvelopeRow, MessageRow
from muniment.archive.catalog.id_prefixes import is_prefix, prefix_range, unique
from muniment.archive.facts import DAMAGED
from muniment.archive.files.contents import opened
from muniment.archive.files.temp_files import own_work
from muniment.archive.index import SearchPage
from muniment.archive.operations import check_names
from muniment.archive.operations.export import FORMAT, PAGE, ExportChoice, ExportView, file_name
from muniment.archive.operations.export_explanation import Explanation, PublicExplanation
from muniment.archive.operations.group_search import names_groups
from muniment.archive.operations.index_binding import is_bound
from muniment.archive.operations.public_ids import PublicIds
from muniment.archive.operations.search import find
from muniment.archive.query import And, Node, Not, Or, UserTerm, parse
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused, NotFound, UsageError, VaultError
from muniment.mail.content.public import PUBLIC_VERSION, public_pieces
from muniment.mail.model import SENT_ROLES
from muniment.mail.notes import OPAQUE, PLACEHOLDER, UNREAD
from muniment.people.directory import User
from muniment.people.routing import TRUSTED, RoutedEnvelope, route_envelope
from muniment.service.access.cursors import SealedCursors
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession
from muniment.service.operations import reading
from muniment.service.operations.exports import producing
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.reading import (
    attachment,
    check_choice,
    exported,
    folder_page,
    folder_reply,
    found_page,
    message_reply,
    party_lines,
    search_reply,
    with_answers,
    zone_name,
)
from muniment.service.operations.time_zone import zone_asked
from muniment.system.paths import as_path, readable

LEFT_OUT = (
    "Bcc and all other header fields that are not in the table of public fields "
    f"(version {PUBLIC_VERSION}) are left out: exact bytes are for auditors"
)
"""What a user reads about the public form of a message."""
SAFE_NOTES = frozenset({OPAQUE, UNREAD, DAMAGED, PLACEHOLDER})
"""Notes that reveal nothing of the envelope."""
STEP = 256 * 1024
"""Bytes of a chunk."""


def status(session: ClientSession, user: User, request: api.GetStatus) -> api.Status:
    """Answer GetStatus: the vault's name and domains, and the count of their own messages."""
    settings = session.settings()
    with session.reading() as vault:
        own, owner = own_count(vault, user), vault.owner_process()
        return api.Status(
            vault=str(session.folder), name=settings.name, domains=settings.domains, owner=vault.owner(),
            messages=own, envelopes=0, records=0, quarantined=0, behind=behind(vault, user), users=1,
            bytes_raw=0, bytes_ledger=0, bytes_catalog=0, bytes_index=0, profiles=(),
            owner_pid=owner.pid if owner else 0, owner_since=owner.since if owner else 0,
            demo=settings.demo,
        )  # fmt: skip


def health(session: ClientSession, user: User, request: api.GetHealth) -> api.Health:
    """Answer GetHealth: the counts of their own messages. Nothing else in it is theirs, or checked."""
    zone_asked(request.zone)
    with session.reading() as vault:
        own = own_count(vault, user)
        return api.Health(
            time=int(time.time()),
            verdict="",
            summary=f"Your folders hold {own:,} message{'' if own == 1 else 's'}; no more was checked.",
            messages=own,
            behind=behind(vault, user),
        )


def own_count(vault: Vault, user: User) -> int:
    """Messages in the folders of a user; one in two folders counts twice."""
    return sum(count for _, count in vault.catalog.folders(user.id))


def _id(vault: Vault, row: MessageRow) -> str:
    """The public id of a message, which plain users get."""
    return PublicIds(vault.directory.id_key).of(row.sequence, row.sha)


def behind(vault: Vault, user: User) -> int:
    """How many messages of a user the index lacks, or lacks a copy of that concerns the user.

    A copy that concerns only others does not count, so the number reveals nothing of them.
    """
    state = vault.index_place.state()
    if not is_bound(vault, state.watermark, state.binding):
        return own_count(vault, user)
    late = vault.catalog.unindexed_of(user.id, state.watermark)
    known = [number for number in late if number < state.watermark]
    news = vault.catalog.copies_since(known, state.watermark)
    own = {number for number, copies in news.items() if _concerns(vault, user, copies)}
    return len(late) - len(known) + len(own)


def _concerns(vault: Vault, user: User, copies: Iterable[RoutedEnvelope]) -> bool:
    return any(place.user == user.id for copy in copies for place in route_envelope(copy, vault.directory))


def list_users(session: ClientSession, user: User, request: api.ListUsers) -> api.Users:
    """Answer ListUsers: the user alone."""
    return api.Users(users=(_user_word(session, user),))


def show_user(session: ClientSession, user: User, request: api.ShowUser) -> api.UserWord:
    """Answer ShowUser, for the user alone."""
    with session.reading() as vault:
        _own(vault, user, request.user)
    return _user_word(session, user)


def _user_word(session: ClientSession, user: User) -> api.UserWord:
    with session.reading() as vault:
        count = own_count(vault, user)
    return api.UserWord(
        user=user.primary, name=user.name, aliases=user.aliases, automatic=user.automatic, messages=count
    )


def _own(vault: Vault, user: User, named: str) -> None:
    """Check that a name or address is the user's own.

    Raises:
        AccessRefused: it is not. The error is the same whether there is such a user or not.
    """
    try:
        found: User | None = vault.directory.find(named)
    except NotFound:
        found = None
    if found is None or found.id != user.id:
        raise AccessRefused(
            f"you may read only the mail of {user.primary}: ask an auditor or an administrator for other mail"
        )


# --- lists ------------------------------------------------------------------------------------------


def tree(session: ClientSession, user: User, request: api.GetTree) -> api.Tree:
    """Answer GetTree: the user's own folders."""
    with session.reading() as vault:
        found = vault.catalog.folders(user.id)
        folders = tuple(api.Folder(name=name, count=count) for name, count in found)
    return api.Tree(users=(api.UserFolders(user=user.primary, name=user.name, folders=folders),))


def list_messages(session: ClientSession, user: User, request: api.ListMessages) -> api.Hits:
    """Answer ListMessages, for a folder of the user."""
    with session.reading() as vault:
        _own(vault, user, request.user)
        folder = _folder(vault, user, request.folder)
        cursors = SealedCursors(vault.directory.id_key, "folder", user.id, folder)
        page = folder_page(vault, user, folder, replace(request, after=cursors.open(request.after)))
        return _sealed(folder_reply(page, behind(vault, user), _hits(vault, user, page.rows)), cursors)


def _sealed(hits: api.Hits, cursors: SealedCursors) -> api.Hits:
    """The page with encrypted positions and without its duration, so neither reveals anything."""
    return replace(hits, after=cursors.seal(hits.after), before=cursors.seal(hits.before), seconds=0.0)


def _folder(vault: Vault, user: User, name: str) -> str:
    """The name of the user's folder, given in any case. Raises NotFound, with the user's own folders only."""
    return check_names.folder(user.primary, name, (one for one, _ in vault.catalog.folders(user.id)))


def search(session: ClientSession, user: User, request: api.Search) -> api.Hits:
    """Answer Search, in the user's mail."""
    with session.reading() as vault:
        require_own_query(vault, user, request.query, request.user)
        order = "relevance" if request.by_relevance else "date"
        cursors = SealedCursors(vault.directory.id_key, "search", user.id, order, request.query, request.zone)
        late = behind(vault, user)
        found = found_page(vault, replace(request, after=cursors.open(request.after)), user, own=True)
        rows = vault.catalog.rows(list(found.ids))
        hits = with_answers(vault, request, rows, _hits(vault, user, rows))
        return _sealed(search_reply(request, found, late, hits, 0.0), cursors)


def require_own_query(vault: Vault, user: User, query: str, named: str) -> None:
    """Check that a query names no other user, and no group. Raises AccessRefused, QueryError."""
    node = parse(query)
    if names_groups(node):
        raise AccessRefused("groups are for auditors and administrators: leave out group:")
    for name in (*([named] if named else []), *_names(node)):
        _own(vault, user, name)


def _names(node: Node) -> Iterator[str]:
    """All values of `user:` in a query."""
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from _names(item)
        case Not(item):
            yield from _names(item)
        case UserTerm(name):
            yield name
        case _:
            pass


def _hits(vault: Vault, user: User, rows: list[MessageRow]) -> tuple[api.Hit, ...]:
    folders = vault.catalog.own_folders(user.id, [row.sequence for row in rows])
    return tuple(
        api.Hit(
            id=_id(vault, row), date=row.date, sender=row.sender, to=row.to, subject=row.subject,
            size=row.public_size, attachments=row.attachments,
            folders=_places(user, folders.get(row.sequence, [])),
        )
        for row in rows
    )  # fmt: skip


def _places(user: User, folders: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{user.primary}/{folder}" for folder in folders)


# --- messages ---------------------------------------------------------------------------------------


def _message(vault: Vault, user: User, prefix: str) -> MessageRow:
    """The user's message with a public id.

    Raises:
        NotFound: they have no such message, or more than one.
    """
    if not is_prefix(prefix):
        prefix_range(prefix)  # raises, and says what an id looks like
    row = PublicIds(vault.directory.id_key).find(vault.catalog, prefix)
    # Other people's messages take the same path as ids that do not exist.
    own = vault.catalog.placed(user.id, [row.sequence if row is not None else -1])
    return unique([row] if row is not None and row.sequence in own else [], prefix, "message")


def show(session: ClientSession, user: User, request: api.Show) -> api.Message:
    """Answer Show, for a message of the user."""
    with session.reading() as vault:
        row = _message(vault, user, request.id)
        copies = vault.catalog.envelopes_of(row.sequence)
        sent = any(sent_by(vault, user, copy) for copy in copies)
        folders = vault.catalog.own_folders(user.id, [row.sequence]).get(row.sequence, [])
        return message_reply(
            vault,
            row,
            envelopes=tuple(_envelopes(vault, user, copies)),
            folders=_places(user, folders),
            notes=tuple(note for note in row.notes if note in SAFE_NOTES),
            bcc=sent,
            id_=_id(vault, row),
            width=request.width,
        )


def sent_by(vault: Vault, user: User, copy: EnvelopeRow) -> bool:
    """Whether a trusted copy says that the user sent the message."""
    return bool(copy.route & TRUSTED) and any(
        party.role in SENT_ROLES and vault.directory.resolve(party.address, copy.time) == user.id
        for party in copy.parties
    )


def _envelopes(vault: Vault, user: User, copies: Iterable[EnvelopeRow]) -> Iterator[api.EnvelopeWord]:
    """The copies that name the user, with the user's own lines; copies that they sent, with all lines.

    A user who forwards a message of somebody else does not see to whom that person sent it. The hash, size
    and notes of a report depend on everybody's lines, so only auditors get them.
    """
    number = 0
    for copy in copies:
        sent = sent_by(vault, user, copy)
        parties = tuple(
            party
            for party in copy.parties
            if sent or vault.directory.resolve(party.address, copy.time) == user.id
        )
        if parties:
            number += 1
            yield api.EnvelopeWord(
                number=number, report=copy.report, sha256="", size=0, time=copy.time,
                parties=party_lines(parties), profile="",
            )  # fmt: skip


def read_raw(session: ClientSession, user: User, request: api.ReadRaw) -> Iterator[WireWord]:
    """Answer ReadRaw: a message or its headers in the public form, then a Step that says so."""
    if request.what not in ("message", "headers"):
        raise AccessRefused(
            "only auditors and administrators may read reports and quarantined items: ask one"
        )
    with session.reading() as vault:
        row = _message(vault, user, request.id)
        for data in _bytes(vault, row, headers_only=request.what == "headers"):
            yield api.Chunk(data=data)
    yield api.Step(text=LEFT_OUT)


def _bytes(vault: Vault, row: MessageRow, headers_only: bool = False) -> Iterator[bytes]:
    """The public form of a message.

    Raises:
        AccessRefused: its headers are too long to find the fields to leave out.
    """
    with opened(vault.reader.content(row.sha), row.size, own_work(vault.folder)) as buffer:
        pieces = public_pieces(buffer, STEP)
        try:
            yield next(pieces)
        except ValueError:
            raise AccessRefused(
                "the headers of this message are too long to leave Bcc out: ask an auditor for it"
            ) from None
        if not headers_only:
            yield from pieces


def read_attachment(session: ClientSession, user: User, request: api.ReadAttachment) -> Iterator[WireWord]:
    """Answer ReadAttachment, for a message of the user."""
    with session.reading() as vault:
        row = _message(vault, user, request.id)
        yield from attachment(vault, row, request, _id(vault, row))


def export(session: ClientSession, user: User, request: api.Export) -> Iterator[WireWord]:
    """Answer Export: mail of the user in the public form, one export of a caller at a time.

    Raises:
        AccessRefused: a production is asked for, which states all recipients.
        VaultError: another export of the caller is under way.
    """
    if request.form or request.bates:
        raise AccessRefused("productions name all recipients: ask an auditor or an administrator for one")
    if not request.path:
        raise UsageError("name the file or folder to export to")
    with session.reading() as vault, _one_export(vault, session.caller.uid):
        require_own_query(vault, user, request.query, request.user)
        edition = OwnEdition(vault, user, own_choice(vault, user, request))
        yield from exported(session, vault, edition, Path(as_path(request.path)))
    yield api.Done(message=f"Exported to {readable(as_path(request.path))}. {LEFT_OUT}.")


def own_choice(vault: Vault, user: User, request: api.Export | api.Restore) -> ExportChoice:
    """The messages of the user that a request selects. Raises as `choice_of`."""
    check_choice(request)
    if not request.folder:
        return ExportChoice(
            request.query, user.primary, request.ids, zone=zone_name(request), without=request.without
        )
    folder = _folder(vault, user, request.folder)
    return ExportChoice(user=user.primary, folder=folder, without=request.without)


_exporting: WeakKeyDictionary[Vault, set[int]] = WeakKeyDictionary()
"""The user ids that have an export of a vault under way."""
_lock = threading.Lock()


@contextmanager
def _one_export(vault: Vault, uid: int) -> Iterator[None]:
    """Allow a caller one export at a time. Raises VaultError."""
    with _lock:
        callers = _exporting.setdefault(vault, set())
        if uid in callers:
            raise VaultError("you have another export under way: wait until it ends, or cancel it")
        callers.add(uid)
    try:
        yield
    finally:
        with _lock:
            callers.discard(uid)


class OwnEdition(ExportView):
    """An export of public forms under public ids. The manifest has the SHA-256 of each exported form."""

    def __init__(self, vault: Vault, user: User, choice: ExportChoice) -> None:
        super().__init__(vault, choice)
        self._user = user
        self._digest = hashlib.sha256()
        """Digest of the content that was read last."""
        self._size = 0

    def header(self) -> dict[str, object]:
        return {
            "format": FORMAT, **self.chosen(), "left_out": LEFT_OUT, "public_fields": PUBLIC_VERSION,
        }  # fmt: skip

    def owner(self) -> User:
        return self._user

    def find(self, after: str) -> SearchPage:
        return find(
            self.vault, self.choice.query, self._user, PAGE, after, own=True, zone=self.choice.tz,
            conversations=self.conversations, without=self.choice.without,
        )  # fmt: skip

    def row(self, id_: str) -> MessageRow:
        return _message(self.vault, self._user, id_)

    def name(self, row: MessageRow) -> str:
        return file_name(row.date, _id(self.vault, row))

    def id_of(self, row: MessageRow) -> str:
        return _id(self.vault, row)

    def content(self, row: MessageRow) -> Iterable[bytes]:
        self._digest, self._size = hashlib.sha256(), 0
        for data in _bytes(self.vault, row):
            self._digest.update(data)
            self._size += len(data)
            yield data

    def explanation(self) -> Explanation:
        return PublicExplanation()

    def entry(self, row: MessageRow, name: str) -> dict[str, object]:
        folders = self.vault.catalog.own_folders(self._user.id, [row.sequence]).get(row.sequence, [])
        return {
            "file": name, "id": _id(self.vault, row), "sha256": self._digest.hexdigest(), "size": self._size,
            "date": row.date, "folders": list(_places(self._user, folders)),
        }  # fmt: skip


OPERATIONS = (
    Operation(api.GetTree, (api.Tree,), AccessRole.USER, reading.tree, own_mail=tree),
    Operation(
        api.ListMessages,
        (api.Hits,),
        AccessRole.USER,
        reading.list_messages,
        own_mail=list_messages,
        audit=AuditRule.AFTER,
    ),
    Operation(
        api.Search, (api.Hits,), AccessRole.USER, reading.search, own_mail=search, audit=AuditRule.AFTER
    ),
    Operation(api.Show, (api.Message,), AccessRole.USER, reading.show, own_mail=show, audit=AuditRule.BEFORE),
    Operation(
        api.ReadRaw,
        (api.Chunk, api.Step),
        AccessRole.USER,
        reading.read_raw,
        own_mail=read_raw,
        streams=True,
        audit=AuditRule.BEFORE,
    ),
    Operation(
        api.ReadAttachment,
        (api.Attachment, api.Chunk, api.Step),
        AccessRole.USER,
        reading.read_attachment,
        own_mail=read_attachment,
        streams=True,
        audit=AuditRule.BEFORE,
    ),
    Operation(
        api.Export,
        (api.ExportFile, api.Chunk, api.Step, api.Done),
        AccessRole.USER,
        producing.export,
        own_mail=export,
        streams=True,
        audit=AuditRule.BEFORE,
    ),
)
"""What everybody may ask: administrators and auditors of all mail, plain users of their own."""
