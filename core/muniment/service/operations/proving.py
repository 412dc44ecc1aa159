"""Answers GetProof, Verify, Backup and ForgetBackup, and lets clients watch and stop what goes on."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeVar, cast

from muniment import api
from muniment.archive.catalog import CatalogOutdated
from muniment.archive.ledger.check import LedgerCheck
from muniment.archive.ledger.checkpoints import Checkpoint, CheckpointProof, read_checkpoint
from muniment.archive.ledger.scan import last_head, last_written
from muniment.archive.operations.backup import backup_vault, read_state
from muniment.archive.operations.stage_progress import StageProgress
from muniment.archive.operations.verify import verify_ledger, verify_vault
from muniment.archive.vault.known_roots import notes_of
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.shown_alarms import shown_alarms
from muniment.errors import AccessRefused, LedgerDamaged, MunimentError, NotFound, UsageError
from muniment.runs.pipeline.estimate import RunEstimate
from muniment.service.access.audit_trail import recordable
from muniment.service.access.roles import AccessRole, role_of
from muniment.service.host import proof_memory
from muniment.service.host.carrying_on import carry_on
from muniment.service.host.proof_memory import SENTENCES, load, remember_backup, remember_verification
from muniment.service.host.proof_turn import ProofTurn, present
from muniment.service.host.session import ClientSession
from muniment.service.host.works import Work
from muniment.service.operations.operation import AuditRule, Changed, Operation
from muniment.system.paths import as_path, readable

R = TypeVar("R")
MICROSECONDS = 1_000_000


class StageSteps:
    """Makes steps of the sentences and the progress of a verification or backup."""

    def __init__(self) -> None:
        self._stage = ""
        self._estimate = RunEstimate()

    def step(self, word: str | StageProgress) -> api.Step:
        """A sentence as a step; the progress of a stage with its percentage and the time left."""
        if isinstance(word, str):
            return api.Step(text=word)
        if word.what != self._stage:
            self._stage, self._estimate = word.what, RunEstimate()
        now = time.monotonic()
        self._estimate.see(now, word.done, word.total, word.total > 0)
        outlook = self._estimate.outlook(now)
        return api.Step(text=str(word), percent=outlook.percent or 0, left=outlook.left)


def stage_words(progress: Generator[StageProgress, None, R]) -> Generator[api.WireWord, None, R]:
    """Yield the progress of something as steps, at most one a second; returns what it returns."""
    steps, shown = StageSteps(), 0.0
    while True:
        try:
            word = next(progress)
        except StopIteration as end:
            return cast(R, end.value)
        if time.monotonic() - shown >= 1:
            shown = time.monotonic()
            yield steps.step(word)


def verify(session: ClientSession, request: api.Verify) -> Iterator[api.WireWord]:
    """Answer Verify: check the ledger, and compare catalog and index with it.

    Without a usable catalog, only the ledger is checked.
    """
    earlier = tuple(read_checkpoint(text) for text in request.was)
    kind = "deep verification" if request.deep else "comparison" if request.was else "verification"
    turn = ProofTurn(session.folder, f"a {kind} by {session.caller.name}")
    return carry_on(session, request, kind, _verifying(session, request, earlier, turn), turn)


def _verifying(
    session: ClientSession, request: api.Verify, earlier: tuple[Checkpoint, ...], turn: ProofTurn
) -> Generator[api.WireWord, None, None]:
    with turn:
        yield from (api.Step(text=text) for text in turn.wait())
        started, issued = time.monotonic(), _issued(session.folder)
        for word in _checked(session, request, earlier):
            if isinstance(word, api.Verified):
                done = _past(word, issued, request.deep, time.monotonic() - started, session.caller.name)
                remember_verification(session.folder, done)
            yield word


def _checked(
    session: ClientSession, request: api.Verify, earlier: tuple[Checkpoint, ...]
) -> Iterator[api.WireWord]:
    shown = StageSteps()
    with ExitStack() as stack:
        try:
            words = verify_vault(stack.enter_context(session.reading()), request.deep, earlier)
        except CatalogOutdated as problem:
            words = verify_ledger(session.folder, request.deep, str(problem), earlier)
        for word in words:
            yield _verified(word) if isinstance(word, LedgerCheck) else shown.step(word)


def _verified(report: LedgerCheck) -> api.Verified:
    return api.Verified(
        ok=not report.problems and all(proof.holds for proof in report.proofs),
        records=report.records,
        messages=report.messages,
        tree_size=report.tree_size,
        root=report.root.hex(),
        problems=tuple(report.problems),
        checkpoint=str(Checkpoint(report.tree_size, report.root)),
        was=tuple(map(_noted, report.proofs)),
        notes=tuple(report.notes),
        erased=report.erased,
    )


def _noted(proof: CheckpointProof) -> api.Noted:
    return api.Noted(
        checkpoint=str(proof.checkpoint),
        state=proof.state,
        text=proof.text,
        time=proof.time // MICROSECONDS,
    )


def _issued(folder: Path) -> frozenset[str]:
    """The checkpoints that the vault is known to have had.

    A checkpoint that is not among them may be mistyped, or of another vault. Whoever rewrites the ledger can
    also change what is known; then only the answer to the comparison itself shows that.
    """
    memory = load(folder)
    past = [one.checkpoint for one in (memory.verified, memory.deep, *memory.backups) if one is not None]
    with suppress(MunimentError):
        past += [str(note.checkpoint) for note in notes_of(folder)]
    return frozenset(past)


def _past(
    verified: api.Verified, issued: Collection[str], deep: bool, seconds: float, who: str
) -> api.PastVerification:
    """What is remembered of a verification."""
    differ = [one for one in verified.was if one.state != "unchanged"]
    refuted = [f"{one.checkpoint}: {one.text}" for one in differ if one.checkpoint in issued]
    doubts = [f"{one.checkpoint}: {one.text}" for one in differ if one.checkpoint not in issued]
    return api.PastVerification(
        time=int(time.time()),
        deep=deep,
        ok=not verified.problems and not refuted,
        problems=(*verified.problems[:SENTENCES], *refuted[:SENTENCES]),
        doubts=tuple(doubts[:SENTENCES]),
        checkpoint=verified.checkpoint,
        seconds=seconds,
        who=who,
        messages=verified.messages,
    )


def backup(session: ClientSession, request: api.Backup) -> Iterator[api.WireWord]:
    """Answer Backup: copy a live vault, incrementally."""
    turn = ProofTurn(session.folder, f"a backup by {session.caller.name}")
    return carry_on(session, request, "backup", _backing_up(session, request, turn), turn)


def _backing_up(
    session: ClientSession, request: api.Backup, turn: ProofTurn
) -> Generator[api.WireWord, None, None]:
    path = Path(as_path(request.path))
    with turn:
        yield from (api.Step(text=text) for text in turn.wait())
        started, shown = time.monotonic(), StageSteps()
        try:
            with session.reading() as vault:
                for word in backup_vault(vault, path):
                    yield shown.step(word)
        except MunimentError as error:
            if not isinstance(error, UsageError) or _is_known(session, request):
                _remember(session, request, started, error=str(error))
            raise
        head = read_state(path)
        held = str(Checkpoint(head.tree_size, head.root)) if head.tree_size else ""
        _remember(session, request, started, checkpoint=held)
        yield api.Done(message=f"Backup in {readable(as_path(request.path))} is complete.")


def forget_backup(session: ClientSession, request: api.ForgetBackup) -> api.Done:
    """Answer ForgetBackup."""
    if not proof_memory.forget_backup(session.folder, readable(request.path)):
        known = ", ".join(past.path for past in load(session.folder).backups) or "none"
        raise NotFound(f"no backup to {readable(as_path(request.path))} is remembered; remembered: {known}")
    return api.Done(message=f"The backup in {readable(as_path(request.path))} is forgotten; its files stay.")


def _is_known(session: ClientSession, request: api.Backup) -> bool:
    """Whether there was a backup to this folder. A folder that was only mistyped is not remembered."""
    return readable(request.path) in [past.path for past in load(session.folder).backups]


def _remember(
    session: ClientSession, request: api.Backup, started: float, checkpoint: str = "", error: str = ""
) -> None:
    done = api.PastBackup(
        time=int(time.time()),
        path=readable(request.path),
        ok=not error,
        checkpoint=checkpoint,
        seconds=time.monotonic() - started,
        who=session.caller.name,
        error=error,
    )
    remember_backup(session.folder, done)


def get_proof(session: ClientSession, request: api.GetProof) -> api.Proof:
    """Answer GetProof: what is known without reading the whole ledger."""
    session.settings()
    segments, memory, turn = segments_of(session.folder), load(session.folder), present(session.folder)
    head = None
    written = 0
    with suppress(LedgerDamaged):  # it is part of the damage
        head, written = last_head(segments), last_written(segments)
    return api.Proof(
        checkpoint=str(Checkpoint(head.tree_size, head.root)) if head else "",
        tree_size=head.tree_size if head else 0,
        root=head.root.hex() if head else "",
        written=written // MICROSECONDS,
        verified=memory.verified,
        deep=memory.deep,
        backups=memory.backups,
        damage=tuple(dict.fromkeys(_damage(session))),
        doing=turn.what if turn else "",
        since=turn.since if turn else 0,
        works=tuple(_shown(work) for work in session.works()),
    )


def _shown(work: Work) -> api.BackgroundWork:
    return api.BackgroundWork(
        number=work.number, kind=work.kind, who=work.caller.name, begun=work.begun, waits=work.waits
    )


def watch_work(session: ClientSession, request: api.WatchWork) -> Iterator[api.WireWord]:
    """Answer WatchWork."""
    return session.host.works.find(request.number).replies()


def stop_work(session: ClientSession, request: api.StopWork) -> Changed:
    """Answer StopWork."""
    work = session.host.works.find(request.number)
    owner = session.folder.stat().st_uid
    role = role_of(session.caller, session.settings().access, owner)
    if work.caller.uid != session.caller.uid and role is not AccessRole.ADMINISTRATOR:
        raise AccessRefused(f"the {work.kind} is of {work.caller.name}: only they and administrators stop it")
    work.stop()
    what = {"work": work.kind, "owner": recordable(work.caller.name), "number": work.number}
    return Changed(api.Done(message=f"The {work.kind} stops."), what)


def _damage(session: ClientSession) -> Iterator[str]:
    """A sentence for each damage that is known without a verification."""
    try:
        yield from (alarm.text for alarm in shown_alarms(session.folder))
    except MunimentError as error:
        yield str(error)
    try:
        with session.reading() as vault:
            yield from vault.damage
    except MunimentError as error:
        yield str(error)


OPERATIONS = (
    Operation(api.GetProof, (api.Proof,), AccessRole.AUDITOR, get_proof),
    Operation(
        api.Verify, (api.Step, api.Verified), AccessRole.AUDITOR, verify,
        streams=True, audit=AuditRule.STARTED,
    ),
    Operation(
        api.WatchWork, (api.Step, api.Verified, api.Done), AccessRole.AUDITOR, watch_work, streams=True
    ),
    Operation(api.StopWork, (api.Done,), AccessRole.AUDITOR, stop_work, audit=AuditRule.CHANGE),
    Operation(api.ForgetBackup, (api.Done,), AccessRole.ADMINISTRATOR, forget_backup, audit=AuditRule.CHANGE),
    Operation(
        api.Backup, (api.Step, api.Done), AccessRole.ADMINISTRATOR, backup,
        streams=True, audit=AuditRule.STARTED,
    ),
)  # fmt: skip
