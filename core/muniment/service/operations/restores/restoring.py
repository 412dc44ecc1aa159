"""Answers Restore: gives messages back into a mailbox, each once, and records which."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from muniment import api
from muniment.archive.catalog.audit_keys import RESTORED
from muniment.archive.operations.export import ExportView
from muniment.archive.retention.approvals import Approval, approvals_of
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused, UsageError, VaultError
from muniment.people.directory import User
from muniment.service.access.audit_trail import audit_event
from muniment.service.access.roles import AccessRole, Caller, contacts, role_of
from muniment.service.access.second_person import needed_acts
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.own_mail import OwnEdition, own_choice, require_own_query
from muniment.service.operations.reading import choice_of
from muniment.service.operations.restores.giving import ChosenMail, Giving
from muniment.service.operations.restores.journal import RestoreJournal
from muniment.service.operations.restores.reaching import Destination, destination_of, target_of
from muniment.service.operations.retention.approving import Act, asked_for
from muniment.system.formatting import count
from muniment.system.paths import readable

MOST = 100_000
"""Most messages of one restore."""
NAMED = 10_000
"""Most messages of a restore for which a second person is asked, since the approval names each."""
TOLD = 1_000
"""Most messages that a reply names as not given back."""


def restore(session: ClientSession, request: api.Restore) -> Iterator[api.WireWord]:
    """Answer Restore, for auditors and administrators."""
    role = role_of(session.caller, session.settings().access, session.folder.stat().st_uid)
    assert role is not None
    with session.writing() as vault:
        to = destination_of(vault, session.settings(), request.to)
        chosen = list(_chosen(ExportView(vault, choice_of(vault, request)), request))
        if role is not AccessRole.ADMINISTRATOR:
            _require_own(session, vault, request, to, chosen)
        elif not _is_own(vault, to, chosen):
            of = {
                "to": str(to), "profile": request.profile, "exact": request.exact, "again": request.again,
                "messages": [one.sha.hex() for one in chosen[:NAMED]],
            }  # fmt: skip
            _require_few(session, vault, chosen)
            asked = asked_for(session, vault, request, RESTORE, of, request.reason)
            if asked is not None:
                yield api.Restored(message=asked.message, to=str(to), approval=asked.approval)
                return
        yield from _restored(session, vault, request, to, chosen, session.caller, role)


def restore_own(session: ClientSession, user: User, request: api.Restore) -> Iterator[api.WireWord]:
    """Answer Restore, for a plain user: mail of the user, into the user's own mailbox."""
    with session.writing() as vault:
        to = destination_of(vault, session.settings(), request.to)
        if to.person is None or to.person.id != user.id:
            raise AccessRefused(
                f"mail of {user.primary} goes back into the mailbox of {user.primary} alone: ask an "
                "administrator for another mailbox"
            )
        if request.exact:
            raise AccessRefused("only an administrator may ask for exact bytes: leave out --exact")
        if request.profile:
            raise AccessRefused(
                "only auditors and administrators choose the way into a mailbox: leave out --by"
            )
        require_own_query(vault, user, request.query, request.user)
        edition = OwnEdition(vault, user, own_choice(vault, user, request))
        chosen = list(_chosen(edition, request))
        yield from _restored(session, vault, request, to, chosen, session.caller, AccessRole.USER)


def _chosen(edition: ExportView, request: api.Restore) -> Iterator[ChosenMail]:
    """The messages of a request, each once.

    Raises:
        UsageError: there are too many, or nothing selects them.
    """
    if not (request.query or request.ids or request.folder or request.user):
        raise UsageError("say which messages to give back: their ids, or a query")
    edition.oldest_first = True
    seen: set[int] = set()
    for row in chain.from_iterable(edition.pages()):
        if row.sequence in seen:
            continue
        seen.add(row.sequence)
        if len(seen) > MOST:
            raise UsageError(
                f"more than {count(MOST)} messages can't be given back at once: narrow the query"
            )
        yield ChosenMail(row.sequence, row.sha, edition.id_of(row))


# --- who may --------------------------------------------------------------------------------------


def _is_own(vault: Vault, to: Destination, chosen: Sequence[ChosenMail]) -> bool:
    """Whether the mailbox is that of a person who has all of the messages."""
    if to.person is None:
        return False
    for start in range(0, len(chosen), 500):
        numbers = {one.number for one in chosen[start : start + 500]}
        if vault.catalog.placed(to.person.id, numbers) != numbers:
            return False
    return True


def _require_own(
    session: ClientSession, vault: Vault, request: api.Restore, to: Destination, chosen: Sequence[ChosenMail]
) -> None:
    """Check what an auditor may give back.

    Raises:
        AccessRefused: the mail goes into another mailbox, or in exact bytes.
    """
    if request.exact or not _is_own(vault, to, chosen):
        whom = contacts(session.settings(), session.folder.stat().st_uid)
        what = (
            "decides that a mailbox gets exact bytes"
            if request.exact
            else f"puts mail into a mailbox whose owner does not have it ({to.mailbox})"
        )
        raise AccessRefused(f"only an administrator {what}: ask {whom}")


def _require_few(session: ClientSession, vault: Vault, chosen: Sequence[ChosenMail]) -> None:
    """Check that a second person can be asked, if one is needed. Raises UsageError."""
    if len(chosen) > NAMED and RESTORE.name in needed_acts(approvals_of(vault), session.settings()):
        raise UsageError(
            f"a second person can approve at most {count(NAMED)} messages at a time: narrow the query"
        )


# --- the work -------------------------------------------------------------------------------------


def _restored(
    session: ClientSession,
    vault: Vault,
    request: api.Restore,
    to: Destination,
    chosen: Sequence[ChosenMail],
    caller: Caller,
    role: AccessRole,
    approval: str = "",
) -> Iterator[api.WireWord]:
    """Give messages back, and tell how it went."""
    people = [to.person.id] if to.person is not None else []
    event = audit_event(RESTORED, caller, role, request, people=people, approval=approval)
    event |= {"to": str(to)} | ({"exact": True} if request.exact else {})
    with (
        _alone(session.folder, to.mailbox),
        closing(RestoreJournal(session.folder)) as journal,
    ):
        target, key = target_of(session, session.settings(), to, request.profile)
        giving = Giving(vault, journal, target, key, to.person, json.dumps(event, sort_keys=True))
        giving.exact, giving.again = request.exact, request.again
        with closing(target):
            target.open()
            yield from giving.give(chosen)
    yield api.Restored(
        message=_sentence(giving, to),
        to=str(to),
        total=len(chosen),
        given=giving.given,
        there=giving.there,
        before=giving.before,
        public=giving.public,
        failed=tuple(giving.failed[:TOLD]),
        missed=len(giving.failed),
    )


_busy: set[tuple[Path, str]] = set()
"""The mailboxes that get mail back right now, by vault."""
_changing = threading.Lock()


@contextmanager
def _alone(folder: Path, mailbox: str) -> Iterator[None]:
    """Let one restore at a time write into a mailbox, so that no message comes twice. Raises VaultError."""
    key = (folder, mailbox.casefold())
    with _changing:
        if key in _busy:
            raise VaultError(f"another restore into {mailbox} is under way: wait until it ends")
        _busy.add(key)
    try:
        yield
    finally:
        with _changing:
            _busy.discard(key)


def _sentence(giving: Giving, to: Destination) -> str:
    parts = [f"{_messages(giving.given)} given back to {readable(str(to))}"]
    if giving.public:
        parts.append(f"{count(giving.public)} of them without Bcc and transport fields")
    if giving.there:
        parts.append(f"{count(giving.there)} were there already")
    if giving.before:
        parts.append(f"{count(giving.before)} had been given back before")
    if giving.failed:
        parts.append(f"{count(len(giving.failed))} could not be given back")
    return f"{'; '.join(parts)}."


def _messages(number: int) -> str:
    return f"{count(number)} {'message' if number == 1 else 'messages'}"


# --- for two persons ------------------------------------------------------------------------------


def _says(of: dict[str, Any]) -> str:
    exact = " in exact bytes" if of.get("exact") else ""
    return f"give {_messages(len(of['messages']))} back into {of['to']}{exact}"


def _perform(session: ClientSession, vault: Vault, approval: Approval) -> str:
    """Give back exactly what was asked for, as the person who asked."""
    of, by = approval.of, approval.by
    request = api.Restore(
        to=of["to"], ids=tuple(of["messages"]), profile=of["profile"], exact=of["exact"], again=of["again"],
        reason=approval.reason,
    )  # fmt: skip
    to = destination_of(vault, session.settings(), request.to)
    found = (vault.catalog.message_by_sha(bytes.fromhex(sha)) for sha in request.ids)
    chosen = [ChosenMail(row.sequence, row.sha, row.sha.hex()) for row in found if row is not None]
    caller = Caller(by.uid, by.uid, 0, by.who)
    words = _restored(session, vault, request, to, chosen, caller, AccessRole.ADMINISTRATOR, approval.id)
    *_, answer = words
    assert isinstance(answer, api.Restored)
    gone = len(request.ids) - len(chosen)
    return answer.message + (f" {_messages(gone)} are no longer in the archive." if gone else "")


RESTORE = Act("restore", _says, _perform)
"""Gives mail back into a mailbox whose owner does not have it."""

OPERATIONS = (
    Operation(
        api.Restore, (api.Step, api.Restored), AccessRole.USER, restore, own_mail=restore_own,
        streams=True, audit=AuditRule.BEFORE,
    ),
)  # fmt: skip
