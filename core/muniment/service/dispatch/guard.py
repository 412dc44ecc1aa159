"""The gate of every request: who may send it, whose mail it sees, and the audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from muniment import api
from muniment.api import Request, Word
from muniment.archive.operations.search import find
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import AccessRefused, ConfigError, MunimentError, NotFound, ReasonNeeded
from muniment.people.directory import Directory, User
from muniment.people.logins import State, is_unrecorded, login_of
from muniment.service.access.audit_trail import Event, event, record, record_refusal
from muniment.service.access.roles import Role, askable, authorise, login_name, role_of
from muniment.service.dispatch.table import OPERATIONS
from muniment.service.host.login_records import record_logins
from muniment.service.host.session import Session
from muniment.service.operations.logins import refusal
from muniment.service.operations.operation import Audit, Operation
from muniment.service.operations.reading import choice_of, message_named


def call(session: Session, request: Request) -> Word:
    """Answer a request that has one reply, as far as its caller may send it.

    Raises:
        AccessRefused: they may not; it is in the audit trail.
        MunimentError: what the request itself fails at.
    """
    with _admitted(session, request) as admitted:
        operation = _operation(request, streams=False)
        if admitted.role is Role.USER:
            return cast(Word, _own_answer(operation, session, admitted, request))
        read = _another(session, request, operation, admitted)
        if read is not None and operation.audit is Audit.BEFORE:
            record(session, read, soon=False)
        answer = cast(Word, operation.handler(session, request))
        if read is not None and operation.audit is Audit.AFTER:
            record(session, read, soon=True)
        return answer


def stream(session: Session, request: Request) -> Iterator[Word]:
    """As `call`, for a request that a stream answers."""
    with _admitted(session, request) as admitted:
        operation = _operation(request, streams=True)
        if admitted.role is Role.USER:
            yield from cast(Iterator[Word], _own_answer(operation, session, admitted, request))
            return
        read = _another(session, request, operation, admitted)
        if read is not None:
            record(session, read, soon=False)
        yield from cast(Iterator[Word], operation.handler(session, request))


def _operation(request: Request, *, streams: bool) -> Operation:
    """What answers a request in this way.

    Raises:
        AccessRefused: nothing does.
    """
    operation = OPERATIONS.get(type(request))
    if operation is None or operation.streams is not streams:
        raise _not_here(request)
    return operation


def _own_answer(
    operation: Operation, session: Session, admitted: _Admitted, request: Request
) -> Word | Iterator[Word]:
    """The answer to a plain user, from their own mail."""
    if operation.own_mail is None:
        raise _not_here(request)
    return operation.own_mail(session, admitted.own(session), request)


def _not_here(request: Request) -> AccessRefused:
    return AccessRefused(f"{type(request).__name__} can't be asked for in this way")


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A caller who may say the word."""

    role: Role
    login: str
    address: str
    """Of the mail that is their own, as vault.toml has it; "" for none."""

    def own(self, session: Session) -> User:
        """The user whose mail is theirs.

        Raises:
            AccessRefused: no administrator has bound them to the user whose address vault.toml names.
            VaultError: vault.toml was changed, and that can't be recorded now.
        """
        with session.reading() as vault:
            settings = session.settings()
            if vault.writable and (
                is_unrecorded(vault.directory, self.login, self.address) or not vault.directory.id_key
            ):
                record_logins(vault, lambda: session.settings().access.users)
            directory = vault.directory  # one state of it, whatever is changed meanwhile
            found = person(directory, self.login, self.address)
            if found is None:
                login = login_of(directory, self.login, self.address)
                raise AccessRefused(refusal(login, askable(settings, _owner(session))))
            return found


def person(directory: Directory, login: str, address: str) -> User | None:
    """The user whose mail a login reads; None for one that is bound to nobody, or whose address moved."""
    found = login_of(directory, login, address)
    return directory.user(found.user) if found.state is State.BOUND and found.user is not None else None


@contextmanager
def _admitted(session: Session, request: Request) -> Iterator[_Admitted]:
    role: Role | None = None
    try:
        if isinstance(request, api.Init) and not session.settings_path.exists():
            yield _Admitted(Role.ADMINISTRATOR, "", "")  # whoever may write the folder makes the vault
            return
        owner = _owner(session)
        settings = _settings(session, owner)
        role = role_of(session.caller, settings.access, owner)
        operation = OPERATIONS.get(type(request))
        least = operation.role if operation is not None else None
        role = authorise(session.caller, request, least, settings, owner)
        name = session.caller.name
        yield _Admitted(role, name, settings.access.users.get(name, ""))
    except AccessRefused as refusal:
        record_refusal(session, event("refused", session.caller, role, request, refusal=str(refusal)))
        raise
    except NotFound:
        if role is Role.USER:  # what is not theirs is not there
            record_refusal(session, event("refused", session.caller, role, request, refusal="not theirs"))
        raise


def _owner(session: Session) -> int:
    """Whose vault it is, by uid.

    Raises:
        VaultError: there is no vault.
    """
    try:
        return session.folder.stat().st_uid
    except OSError:
        session.settings()  # says that there is none
        raise


def _settings(session: Session, owner: int) -> Settings:
    """vault.toml.

    Raises:
        AccessRefused: it is wrong, and so nobody knows who is calling: what is wrong is for its owner.
        MunimentError: likewise, told to the owner.
    """
    try:
        return session.settings()
    except ConfigError:
        if session.caller.uid in (0, owner):
            raise
        raise AccessRefused(
            f"vault.toml can't be used as it stands, so that only its owner may do anything: "
            f"tell {login_name(owner)}"
        ) from None


def _another(session: Session, request: Request, operation: Operation, admitted: _Admitted) -> Event | None:
    """The event to log where a word reads another's mail; None where it does not.

    Raises:
        AccessRefused: a reason is missing.
        NotFound, QueryError: there is nothing to read.
    """
    if operation.audit is Audit.NEVER:
        return None
    with session.reading() as vault:
        messages = _messages(vault, request)
        own = person(vault.directory, admitted.login, admitted.address) if admitted.address else None
        if own is not None and _is_own(vault, request, own, messages):
            return None
    if session.settings().access.require_reason and not getattr(request, "reason", "").strip():
        raise ReasonNeeded(
            "reading another's mail needs a reason here, which is kept in the audit trail: "
            "give it with --reason TEXT"
        )
    return event(
        "read", session.caller, admitted.role, request,
        messages=[sha.hex() for _, sha in messages], number=getattr(request, "number", 0),
        report=getattr(request, "report", 0),
    )  # fmt: skip


def _messages(vault: Vault, request: Request) -> list[tuple[int, bytes]]:
    """Number and hash of each message that a word names; none where it names none.

    Raises:
        NotFound, QueryError: it names what is not there, or can't be read.
    """
    if isinstance(request, api.ReadRaw) and request.what == "quarantine":
        item = vault.catalog.quarantine_by_prefix(request.id)
        return [(-1, item.sha)]
    if isinstance(request, (api.Show, api.ReadRaw, api.ReadAttachment)):
        return [_message(vault, request.id)]
    if isinstance(request, api.Export):
        choice = choice_of(vault, request)
        if not choice.ids and not choice.folder:
            find(vault, choice.query, choice.user, 1)  # what can't be found is not read
        return [_message(vault, one) for one in choice.ids]
    return []


def _message(vault: Vault, id_: str) -> tuple[int, bytes]:
    row = message_named(vault, id_)
    return row.sequence, row.sha


def _is_own(vault: Vault, request: Request, own: User, messages: list[tuple[int, bytes]]) -> bool:
    """Whether a word reads nothing but the caller's own mail."""
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
