"""A plain user's view: their own mail, and nothing that tells of anybody else's.

Each word has the user before the request. What stands with somebody else is not there at all: the
same sentence, the same counts. Of a message of their own, a recipient sees its own headers without
Bcc and their own envelope lines; whoever sent it sees all lines. Bytes and exports have the public form
of a message (mail/content/public.py), since servers write recipients into header fields of many names.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from muniment import api
from muniment.api import Word
from muniment.archive.catalog import EnvelopeRow, MessageRow
from muniment.archive.catalog.encoding import is_prefix, prefix_range, unique
from muniment.archive.facts import DAMAGED
from muniment.archive.files.contents import opened
from muniment.archive.files.temp_files import own_work
from muniment.archive.index import Found
from muniment.archive.operations import check_names
from muniment.archive.operations.export import FORMAT, PAGE, Choice, Edition, file_name
from muniment.archive.operations.index_binding import is_bound
from muniment.archive.operations.public_ids import PublicIds
from muniment.archive.operations.search import find
from muniment.archive.query import And, Node, Not, Or, parse
from muniment.archive.query import User as Named
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused, NotFound, UsageError, VaultError
from muniment.mail.content.public import PUBLIC_VERSION, public_pieces
from muniment.mail.model import SENT_ROLES
from muniment.mail.notes import OPAQUE, PLACEHOLDER, UNREAD
from muniment.people.directory import User
from muniment.people.routing import TRUSTED, RoutedEnvelope, route_envelope
from muniment.service.access.roles import Role
from muniment.service.host.session import Session
from muniment.service.operations import reading
from muniment.service.operations.cursors import Cursors
from muniment.service.operations.operation import Audit, Operation
from muniment.service.operations.reading import (
    attachment,
    check_choice,
    exported,
    folder_page,
    found_page,
    found_word,
    message_word,
    page_word,
    parties_words,
    zone_name,
)
from muniment.system.paths import as_path, readable

LEFT_OUT = (
    "Bcc and all other header fields that are not in the table of public fields "
    f"(version {PUBLIC_VERSION}) are left out: exact bytes are for auditors"
)
SAFE_NOTES = frozenset({OPAQUE, UNREAD, DAMAGED, PLACEHOLDER})
"""Notes that say nothing of the envelope."""
STEP = 256 * 1024


def status(session: Session, user: User, request: api.GetStatus) -> api.Status:
    """The vault, as far as it is theirs: how many messages stand with them."""
    settings = session.settings()
    with session.reading() as vault:
        own = own_count(vault, user)
        return api.Status(
            vault=str(session.folder), name=settings.name, domains=settings.domains, owner=vault.owner(),
            messages=own, envelopes=0, records=0, quarantined=0, behind=behind(vault, user), users=1,
            bytes_raw=0, bytes_ledger=0, bytes_catalog=0, bytes_index=0, profiles=(),
        )  # fmt: skip


def own_count(vault: Vault, user: User) -> int:
    """Places in which messages stand with a user."""
    return sum(count for _, count in vault.catalog.folders(user.id))


def _id(vault: Vault, row: MessageRow) -> str:
    """The id that plain users know a message by."""
    return PublicIds(vault.directory.id_key).of(row.sequence, row.sha)


def behind(vault: Vault, user: User) -> int:
    """How many of a user's messages the index lacks, or lacks copies of that concern them.

    A message that the index knows already is not counted for a copy that concerns others alone.
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


def list_users(session: Session, user: User, request: api.ListUsers) -> api.Users:
    """Themselves."""
    return api.Users(users=(_user_word(session, user),))


def show_user(session: Session, user: User, request: api.ShowUser) -> api.UserWord:
    """Themselves."""
    with session.reading() as vault:
        _own(vault, user, request.user)
    return _user_word(session, user)


def _user_word(session: Session, user: User) -> api.UserWord:
    with session.reading() as vault:
        count = own_count(vault, user)
    return api.UserWord(
        user=user.primary, name=user.name, aliases=user.aliases, automatic=user.automatic, messages=count
    )


def _own(vault: Vault, user: User, named: str) -> None:
    """See that a name is the user's own.

    Raises:
        AccessRefused: it is not; the same whether there is such a user or not.
    """
    try:
        found: User | None = vault.directory.find(named)
    except NotFound:
        found = None
    if found is None or found.id != user.id:
        raise AccessRefused(
            f"you may read the mail of {user.primary} alone: ask an auditor or an administrator for others'"
        )


# --- lists ------------------------------------------------------------------------------------------


def tree(session: Session, user: User, request: api.GetTree) -> api.Tree:
    """Their own folders."""
    with session.reading() as vault:
        found = vault.catalog.folders(user.id)
        folders = tuple(api.Folder(name=name, count=count) for name, count in found)
    return api.Tree(users=(api.UserFolders(user=user.primary, name=user.name, folders=folders),))


def list_messages(session: Session, user: User, request: api.ListMessages) -> api.Hits:
    """A page of one of their folders."""
    with session.reading() as vault:
        _own(vault, user, request.user)
        folder = _folder(vault, user, request.folder)
        cursors = Cursors(vault.directory.id_key, "folder", user.id, folder)
        page = folder_page(vault, user, folder, replace(request, after=cursors.open(request.after)))
        return _sealed(page_word(page, behind(vault, user), _hits(vault, user, page.rows)), cursors)


def _sealed(hits: api.Hits, cursors: Cursors) -> api.Hits:
    """A page whose places say nothing, and which says nothing of the time that it took."""
    return replace(hits, after=cursors.seal(hits.after), before=cursors.seal(hits.before), seconds=0.0)


def _folder(vault: Vault, user: User, name: str) -> str:
    """Their folder of a name, in any case. Raises NotFound: they have none; the same whether others have."""
    return check_names.folder(user.primary, name, (one for one, _ in vault.catalog.folders(user.id)))


def search(session: Session, user: User, request: api.Search) -> api.Hits:
    """What a query finds in their mail."""
    with session.reading() as vault:
        _own_query(vault, user, request.query, request.user)
        order = "relevance" if request.by_relevance else "date"
        cursors = Cursors(vault.directory.id_key, "search", user.id, order, request.query, request.zone)
        late = behind(vault, user)
        found = found_page(vault, replace(request, after=cursors.open(request.after)), user, own=True)
        hits = _hits(vault, user, vault.catalog.rows(list(found.ids)))
        return _sealed(found_word(request, found, late, hits, 0.0), cursors)


def _own_query(vault: Vault, user: User, query: str, named: str) -> None:
    """See that a query is about nobody else by name. Raises AccessRefused."""
    for name in (*([named] if named else []), *_names(parse(query))):
        _own(vault, user, name)


def _names(node: Node) -> Iterator[str]:
    """All that `user:` names in a query."""
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from _names(item)
        case Not(item):
            yield from _names(item)
        case Named(name):
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
    """Their message with an id; others' are not there.

    Raises:
        NotFound: they have none.
    """
    if not is_prefix(prefix):
        prefix_range(prefix)  # says what an id is
    row = PublicIds(vault.directory.id_key).find(vault.catalog, prefix)
    # What stands with others takes the way of what is not there.
    own = vault.catalog.placed(user.id, [row.sequence if row is not None else -1])
    return unique([row] if row is not None and row.sequence in own else [], prefix, "message")


def show(session: Session, user: User, request: api.Show) -> api.Message:
    """One of their messages."""
    with session.reading() as vault:
        row = _message(vault, user, request.id)
        copies = vault.catalog.envelopes_of(row.sequence)
        sent = any(_sent(vault, user, copy) for copy in copies)
        folders = vault.catalog.own_folders(user.id, [row.sequence]).get(row.sequence, [])
        return message_word(
            vault,
            row,
            envelopes=tuple(_envelopes(vault, user, copies)),
            folders=_places(user, folders),
            notes=tuple(note for note in row.notes if note in SAFE_NOTES),
            bcc=sent,
            id_=_id(vault, row),
        )


def _sent(vault: Vault, user: User, copy: EnvelopeRow) -> bool:
    """Whether a copy that can be trusted says that they sent it."""
    return bool(copy.route & TRUSTED) and any(
        party.role in SENT_ROLES and vault.directory.resolve(party.address, copy.time) == user.id
        for party in copy.parties
    )


def _envelopes(vault: Vault, user: User, copies: Iterable[EnvelopeRow]) -> Iterator[api.EnvelopeWord]:
    """Their own lines of the copies that have any; of the copies that they sent, all lines.

    Whoever sends on a message that somebody else has sent learns nothing of whom that one sent it to.

    A report's hash, size and notes depend on everybody's lines, so these are for auditors.
    """
    number = 0
    for copy in copies:
        sent = _sent(vault, user, copy)
        parties = tuple(
            party
            for party in copy.parties
            if sent or vault.directory.resolve(party.address, copy.time) == user.id
        )
        if parties:
            number += 1
            yield api.EnvelopeWord(
                number=number, report=copy.report, sha256="", size=0, time=copy.time,
                parties=parties_words(parties), profile="",
            )  # fmt: skip


def read_raw(session: Session, user: User, request: api.ReadRaw) -> Iterator[Word]:
    """A message's bytes or headers, without what tells of other recipients; ends with a Step that says so."""
    if request.what not in ("message", "headers"):
        raise AccessRefused("reports and quarantined items are for auditors and administrators: ask one")
    with session.reading() as vault:
        row = _message(vault, user, request.id)
        for data in _bytes(vault, row, headers_only=request.what == "headers"):
            yield api.Chunk(data=data)
    yield api.Step(text=LEFT_OUT)


def _bytes(vault: Vault, row: MessageRow, headers_only: bool = False) -> Iterator[bytes]:
    """The public form of a message.

    Raises:
        AccessRefused: it can't be told which bytes are its headers.
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


def read_attachment(session: Session, user: User, request: api.ReadAttachment) -> Iterator[Word]:
    """An attachment of one of their messages."""
    with session.reading() as vault:
        row = _message(vault, user, request.id)
        yield from attachment(vault, row, request, _id(vault, row))


def export(session: Session, user: User, request: api.Export) -> Iterator[Word]:
    """Write some of their mail, as `read_raw` gives it; one export of a caller at a time.

    Raises:
        VaultError: another one of theirs is under way.
    """
    if not request.path:
        raise UsageError("name the file or folder to export to")
    with session.reading() as vault, _alone(vault, session.caller.uid):
        _own_query(vault, user, request.query, request.user)
        edition = _OwnEdition(vault, user, _choice(vault, user, request))
        yield from exported(session, vault, edition, Path(as_path(request.path)))
    yield api.Done(message=f"Exported to {readable(as_path(request.path))}. {LEFT_OUT}.")


def _choice(vault: Vault, user: User, request: api.Export) -> Choice:
    """Which of their messages an export is of. Raises as `choice_of`."""
    check_choice(request)
    if not request.folder:
        return Choice(request.query, user.primary, request.ids, zone=zone_name(request))
    return Choice(user=user.primary, folder=_folder(vault, user, request.folder))


_exporting: WeakKeyDictionary[Vault, set[int]] = WeakKeyDictionary()
"""The users of the machine who are sent an export of a vault."""
_lock = threading.Lock()


@contextmanager
def _alone(vault: Vault, uid: int) -> Iterator[None]:
    """Sees that a user has one export at a time."""
    with _lock:
        callers = _exporting.setdefault(vault, set())
        if uid in callers:
            raise VaultError("another export of yours is under way: wait until it has ended, or end it")
        callers.add(uid)
    try:
        yield
    finally:
        with _lock:
            callers.discard(uid)


class _OwnEdition(Edition):
    """Public forms under public ids; the manifest has the SHA-256 of what was exported."""

    def __init__(self, vault: Vault, user: User, choice: Choice) -> None:
        super().__init__(vault, choice)
        self._user = user
        self._digest = hashlib.sha256()
        """Of the content that was taken last."""
        self._size = 0

    def header(self) -> dict[str, object]:
        return {
            "format": FORMAT, **self.chosen(), "left_out": LEFT_OUT, "public_fields": PUBLIC_VERSION,
        }  # fmt: skip

    def owner(self) -> User:
        return self._user

    def find(self, after: str) -> Found:
        return find(self.vault, self.choice.query, self._user, PAGE, after, own=True, zone=self.choice.tz)

    def row(self, id_: str) -> MessageRow:
        return _message(self.vault, self._user, id_)

    def name(self, row: MessageRow) -> str:
        return file_name(row.date, _id(self.vault, row))

    def content(self, row: MessageRow) -> Iterable[bytes]:
        self._digest, self._size = hashlib.sha256(), 0
        for data in _bytes(self.vault, row):
            self._digest.update(data)
            self._size += len(data)
            yield data

    def entry(self, row: MessageRow, name: str) -> dict[str, object]:
        folders = self.vault.catalog.own_folders(self._user.id, [row.sequence]).get(row.sequence, [])
        return {
            "file": name, "id": _id(self.vault, row), "sha256": self._digest.hexdigest(), "size": self._size,
            "date": row.date, "folders": list(_places(self._user, folders)),
        }  # fmt: skip


OPERATIONS = (
    Operation(api.GetTree, (api.Tree,), Role.USER, reading.tree, own_mail=tree),
    Operation(
        api.ListMessages,
        (api.Hits,),
        Role.USER,
        reading.list_messages,
        own_mail=list_messages,
        audit=Audit.AFTER,
    ),
    Operation(api.Search, (api.Hits,), Role.USER, reading.search, own_mail=search, audit=Audit.AFTER),
    Operation(api.Show, (api.Message,), Role.USER, reading.show, own_mail=show, audit=Audit.BEFORE),
    Operation(
        api.ReadRaw,
        (api.Chunk, api.Step),
        Role.USER,
        reading.read_raw,
        own_mail=read_raw,
        streams=True,
        audit=Audit.BEFORE,
    ),
    Operation(
        api.ReadAttachment,
        (api.Attachment, api.Chunk, api.Step),
        Role.USER,
        reading.read_attachment,
        own_mail=read_attachment,
        streams=True,
        audit=Audit.BEFORE,
    ),
    Operation(
        api.Export,
        (api.ExportFile, api.Chunk, api.Step, api.Done),
        Role.USER,
        reading.export,
        own_mail=export,
        streams=True,
        audit=Audit.BEFORE,
    ),
)
"""What everybody may ask: administrators and auditors of all mail, plain users of their own."""
