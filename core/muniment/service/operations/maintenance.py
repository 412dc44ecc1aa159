"""Answers Verify, Backup and ListQuarantine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from muniment import api
from muniment.archive.catalog import CatalogOutdated
from muniment.archive.ledger.check import LedgerCheck
from muniment.archive.ledger.checkpoints import Checkpoint, read_checkpoint
from muniment.archive.operations.backup import backup_vault
from muniment.archive.operations.verify import verify_ledger, verify_vault
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import Operation
from muniment.system.paths import as_path, readable


def verify(session: ClientSession, request: api.Verify) -> Iterator[api.WireWord]:
    """Answer Verify: check the ledger, and compare catalog and index with it.

    Without a usable catalog, only the ledger is checked.
    """
    earlier = tuple(read_checkpoint(text) for text in request.was)
    with ExitStack() as stack:
        try:
            steps = verify_vault(stack.enter_context(session.reading()), request.deep, earlier)
        except CatalogOutdated as problem:
            steps = verify_ledger(session.folder, request.deep, str(problem), earlier)
        for step in steps:
            yield api.Step(text=step) if isinstance(step, str) else _verified(step)


def _verified(report: LedgerCheck) -> api.Verified:
    return api.Verified(
        ok=not report.problems and all(proof.holds for proof in report.proofs),
        records=report.records,
        messages=report.messages,
        tree_size=report.tree_size,
        root=report.root.hex(),
        problems=tuple(report.problems),
        checkpoint=str(Checkpoint(report.tree_size, report.root)),
        was=tuple(
            api.Noted(checkpoint=str(proof.checkpoint), state=proof.state, text=proof.text)
            for proof in report.proofs
        ),
        notes=tuple(report.notes),
    )


def backup(session: ClientSession, request: api.Backup) -> Iterator[api.WireWord]:
    """Answer Backup: copy a live vault, incrementally."""
    with session.reading() as vault:
        for step in backup_vault(vault, Path(as_path(request.path))):
            yield api.Step(text=step)
    yield api.Done(message=f"Backup in {readable(as_path(request.path))} is complete.")


def list_quarantine(session: ClientSession, request: api.ListQuarantine) -> api.Quarantine:
    """Answer ListQuarantine: the items that could not be unwrapped."""
    with session.reading() as vault:
        return api.Quarantine(
            items=tuple(
                api.QuarantineItem(
                    id=item.sha.hex(),
                    time=item.time,
                    size=item.size,
                    reason=item.reason,
                    profile=item.profile,
                )
                for item in vault.catalog.quarantine()
            )
        )


OPERATIONS = (
    Operation(api.ListQuarantine, (api.Quarantine,), AccessRole.AUDITOR, list_quarantine),
    Operation(api.Verify, (api.Step, api.Verified), AccessRole.AUDITOR, verify, streams=True),
    Operation(api.Backup, (api.Step, api.Done), AccessRole.ADMINISTRATOR, backup, streams=True),
)
