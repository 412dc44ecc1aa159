"""A plain user's view: their own mail, and nothing that tells of anybody else's.

Each word has the user before the request. What stands with somebody else is not there at all: the
same sentence, the same counts. Of a message of their own, a recipient sees its own headers without
Bcc and their own envelope lines; whoever sent it sees all lines. Bytes and exports have the public form
of a message (mail/public.py), since servers write recipients into header fields of many names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from muniment import api
from muniment.api import Word
from muniment.archive import naming
from muniment.archive.binding import bound
from muniment.archive.catalog import EnvelopeRow, MessageRow
from muniment.archive.catalog.encoding import unique
from muniment.archive.contents import opened
from muniment.archive.export import FORMAT, PAGE, Choice, Edition
from muniment.archive.facts import DAMAGED
from muniment.archive.index import Found
from muniment.archive.query import And, Node, Not, Or, parse
from muniment.archive.query import User as Named
from muniment.archive.searching import find
from muniment.archive.vault import Vault
from muniment.archive.work import own_work
from muniment.errors import AccessRefused, NotFound, UsageError
from muniment.mail.model import SENT_ROLES
from muniment.mail.notes import OPAQUE, PLACEHOLDER, UNREAD
from muniment.mail.public import PUBLIC_VERSION, public_pieces
from muniment.people.directory import User
from muniment.people.routing import TRUSTED
from muniment.service.reading import (
    attachment,
    choice_of,
    exported,
    folder_page,
    found_page,
    found_word,
    message_word,
    page_word,
    parties_words,
)
from muniment.service.session import Session

LEFT_OUT = (
    "Bcc and all other header fields that are not in the table of public fields "
    f"(version {PUBLIC_VERSION}) are left out: exact bytes are for auditors"
)
SAFE_NOTES = frozenset({OPAQUE, UNREAD, DAMAGED, PLACEHOLDER})
"""Notes that say nothing of the envelope."""
STEP = 256 * 1024
BACKLOG = 50_000
"""Messages that are looked at, at most, for how far the index is behind with a user's."""


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
    return sum(count for _, count in _folders(vault, user))


def _folders(vault: Vault, user: User) -> list[tuple[str, int]]:
    return [folder for label, folders in vault.catalog.tree() if label == user.primary for folder in folders]


def behind(vault: Vault, user: User) -> int:
    """How many of a user's messages the index lacks."""
    state = vault.index_place.state()
    if not bound(vault, state.watermark, state.mark):
        return own_count(vault, user)
    late = vault.catalog.index_changes(state.watermark, BACKLOG)
    return len(vault.catalog.placed(user.id, [change.message for change in late]))


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
        folders = tuple(api.Folder(name=name, count=count) for name, count in _folders(vault, user))
    return api.Tree(users=(api.UserFolders(user=user.primary, name=user.name, folders=folders),))


def list_messages(session: Session, user: User, request: api.ListMessages) -> api.Hits:
    """A page of one of their folders."""
    with session.reading() as vault:
        _own(vault, user, request.user)
        folder = _folder(vault, user, request.folder)
        page = folder_page(vault, user, folder, request)
        return page_word(page, behind(vault, user), _hits(vault, user, page.rows))


def _folder(vault: Vault, user: User, name: str) -> str:
    """Their folder of a name, in any case. Raises NotFound: they have none; the same whether others have."""
    return naming.folder(user.primary, name, (one for one, _ in _folders(vault, user)))


def search(session: Session, user: User, request: api.Search) -> api.Hits:
    """What a query finds in their mail."""
    started = time.monotonic()
    with session.reading() as vault:
        _own_query(vault, user, request.query, request.user)
        late = behind(vault, user)
        found = found_page(vault, request, user.primary, own=True)
        hits = _hits(vault, user, vault.catalog.rows(list(found.ids)))
        return found_word(request, found, late, hits, time.monotonic() - started)


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
            id=row.sha.hex(), date=row.date, sender=row.sender, to=row.to, subject=row.subject, size=row.size,
            attachments=row.attachments, folders=_places(user, folders.get(row.sequence, [])),
        )
        for row in rows
    )  # fmt: skip


def _places(user: User, folders: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{user.primary}/{folder}" for folder in folders)


# --- messages ---------------------------------------------------------------------------------------


def _message(vault: Vault, user: User, prefix: str) -> MessageRow:
    """Their message with an id; others' are not there.

    Raises:
        NotFound: they have none, or several.
    """
    rows = vault.catalog.messages_by_prefix(prefix)
    own = vault.catalog.placed(user.id, [row.sequence for row in rows])
    return unique([row for row in rows if row.sequence in own], prefix, "message")


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
        yield from attachment(vault, _message(vault, user, request.id), request)


def export(session: Session, user: User, request: api.Export) -> Iterator[Word]:
    """Write some of their mail, as `read_raw` gives it."""
    if not request.path:
        raise UsageError("name the file or folder to export to")
    with session.reading() as vault:
        _own_query(vault, user, request.query, request.user)
        edition = _OwnEdition(vault, user, choice_of(vault, replace(request, user=user.primary), user))
        yield from exported(session, vault, edition, Path(request.path))
    yield api.Done(message=f"Exported to {request.path}. {LEFT_OUT}.")


class _OwnEdition(Edition):
    def __init__(self, vault: Vault, user: User, choice: Choice) -> None:
        super().__init__(vault, choice)
        self._user = user

    def header(self) -> dict[str, object]:
        return {"format": FORMAT, **self.chosen(), "left_out": LEFT_OUT, "public_fields": PUBLIC_VERSION}

    def find(self, after: str) -> Found:
        return find(self.vault, self.choice.query, self._user.primary, PAGE, after, own=True)

    def row(self, id_: str) -> MessageRow:
        return _message(self.vault, self._user, id_)

    def content(self, row: MessageRow) -> Iterable[bytes]:
        return _bytes(self.vault, row)

    def entry(self, row: MessageRow, name: str) -> dict[str, object]:
        folders = self.vault.catalog.own_folders(self._user.id, [row.sequence]).get(row.sequence, [])
        places = list(_places(self._user, folders))
        return {"file": name, "sha256": row.sha.hex(), "size": row.size, "date": row.date, "folders": places}


CALLS: dict[type[api.Request], Callable[[Session, User, Any], Word]] = {
    api.GetStatus: status,
    api.ListUsers: list_users,
    api.ShowUser: show_user,
    api.GetTree: tree,
    api.ListMessages: list_messages,
    api.Search: search,
    api.Show: show,
}
STREAMS: dict[type[api.Request], Callable[[Session, User, Any], Iterator[Word]]] = {
    api.ReadRaw: read_raw,
    api.ReadAttachment: read_attachment,
    api.Export: export,
}
