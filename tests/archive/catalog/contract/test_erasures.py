"""The contract of every catalog: decisions to erase, and what was erased."""

from __future__ import annotations

from muniment.archive.catalog.model import Erasure
from muniment.archive.ledger.model import RecordKind
from support.catalogs import FilledCatalog
from support.catalogued import sha


def test_an_erasure_is_found_by_each_message_and_copy_of_it(archive: FilledCatalog) -> None:
    record = archive.batches.sequence
    archive.batches.redaction("Art. 17", "m1", "m2", copies=["c1"], contents=["m2"])
    archive.commit()
    for name in ("m1", "m2", "c1"):
        assert archive.catalog.erasure_of(sha(name)) == Erasure(record, 8, "Art. 17")
    assert archive.catalog.erasure_of(sha("m3")) is None


def test_the_last_of_several_erasures_counts(archive: FilledCatalog) -> None:
    archive.batches.redaction("first", "m1", copies=["m1"])
    record = archive.batches.sequence
    archive.batches.redaction("second", "m1")
    archive.commit()
    archive.batches.redaction("third", "m2")
    archive.commit()
    found = archive.catalog.erasure_of(sha("m1"))
    assert found is not None
    assert (found.record, found.basis) == (record, "second")


def test_a_basis_with_lone_surrogates_is_stored(archive: FilledCatalog) -> None:
    archive.batches.redaction("\ud800 x", "m1")
    archive.commit()
    found = archive.catalog.erasure_of(sha("m1"))
    assert found is not None
    assert found.basis == "\\ud800 x"


def test_records_without_content_count_as_records_that_add_nothing(archive: FilledCatalog) -> None:
    kinds = (RecordKind.MESSAGE, RecordKind.MESSAGE, RecordKind.ENVELOPE, RecordKind.PART)
    for kind in kinds:
        archive.batches.erased(kind)
    archive.commit()
    totals = archive.catalog.totals()
    assert (totals.messages, totals.envelopes) == (0, 0)
    assert (totals.moved_messages, totals.moved_envelopes) == (2, 1)
