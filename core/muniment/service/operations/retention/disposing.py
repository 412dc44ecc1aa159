"""Answers DisposeMail: erases what is due by the rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from typing import Any

from muniment import api
from muniment.archive.operations.stage_progress import without_pauses
from muniment.archive.retention.approvals import Approval, approvals_of
from muniment.archive.retention.disposal import DisposalOrder, DisposalResult, Disposing, exact_list
from muniment.archive.retention.due import DueList, size_of
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError, VaultError
from muniment.service.access.roles import AccessRole
from muniment.service.access.second_person import needed_acts
from muniment.service.host.carrying_on import carry_on
from muniment.service.host.proof_turn import ProofTurn
from muniment.service.host.session import ClientSession
from muniment.service.host.vault_act import Stages, VaultAct
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.proving import StageSteps
from muniment.service.operations.retention.approving import Act, actor, asked_for
from muniment.system.formatting import count, moment

NAMED = 100
"""Most messages that an answer names."""


def dispose(session: ClientSession, request: api.DisposeMail) -> Iterator[api.WireWord]:
    """Answer DisposeMail: erase what was listed, or ask another administrator.

    In a service the work goes on without its client.
    """
    size_of(request.list)
    if request.at > time.time():
        raise UsageError("the moment of the disposal is in the future: simulate it now, and dispose then")
    with session.reading() as vault:
        needed = needed_acts(approvals_of(vault), session.settings())
    if DISPOSE.name in needed:
        return _asking(session, request)
    order = DisposalOrder(request.at, request.list, actor(session))
    turn = ProofTurn(session.folder, f"a disposal by {session.caller.name}")
    return carry_on(session, request, "disposal", _disposing(session, order, turn), turn)


def _asking(session: ClientSession, request: api.DisposeMail) -> Iterator[api.WireWord]:
    shown = StageSteps()
    with session.writing() as vault:
        listing = exact_list(vault, request.at, request.list)
        while True:
            try:
                yield shown.step(next(listing))
            except StopIteration as ended:
                due = ended.value
                break
        asked = ask_to_dispose(session, vault, request, due)
        if asked is None:
            raise VaultError("what needs a second person has changed just now: repeat this")
        yield api.Disposed(message=asked.message, approval=asked.approval)


def ask_to_dispose(
    session: ClientSession, vault: Vault, request: api.DisposeMail, due: DueList
) -> api.Decided | None:
    """Ask another administrator for a disposal of this list; None if no second person is needed."""
    of = {"at": request.at, "list": request.list, "messages": due.messages}
    return asked_for(session, vault, request, DISPOSE, of, request.reason)


def _disposing(
    session: ClientSession, order: DisposalOrder, turn: ProofTurn, opened: Vault | None = None
) -> Generator[api.WireWord, None, None]:
    """Dispose of mail once no verification, backup or other disposal is under way."""
    with turn:
        yield from (api.Step(text=text) for text in turn.wait())
        yield from disposal_words(session, order, opened)


def disposed_words(result: DisposalResult) -> str:
    """What a disposal has done, as a sentence."""
    erased = f"{count(result.messages)} {'message is' if result.messages == 1 else 'messages are'} erased"
    kept = len(result.refused)
    stay = f"; {count(kept)} stay, since they were protected meanwhile" if kept else ""
    return f"{erased}{stay}."


def disposal_words(
    session: ClientSession, order: DisposalOrder, opened: Vault | None = None
) -> Iterator[api.WireWord]:
    """Dispose of mail between two runs; yields steps and Disposed. Closing this stops it.

    Args:
        session: opens the vault; without a service, for writing.
        order: what to erase.
        opened: the vault, if it is open for writing already.
    """
    result, shown = DisposalResult(), StageSteps()

    def act(vault: Vault, stopped: Callable[[], bool]) -> Stages:
        disposing = Disposing(vault, order, lambda: int(time.time()), stopped)
        try:
            yield from disposing.dispose()
        finally:
            result.add(disposing.result)

    if not session.host.in_service:
        with nullcontext(opened) if opened is not None else session.writing() as vault:
            yield from map(shown.step, without_pauses(act(vault, lambda: False)))
        yield _disposed(result)
        return
    job = VaultAct(act, shown.step, lambda: _disposed(result), session.host.run_waits)
    session.host.submit(job)
    try:
        yield from job.replies()
    finally:
        session.host.stop(job)
        job.ended.wait()  # so that no verification or backup begins beside its last batch


def _disposed(result: DisposalResult) -> api.Disposed:
    return api.Disposed(
        message=disposed_words(result),
        messages=result.messages,
        records=tuple(result.records),
        refused={sha.hex(): why for sha, why in list(result.refused.items())[:NAMED]},
    )


def _disposed_by_two(session: ClientSession, vault: Vault, approval: Approval) -> str:
    order = DisposalOrder(approval.of["at"], approval.of["list"], approval.by, approval.id)
    turn = ProofTurn(session.folder, f"a disposal that {session.caller.name} approved")
    *_, answer = _disposing(session, order, turn, vault)
    assert isinstance(answer, api.Disposed)
    return answer.message


def _says(of: dict[str, Any]) -> str:
    """What is approved. The list's name means exactly these messages."""
    messages = of["messages"]
    due = f"{moment(of['at']):%Y-%m-%d %H:%M} UTC"
    number = f"{count(messages)} {'message' if messages == 1 else 'messages'}"
    return f"erase {number} that were due on {due} (list {of['list'][:20]})"


DISPOSE = Act("retention dispose", _says, _disposed_by_two)
"""Erases a list of what is due."""

OPERATIONS = (
    Operation(
        api.DisposeMail, (api.Step, api.Disposed), AccessRole.ADMINISTRATOR, dispose,
        streams=True, audit=AuditRule.STARTED,
    ),
)  # fmt: skip
