"""Answers GetCheckpoint, PublishCheckpoint, VerifyCheckpoint and NewCheckpointKey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from muniment import api
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import LedgerDamaged, MunimentError, UsageError
from muniment.evidence.checkpoint_body import CheckpointBody, NoteInvalid, read_body
from muniment.evidence.merkle import EMPTY_ROOT
from muniment.evidence.note_keys import KeyKind, VerifierKey, read_verifier
from muniment.evidence.signed_note import SignedNote, parse_note, verified
from muniment.evidence.witness_request import WitnessRequest
from muniment.service.access.roles import AccessRole
from muniment.service.checkpoints.desk import CheckpointDesk, desk_of, outlets_of, publish_all
from muniment.service.checkpoints.stamping import StampVerdict, judge_stamp, roots_in
from muniment.service.checkpoints.targets import SetBack
from muniment.service.host.session import ClientSession
from muniment.service.operations.evidence.checkpoint_state import checkpoint_facts
from muniment.service.operations.notifying import origin
from muniment.service.operations.operation import AuditRule, Changed, Operation
from muniment.system.paths import as_path

LONGEST_REASON = 400


def get_checkpoint(session: ClientSession, request: api.GetCheckpoint) -> api.SignedCheckpoint:
    """Answer GetCheckpoint."""
    settings = session.settings()
    with session.reading() as vault:
        desk = desk_of(vault, settings)
        note = _newest(desk)
        return _shown(session, settings, desk, note, request.since)


def _newest(desk: CheckpointDesk) -> SignedNote | None:
    try:
        return desk.kept.newest()
    except (OSError, NoteInvalid) as error:
        raise LedgerDamaged(
            f"the last checkpoint in {desk.kept.folder} can't be read: restore it from where it was published"
        ) from error


def _shown(
    session: ClientSession,
    settings: Settings,
    desk: CheckpointDesk,
    note: SignedNote | None,
    since: int | None = None,
) -> api.SignedCheckpoint:
    facts, keys = checkpoint_facts(session.folder, settings), desk.keys.present()
    shown = api.SignedCheckpoint(
        origin=keys[0].name if keys else "",
        keys=tuple(map(str, keys)),
        key_file=str(desk.keys.path),
        signs=settings.checkpoints.sign,
        problems=facts.problems if facts else (),
        alarms=facts.alarms if facts else (),
    )
    if note is None:
        if since is not None:
            raise UsageError("no checkpoint was signed yet: `muniment checkpoint publish` signs one")
        return shown
    body = read_body(note.text)
    return msgspec.structs.replace(
        shown,
        note=str(note),
        size=body.size,
        root=body.root.hex(),
        written=int(desk.kept.path(body.size).stat().st_mtime),
        cosigners=tuple(_cosigners(settings, note)),
        request="" if since is None else str(_request(desk, note, body, since)),
    )


def _request(desk: CheckpointDesk, note: SignedNote, body: CheckpointBody, since: int) -> WitnessRequest:
    if not 0 <= since <= body.size:
        raise UsageError(f"the last checkpoint has {body.size} records: give a size from 0 to {body.size}")
    path = desk.publication(note).prove(since).path if since else ()
    return WitnessRequest(since, tuple(path), note)


def _witness_keys(settings: Settings) -> list[VerifierKey]:
    return [read_verifier(text) for text in settings.checkpoints.witness_keys]


def _cosigners(settings: Settings, note: SignedNote) -> Iterator[str]:
    """The names of the known witnesses whose signatures of a note hold."""
    try:
        found = verified(note, _witness_keys(settings))
    except NoteInvalid:
        return
    yield from dict.fromkeys(key.name for key in found)


def publish_checkpoint(session: ClientSession, request: api.PublishCheckpoint) -> Iterator[api.WireWord]:
    """Answer PublishCheckpoint."""
    settings = session.settings()
    with session.writing() as vault:
        if not vault.head.tree_size:
            raise UsageError("the ledger is empty, so there is nothing to sign yet")
        desk = desk_of(vault, settings)
        try:
            note = desk.sign()
        except SetBack as error:
            raise LedgerDamaged(f"{error}; nothing was signed") from None
        size = read_body(note.text).size
        yield api.Step(text=f"signed the checkpoint of {size:,} records")
        sender, failed, total = origin(session, settings), 0, 0
        for name, problem in publish_all(desk, note, outlets_of(settings, session.folder, lambda: sender)):
            failed, total = failed + bool(problem), total + 1
            yield api.Step(text=problem or f"{name}: done", ok=not problem)
        places = f"{total - failed} of {total} places have it" if total else "vault.toml names no place"
        yield api.Done(message=f"Checkpoint of {size:,} records: {places}.")


def new_checkpoint_key(session: ClientSession, request: api.NewCheckpointKey) -> Changed:
    """Answer NewCheckpointKey."""
    reason = request.reason.strip()
    if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise UsageError(f"say why a new key is needed, in a line of at most {LONGEST_REASON} characters")
    settings = session.settings()
    with session.writing() as vault:
        desk = desk_of(vault, settings)
        if not desk.keys.public():
            raise UsageError("there is no key yet: the first checkpoint makes one by itself")
        made = desk.begin(reason)
        reply = _shown(session, settings, desk, None)
        return Changed(reply, {"origin": made[0].name})


def verify_checkpoint(session: ClientSession, request: api.VerifyCheckpoint) -> api.CheckpointVerdict:
    """Answer VerifyCheckpoint."""
    settings = session.settings()
    try:
        note = parse_note(request.note.encode("utf-8", "replace"))
        body, given = read_body(note.text), [read_verifier(text) for text in request.keys]
    except NoteInvalid as error:
        raise UsageError(str(error)) from None
    with session.reading() as vault:
        desk = desk_of(vault, settings)
        known = given or [*desk.keys.public(), *_witness_keys(settings)]
        verdict = _verdict(vault, desk, note, body, known)
        return _with_stamp(session, settings, desk, note, verdict, request.stamp)


def _with_stamp(
    session: ClientSession,
    settings: Settings,
    desk: CheckpointDesk,
    note: SignedNote,
    verdict: api.CheckpointVerdict,
    stamp: bytes,
) -> api.CheckpointVerdict:
    """Add what the time stamp of a note proves; nothing if there is none."""
    if not stamp and verdict.state != "forged":
        with suppress(OSError, NoteInvalid):
            if desk.kept.load(verdict.size).text == note.text:
                stamp = desk.kept.stamp(verdict.size) or b""
    if not stamp:
        return verdict
    root = settings.checkpoints.authority_root
    try:
        if not root:
            raise UsageError("the time stamp can't be checked: vault.toml has no checkpoints.authority_root")
        roots = roots_in(session.folder / as_path(root))
        found = judge_stamp(desk.kept.folder, stamp, note.text.encode(), roots)
    except MunimentError as error:
        found = StampVerdict(problem=str(error))
    return msgspec.structs.replace(
        verdict,
        ok=verdict.ok and not found.problem,
        stamped=found.stamp.time if found.stamp else None,
        stamped_by=found.stamp.authority if found.stamp else "",
        renewed=found.renewed,
        stamp_problem=found.problem,
    )


def _verdict(
    vault: Vault, desk: CheckpointDesk, note: SignedNote, body: CheckpointBody, known: Sequence[VerifierKey]
) -> api.CheckpointVerdict:
    def answer(
        state: str, text: str, signers: Sequence[api.NoteSigner] = (), ok: bool = False
    ) -> api.CheckpointVerdict:
        return api.CheckpointVerdict(
            ok=ok, state=state, text=text, size=body.size, root=body.root.hex(), signers=tuple(signers)
        )

    try:
        found = verified(note, known)
    except NoteInvalid as error:
        return answer("forged", f"{error}: check that the key is the archive's")
    signers = [
        api.NoteSigner(name=key.name, kind="archive" if key.name == body.origin else "witness", time=time)
        for key, time in found.items()
        if key.kind is not KeyKind.ED25519 or key.name == body.origin
    ]
    if not any(one.kind == "archive" for one in signers):
        return answer("forged", "no key of the archive that it names has signed this note", signers)
    if body.size > vault.head.tree_size:
        return answer(
            "cut",
            f"the ledger was cut or set back: it had {body.size:,} records, and has {vault.head.tree_size:,}",
            signers,
        )
    try:
        head = desk.head()
        root = desk.prove(head)(body.size).old_root if body.size else EMPTY_ROOT
    except MunimentError as error:
        return answer("unreadable", f"it can't be compared: {error}", signers)
    if root != body.root:
        return answer(
            "rewritten",
            f"the ledger was rewritten, or is another vault's: its first {body.size:,} records are others",
            signers,
        )
    more = vault.head.tree_size - body.size
    grown = f"the ledger has grown from it by {more:,} records" if more else "the ledger is what it was"
    return answer("unchanged", f"{grown}, unchanged", signers, ok=True)


OPERATIONS = (
    Operation(api.GetCheckpoint, (api.SignedCheckpoint,), AccessRole.AUDITOR, get_checkpoint),
    Operation(api.VerifyCheckpoint, (api.CheckpointVerdict,), AccessRole.AUDITOR, verify_checkpoint),
    Operation(
        api.PublishCheckpoint, (api.Step, api.Done), AccessRole.ADMINISTRATOR, publish_checkpoint,
        streams=True, audit=AuditRule.STARTED,
    ),
    Operation(
        api.NewCheckpointKey, (api.SignedCheckpoint,), AccessRole.ADMINISTRATOR, new_checkpoint_key,
        audit=AuditRule.CHANGE,
    ),
)  # fmt: skip
