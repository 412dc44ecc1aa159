"""What a witness answers to a checkpoint (C2SP tlog-witness, add-checkpoint).

Nothing is signed before it is written, durably; comparing and writing are one step.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from muniment.evidence.checkpoint_body import CheckpointBody, NoteInvalid, read_body
from muniment.evidence.merkle import EMPTY_ROOT
from muniment.evidence.signed_note import NoteSignature, SignedNote, parse_note, read_signatures, verified
from muniment.evidence.tree_proofs import verify_consistency
from muniment.evidence.witness_request import WitnessRequest, read_request
from muniment.witness.state import WitnessState

log = logging.getLogger("muniment.witness")

SIGNED, MALFORMED, WRONG_KEY, UNKNOWN_LOG, OTHER_SIZE, CONTRADICTION = 200, 400, 403, 404, 409, 422
"""The status codes of the answers."""


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """What the witness answers."""

    status: int
    """One of the status codes of HTTP above."""
    text: str
    """The signature lines, the size that the witness knows, or a sentence."""
    size: int = 0
    """For OTHER_SIZE, the size that the witness knows."""


def judge(state: WitnessState, data: bytes) -> WitnessAnswer:
    """Judge a request, and sign its checkpoint if it continues the last one.

    Raises:
        MunimentError: The witness's own files can't be used.
        OSError: The checkpoint can't be written; nothing was signed.
    """
    try:
        request = read_request(data)
        body = request.body
    except NoteInvalid as error:
        return WitnessAnswer(MALFORMED, f"{error}\n")
    keys = [key for key in state.logs() if key.name == body.origin]
    if not keys:
        return WitnessAnswer(UNKNOWN_LOG, "this witness does not know the log of this origin\n")
    try:
        signers = verified(request.note, keys)
    except NoteInvalid as error:
        return WitnessAnswer(WRONG_KEY, f"{error}\n")
    if request.old_size > body.size:
        return WitnessAnswer(MALFORMED, "the old size is larger than the new one\n")
    ids = {key.id for key in signers}
    by_log = [one for one in request.note.signatures if one.name == body.origin and one.id in ids]
    with state.changing():
        return _compared(state, request, body, by_log)


def _compared(
    state: WitnessState, request: WitnessRequest, body: CheckpointBody, by_log: list[NoteSignature]
) -> WitnessAnswer:
    """Compare a checkpoint that its log has signed with the last one; the folder is locked."""
    last = state.last(body.origin)
    known = read_body(last.text) if last is not None else CheckpointBody(body.origin, 0, EMPTY_ROOT)
    if request.old_size != known.size:
        if body.size < known.size:
            log.warning("a log shows %d records, and had %d", body.size, known.size)
        return WitnessAnswer(OTHER_SIZE, f"{known.size}\n", known.size)
    continues = verify_consistency(known.size, known.root, body.size, body.root, request.proof)
    if not continues or (body.size == 0 and body.root != EMPTY_ROOT):
        log.error("a log contradicts its checkpoint of %d records", known.size)
        state.keep_refused(body.origin, request)
        return WitnessAnswer(
            CONTRADICTION, f"this does not continue the checkpoint of {known.size} records that was signed\n"
        )
    cosigned = "".join(key.sign(request.note.text) for key in state.signing_keys())
    note = SignedNote(request.note.text, (*by_log, *read_signatures(cosigned)))
    state.keep(body.origin, parse_note(str(note).encode()))
    return WitnessAnswer(SIGNED, cosigned)
