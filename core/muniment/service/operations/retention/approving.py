"""Acts that may need a second person: asking for one, and doing it once it is approved.

An act has an entry in `approvals.ACTS`. Its own operation calls `asked_for` first: if the act needs a second
person, that records the request, and the operation does nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from muniment import api
from muniment.archive.ledger.model import RecordKind
from muniment.archive.retention.approvals import Approval, approvals_of, ask_value
from muniment.archive.retention.holds import Actor
from muniment.archive.vault.vault import Vault
from muniment.config.model import AccessSection
from muniment.service.access.audit_trail import Event, audit_event
from muniment.service.access.roles import AccessRole
from muniment.service.access.second_person import needed_acts
from muniment.service.host.session import ClientSession


@dataclass(frozen=True, slots=True)
class Act:
    """An act that may need a second person."""

    name: str
    """As [approvals] in vault.toml names it."""
    says: Callable[[dict[str, Any]], str]
    """Takes its arguments, and says what it does: a phrase such as "release the hold 'x'"."""
    perform: Callable[[ClientSession, Vault, Approval], str]
    """Does it, as the person wanted who asked, and returns a sentence. Raises MunimentError if it fails; then
    it has done nothing, or can be done again."""


def asked_for(
    session: ClientSession, vault: Vault, request: api.Request, act: Act, of: dict[str, Any], reason: str
) -> api.Decided | None:
    """Ask another administrator for an act, if it needs a second person; else return None.

    The arguments are those of `ask_for_approval`, which raises the same errors.
    """
    if act.name not in needed_acts(approvals_of(vault), session.settings()):
        return None
    return ask_for_approval(session, vault, request, act, of, reason)


def ask_for_approval(
    session: ClientSession,
    vault: Vault,
    request: api.Request,
    act: Act,
    of: dict[str, Any],
    reason: str,
    role: AccessRole = AccessRole.ADMINISTRATOR,
) -> api.Decided:
    """Ask an administrator, who is not the caller, for an act.

    Args:
        session: the session of who wants it.
        vault: the vault, open for writing.
        request: the request, for the audit trail.
        act: the act.
        of: its exact arguments, as plain values of JSON.
        reason: why it is wanted.
        role: the caller's role, for the audit trail.

    Raises:
        UsageError: the reason is missing or too long, or just this waits already.
    """
    now, by = int(time.time()), actor(session)
    (row,) = vault.decide(
        RecordKind.APPROVAL,
        lambda earlier: [ask_value(earlier, act.name, of, reason, by, now)],
        now,
        lambda made: act_events(session, request, role, approval=made[0]["id"], act=act.name, answer="ask"),
    )
    id_ = next(one.id for one in approvals_of(vault).approvals if one.number == row.sequence)
    return api.Decided(
        message=f"This needs a second person: to {act.says(of)}, another administrator must approve {id_} "
        f"within 30 days (`muniment approvals approve {id_}`).",
        approval=id_,
    )


def actor(session: ClientSession) -> Actor:
    """Who sends the requests of a session."""
    return Actor(session.caller.name, session.caller.uid)


def act_events(
    session: ClientSession,
    request: api.Request,
    role: AccessRole = AccessRole.ADMINISTRATOR,
    **detail: Any,
) -> list[Event]:
    """The event of an act by a caller in a role; it is left out where that of a read is."""
    if not session.shared and session.settings().access == AccessSection():
        return []
    return [audit_event("changed", session.caller, role, request, **detail)]
