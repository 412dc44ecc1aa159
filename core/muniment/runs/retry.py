"""Tries quarantined items again. What can be unwrapped now is archived as if it had just arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from muniment.archive.catalog import QuarantineRow
from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.operations.indexing import IndexFeeder
from muniment.archive.vault.vault import Vault
from muniment.runs.pipeline.archive_batch import CopyOutcome
from muniment.runs.pipeline.archivist import Archivist
from muniment.runs.pipeline.fetch import FetchedBatch, discard
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.prepare.prepared_copy import CopyJob
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.sources.base import SPOOL_ABOVE, FetchedItem, MailItem, MailPlace

NOT_KEPT = frozenset({CopyOutcome.ERASED, CopyOutcome.LEFT})
"""What becomes of an item with mail that was erased."""


def chosen(vault: Vault, ids: Sequence[str]) -> list[QuarantineRow]:
    """The quarantined items that `ids` name, all of them if there are no ids.

    Args:
        vault: the vault.
        ids: prefixes of hex SHA-256.

    Raises:
        NotFound: an id names no item.
    """
    if not ids:
        return list(vault.catalog.quarantine())
    return [vault.catalog.quarantine_by_prefix(one) for one in ids]


def retry(
    vault: Vault, plan_for: Callable[[str], RunPlan], ids: Sequence[str], pool: WorkerPool
) -> Iterator[tuple[bytes, str]]:
    """Try quarantined items again.

    Args:
        vault: the vault, open as its writer.
        plan_for: gives the plan of a profile by its name.
        ids: prefixes of hex SHA-256; all items if there are none.
        pool: the workers that parse the items.

    Yields:
        The SHA-256 of each item, and a sentence on what is still wrong with it, or "" if it is archived now.

    Raises:
        NotFound: an id names no item.
    """
    indexing = IndexFeeder(vault)
    try:
        for row in chosen(vault, ids):
            yield row.sha, _retry_one(vault, row, plan_for(row.profile), pool)
        for _ in indexing.catch_up():
            pass
    finally:
        indexing.close()


def _retry_one(vault: Vault, row: QuarantineRow, plan: RunPlan, pool: WorkerPool) -> str:
    fetched = _fetched(vault, row)
    path = "" if isinstance(fetched.content, bytes) else str(fetched.content)
    content = fetched.content if isinstance(fetched.content, bytes) else b""
    future = pool.submit([CopyJob(content, path, plan.journal)])
    try:
        (copy,) = future.result()
        if copy is None:
            return "the parser failed on it again"
        if copy.problem:
            return copy.problem
        # It can't be left at the source any more: it is in the vault.
        archivist = Archivist(vault, replace(plan, unknown="catch-all", delete=False))
        try:
            archivist.take(fetched, copy)
            committed = archivist.commit()
        except BaseException:
            vault.rollback()
            raise
        kept = committed is None or committed.outcomes[-1][1] not in NOT_KEPT
        return "" if kept else "it has mail that was erased: it is not archived again"
    finally:
        discard(FetchedBatch([fetched], future))


def _fetched(vault: Vault, row: QuarantineRow) -> FetchedItem:
    item = MailItem(MailPlace(row.host, row.mailbox, row.folder), row.key, row.size, date=row.time)
    if row.size <= SPOOL_ABOVE:
        return FetchedItem(item, b"".join(vault.reader.content_at(row.position)))
    work = make_work(own_work(vault.folder))
    path = work / f"retry-{row.sha.hex()[:16]}"
    with path.open("wb") as file:
        file.writelines(vault.reader.content_at(row.position))
    return FetchedItem(item, path)
