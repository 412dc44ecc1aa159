"""Checks each request before its handler: the caller's role, the view of a plain user, the audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import AccessRefused, ConfigError, MunimentError, NotFound, ReasonNeeded
from muniment.people.directory import Directory, User
from muniment.people.logins import LoginState, is_unrecorded, login_of
from muniment.service.access.audit_trail import (
    PEOPLE,
    Event,
    audit_event,
    record,
    record_change,
    record_refusal,
    record_start,
)
from muniment.service.access.roles import AccessRole, authorise, contacts, login_name, role_of
from muniment.service.dispatch.concerned import concerned
from muniment.service.dispatch.table import OPERATIONS
from muniment.service.host.login_records import record_logins
from muniment.service.host.session import ClientSession
from muniment.service.operations.logins import refusal
from muniment.service.operations.operation import AuditRule, Changed, Operation
from muniment.service.operations.reading import choice_of, message_named


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
        read = _read_event(session, request, operation, admitted)
        if read is not None and operation.audit is AuditRule.BEFORE:
            record(session, read, soon=False)
        if operation.audit is AuditRule.CHANGE and not getattr(request, "check", False):
            return _changed(operation, session, admitted, request)
        answer = operation.handler(session, request)
        if read is not None and operation.audit is AuditRule.AFTER:
            record(session, read, soon=True)
        return answer.reply if isinstance(answer, Changed) else cast(WireWord, answer)


def stream(session: ClientSession, request: Request) -> Iterator[WireWord]:
    """As `call`, for a request that is answered by a stream."""
    with _admitted(session, request) as admitted:
        operation = _operation(request, streams=True)
        if admitted.role is AccessRole.USER:
            yield from cast(Iterator[WireWord], _own_answer(operation, session, admitted, request))
            return
        read = _read_event(session, request, operation, admitted)
        if read is not None:
            record(session, read, soon=False)
        words = cast(Iterator[WireWord], operation.handler(session, request))
        if operation.audit is AuditRule.STARTED:
            words = _recorded(session, _start_event(session, request, admitted), words)
        yield from words


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
    """The answer to a plain user, from their own mail."""
    if operation.own_mail is None:
        raise _unanswered(request)
    return operation.own_mail(session, admitted.own(session), request)


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

    def own(self, session: ClientSession) -> User:
        """The user whose mail the caller reads.

        Raises:
            AccessRefused: the login is not bound to the user who has its address.
            VaultError: vault.toml was changed, and the change can't be recorded now.
        """
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


def person(directory: Directory, login: str, address: str) -> User | None:
    """The user whose mail a login reads; None if the login is not bound, or its address has moved."""
    found = login_of(directory, login, address)
    return directory.user(found.user) if found.state is LoginState.BOUND and found.user is not None else None


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
        role = authorise(session.caller, request, least, settings, owner)
        name = session.caller.name
        yield _Admitted(role, name, settings.access.users.get(name, ""))
    except AccessRefused as refusal:
        refused = audit_event("refused", session.caller, role, request, refusal=str(refusal))
        record_refusal(session, refused)
        raise
    except NotFound:
        if role is AccessRole.USER:  # other people's mail counts as not found
            refused = audit_event("refused", session.caller, role, request, refusal="not theirs")
            record_refusal(session, refused)
        raise


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
    """The audit event of a request that reads others' mail; None for any other request.

    Raises:
        ReasonNeeded: [access] requires a reason, and the request has none.
        NotFound, QueryError: there is nothing to read.
    """
    if operation.audit not in (AuditRule.BEFORE, AuditRule.AFTER):
        return None
    with session.reading() as vault:
        messages = _messages(vault, request)
        own = person(vault.directory, admitted.login, admitted.address) if admitted.address else None
        if own is not None and _is_own(vault, request, own, messages):
            return None
        fields = concerned(vault, request, (number for number, _ in messages))
    if session.settings().access.require_reason and not getattr(request, "reason", "").strip():
        raise ReasonNeeded(
            "reading others' mail needs a reason, which is kept in the audit trail: give it with --reason "
            "TEXT"
        )
    return audit_event(
        "read", session.caller, admitted.role, request,
        messages=[sha.hex() for _, sha in messages], number=getattr(request, "number", 0),
        report=getattr(request, "report", 0), **fields,
    )  # fmt: skip


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
    if isinstance(request, (api.Show, api.ReadRaw, api.ReadAttachment)):
        return [_message(vault, request.id)]
    if isinstance(request, api.Export):
        return [_message(vault, one) for one in choice_of(vault, request).ids]
    return []


def _message(vault: Vault, id_: str) -> tuple[int, bytes]:
    row = message_named(vault, id_)
    return row.sequence, row.sha


def _is_own(vault: Vault, request: Request, own: User, messages: list[tuple[int, bytes]]) -> bool:
    """Whether a request reads only the caller's own mail."""
    if messages:
        numbers = {number for number, _ in messages}
        return getattr(request, "what", "message") != "report" and numbers == vault.catalog.placed(
            own.id, numbers
        )
    try:
        named = vault.directory.find(getattr(request, "user", "") or "?")
    except MunimentError:
        return False
    return named.id == own.id
