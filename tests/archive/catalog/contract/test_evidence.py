"""The contract of every catalog: where the results of signatures are recorded."""

from __future__ import annotations

from support.catalogs import FilledCatalog


def test_a_message_is_found_in_the_record_that_judged_it(archive: FilledCatalog) -> None:
    assert archive.catalog.evidence_reached() == -1
    first = archive.batches.sequence
    archive.batches.evidence(3, 9)
    archive.batches.evidence(10, 40)
    archive.commit()
    assert archive.catalog.evidence_reached() == 40
    records = {number: archive.catalog.evidence_for(number) for number in (0, 2, 3, 9, 10, 40, 41)}
    numbers = {number: row.record for number, row in records.items() if row is not None}
    assert numbers == {3: first, 9: first, 10: first + 1, 40: first + 1}
    found = records[9]
    assert found is not None
    assert found.time == 9
    later = records[10]
    assert later is not None
    assert found.position != later.position
