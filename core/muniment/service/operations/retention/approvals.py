"""Answers the requests about approvals, and does what is approved."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast, get_args

from muniment import api
from muniment.archive.ledger.model import RecordKind
from muniment.archive.retention.approvals import (
    GOOD,
    RELAX,
    Answer,
    Approval,
    ApprovalBook,
    answer_values,
    approvals_of,
    done_value,
    need_values,
)
from muniment.archive.vault.vault import Vault
from muniment.errors import MunimentError, NotFound, UsageError, VaultError
from muniment.service.access.roles import AccessRole
from muniment.service.access.second_person import left_out, needed_acts
from muniment.service.host.session import ClientSession
from muniment.service.operations.access.rights import GRANT, UNSEAL
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.restores.restoring import RESTORE
from muniment.service.operations.retention.approving import Act, act_events, actor, asked_for
from muniment.service.operations.retention.disposing import DISPOSE
from muniment.service.operations.retention.erasing import ERASE
from muniment.service.operations.retention.holds import RELEASE
from muniment.service.operations.subject.packaging import HAND_OVER


def list_approvals(session: ClientSession, request: api.ListApprovals) -> api.Approvals:
    """Answer ListApprovals."""
    now, settings = int(time.time()), session.settings()
    with session.reading() as vault:
        book = approvals_of(vault)
    waiting = {one.id for one in book.waiting(now)}
    listed = [one for one in reversed(book.approvals) if request.answered or one.id in waiting]
    left = [one for one in listed if not request.before or one.number < request.before]
    page = left[: max(request.limit, 1)]
    return api.Approvals(
        total=len(listed),
        waiting=len(waiting),
        approvals=tuple(_word(session, one, now) for one in page),
        needed=tuple(sorted(needed_acts(book, settings))),
        left_out=tuple(left_out(book, settings)),
        after=page[-1].number if len(left) > len(page) else 0,
    )


def _word(session: ClientSession, one: Approval, now: int) -> api.ApprovalWord:
    state = one.state(now)
    good = state in ("waiting", "approved")
    by = actor(session)
    return api.ApprovalWord(
        id=one.id, act=one.act, what=_says(one), of=one.of, reason=one.reason, asked=one.asked,
        by=one.by.who, state=state, until=(one.answered or one.asked) + GOOD if good else 0,
        answered=one.answered, answered_by=one.answered_by.who, answer_reason=one.answer_reason,
        used=one.used, error=one.error, mine=by.uid == one.by.uid or by.who == one.by.who,
    )  # fmt: skip


def _says(one: Approval) -> str:
    act = ACTS.get(one.act)
    return act.says(one.of) if act is not None else one.act


def show_approval(session: ClientSession, request: api.ShowApproval) -> api.ApprovalWord:
    """Answer ShowApproval."""
    with session.reading() as vault:
        return _word(session, approvals_of(vault).find(request.id), int(time.time()))


def answer_approval(session: ClientSession, request: api.AnswerApproval) -> api.Decided:
    """Answer AnswerApproval: record the answer, and do what is approved."""
    if request.answer not in get_args(Answer):
        raise UsageError(f"{request.answer!r} is no answer: approve, refuse or withdraw")
    answer = cast("Answer", request.answer)
    with session.writing() as vault:
        id_ = approvals_of(vault).find(request.id).id
        with _alone(session.folder, id_):
            one = approvals_of(vault).find(id_)
            _record(session, vault, request, one, answer)
            if answer != "approve":
                word = "refused" if answer == "refuse" else "withdrawn"
                return api.Decided(message=f"The approval {one.id} is {word}: nothing was done.")
            return api.Decided(message=_perform(session, vault, request, one))


_answering: set[tuple[Path, str]] = set()
"""The approvals that are answered right now, by vault."""
_changing = threading.Lock()


@contextmanager
def _alone(folder: Path, id_: str) -> Iterator[None]:
    """Answer an approval in one thread only, so that an act is never done twice.

    Raises:
        UsageError: another thread answers it right now.
    """
    with _changing:
        if (folder, id_) in _answering:
            raise UsageError(f"someone answers the approval {id_} right now: look at it again in a moment")
        _answering.add((folder, id_))
    try:
        yield
    finally:
        with _changing:
            _answering.discard((folder, id_))


def _record(
    session: ClientSession, vault: Vault, request: api.AnswerApproval, one: Approval, answer: Answer
) -> None:
    detail = {"approval": one.id, "act": one.act, "answer": answer, "asked_by": one.by.who}
    now = int(time.time())
    vault.decide(
        RecordKind.APPROVAL,
        lambda earlier: answer_values(earlier, one.id, answer, request.reason, actor(session), now),
        now,
        lambda made: act_events(session, request, AccessRole.ADMINISTRATOR, **detail),
    )


def _perform(session: ClientSession, vault: Vault, request: api.AnswerApproval, one: Approval) -> str:
    """Do an act that was just approved, or failed before, and record how it went."""
    act = ACTS.get(one.act)
    if act is None:
        raise VaultError(f"{one.act!r} is an act of a newer release: approve it there")
    try:
        message = act.perform(session, vault, one)
    except MunimentError as error:
        _note(session, vault, request, one, str(error))
        raise VaultError(
            f"{one.id} is approved, but the act failed: {error} Correct this, and approve it again."
        ) from error
    _note(session, vault, request, one, "")
    return f"{message} It was asked for by {one.by.who}, and approved as {one.id}."


def _note(
    session: ClientSession, vault: Vault, request: api.AnswerApproval, one: Approval, error: str
) -> None:
    detail = {"approval": one.id, "act": one.act, "answer": "failed" if error else "done"}
    vault.decide(
        RecordKind.APPROVAL,
        lambda earlier: [done_value(one.id, actor(session), error)],
        int(time.time()),
        lambda made: act_events(session, request, AccessRole.ADMINISTRATOR, **detail),
    )


# --- the list of acts itself ------------------------------------------------------------------------------


def relax_approvals(session: ClientSession, request: api.RelaxApprovals) -> api.Decided:
    """Answer RelaxApprovals."""
    with session.writing() as vault:
        _require_relaxable(approvals_of(vault), session, request.act)
        asked = asked_for(session, vault, request, RELAXING, {"act": request.act}, request.reason)
    if asked is None:
        raise VaultError("this always needs a second person")
    return asked


def _require_relaxable(book: ApprovalBook, session: ClientSession, act: str) -> None:
    if act in session.settings().approvals.need:
        raise UsageError(f"vault.toml names {act!r} in [approvals]: remove it there first, then ask again")
    if act not in book.needed:
        raise NotFound(f"{act[:80]!r} needs no second person: `muniment approvals list` shows what does")


def _relax(session: ClientSession, vault: Vault, one: Approval) -> str:
    act = str(one.of["act"])
    _require_relaxable(approvals_of(vault), session, act)
    vault.decide(
        RecordKind.APPROVAL,
        lambda earlier: need_values(earlier, (), actor(session), without=act),
        int(time.time()),
    )
    return f"{act!r} needs no second person any more."


def _says_relax(of: dict[str, Any]) -> str:
    return f"let {of['act']!r} need no second person any more"


RELAXING = Act(RELAX, _says_relax, _relax)
ACTS = {act.name: act for act in (DISPOSE, ERASE, GRANT, HAND_OVER, RELAXING, RELEASE, RESTORE, UNSEAL)}
"""Every act that may need a second person, by its name."""

OPERATIONS = (
    Operation(api.ListApprovals, (api.Approvals,), AccessRole.AUDITOR, list_approvals),
    Operation(api.ShowApproval, (api.ApprovalWord,), AccessRole.AUDITOR, show_approval),
    Operation(
        api.AnswerApproval, (api.Decided,), AccessRole.ADMINISTRATOR, answer_approval, audit=AuditRule.WITHIN
    ),
    Operation(
        api.RelaxApprovals, (api.Decided,), AccessRole.ADMINISTRATOR, relax_approvals, audit=AuditRule.WITHIN
    ),
)
