"""Checks the section [retention]. `config.check` says what form problems have."""

from __future__ import annotations

from muniment.config.check_notify import Problems, is_time_of_day
from muniment.config.model import RetentionSection
from muniment.system.time_zones import zone_of


def retention_problems(retention: RetentionSection) -> Problems:
    """Yield what is wrong with the section [retention]."""
    if retention.dispose and not is_time_of_day(retention.dispose):
        yield "retention.dispose", '{dispose} must be a local time of day, such as "02:30"'
    try:
        zone_of(retention.zone)
    except ValueError:
        yield (
            "retention.zone",
            f"{{zone}} is {retention.zone[:80]!r}, which this machine does not know; write a name such as "
            '"Europe/Berlin"',
        )
