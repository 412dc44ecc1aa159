"""The time zone that a request names."""

from __future__ import annotations

from datetime import tzinfo

from muniment.errors import UsageError
from muniment.system.time_zones import zone_of


def zone_asked(name: str) -> tzinfo:
    """The time zone with a name (see system.time_zones); "" is UTC.

    Raises:
        UsageError: it is unknown on this machine.
    """
    try:
        return zone_of(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
