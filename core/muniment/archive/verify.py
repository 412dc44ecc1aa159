"""Verification: that the ledger proves itself, and that the projections say what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from muniment.archive.index import Index
from muniment.archive.ledger.check import Report, check
from muniment.archive.vault import INDEX, LEDGER, Vault
from muniment.errors import MunimentError


def verify_vault(vault: Vault, deep: bool) -> Iterator[str | Report]:
    """Check a vault; yields a sentence a step and at last the ledger's report with all problems.

    Shallow: every frame's checksums, every commit's Merkle root, and the counts of catalog and index.
    Deep: every record is decoded besides, and every byte of every message, report and part hashed anew.
    """
    yield "reading the ledger" + (" and hashing every byte" if deep else "")
    until = vault.head if vault.owner() else None  # what a writer adds meanwhile is not known here
    report = check(vault.folder / LEDGER, deep=deep, locate=vault.catalog.locate, until=until)
    yield "comparing the catalog"
    report.problems.extend(catalog_problems(vault, report))
    yield "comparing the index"
    report.problems.extend(index_problems(vault))
    yield report


def verify_ledger(folder: Path, deep: bool, problem: str) -> Iterator[str | Report]:
    """As `verify_vault`, for a vault whose catalog can't be opened: the ledger alone is checked."""
    yield "reading the ledger" + (" and hashing every byte" if deep else "")
    report = check(folder / LEDGER, deep=deep)
    report.problems.append(problem)
    yield report


def catalog_problems(vault: Vault, report: Report) -> Iterator[str]:
    """Where the catalog does not say what the ledger says."""
    head, totals = vault.head, vault.catalog.totals()
    mend = "run `muniment rebuild --catalog`"
    if head.tree_size > report.tree_size:
        yield (
            f"the catalog has seen {head.tree_size} records, but the ledger holds {report.tree_size}: "
            "the ledger was damaged or an older one restored"
        )
    elif head.tree_size < report.tree_size:
        yield f"the catalog is {report.tree_size - head.tree_size} records behind the ledger: {mend}"
    elif report.problems:
        return  # what is damaged is missing from the counts as well
    elif head.root != report.root:
        yield f"the catalog is of another ledger: {mend}"
    elif totals.messages != report.messages:
        yield f"the catalog lists {totals.messages} messages, the ledger holds {report.messages}: {mend}"
    elif totals.envelopes != report.envelopes:
        yield f"the catalog lists {totals.envelopes} envelopes, the ledger holds {report.envelopes}: {mend}"


def index_problems(vault: Vault) -> Iterator[str]:
    """Where the index lacks what it says it has."""
    mend = "run `muniment rebuild --index`"
    try:
        index = Index.open(vault.folder / INDEX, read_only=True)
    except MunimentError as error:
        yield f"the index can't be used ({error})"
        return
    try:
        expected = vault.catalog.totals().messages - vault.catalog.index_behind(index.watermark)
        if index.docs < expected:
            yield f"the index holds {index.docs} of the {expected} messages it should: {mend}"
        if index.watermark > vault.head.tree_size:
            yield f"the index is of another ledger: {mend}"
    finally:
        index.close()
