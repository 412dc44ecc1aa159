"""Rights to read the mail of others: grants, seals, and who could read what on a day."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from muniment import api
from muniment.archive.catalog.model import DecisionRow
from muniment.archive.ledger.model import RecordKind
from muniment.archive.operations.check_names import person
from muniment.archive.operations.public_ids import new_key
from muniment.archive.retention.approvals import Approval
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused, NotFound, UsageError
from muniment.people.changes import Change, set_id_key
from muniment.people.directory import Directory, User
from muniment.people.grants import (
    TO_GROUP,
    AccessBook,
    AccessGrant,
    MailLimits,
    MailSeal,
    access_book,
    grant_value,
    revoke_value,
    seal_value,
    unseal_value,
)
from muniment.service.access.audit_trail import PEOPLE, audit_event, recordable
from muniment.service.access.rights import book_of
from muniment.service.access.rights import person as bound_person
from muniment.service.access.roles import AccessRole, login_name
from muniment.service.host.session import ClientSession
from muniment.service.operations.access.joining import join, joins_oneself, says_joining
from muniment.service.operations.access.limits import (
    LONGEST_LOGIN,
    grant_asked,
    grantable,
    last_day,
    login_asked,
    require_new,
    what_of,
    without_effect,
)
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.retention.approving import Act, ask_for_approval, asked_for

# --- lists ------------------------------------------------------------------------------------------


def list_access(session: ClientSession, request: api.ListAccess) -> api.AccessRights:
    """Answer ListAccess."""
    access, now = session.settings().access, int(time.time())
    with session.reading() as vault:
        book, directory = book_of(vault), vault.directory
        grants = [one for one in book.grants.values() if request.former or one.holds(now)]
        seals = [one for one in book.seals if request.former or one.holds(now)]
        return api.AccessRights(
            owner=login_name(session.folder.stat().st_uid),
            administrators=access.administrators,
            auditors=access.auditors,
            users=tuple(sorted(access.users.items())),
            grants=tuple(_grant_word(one, directory, now) for one in grants),
            seals=tuple(seal_word(one, directory) for one in seals),
        )


def _grant_word(grant: AccessGrant, directory: Directory, now: int) -> api.GrantWord:
    return api.GrantWord(
        id=grant.id, login=grant.login, person=directory.label(grant.user) if grant.user else "",
        since=grant.since, until=grant.until or 0, reason=grant.reason, by=grant.by, ended=grant.ended or 0,
        ended_by=grant.ended_by, active=grant.holds(now), group=grant.group,
        limits=grant.limits.describe() if grant.limits is not None else "",
    )  # fmt: skip


def seal_word(seal: MailSeal, directory: Directory) -> api.SealWord:
    """A seal as a reply."""
    return api.SealWord(
        person=directory.label(seal.user), logins=tuple(sorted(seal.logins)), since=seal.since,
        reason=seal.reason, by=seal.by, ended=seal.ended or 0,
    )  # fmt: skip


# --- changes ----------------------------------------------------------------------------------------


def grant_access(session: ClientSession, request: api.GrantAccess) -> api.Decided:
    """Answer GrantAccess."""
    now, reason = int(time.time()), _reason(request.reason)
    with session.writing() as vault:
        of = grant_asked(vault, request, now) | {"reason": reason}
        require_new(book_of(vault), of, now)
        asked = asked_for(session, vault, request, GRANT, of, reason)
        return asked or api.Decided(message=_grant(session, vault, request, of))


def ask_access(session: ClientSession, request: api.AskAccess) -> api.Decided:
    """Answer AskAccess, for any login with a role: an administrator, who is another person, decides."""
    now = int(time.time())
    reason, until = _reason(request.reason), last_day(request.until, request.zone, now)
    if until is None:
        raise UsageError("give the last day of the right with --until")
    named = request.user.strip()[:LONGEST_LOGIN]
    if not named:
        raise UsageError("name the person whose mail you need to read")
    with session.writing() as vault:
        # The person is fixed now, since the address may move before someone answers.
        of = {
            "login": session.caller.name, "user": _user_id(vault, named), "person": named, "until": until,
            "reason": reason,
        }  # fmt: skip
        return ask_for_approval(session, vault, request, GRANT, of, reason, AccessRole.USER)


def _ask_own(session: ClientSession, user: User, request: api.AskAccess) -> api.Decided:
    """The same for a plain user. Whether there is such a person shows only to who decides."""
    return ask_access(session, request)


def _user_id(vault: Vault, name: str) -> str:
    """The id of a person; "" if there is none, which who asks must not learn."""
    try:
        return person(vault, name).id
    except NotFound:
        return ""


def _grant(
    session: ClientSession, vault: Vault, request: api.Request, of: dict[str, Any], approval: str = ""
) -> str:
    """Record a grant; returns a sentence.

    Raises:
        NotFound: there is no such person.
        UsageError: the login has this right, or its end is over.
    """
    now, until, login = int(time.time()), of["until"] or None, of["login"]
    if until is not None and until <= now:
        raise UsageError(f"the right would have ended on {_utc(until)} UTC: ask again with a later day")
    if "person" in of:
        user = vault.directory.user(of["user"]) if of["user"] else grantable(vault, of["person"])
        of = of | {"user": user.id, "person": user.primary}
    limits = MailLimits.of(of["limits"]) if "limits" in of else None
    _need_public_ids(vault)

    def decide(earlier: list[DecisionRow]) -> list[dict[str, Any]]:
        book = access_book(earlier)
        if _is_done(earlier, approval):
            return []
        require_new(book, of, now)
        caller, id_ = session.caller, _new_id(book)
        value = grant_value(
            id_, login, of.get("user", ""), of.get("person", ""), until, of["reason"], caller.name,
            caller.uid, of.get("group", ""), limits,
        )  # fmt: skip
        return [value | ({"approval": approval} if approval else {})]

    made = _record(session, vault, request, decide, limits.people if limits else (of.get("user", ""),))
    if not made:
        return f"The right of {login} to read {what_of(of)} was granted before."
    return (
        f"{login} may read {what_of(of)}, {_end(until)}: grant {_id_of(made[0])}. "
        "Each time is recorded in the audit trail." + without_effect(session.settings().access, of)
    )


def _granted_by_two(session: ClientSession, vault: Vault, approval: Approval) -> str:
    """Record a grant that was approved.

    Raises:
        AccessRefused: who approves it would read the mail.
    """
    if "join" in approval.of:
        if joins_oneself(session, vault, approval.of):
            raise AccessRefused(
                "an administrator does not add their own login: another administrator must approve"
            )
        join(session, vault, api.AnswerApproval(id=approval.id, answer="approve"), approval.of)
        return f"They are in the group {approval.of['join']}."
    if _reads(session, vault, approval.of["login"]):
        raise AccessRefused("nobody grants a right to read to themselves: another administrator must approve")
    request = api.AnswerApproval(id=approval.id, answer="approve")
    return _grant(session, vault, request, approval.of, approval.id)


def _reads(session: ClientSession, vault: Vault, reader: str) -> bool:
    """Whether the caller would read by a grant to a login or to the members of a group."""
    caller = session.caller.name
    if not reader.startswith(TO_GROUP):
        return caller == reader
    address = session.settings().access.users.get(caller, "")
    own = bound_person(vault.directory, caller, address) if address else None
    members = vault.directory.groups.users(reader.removeprefix(TO_GROUP), int(time.time()))
    return own is not None and own.id in members


def _says_grant(of: dict[str, Any]) -> str:
    if "join" in of:
        return says_joining(of)
    return f"let {of['login']} read {what_of(of)}, {_end(of['until'])}"


def _end(until: int | None) -> str:
    return f"until {_utc(until)} UTC" if until else "until it is revoked"


def _is_done(earlier: Sequence[DecisionRow], approval: str) -> bool:
    """Whether an approval has had its effect, before a crash kept that from being noted."""
    return bool(approval) and any(json.loads(row.content).get("approval") == approval for row in earlier)


GRANT = Act("access grant", _says_grant, _granted_by_two)


def _utc(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))


def _id_of(made: DecisionRow) -> str:
    return next(iter(access_book([made]).grants))


def revoke_access(session: ClientSession, request: api.RevokeAccess) -> api.Done:
    """Answer RevokeAccess."""
    now, reason = int(time.time()), _reason(request.reason)
    with session.writing() as vault:
        grant = _active_grant(book_of(vault), request.id, now)

        def decide(earlier: list[DecisionRow]) -> list[dict[str, Any]]:
            _active_grant(access_book(earlier), grant.id, now)
            return [revoke_value(grant.id, reason, session.caller.name, session.caller.uid)]

        _record(session, vault, request, decide, grant.limits.people if grant.limits else (grant.user,))
    return api.Done(message=f"{grant.login} may no longer read by the grant {grant.id} ({grant.what}).")


def _active_grant(book: AccessBook, beginning: str, now: int) -> AccessGrant:
    found = [
        one for one in book.grants.values() if beginning and one.id.startswith(beginning) and one.holds(now)
    ]
    if len(found) != 1:
        wrong = f"several grants begin with {beginning!r}" if found else f"no grant {beginning!r} is in force"
        raise NotFound(f"{wrong}: `muniment access list` lists them")
    return found[0]


def seal_mail(session: ClientSession, request: api.SealMail) -> api.Done:
    """Answer SealMail."""
    reason = _reason(request.reason)
    logins = tuple(dict.fromkeys(login_asked(one) for one in request.logins))
    if not logins:
        raise UsageError("name at least one login that may open the mail, or no one could")
    with session.writing() as vault:
        user = grantable(vault, request.user)
        caller = session.caller

        def decide(earlier: list[DecisionRow]) -> list[dict[str, Any]]:
            _require_narrower(access_book(earlier), user, logins)
            return [seal_value(user.id, user.primary, logins, reason, caller.name, caller.uid)]

        _record(session, vault, request, decide, (user.id,))
    return api.Done(
        message=f"Only {', '.join(logins)} may open the mail of {user.primary}, besides {user.primary}. "
        "Whoever can read the vault's files is not held off by that: it is the owner's machine."
    )


def _require_narrower(book: AccessBook, user: User, logins: Collection[str]) -> None:
    """Check that a new seal opens nothing that the present one closes: that is what unsealing is for."""
    seal = book.seals_on(int(time.time())).get(user.id)
    more = sorted(set(logins) - seal.logins) if seal is not None else []
    if more:
        raise UsageError(
            f"the mail of {user.primary} is sealed, and {', '.join(more)} may not open it: lift that seal "
            "first (`muniment access unseal`), then seal it again"
        )


def unseal_mail(session: ClientSession, request: api.UnsealMail) -> api.Decided:
    """Answer UnsealMail."""
    reason = _reason(request.reason)
    with session.writing() as vault:
        user = person(vault, request.user)
        seal = book_of(vault).seals_on(int(time.time())).get(user.id)
        of = {
            "user": user.id, "person": user.primary, "reason": reason, "since": seal.since if seal else 0,
            "logins": sorted(seal.logins) if seal else [],
        }  # fmt: skip
        _require_sealed(book_of(vault), of)
        asked = asked_for(session, vault, request, UNSEAL, of, reason)
        return asked or api.Decided(message=_unseal(session, vault, request, of))


def _require_sealed(book: AccessBook, of: dict[str, Any]) -> None:
    seal = book.seals_on(int(time.time())).get(of["user"])
    if seal is None:
        raise NotFound(f"the mail of {of['person']} is not sealed: nothing was changed")
    if (seal.since, sorted(seal.logins)) != (of["since"], of["logins"]):
        raise UsageError(
            f"the seal of the mail of {of['person']} is another one by now: ask again for the present one"
        )


def _unseal(
    session: ClientSession, vault: Vault, request: api.Request, of: dict[str, Any], approval: str = ""
) -> str:
    """Record that a seal is lifted; returns a sentence.

    Raises:
        NotFound: the mail is not sealed any more.
    """
    caller = session.caller

    def decide(earlier: list[DecisionRow]) -> list[dict[str, Any]]:
        if _is_done(earlier, approval):
            return []
        _require_sealed(access_book(earlier), of)
        value = unseal_value(of["user"], of["person"], of["reason"], caller.name, caller.uid)
        return [value | ({"approval": approval} if approval else {})]

    _record(session, vault, request, decide, (of["user"],))
    return f"The mail of {of['person']} is no longer sealed."


UNSEAL = Act(
    "access unseal",
    lambda of: f"lift the seal of the mail of {of['person']}",
    lambda session, vault, approval: _unseal(
        session, vault, api.AnswerApproval(id=approval.id, answer="approve"), approval.of, approval.id
    ),
)


def _record(
    session: ClientSession, vault: Vault, request: api.Request, decide: Any, people: Iterable[str]
) -> list[DecisionRow]:
    """Record a decision about people, by their ids, and its audit event in one batch."""
    concerned = [user for user in people if user][:PEOPLE]

    def events(made: Sequence[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        for value in made:
            detail = {
                key: value[key]
                for key in ("login", "logins", "until", "group", "limits")
                if value.get(key) not in (None, "")
            }
            if value["op"] in ("grant", "revoke"):
                detail["grant"] = value["id"]
            yield audit_event(
                "changed", session.caller, AccessRole.ADMINISTRATOR, request, people=concerned, **detail
            )

    return vault.decide(RecordKind.GRANT, decide, int(time.time()), events)


def _new_id(book: AccessBook) -> str:
    while (made := secrets.token_hex(4)) in book.grants:
        pass
    return made


def _need_public_ids(vault: Vault) -> None:
    """Make the key of public ids, by which the reader of a grant knows messages, if there is none."""
    if vault.directory.id_key:
        return

    def wanted(directory: Directory) -> list[Change]:
        return [] if directory.id_key else [set_id_key(new_key())]

    vault.change_directory(wanted, int(time.time()))


def _reason(text: str) -> str:
    reason = recordable(text.strip())
    if not reason:
        raise UsageError("a reason is needed: it is kept in the ledger with the right")
    return reason


OPERATIONS = (
    Operation(
        api.AskAccess, (api.Decided,), AccessRole.USER, ask_access, own_mail=_ask_own, audit=AuditRule.WITHIN
    ),
    Operation(api.ListAccess, (api.AccessRights,), AccessRole.AUDITOR, list_access),
    Operation(
        api.GrantAccess, (api.Decided,), AccessRole.ADMINISTRATOR, grant_access, audit=AuditRule.WITHIN
    ),
    Operation(api.RevokeAccess, (api.Done,), AccessRole.ADMINISTRATOR, revoke_access, audit=AuditRule.WITHIN),
    Operation(api.SealMail, (api.Done,), AccessRole.ADMINISTRATOR, seal_mail, audit=AuditRule.WITHIN),
    Operation(api.UnsealMail, (api.Decided,), AccessRole.ADMINISTRATOR, unseal_mail, audit=AuditRule.WITHIN),
)
