"""What users and the organisation ever had, also what was removed from the directory since."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EverHeld:
    """All addresses that each user was ever given, and all domains that ever were the organisation's own.

    Only what must never lose sight of a person asks it, such as legal holds.
    """

    users: dict[str, frozenset[str]]
    domains: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    """All addresses that any user was ever given."""

    def addresses(self, user: str) -> frozenset[str]:
        """Return all addresses that a user was ever given, normalised; none for an unknown id."""
        return self.users.get(user, frozenset())
