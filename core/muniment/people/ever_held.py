"""What users and the organisation ever had, also what was removed from the directory since."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
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

    def holders(self, address: str) -> frozenset[str]:
        """Return the ids of all users who were ever given a normalised address."""
        return frozenset(self._holders.get(address, ()))

    @cached_property
    def _holders(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for user, addresses in self.users.items():
            for address in addresses:
                found.setdefault(address, []).append(user)
        return found
