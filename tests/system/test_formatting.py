"""Times in sentences of the engine, in the zone of the process."""

from __future__ import annotations

from muniment.system.formatting import localised, offset
from support.zoned import in_zone

SENTENCE = "It came on 2026-01-05 11:58 UTC, and 2026-07-05 11:58 UTC; 2026-99-05 11:58 UTC is none."


def test_times_of_a_sentence_are_local() -> None:
    with in_zone("America/New_York"):
        assert localised(SENTENCE) == (
            "It came on 2026-01-05 06:58, and 2026-07-05 07:58; 2026-99-05 11:58 UTC is none."
        )
        assert "06:58 UTC-05:00, and 2026-07-05 07:58 UTC-04:00" in localised(SENTENCE, zone=True)
    with in_zone("UTC"):
        assert localised("at 2026-01-05 11:58 UTC", zone=True) == "at 2026-01-05 11:58 UTC"


def test_an_offset_has_minutes() -> None:
    with in_zone("Asia/Kolkata"):
        assert offset(0) == "UTC+05:30"
    with in_zone("UTC"):
        assert offset(0) == "UTC"
