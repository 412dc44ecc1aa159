"""Answers the requests of auditors with limits. Mail outside the limits does not exist for them.

They read as auditors do: exact bytes, all lines of envelopes, reports. But lists, totals, positions, errors
and the order of results are the same with and without other mail. What is not in ANSWERS is refused to them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.catalog import FolderPage, MessageRow
from muniment.archive.index import SearchPage
from muniment.archive.operations import check_names
from muniment.archive.operations.export import PAGE, ExportChoice, ExportView
from muniment.archive.operations.group_search import names_groups
from muniment.archive.operations.index_binding import is_bound
from muniment.archive.operations.search import find
from muniment.archive.query import parse
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused, NotFound, UsageError
from muniment.people.directory import User
from muniment.service.access.cursors import SealedCursors
from muniment.service.access.limited_mail import AuditRight, LimitedMail
from muniment.service.host.session import ClientSession
from muniment.service.operations import reading
from muniment.service.operations.access.rights import ask_access
from muniment.service.operations.operation import Answer
from muniment.service.operations.reading import (
    check_choice,
    exported,
    folder_reply,
    search_reply,
    with_answers,
    zone_name,
)
from muniment.service.operations.time_zone import zone_asked
from muniment.system.paths import as_path, readable


def status(session: ClientSession, right: AuditRight, request: api.GetStatus) -> api.Status:
    """Answer GetStatus: the vault's name and domains, and no counts."""
    settings = session.settings()
    with session.reading() as vault:
        owner = vault.owner_process()
        return api.Status(
            vault=str(session.folder), name=settings.name, domains=settings.domains, owner=vault.owner(),
            messages=0, envelopes=0, records=0, quarantined=0, behind=0, users=0, bytes_raw=0,
            bytes_ledger=0, bytes_catalog=0, bytes_index=0, profiles=(),
            owner_pid=owner.pid if owner else 0, owner_since=owner.since if owner else 0,
            demo=settings.demo,
        )  # fmt: skip


def health(session: ClientSession, right: AuditRight, request: api.GetHealth) -> api.Health:
    """Answer GetHealth: nothing of it is theirs."""
    zone_asked(request.zone)
    return api.Health(
        time=int(time.time()), verdict="", summary="You may read some of the mail; nothing was checked."
    )


def _ask(session: ClientSession, right: AuditRight, request: api.AskAccess) -> api.Decided:
    return ask_access(session, request)


# --- people and lists -------------------------------------------------------------------------------


def tree(session: ClientSession, right: AuditRight, request: api.GetTree) -> api.Tree:
    """Answer GetTree: folders with mail within the limits."""
    with session.reading() as vault:
        mail = LimitedMail(vault, right)
        found = ((user, tuple(mail.folders(user))) for user in mail.users())
        return api.Tree(
            users=tuple(
                api.UserFolders(
                    user=user.primary, name=user.name,
                    folders=tuple(api.Folder(name=name, count=count) for name, count in folders),
                )
                for user, folders in found
                if folders
            )
        )  # fmt: skip


def list_users(session: ClientSession, right: AuditRight, request: api.ListUsers) -> api.Users:
    """Answer ListUsers: people with mail within the limits."""
    with session.reading() as vault:
        mail = LimitedMail(vault, right)
        words = (_user_word(mail, user) for user in mail.users())
        return api.Users(users=tuple(word for word in words if word is not None))


def show_user(session: ClientSession, right: AuditRight, request: api.ShowUser) -> api.UserWord:
    """Answer ShowUser, for people with mail within the limits."""
    with session.reading() as vault:
        mail = LimitedMail(vault, right)
        user = mail.user(request.user)
        word = _user_word(mail, user) if user is not None else None
    if word is None:
        raise NotFound(f"there is no user {request.user!r} with mail within your limits")
    return word


def _user_word(mail: LimitedMail, user: User) -> api.UserWord | None:
    number = sum(count for _, count in mail.folders(user))
    if not number:
        return None
    return api.UserWord(
        user=user.primary, name=user.name, aliases=user.aliases, automatic=user.automatic, messages=number
    )


def list_messages(session: ClientSession, right: AuditRight, request: api.ListMessages) -> api.Hits:
    """Answer ListMessages."""
    with session.reading() as vault:
        mail = LimitedMail(vault, right)
        user, folder = _place(vault, mail, request.user, request.folder)
        cursors = SealedCursors(vault.directory.id_key, "limited", right.login, user.id, folder)
        page = _folder_page(vault, mail, user, folder, replace(request, after=cursors.open(request.after)))
        if not page.total:
            raise _no_folder(request.user, request.folder)
        reply = folder_reply(page, behind(vault, mail), _entries(mail, page.rows))
        return _sealed(reply, cursors)


def _place(vault: Vault, mail: LimitedMail, name: str, folder: str) -> tuple[User, str]:
    """The person and the folder that a request names.

    Raises:
        NotFound: there is no such person or folder for the reader.
    """
    user = mail.user(name)
    if user is None:
        raise _no_folder(name, folder)
    try:
        return user, check_names.folder(
            user.primary, folder, (one for one, _ in vault.catalog.folders(user.id))
        )
    except NotFound:  # its sentence names all folders
        raise _no_folder(name, folder) from None


def _no_folder(name: str, folder: str) -> NotFound:
    return NotFound(f"there is no folder {folder!r} of {name!r} with mail within your limits")


def _folder_page(
    vault: Vault, mail: LimitedMail, user: User, folder: str, request: api.ListMessages
) -> FolderPage:
    """The page of a folder that a request asks for; of a folder that is visible in part, all is looked at."""
    if mail.has_whole(user.id):
        return reading.folder_page(vault, user, folder, request)
    past = _Past(request)
    total, first, shown, more = 0, 0, list[MessageRow](), False
    for rows in mail.walk(user, folder, request.oldest_first):
        total += len(rows)
        for row in rows:
            if not past(row):
                first += 1
            elif len(shown) < max(request.limit, 0):
                shown.append(row)
            else:
                more = True
    return FolderPage(
        shown,
        _position(shown[-1]) if more and shown else "",
        total,
        _position(shown[0]) if shown else "",
        -1 if request.after else first,
    )


class _Past:
    """Tells whether a row comes after the beginning of the page that a request asks for."""

    def __init__(self, request: api.ListMessages) -> None:
        self._oldest_first, self._around = request.oldest_first, request.around
        try:
            date, _, number = request.after.partition(".")
            self._after = (int(date), int(number)) if request.after else None
        except ValueError:
            raise UsageError(
                f"{request.after!r} is not a position in a list: begin at the first page"
            ) from None

    def __call__(self, row: MessageRow) -> bool:
        if self._after is not None:
            key = (row.date, row.sequence)
            return key > self._after if self._oldest_first else key < self._after
        if self._around is None:
            return True
        return row.date >= self._around if self._oldest_first else row.date <= self._around


def _position(row: MessageRow) -> str:
    return f"{row.date}.{row.sequence}"


def _sealed(hits: api.Hits, cursors: SealedCursors) -> api.Hits:
    """The page with encrypted positions and without its duration, so neither reveals anything."""
    return replace(hits, after=cursors.seal(hits.after), before=cursors.seal(hits.before), seconds=0.0)


def _entries(mail: LimitedMail, rows: list[MessageRow]) -> tuple[api.Hit, ...]:
    paths = mail.paths([row.sequence for row in rows])
    return tuple(
        api.Hit(
            id=row.sha.hex(), date=row.date, sender=row.sender, to=row.to, subject=row.subject, size=row.size,
            attachments=row.attachments, folders=paths.get(row.sequence, ()),
        )
        for row in rows
    )  # fmt: skip


def behind(vault: Vault, mail: LimitedMail) -> int:
    """How many messages within the limits the index lacks."""
    state = vault.index_place.state()
    bound = is_bound(vault, state.watermark, state.binding)
    return sum(len(rows) for rows in mail.since(state.watermark - 1 if bound else -1))


def search(session: ClientSession, right: AuditRight, request: api.Search) -> api.Hits:
    """Answer Search, within the limits."""
    with session.reading() as vault:
        mail = LimitedMail(vault, right)
        order = "relevance" if request.by_relevance else "date"
        about = (right.login, order, request.user, request.query, request.zone)
        cursors = SealedCursors(vault.directory.id_key, "limited search", *about)
        late = behind(vault, mail)
        found = _found(
            vault, mail, request.query, request.user, request.limit, cursors.open(request.after),
            by_relevance=request.by_relevance, oldest_first=request.oldest_first, around=request.around,
            zone=zone_asked(request.zone),
        )  # fmt: skip
        rows = vault.catalog.rows(list(found.ids))
        entries = with_answers(vault, request, rows, _entries(mail, rows))
        return _sealed(search_reply(request, found, late, entries, 0.0), cursors)


def _found(
    vault: Vault, mail: LimitedMail, query: str, user: str, limit: int, after: str = "", **more: Any
) -> SearchPage:
    """A page of a search within the limits. The mail of somebody else is none.

    Raises:
        AccessRefused: the query names a group.
        QueryError: it is not valid.
    """
    if names_groups(parse(query)):
        raise AccessRefused("groups are for auditors without limits: leave out group:")
    person = mail.user(user) if user else None
    if user and person is None:
        return SearchPage(0, True, (), (), first=0)
    return find(vault, query, person or "", limit, after, limits=mail.search_limits, **more)


# --- messages ---------------------------------------------------------------------------------------


def show(session: ClientSession, right: AuditRight, request: api.Show) -> api.Message:
    """Answer Show. Of legal holds, only those of the reader's own cases are named."""
    with session.reading() as vault:
        mail = LimitedMail(vault, right)
        row = mail.message(request.id)
        message = reading.show(session, replace(request, id=row.sha.hex()))
        holds = tuple(one for one in message.holds if mail.knows_case(one.case))
        return replace(message, folders=mail.paths([row.sequence]).get(row.sequence, ()), holds=holds)


def read_raw(session: ClientSession, right: AuditRight, request: api.ReadRaw) -> Iterator[WireWord]:
    """Answer ReadRaw. A report that brought other mail as well is refused."""
    if request.what not in ("message", "headers", "report"):
        raise AccessRefused("quarantined items are for auditors without limits: ask one")
    with session.reading() as vault:
        mail = LimitedMail(vault, right)
        row = mail.message(request.id)
        if request.what == "report":
            _require_report(vault, mail, row, request.report)
    return reading.read_raw(session, replace(request, id=row.sha.hex()))


def _require_report(vault: Vault, mail: LimitedMail, row: MessageRow, number: int) -> None:
    copies = list(vault.catalog.envelopes_of(row.sequence))
    brought = copies[number - 1].messages if 0 < number <= len(copies) else ()
    rows = [vault.catalog.message_by_sha(sha) for sha in brought]
    known = [one for one in rows if one is not None]
    if len(known) < len(rows) or len(mail.visible(known)) < len(known):
        raise AccessRefused("this report is not within your limits as a whole: ask an auditor without limits")


def read_attachment(
    session: ClientSession, right: AuditRight, request: api.ReadAttachment
) -> Iterator[WireWord]:
    """Answer ReadAttachment."""
    with session.reading() as vault:
        row = LimitedMail(vault, right).message(request.id)
    return reading.read_attachment(session, replace(request, id=row.sha.hex()))


# --- exports ----------------------------------------------------------------------------------------


def export(session: ClientSession, right: AuditRight, request: api.Export) -> Iterator[WireWord]:
    """Answer Export.

    Raises:
        AccessRefused: a production is asked for, whose numbers are the organisation's.
    """
    if request.form or request.bates:
        raise AccessRefused("productions are for auditors without limits: ask one")
    if not request.path:
        raise UsageError("name the file or folder to export to")
    with session.reading() as vault:
        mail = LimitedMail(vault, right)
        edition = LimitedEdition(vault, mail, _choice(vault, mail, request))
        yield from exported(session, vault, edition, Path(as_path(request.path)))
    yield api.Done(message=f"Exported to {readable(as_path(request.path))}, with a manifest.")


def _choice(vault: Vault, mail: LimitedMail, request: api.Export) -> ExportChoice:
    check_choice(request)
    if not request.folder:
        return ExportChoice(request.query, request.user, request.ids, zone=zone_name(request))
    user, folder = _place(vault, mail, request.user, request.folder)
    return ExportChoice(user=user.primary, folder=folder)


class LimitedEdition(ExportView):
    """An export of what an auditor with limits may read."""

    def __init__(self, vault: Vault, mail: LimitedMail, choice: ExportChoice) -> None:
        super().__init__(vault, choice)
        self._mail = mail

    def find(self, after: str) -> SearchPage:
        return _found(
            self.vault, self._mail, self.choice.query, self.choice.user, PAGE, after,
            oldest_first=self.oldest_first, zone=self.choice.tz, conversations=self.conversations,
        )  # fmt: skip

    def placed(self) -> Iterator[list[MessageRow]]:
        user = self._mail.user(self.choice.user)
        if user is None:
            raise _no_folder(self.choice.user, self.choice.folder)
        self.total = sum(len(rows) for rows in self._mail.walk(user, self.choice.folder))
        if not self.total:
            raise _no_folder(self.choice.user, self.choice.folder)
        yield from self._mail.walk(user, self.choice.folder, self.oldest_first)

    def row(self, id_: str) -> MessageRow:
        return self._mail.message(id_)

    def entry(self, row: MessageRow, name: str) -> dict[str, object]:
        folders = self._mail.paths([row.sequence]).get(row.sequence, ())
        return super().entry(row, name) | {"folders": list(folders)}


# --- what they may ask ------------------------------------------------------------------------------


def named_rows(mail: LimitedMail, request: Request) -> list[MessageRow]:
    """The messages that a request names by id.

    Raises:
        NotFound: one of them is not within the limits.
    """
    if isinstance(request, api.Show | api.ReadRaw | api.ReadAttachment):
        return [mail.message(request.id)]
    return [mail.message(id_) for id_ in request.ids] if isinstance(request, api.Export) else []


def exported_total(vault: Vault, mail: LimitedMail, request: api.Export, rows: Collection[MessageRow]) -> int:
    """How many messages an export takes."""
    if request.ids:
        return len({row.sequence for row in rows})
    if request.folder:
        user, folder = _place(vault, mail, request.user, request.folder)
        return sum(map(len, mail.walk(user, folder)))
    return _found(vault, mail, request.query, request.user, 1, zone=zone_asked(request.zone)).total


Limited = Callable[[ClientSession, AuditRight, Any], Answer]

ANSWERS: dict[type[Request], Limited] = {
    api.GetStatus: status,
    api.GetHealth: health,
    api.AskAccess: _ask,
    api.GetTree: tree,
    api.ListUsers: list_users,
    api.ShowUser: show_user,
    api.ListMessages: list_messages,
    api.Search: search,
    api.Show: show,
    api.ReadRaw: read_raw,
    api.ReadAttachment: read_attachment,
    api.Export: export,
}
"""The requests that auditors with limits may send, with what answers them."""
