"""Verification: that the ledger proves itself, and that the projections say what it says."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import TypeVar

from muniment.archive.catalog import Totals
from muniment.archive.files.permissions import exposed, readable
from muniment.archive.index import Index
from muniment.archive.ledger.check import Report, check
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.files import framed_id
from muniment.archive.ledger.model import Head
from muniment.archive.ledger.scan import last_head
from muniment.archive.operations.index_binding import bound
from muniment.archive.proof.index import damaged_files, search_works, wrong_documents
from muniment.archive.proof.inward import Records, look_into
from muniment.archive.proof.replica import catalog_differences
from muniment.archive.vault.known_roots import OF_CATALOG, Note, missing_file, notes_of, swapped
from muniment.archive.vault.open_catalog import INDEX, LEDGER
from muniment.archive.vault.vault import Vault
from muniment.errors import MunimentError

READ = "the ledger is read"
EVERY = 1.0
"""Seconds between two words on how far a check is."""
MEND = "run `muniment rebuild --catalog`"


def verify_vault(vault: Vault, deep: bool, was: Sequence[Checkpoint] = ()) -> Iterator[str | Report]:
    """Check a vault; yields a sentence a step and at last the ledger's report with all problems.

    `was` are checkpoints that were noted earlier; the report has a proof for each.

    Shallow: every frame's checksums, every commit's Merkle root, the catalog's audit trail, runs and
    directory against the ledger's records, its own sums, and the index's checksums.
    Deep: every record is decoded besides, every byte of every message, report and part hashed anew, and all
    of the catalog compared with another that is made from the ledger.
    """
    yield "reading the ledger" + (" and hashing every byte" if deep else "")
    notes, records = notes_of(vault.folder), Records(vault.folder / LEDGER)
    # One reading of the catalog: what a writer adds meanwhile is looked at another time.
    head, totals = vault.catalog.snapshot()
    report = yield from _stoppable(
        partial(
            check,
            vault.folder / LEDGER,
            deep=deep,
            locate=vault.catalog.locate,
            until=head,
            checkpoints=[*was, *(note.checkpoint for note in notes)],
            watch=records.take,
        )
    )
    damaged = bool(report.problems)
    look_at_notes(vault.folder, [note for note in notes if note.source != OF_CATALOG], was, report)
    look_at_folder(vault.folder, report)
    yield "comparing the catalog"
    report.problems.extend(catalog_problems(head, totals, report))
    report.problems.extend(untold(vault))
    if not damaged and vault.catalog.vault_id == records.vault_id:
        catalog = vault.catalog
        looking = partial(look_into, catalog.path, catalog.still, records, head.tree_size)
        report.problems.extend((yield from _stoppable(looking, "the catalog is looked into")))
    report.messages -= totals.moved_messages
    if deep:
        yield "making a second catalog from the ledger, to compare all of it"
        again = partial(catalog_differences, vault, not damaged)
        report.problems.extend((yield from _stoppable(again, "the ledger is read a second time")))
    yield "comparing the index"
    report.problems.extend(index_problems(vault, deep))
    yield report


def verify_ledger(
    folder: Path, deep: bool, problem: str, was: Sequence[Checkpoint] = ()
) -> Iterator[str | Report]:
    """As `verify_vault`, for a vault whose catalog can't be opened: the ledger alone is checked."""
    yield "reading the ledger" + (" and hashing every byte" if deep else "")
    notes = notes_of(folder)
    checkpoints = [*was, *(note.checkpoint for note in notes)]
    report = yield from _stoppable(partial(check, folder / LEDGER, deep=deep, checkpoints=checkpoints))
    look_at_notes(folder, notes, was, report)
    look_at_folder(folder, report)
    report.problems.append(problem)
    yield report


def look_at_notes(folder: Path, notes: list[Note], was: Sequence[Checkpoint], report: Report) -> None:
    """Leave the proofs of `was` in the report, and add which notes the ledger does not bear out."""
    proofs = {proof.checkpoint: proof for proof in report.proofs}
    report.proofs = [proofs[checkpoint] for checkpoint in was]
    vault_id = framed_id(folder / LEDGER)
    for note in notes:
        proof = proofs[note.checkpoint]
        if vault_id is not None and note.vault != vault_id:
            report.problems.append(swapped(note, vault_id))
        elif proof.state in ("cut", "rewritten"):
            report.problems.append(f"{note.source} has seen {note.head.tree_size} records: {proof.text}")
    if missing := missing_file(folder):
        report.problems.append(missing)
    report.problems = list(dict.fromkeys(report.problems))


def look_at_folder(folder: Path, report: Report) -> None:
    """Add to the report who else may get at the vault's files."""
    if loose := exposed(folder):
        report.problems.append(loose)
    elif open_ := readable(folder):
        report.notes.append(open_)


Found = TypeVar("Found")


class _Left(Exception):
    """Nobody waits for what is checked any more."""


def _stoppable(check: Callable[..., Found], doing: str = READ) -> Generator[str, None, Found]:
    """Check in a thread, saying how far it is now and then; whoever leaves has it stopped."""
    left, far = threading.Event(), [f"0% of {doing}"]

    def progress(done: int, total: int) -> None:
        if left.is_set():
            raise _Left
        far[0] = f"{done * 100 // max(total, 1)}% of {doing}"

    with ThreadPoolExecutor(1, "check") as thread:
        checked = thread.submit(check, progress=progress)
        try:
            while not wait([checked], EVERY).done:
                yield far[0]
            return checked.result()
        finally:
            left.set()


def catalog_problems(head: Head, totals: Totals, report: Report) -> Iterator[str]:
    """Where the catalog, as it was at `head`, does not say what the ledger says."""
    messages = totals.messages + totals.moved_messages
    envelopes = totals.envelopes + totals.moved_envelopes
    if head.tree_size > report.tree_size:
        yield (
            f"the catalog has seen {head.tree_size} records, but the ledger holds {report.tree_size}: "
            "the ledger was damaged or an older one restored"
        )
    elif (head.tree_size, head.root) != (report.tree_size, report.root) and head.tree_size:
        yield f"the catalog is of another ledger: {MEND}"
    elif report.problems or not head.tree_size:
        return  # what is damaged is missing from the counts as well
    elif messages != report.messages:
        yield f"the catalog knows {messages} records of messages, the ledger holds {report.messages}: {MEND}"
    elif envelopes != report.envelopes:
        yield f"the catalog knows {envelopes} records of copies, the ledger holds {report.envelopes}: {MEND}"


def untold(vault: Vault) -> Iterator[str]:
    """What the catalog was built without; and what it lacks of the ledger, if nobody is about to tell it."""
    damage = vault.damage
    if damage:
        yield (
            f"the catalog was built without what is damaged ({len(damage)} findings, such as {damage[0]}); "
            f"once that is restored from a backup, {MEND}"
        )
    last = last_head(vault.folder / LEDGER)
    if last is None or vault.owner():
        return
    behind = last.tree_size - vault.head.tree_size
    if behind > 0:
        yield f"the catalog is {behind} records behind the ledger: {MEND}"


def index_problems(vault: Vault, deep: bool = False) -> list[str]:
    """Where the index is damaged, or lacks what it says it has."""
    damaged = damaged_files(vault.folder / INDEX, vault.index_place.held)
    return list(damaged) or list(_index_problems(vault, deep))


def _index_problems(vault: Vault, deep: bool) -> Iterator[str]:
    mend = "run `muniment rebuild --index`"
    try:
        with vault.index_place.held():
            index = Index.open(vault.folder / INDEX, read_only=True)
    except MunimentError as error:
        yield f"the index can't be used ({error})"
        return
    try:
        if not bound(vault, index.watermark, index.mark):
            yield f"the index is of another ledger, or of another state of it: {mend}"
            return
        # A batch may be committed between any two of these calls. In this order it can only make `least` too
        # low and `most` too high, so it never looks like a loss.
        messages = vault.catalog.totals().messages
        lacking = vault.catalog.index_behind(index.watermark)
        least, docs, still = messages - lacking, index.docs, not lacking and not vault.owner()
        most = vault.catalog.totals().messages
        if docs < least or (still and docs > most):
            yield f"the index holds {docs} of the {least} messages it should: {mend}"
        yield from search_works(index)
        if deep:
            yield from wrong_documents(vault, index, still)
    except (MunimentError, sqlite3.Error) as error:
        yield f"the index can't be compared ({error}): {mend}"
    finally:
        index.close()
