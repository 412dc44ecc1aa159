"""Answers CheckErasure, Erase and GetCertificate."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from muniment import api
from muniment.archive.catalog import MessageRow
from muniment.archive.erasure.certificate import KnownBackup, certificate_of
from muniment.archive.erasure.erase import Erasing, ErasureResult
from muniment.archive.erasure.plan import ErasureOrder
from muniment.archive.erasure.redaction import MAX_MESSAGES, MAX_TEXT
from muniment.archive.ledger.checkpoints import read_checkpoint
from muniment.archive.operations.stage_progress import without_pauses
from muniment.archive.retention.approvals import Approval, approvals_of
from muniment.archive.retention.protection import protected
from muniment.archive.vault.vault import Vault
from muniment.errors import Erased, MunimentError, NotFound, UsageError, VaultError
from muniment.evidence.checkpoint_body import NoteInvalid
from muniment.evidence.note_keys import KeyKind
from muniment.evidence.signed_note import signed
from muniment.service.access.roles import AccessRole
from muniment.service.access.second_person import needed_acts
from muniment.service.checkpoints.log_keys import LogKeys, log_keys
from muniment.service.host.proof_memory import load
from muniment.service.host.session import ClientSession
from muniment.service.host.vault_act import Stages, VaultAct
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.proving import StageSteps
from muniment.service.operations.reading import message_named
from muniment.service.operations.retention.approving import Act, asked_for
from muniment.system.formatting import count
from muniment.system.sanitise import clean

log = logging.getLogger("muniment.service")

SHORTEST_ID = 8
"""Digits from which on a name is the id of a message."""


def check_erasure(session: ClientSession, request: api.CheckErasure) -> api.ErasurePreview:
    """Answer CheckErasure: what an erasure would take."""
    with session.reading() as vault:
        rows, passed = _named(vault, request)
        refused = _refused(vault, rows)
        going = [row for row in rows if row.sha not in refused]
        copies = {
            copy.sequence: copy.size for row in going for copy in vault.catalog.envelopes_of(row.sequence)
        }
        dates = [row.date for row in going]
        return api.ErasurePreview(
            messages=len(going),
            copies=len(copies),
            bytes=sum(copies.values()),
            oldest=min(dates, default=0),
            newest=max(dates, default=0),
            refused=_refused_words(refused),
            passed=passed,
        )


def _named(
    vault: Vault, request: api.CheckErasure | api.Erase
) -> tuple[list[MessageRow], tuple[api.PassedOver, ...]]:
    """The messages that a request names, each once, and the ids that are passed over.

    Raises:
        NotFound: an id names none, or several, or what it names was erased; and it is not to be passed over.
        UsageError: there are no ids.
    """
    found: dict[int, MessageRow] = {}
    passed: dict[str, api.PassedOver] = {}
    for id_ in request.ids:
        try:
            row = message_named(vault, id_)
        except NotFound as error:
            if not request.pass_over:
                raise
            passed[id_] = api.PassedOver(id=clean(id_), reason=str(error), erased=isinstance(error, Erased))
        else:
            found[row.sequence] = row
    if not request.ids:
        raise UsageError("no message is named: give the ids of the messages to erase")
    return list(found.values()), tuple(passed.values())


def _refused(vault: Vault, rows: list[MessageRow]) -> dict[bytes, str]:
    now = int(time.time())
    found: dict[bytes, str] = {}
    for start in range(0, len(rows), MAX_MESSAGES):
        found |= protected(vault, rows[start : start + MAX_MESSAGES], now)
    return found


def erase(session: ClientSession, request: api.Erase) -> Iterator[api.WireWord]:
    """Answer Erase: erase messages, between two runs."""
    session.settings()
    basis = clean(request.basis).strip()
    if not basis or len(basis) > MAX_TEXT:
        raise UsageError(f"an erasure needs a legal basis, of at most {MAX_TEXT:,} characters")
    with session.reading() as vault:
        rows, passed = _named(vault, request)
        messages = [row.sha for row in rows]
        needed = ERASE.name in needed_acts(approvals_of(vault), session.settings())
    if not messages:
        return iter([replace(_done(ErasureResult()), passed=passed)])
    if needed:
        return _asking(session, request, messages, basis, passed)
    caller = session.caller
    order = ErasureOrder(basis, clean(caller.name), caller.uid, int(time.time()))
    return _erased(session, messages, order, passed=passed)


def _asking(
    session: ClientSession,
    request: api.Erase,
    messages: Sequence[bytes],
    basis: str,
    passed: tuple[api.PassedOver, ...],
) -> Iterator[api.WireWord]:
    of = {"messages": [sha.hex() for sha in messages], "basis": basis}
    with session.writing() as vault:
        asked = asked_for(session, vault, request, ERASE, of, basis)
    if asked is None:
        raise VaultError("what needs a second person has changed just now: repeat this")
    yield api.Erasure(
        messages=0,
        records=(),
        erased=0,
        bytes=0,
        message=asked.message,
        approval=asked.approval,
        passed=passed,
    )


def _erased(
    session: ClientSession,
    messages: Sequence[bytes],
    order: ErasureOrder,
    opened: Vault | None = None,
    passed: tuple[api.PassedOver, ...] = (),
) -> Generator[api.WireWord, None, None]:
    """Erase messages once the jobs before it have ended. Closing this stops it.

    Args:
        session: the session of who erases them.
        messages: SHA-256 of each; those that are gone are passed over.
        order: who erases, and why.
        opened: the vault, if it is open for writing already and there is no service.
        passed: the ids that were passed over.
    """
    result, shown, host = ErasureResult(), StageSteps(), session.host

    def act(vault: Vault, stopped: Callable[[], bool]) -> Stages:
        nonlocal result
        erasing = Erasing(vault, order, lambda rows: protected(vault, list(rows), int(time.time())), stopped)
        result = erasing.result
        found = (vault.catalog.message_by_sha(sha) for sha in messages)
        yield from erasing.erase([row.sequence for row in found if row is not None])

    if opened is not None and not host.in_service:
        yield from map(shown.step, without_pauses(act(opened, lambda: False)))
        yield _done(result)
        return
    job = VaultAct(act, shown.step, lambda: replace(_done(result), passed=passed), host.run_waits)
    host.submit(job)
    try:
        yield from job.replies()
    finally:
        host.stop(job)
        job.ended.wait()
        host.wait_released()


def _erased_by_two(session: ClientSession, vault: Vault, approval: Approval) -> str:
    messages = [bytes.fromhex(sha) for sha in approval.of["messages"]]
    by = approval.by
    order = ErasureOrder(approval.of["basis"], clean(by.who), by.uid, int(time.time()), request=approval.id)
    *_, answer = _erased(session, messages, order, vault)
    assert isinstance(answer, api.Erasure)
    stay = f"; {count(len(answer.refused))} stay, since they are protected" if answer.refused else ""
    return f"{_messages(answer.messages)} erased{stay}."


def _says(of: dict[str, Any]) -> str:
    return f"erase {_messages(len(of['messages']))} ({of['basis']})"


def _messages(number: int) -> str:
    return f"{count(number)} {'message' if number == 1 else 'messages'}"


ERASE = Act("erase", _says, _erased_by_two)
"""Erases messages that someone has named."""


def _done(result: ErasureResult) -> api.Erasure:
    return api.Erasure(
        messages=result.messages,
        records=tuple(result.records),
        erased=result.frames,
        bytes=result.size,
        refused=_refused_words(result.refused),
        needed=len(result.needed),
        unreadable=result.unreadable,
        traces=str(result.traces),
    )


def _refused_words(refused: dict[bytes, str]) -> tuple[api.RefusedErasure, ...]:
    return tuple(api.RefusedErasure(id=sha.hex(), reason=reason) for sha, reason in refused.items())


def get_certificate(session: ClientSession, request: api.GetErasureCertificate) -> api.ErasureCertificate:
    """Answer GetErasureCertificate."""
    with session.reading() as vault:
        made = certificate_of(vault, _record(vault, request.name), list(_backups(session.folder)))
        keys = log_keys(session.folder, vault.catalog.vault_id, session.settings())
        return api.ErasureCertificate(text=made.text, value=made.value(), note=_signed(made.text, keys))


def _record(vault: Vault, name: str) -> int:
    """The number of the decision that a record's number or a message's id names.

    Raises:
        NotFound: nothing of this id was erased.
    """
    digits = name.strip().lower()
    if digits.isascii() and digits.isdecimal() and len(digits) < SHORTEST_ID:
        return int(digits)
    found = vault.catalog.erasure_by_prefix(digits)
    if found is None:
        raise NotFound(f"no erased message has an id that begins with {clean(name)}, or several have")
    return found.record


def _backups(folder: Path) -> Iterator[KnownBackup]:
    for one in load(folder).backups:
        if one.whole or one.ok:
            size = read_checkpoint(one.checkpoint).tree_size if one.checkpoint else 0
            yield KnownBackup(one.path, one.whole or one.time, size)


def _signed(text: str, keys: LogKeys) -> str:
    """The text as a signed note; "" if the vault signs nothing."""
    try:
        signing = [key for key in keys.signing() if key.kind is KeyKind.ED25519] if keys.public() else []
        return str(signed(text, signing)) if signing else ""
    except (MunimentError, NoteInvalid) as error:
        log.warning("a certificate can't be signed: %s", error)
        return ""


OPERATIONS = (
    Operation(
        api.CheckErasure, (api.ErasurePreview,), AccessRole.ADMINISTRATOR, check_erasure,
        audit=AuditRule.COUNTED,
    ),
    Operation(
        api.GetErasureCertificate, (api.ErasureCertificate,), AccessRole.AUDITOR, get_certificate
    ),
    Operation(
        api.Erase, (api.Step, api.Erasure), AccessRole.ADMINISTRATOR, erase,
        streams=True, audit=AuditRule.STARTED,
    ),
)  # fmt: skip
