"""Checks each request before its handler: the caller's role, the view of a plain user, the audit trail."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import AccessRefused, ConfigError, MunimentError, NotFound
from muniment.people.directory import User
from muniment.people.grants import AccessGrant
from muniment.people.logins import is_unrecorded, login_of
from muniment.service.access.audit_trail import (
    PEOPLE,
    Event,
    audit_event,
    record,
    record_change,
    record_refusal,
    record_start,
    recordable,
    require_reason,
)
from muniment.service.access.limited_mail import AuditRight
from muniment.service.access.rights import closed_mail, grants_now, person
from muniment.service.access.roles import AccessRole, authorise, contacts, login_name, role_of
from muniment.service.dispatch.concerned import concerned
from muniment.service.dispatch.granted import (
    EVERYBODY,
    ReadablePerson,
    messages_of,
    person_of,
    readable_people,
)
from muniment.service.dispatch.limited import is_limited, limited_answer
from muniment.service.dispatch.sealed import READING, granted_without_sealed, sealed_reply, without_sealed
from muniment.service.dispatch.table import OPERATIONS
from muniment.service.host.login_records import record_logins
from muniment.service.host.session import ClientSession
from muniment.service.operations.logins import refusal
from muniment.service.operations.operation import Answer, AuditRule, Changed, Operation
from muniment.service.operations.reading import choice_of, message_named

log = logging.getLogger("muniment.service")


def call(session: ClientSession, request: Request) -> WireWord:
    """Answer a request that has one reply, if its caller may send it.

    Raises:
        AccessRefused: the caller may not send it. The refusal is in the audit trail.
        MunimentError: the handler failed.
    """
    with _admitted(session, request) as admitted:
        operation = _operation(request, streams=False)
        if admitted.role is AccessRole.USER:
            return cast(WireWord, _own_answer(operation, session, admitted, request))
        request = _open_part(session, admitted, request)
        read = _read_event(session, request, operation, admitted)
        if read is not None and operation.audit is AuditRule.BEFORE:
            record(session, read, soon=False)
        if operation.audit is AuditRule.CHANGE and not getattr(request, "check", False):
            return _changed(operation, session, admitted, request)
        answer = operation.handler(session, request)
        if read is not None and operation.audit in (AuditRule.AFTER, AuditRule.COUNTED):
            record(session, read, soon=True)
        reply = answer.reply if isinstance(answer, Changed) else cast(WireWord, answer)
        return _without_sealed_content(session, admitted, request, reply)


def stream(session: ClientSession, request: Request) -> Iterator[WireWord]:
    """As `call`, for a request that is answered by a stream."""
    with _admitted(session, request) as admitted:
        operation = _operation(request, streams=True)
        if admitted.role is AccessRole.USER:
            answer = _own_answer(operation, session, admitted, request)
            yield from cast(Iterator[WireWord], answer)
            return
        request = _open_part(session, admitted, request)
        read = _read_event(session, request, operation, admitted)
        if read is not None:
            record(session, read, soon=False)
        words = cast(Iterator[WireWord], operation.handler(session, request))
        if operation.audit is AuditRule.STARTED:
            words = _recorded(session, _start_event(session, request, admitted), words)
        yield from words


def _open_part(session: ClientSession, admitted: _Admitted, request: Request) -> Request:
    """A request to read, count or erase others' mail, without sealed mail.

    Raises:
        AccessRefused: it is about sealed mail alone.
    """
    if not isinstance(request, READING):
        return request
    with session.reading() as vault:
        closed = closed_mail(vault, admitted.login, admitted.own_id(vault))
        return without_sealed(vault, closed, request) if closed else request


def _without_sealed_content(
    session: ClientSession, admitted: _Admitted, request: Request, answer: WireWord
) -> WireWord:
    """A reply without the content of sealed messages."""
    if not isinstance(answer, api.Tree | api.Hits):
        return answer
    with session.reading() as vault:
        closed = closed_mail(vault, admitted.login, admitted.own_id(vault))
        return sealed_reply(vault, closed, request, answer) if closed else answer


def _recorded(session: ClientSession, started: Event, words: Iterator[WireWord]) -> Iterator[WireWord]:
    """Work with its event; one that can't be kept yet is kept after the work, which may be the repair.

    If the client leaves before that, a service tries until it can be kept.
    """
    kept = record_start(session, started)
    try:
        yield from words
    finally:
        if not kept:
            record_change(session, started)


def _operation(request: Request, *, streams: bool) -> Operation:
    """The operation that answers a request by one reply or by a stream.

    Raises:
        AccessRefused: there is none.
    """
    operation = OPERATIONS.get(type(request))
    if operation is None or operation.streams is not streams:
        raise _unanswered(request)
    return operation


def _own_answer(
    operation: Operation, session: ClientSession, admitted: _Admitted, request: Request
) -> WireWord | Iterator[WireWord]:
    """The answer to a plain user, from their own mail, or from that of a person by a grant."""
    if operation.own_mail is None:
        raise _unanswered(request)
    people = admitted.people(session)
    if admitted.audits and isinstance(request, EVERYBODY) and people:
        own = [operation.own_mail(session, one.user, request) for one in people]
        return _joined([*own, limited_answer(session, operation, admitted.right(session), request)])
    if admitted.audits and is_limited(session, request, people):
        return limited_answer(session, operation, admitted.right(session), request)
    if isinstance(request, EVERYBODY) and len(people) > 1:
        return _joined([operation.own_mail(session, one.user, request) for one in people])
    if len(people) == 1 and people[0].grant is None:
        return operation.own_mail(session, people[0].user, request)
    with session.reading() as vault:
        chosen = person_of(vault, request, people)
        if chosen.grant is None:
            return operation.own_mail(session, chosen.user, request)
        named = messages_of(vault, request)
        closed = closed_mail(vault, admitted.login, admitted.own_id(vault))
        request = granted_without_sealed(vault, closed, request, chosen.user.id, named)
        event = _granted_event(session, request, operation, vault, chosen, named)
    if event is not None:
        record(session, event, soon=operation.audit is AuditRule.AFTER)
    answer = operation.own_mail(session, chosen.user, request)
    if operation.streams:
        return answer
    return _without_sealed_content(session, admitted, request, cast(WireWord, answer))


def _joined(answers: Sequence[Answer]) -> WireWord:
    """One reply of the replies about several people."""
    trees = [one for one in answers if isinstance(one, api.Tree)]
    users = [one for one in answers if isinstance(one, api.Users)]
    if trees:
        folders = {user.user: user for tree in reversed(trees) for user in reversed(tree.users)}
        return api.Tree(users=tuple(reversed(folders.values())))
    words = {user.user: user for one in reversed(users) for user in reversed(one.users)}
    return api.Users(users=tuple(reversed(words.values())))


def _granted_event(
    session: ClientSession,
    request: Request,
    operation: Operation,
    vault: Vault,
    chosen: ReadablePerson,
    named: Collection[int],
) -> Event | None:
    """The audit event of a plain user who reads a person's mail by a grant; None if none is due.

    Raises:
        ReasonNeeded: [access] requires a reason, and the request has none.
    """
    if chosen.grant is None or operation.audit not in (AuditRule.BEFORE, AuditRule.AFTER):
        return None
    require_reason(session, request)
    rows = vault.catalog.rows(sorted(named))
    return audit_event(
        "read", session.caller, AccessRole.USER, request,
        messages=[row.sha.hex() for row in rows], people=[chosen.user.id], grant=chosen.grant.id,
    )  # fmt: skip


def _changed(operation: Operation, session: ClientSession, admitted: _Admitted, request: Request) -> WireWord:
    """The answer to a request that changes profiles or settings, which is recorded.

    A request that fails may have changed vault.toml before that, and is then recorded as well. If someone
    else changed the file at that moment, the trail has an event too many rather than one too few.
    """
    before = _settings_text(session)
    try:
        answer = operation.handler(session, request)
    except BaseException:
        if _settings_text(session) != before:
            record_change(session, _change_event(session, request, admitted))
        raise
    changed = answer if isinstance(answer, Changed) else Changed(cast(WireWord, answer))
    if changed.made:
        record_change(session, _change_event(session, request, admitted) | changed.detail)
    return changed.reply


def _settings_text(session: ClientSession) -> bytes:
    """What vault.toml holds now; b"" if it can't be read."""
    try:
        return session.settings_path.read_bytes()
    except OSError:
        return b""


def _unanswered(request: Request) -> AccessRefused:
    return AccessRefused(f"{type(request).__name__} can't be requested in this way")


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A caller who may send the request."""

    role: AccessRole
    login: str
    """Login name."""
    address: str
    """The address that [access.users] gives the login; "" for none."""

    grants: tuple[AccessGrant, ...] = ()
    """The grants of a plain user that are in force, to read mail as its people do."""
    audits: tuple[AccessGrant, ...] = ()
    """Those of an auditor with limits."""

    def right(self, session: ClientSession) -> AuditRight:
        """The right of an auditor with limits."""
        with session.reading() as vault:
            return AuditRight(self.login, self.audits, self.own_id(vault))

    def own_id(self, vault: Vault) -> str:
        """The id of the user that the login is bound to; "" for none."""
        own = person(vault.directory, self.login, self.address) if self.address else None
        return own.id if own is not None else ""

    def people(self, session: ClientSession) -> tuple[ReadablePerson, ...]:
        """The people whose mail the caller reads as they do: their own first, then those of grants.

        There is none for an auditor with limits who has no more than that.

        Raises:
            AccessRefused: there is none, since the login is not bound to the user who has its address.
            VaultError: vault.toml was changed, and the change can't be recorded now.
        """
        if not self.grants and not self.audits:
            return (ReadablePerson(self._own(session)),)
        with session.reading() as vault:
            own = person(vault.directory, self.login, self.address) if self.address else None
            found = readable_people(vault, own, self.grants, closed_mail(vault, self.login).users)
        if not found and not self.audits:
            raise AccessRefused(
                f"the mail that {self.login} may read is sealed: ask "
                f"{contacts(session.settings(), _owner_uid(session))}"
            )
        return found

    def _own(self, session: ClientSession) -> User:
        """The user whose own mail the caller reads. Raises as `people`."""
        with session.reading() as vault:
            settings = session.settings()
            if vault.writable and (
                is_unrecorded(vault.directory, self.login, self.address) or not vault.directory.id_key
            ):
                record_logins(vault, lambda: session.settings().access.users)
            directory = vault.directory  # one state of it, in case it changes meanwhile
            found = person(directory, self.login, self.address)
            if found is None:
                login = login_of(directory, self.login, self.address)
                raise AccessRefused(refusal(login, contacts(settings, _owner_uid(session))))
            return found


@contextmanager
def _admitted(session: ClientSession, request: Request) -> Iterator[_Admitted]:
    """Check the caller's role, and record every refusal that is raised inside."""
    role: AccessRole | None = None
    try:
        if isinstance(request, api.Init) and not session.settings_path.exists():
            yield _Admitted(AccessRole.ADMINISTRATOR, "", "")  # write access to the folder decides
            return
        owner = _owner_uid(session)
        settings = _settings(session, owner)
        role = role_of(session.caller, settings.access, owner)
        operation = OPERATIONS.get(type(request))
        least = operation.role if operation is not None else None
        name = session.caller.name
        address = settings.access.users.get(name, "")
        grants = _grants(session, name, address) if role in (None, AccessRole.USER) else ()
        audits = tuple(one for one in grants if one.limits is not None)
        role = authorise(
            session.caller, request, least, settings, owner, granted=bool(grants), limited=bool(audits)
        )
        yield _Admitted(role, name, address, tuple(one for one in grants if one.limits is None), audits)
    except AccessRefused as refusal:
        refused = audit_event("refused", session.caller, role, request, refusal=str(refusal))
        record_refusal(session, refused)
        raise
    except NotFound:
        if role is AccessRole.USER:  # other people's mail counts as not found
            refused = audit_event("refused", session.caller, role, request, refusal="not theirs")
            record_refusal(session, refused)
        raise


def _grants(session: ClientSession, login: str, address: str) -> tuple[AccessGrant, ...]:
    """The grants of a login that are in force; none while they can't be read."""
    try:
        with session.reading() as vault:
            own = person(vault.directory, login, address) if address else None
            return grants_now(vault, login, own.id if own is not None else "")
    except MunimentError as error:
        log.warning("the grants of %s could not be read, so none holds now: %s", login, error)
        return ()


def _owner_uid(session: ClientSession) -> int:
    """The user id of the vault's owner.

    Raises:
        VaultError: there is no vault.
    """
    try:
        return session.folder.stat().st_uid
    except OSError:
        session.settings()  # raises that there is no vault
        raise


def _settings(session: ClientSession, owner: int) -> Settings:
    """The settings in vault.toml.

    Raises:
        ConfigError: vault.toml is wrong, and the caller is the owner or root.
        AccessRefused: vault.toml is wrong, so no one else has a role.
    """
    try:
        return session.settings()
    except ConfigError:
        if session.caller.uid in (0, owner):
            raise
        raise AccessRefused(
            f"vault.toml has an error, so only its owner may use the vault: ask {login_name(owner)}"
        ) from None


def _read_event(
    session: ClientSession, request: Request, operation: Operation, admitted: _Admitted
) -> Event | None:
    """The audit event of a request that reads or counts others' mail; None for any other request.

    Raises:
        ReasonNeeded: [access] requires a reason, and the request has none.
        NotFound, QueryError: there is nothing to read.
    """
    if operation.audit not in (AuditRule.BEFORE, AuditRule.AFTER, AuditRule.COUNTED):
        return None
    with session.reading() as vault:
        messages = _messages(vault, request)
        own = person(vault.directory, admitted.login, admitted.address) if admitted.address else None
        if own is not None and _is_own(vault, request, own, messages):
            return None
        fields = concerned(vault, request, (number for number, _ in messages))
    if operation.audit is not AuditRule.COUNTED:
        require_reason(session, request)
    return audit_event(
        "read", session.caller, admitted.role, request,
        messages=[sha.hex() for _, sha in messages], number=getattr(request, "number", 0),
        report=getattr(request, "report", 0), rules=_tried_rules(request), **fields,
    )  # fmt: skip


def _tried_rules(request: Request) -> list[str]:
    """The rules that a simulation tries without setting them: name, and the query that it searches for."""
    rules = request.rules if isinstance(request, api.SimulateRetention) else ()
    return [recordable(f"{rule.name}: {rule.mail.query}".removesuffix(": ")) for rule in rules[:PEOPLE]]


def _change_event(session: ClientSession, request: Request, admitted: _Admitted) -> Event:
    """The audit event of a request that has changed something."""
    return audit_event(
        "changed", session.caller, admitted.role, request,
        new=getattr(request, "new", False),
        settings=sorted(request.values) if isinstance(request, api.PutSettings) else [],
    )  # fmt: skip


def _start_event(session: ClientSession, request: Request, admitted: _Admitted) -> Event:
    """The audit event of a request that starts work."""
    flags = ("deep", "catalog", "index", "accept_damage")
    return audit_event(
        "started", session.caller, admitted.role, request,
        items=list(getattr(request, "ids", ()))[:PEOPLE],
        was=list(getattr(request, "was", ()))[:PEOPLE],
        **{name: getattr(request, name, False) for name in flags},
    )  # fmt: skip


def _messages(vault: Vault, request: Request) -> list[tuple[int, bytes]]:
    """Record number and SHA-256 of each message that a request names by id; -1 for a quarantined item.

    Raises:
        NotFound: it names a message, user or folder that does not exist.
        QueryError: its query can't be parsed.
    """
    if isinstance(request, api.ReadRaw) and request.what == "quarantine":
        item = vault.catalog.quarantine_by_prefix(request.id)
        return [(-1, item.sha)]
    if isinstance(request, (api.Show, api.ReadRaw, api.ReadAttachment, api.Prove, api.ShowRetention)):
        return [_message(vault, request.id)]
    if isinstance(request, api.Export | api.Restore):
        return [_message(vault, one) for one in choice_of(vault, request).ids]
    if isinstance(request, api.CheckErasure):
        return list(_to_be_erased(vault, request))
    return []


def _to_be_erased(vault: Vault, request: api.CheckErasure) -> Iterator[tuple[int, bytes]]:
    for id_ in dict.fromkeys(request.ids):
        try:
            yield _message(vault, id_)
        except NotFound:
            if not request.pass_over:
                raise


def _message(vault: Vault, id_: str) -> tuple[int, bytes]:
    row = message_named(vault, id_)
    return row.sequence, row.sha


def _is_own(vault: Vault, request: Request, own: User, messages: list[tuple[int, bytes]]) -> bool:
    """Whether a request reads only the caller's own mail."""
    if messages:
        if isinstance(request, api.Prove) or getattr(request, "what", "message") == "report":
            return False  # reports name others
        numbers = {number for number, _ in messages}
        return numbers == vault.catalog.placed(own.id, numbers)
    try:
        named = vault.directory.find(getattr(request, "user", "") or "?")
    except MunimentError:
        return False
    return named.id == own.id
