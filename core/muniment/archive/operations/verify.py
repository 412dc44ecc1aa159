"""Verification: it checks the ledger, and compares catalog and index with it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from muniment.archive.catalog import VaultTotals
from muniment.archive.files.permissions import exposed, readable
from muniment.archive.ledger.check import LedgerCheck, Progress, check, unwatched
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.scan import last_head
from muniment.archive.ledger.vault_id import framed_id
from muniment.archive.ledger.walk import FoundFrame
from muniment.archive.operations.index_binding import is_bound
from muniment.archive.operations.stage_progress import StageProgress
from muniment.archive.proof.index import damaged_files, index_of, search_works, wrong_documents
from muniment.archive.proof.inward import RecordDigests, inspect_catalog
from muniment.archive.proof.lookups import PAGE, CatalogLookups
from muniment.archive.proof.replica import PATIENCE, SPARE, catalog_differences
from muniment.archive.vault.known_roots import OF_CATALOG, KnownRoot, missing_file, notes_of, swapped
from muniment.archive.vault.layout import INDEX, segments_of
from muniment.archive.vault.vault import Vault
from muniment.errors import MunimentError

READ = "the ledger is read"
EVERY = 1.0
"""Time between two reports of progress, in seconds."""
REMEDY = "run `muniment rebuild --catalog`"


@dataclass(frozen=True, slots=True)
class VerifyLimits:
    """How a check of a vault uses memory, disk and time."""

    page: int = PAGE
    """Records that are looked up in the catalog at a time."""
    spare: int = SPARE
    """Space on the disk that a second catalog must leave free, in bytes."""
    patience: float = PATIENCE
    """How long to wait until mail is filed after a change of the directory, in seconds."""


LIMITS = VerifyLimits()


def verify_vault(
    vault: Vault, deep: bool, was: Sequence[Checkpoint] = (), limits: VerifyLimits = LIMITS
) -> Iterator[str | StageProgress | LedgerCheck]:
    """Check a vault.

    A shallow check covers the checksums of every frame, the Merkle root of every commit, the catalog's audit
    trail, runs, directory and quarantine compared with the ledger's records, whether it finds all content
    and keys, its own sums, and the checksums of the index. A deep check also decodes every record, hashes
    every byte of every message, report and part, and compares the whole catalog with another one that is
    made from the ledger.

    Args:
        vault: The vault.
        deep: Whether to make a deep check.
        was: Checkpoints that were noted earlier; the report has a result for each.
        limits: How the check uses memory, disk and time.

    Yields:
        A sentence for each stage, its progress, and at last the report with all problems.

    Raises:
        VaultError: A newer program wrote a file, or there is no room for a deep check.
    """
    yield "reading the ledger" + (" and hashing every byte" if deep else "")
    notes, records = notes_of(vault.folder), RecordDigests(vault.segments)
    lookups = CatalogLookups(vault.segments, vault.catalog, limits.page)

    def watch(segment: int, sequence: int | None, found: FoundFrame) -> None:
        records.take(segment, sequence, found)
        lookups.take(segment, sequence, found)

    # Both are of one state of the catalog; what a writer adds meanwhile is not checked.
    head, totals = vault.catalog.snapshot()
    report = yield from _stoppable(
        partial(
            check,
            vault.segments,
            deep=deep,
            locate=vault.catalog.locate,
            until=head,
            checkpoints=[*was, *(note.checkpoint for note in notes)],
            watch=watch,
        )
    )
    damaged = bool(report.problems)
    check_notes(vault.folder, [note for note in notes if note.source != OF_CATALOG], was, report)
    check_folder(vault.folder, report)
    yield "comparing the catalog"
    report.problems.extend(catalog_problems(head, totals, report))
    report.problems.extend(unapplied(vault))
    if not damaged and vault.catalog.vault_id == records.vault_id:
        inspect = partial(inspect_catalog, vault.catalog, records, head.tree_size)
        report.problems.extend((yield from _stoppable(inspect, "the catalog is inspected")))
        look_up = partial(lookups.differences, head)
        report.problems.extend((yield from _stoppable(look_up, "content and keys are looked up")))
    report.messages -= totals.moved_messages
    if deep:
        yield "making a second catalog from the ledger, to compare all of it"
        again = partial(catalog_differences, vault, not damaged, spare=limits.spare, patience=limits.patience)
        report.problems.extend((yield from _stoppable(again, "the ledger is read a second time")))
    yield "comparing the index"
    compare = partial(index_problems, vault, deep)
    report.problems.extend((yield from _stoppable(compare, "the index is compared")))
    yield report


def verify_ledger(
    folder: Path, deep: bool, problem: str, was: Sequence[Checkpoint] = ()
) -> Iterator[str | StageProgress | LedgerCheck]:
    """Check only the ledger, of a vault whose catalog can't be opened.

    Args:
        folder: The vault's folder.
        deep: Whether to make a deep check.
        problem: Why the catalog can't be opened; it is added to the problems.
        was: Checkpoints that were noted earlier; the report has a result for each.

    Yields:
        A sentence for each stage, its progress, and at last the report with all problems.

    Raises:
        VaultError: There is no ledger, or a newer program wrote it.
    """
    yield "reading the ledger" + (" and hashing every byte" if deep else "")
    notes = notes_of(folder)
    checkpoints = [*was, *(note.checkpoint for note in notes)]
    report = yield from _stoppable(partial(check, segments_of(folder), deep=deep, checkpoints=checkpoints))
    check_notes(folder, notes, was, report)
    check_folder(folder, report)
    report.problems.append(problem)
    yield report


def check_notes(folder: Path, notes: list[KnownRoot], was: Sequence[Checkpoint], report: LedgerCheck) -> None:
    """Add a problem for each note that the ledger contradicts, and keep only the proofs of `was`."""
    proofs = {proof.checkpoint: proof for proof in report.proofs}
    report.proofs = [proofs[checkpoint] for checkpoint in was]
    vault_id = framed_id(segments_of(folder))
    for note in notes:
        proof = proofs[note.checkpoint]
        if vault_id is not None and note.vault != vault_id:
            report.problems.append(swapped(note, vault_id))
        elif proof.state in ("cut", "rewritten"):
            report.problems.append(f"{note.source} knows {note.head.tree_size} records: {proof.text}")
    if missing := missing_file(folder):
        report.problems.append(missing)
    report.problems = list(dict.fromkeys(report.problems))


def check_folder(folder: Path, report: LedgerCheck) -> None:
    """Add to the report whether other users can change or read the vault's files."""
    if loose := exposed(folder):
        report.problems.append(loose)
    elif open_ := readable(folder):
        report.notes.append(open_)


Found = TypeVar("Found")


class _Left(Exception):
    """The caller no longer waits for the check."""


def _stoppable(
    check: Callable[..., Found], doing: str = READ, every: float = EVERY
) -> Generator[StageProgress, None, Found]:
    """Run a check in a thread, and yield its progress; closing the generator stops the check."""
    left, far = threading.Event(), [StageProgress(doing, 0, 0)]

    def progress(done: int, total: int) -> None:
        if left.is_set():
            raise _Left
        far[0] = StageProgress(doing, done, total)

    with ThreadPoolExecutor(1, "check") as thread:
        checked = thread.submit(check, progress=progress)
        try:
            while not wait([checked], every).done:
                yield far[0]
            return checked.result()
        finally:
            left.set()


def catalog_problems(head: LedgerHead, totals: VaultTotals, report: LedgerCheck) -> Iterator[str]:
    """Yield the problems of the catalog's counts at `head`, compared with the ledger's report."""
    messages = totals.messages + totals.moved_messages
    envelopes = totals.envelopes + totals.moved_envelopes
    if head.tree_size > report.tree_size:
        yield (
            f"the catalog knows {head.tree_size} records, but the ledger holds {report.tree_size}: "
            "the ledger was damaged, or an older one was restored"
        )
    elif (head.tree_size, head.root) != (report.tree_size, report.root) and head.tree_size:
        yield f"the catalog belongs to another ledger: {REMEDY}"
    elif report.problems or not head.tree_size:
        return  # damaged records are missing from the counts as well
    elif messages != report.messages:
        yield f"the catalog has {messages} records of messages, but the ledger {report.messages}: {REMEDY}"
    elif envelopes != report.envelopes:
        yield f"the catalog has {envelopes} records of copies, but the ledger {report.envelopes}: {REMEDY}"


def unapplied(vault: Vault) -> Iterator[str]:
    """Yield what the catalog was built without, and how far it is behind if no process writes the vault."""
    damage = vault.damage
    if damage:
        yield (
            f"the catalog was built without damaged records ({len(damage)} findings, such as {damage[0]}); "
            f"restore them from a backup, then {REMEDY}"
        )
    last = last_head(vault.segments)
    if last is None or vault.owner():
        return
    behind = last.tree_size - vault.head.tree_size
    if behind > 0:
        yield f"the catalog is {behind} records behind the ledger: {REMEDY}"


def index_problems(vault: Vault, deep: bool = False, progress: Progress = unwatched) -> list[str]:
    """Return the problems of the index: damaged files, or missing messages.

    Args:
        vault: The vault.
        deep: Whether to compare each document.
        progress: Called for each shard with the shards that are done, and all; each counts twice in a deep
            check. An error that it raises ends the check.
    """
    times = 2 if deep else 1
    damaged = damaged_files(
        vault.folder / INDEX, vault.index_place.held, lambda done, total: progress(done, total * times)
    )
    return list(damaged) or list(
        _index_problems(vault, deep, lambda done, total: progress(total + done, total * times))
    )


def _index_problems(vault: Vault, deep: bool, progress: Progress) -> Iterator[str]:
    remedy = "run `muniment rebuild --index`"
    try:
        index = index_of(vault)
    except MunimentError as error:
        yield f"the index can't be used ({error})"
        return
    try:
        if not is_bound(vault, index.watermark, index.binding):
            yield f"the index belongs to another ledger, or to another state of it: {remedy}"
            return
        # A batch may be committed between any two of these calls. In this order it can only make `least` too
        # low and `most` too high, so it never looks like a loss.
        messages = vault.catalog.totals().messages
        lacking = vault.catalog.index_behind(index.watermark)
        least, docs, unchanging = messages - lacking, index.docs, not lacking and not vault.owner()
        most = vault.catalog.totals().messages
        if docs < least or (unchanging and docs > most):
            yield f"the index has {docs} messages, but should have {least}: {remedy}"
        yield from search_works(index)
        if deep:
            yield from list(wrong_documents(vault, index, unchanging, progress))
    except (MunimentError, sqlite3.Error) as error:
        yield f"the index can't be compared ({error}): {remedy}"
    finally:
        index.close()
