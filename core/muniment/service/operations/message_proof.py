"""Answers Prove: the proof of one message, in a file for strangers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

from muniment import api
from muniment.archive.catalog import MessageRow
from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.ledger.checkpoints import read_checkpoint
from muniment.archive.operations.export_targets import PIECE, new_file
from muniment.archive.operations.message_proof import MessageProof, SignedState, newest_state, noted_state
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.reading import message_named, require_room
from muniment.system.partial_files import discard, partial_path, publish_file
from muniment.system.paths import as_path, readable


def prove(session: ClientSession, request: api.Prove) -> Iterator[api.WireWord]:
    """Answer Prove.

    For this process's own user the file is written to its place, for any other caller it is sent, as an
    export is.
    """
    path = Path(as_path(request.path))
    if path.name in ("", "..") or "\0" in str(path):
        raise UsageError(f"{str(path)!r} can't be the name of a proof: name a new file")
    with session.reading() as vault:
        row = message_named(vault, request.id)
        proof = MessageProof(vault, row, _state(vault, row, request.at))
        if session.caller.uid == os.geteuid():
            yield from _written(proof, path)
        else:
            yield from _sent(proof, vault, path)
        shown = row.sha.hex()[:12]
        where = readable(as_path(request.path))
        yield api.Done(message=f"The proof of message {shown} is in {where}.", warnings=proof.problems)


def _state(vault: Vault, row: MessageRow, at: str) -> SignedState:
    """The checkpoint that was named, else the newest one that has the message and all its copies."""
    if at:
        return noted_state(vault, read_checkpoint(at), row.sequence)
    copies = vault.catalog.envelopes_of(row.sequence)
    return newest_state(vault, max([row.sequence, *(copy.sequence for copy in copies)]))


def _written(proof: MessageProof, path: Path) -> Iterator[api.Step]:
    """Write a proof to its place, under a temporary name until it is complete."""
    part = partial_path(path)
    try:
        if path.exists():
            raise FileExistsError
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with new_file(part) as file:
            yield from (api.Step(text=text) for text in proof.write(file))
        publish_file(part, path)
    except FileExistsError as error:
        raise UsageError(f"{path} exists already: name a new file") from error
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another place") from error
    finally:
        discard(part)


def _sent(proof: MessageProof, vault: Vault, path: Path) -> Iterator[api.WireWord]:
    """Send a proof to a client, which writes it."""
    work = make_work(own_work(vault.folder))
    require_room(work)
    with TemporaryFile(dir=work) as file:
        yield from (api.Step(text=text) for text in proof.write(file))
        file.seek(0)
        yield api.ExportFile(name=path.name)
        while data := file.read(PIECE):
            yield api.Chunk(data=data)


OPERATIONS = (
    Operation(
        api.Prove, (api.ExportFile, api.Chunk, api.Step, api.Done), AccessRole.AUDITOR, prove,
        streams=True, audit=AuditRule.BEFORE,
    ),
)  # fmt: skip
