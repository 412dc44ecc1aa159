"""The facts that a vault's health is judged by, and the problems that are found."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from muniment.notify.model import ArchiveFacts


class HealthVerdict(IntEnum):
    """How bad something is. The numbers are the exit codes of monitoring plugins."""

    OK = 0
    WARNING = 1
    """Somebody should look at it in the next days."""
    CRITICAL = 2
    """Mail or proof may be lost if no one acts."""

    @property
    def word(self) -> str:
        """The name in replies: "ok", "warning" or "critical"."""
        return self.name.lower()


class FoundProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong."""

    key: str
    """Identifies the problem, such as "run-failed:gateway"."""
    verdict: HealthVerdict
    text: str
    """A sentence that says what is wrong and what to do."""
    area: str = ""
    """The part of the app where it is dealt with, as in `api.HealthProblem`; "" for none."""
    row: str = ""
    """What it concerns there, such as a profile's name; "" for the whole area."""


class ProfileSwitches(msgspec.Struct, frozen=True, kw_only=True):
    """What a profile is set to."""

    name: str
    enabled: bool
    tested: bool


class UpkeepFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The last verification, or the last backup to one folder."""

    ok: bool
    good: int = 0
    """When the last one that was ok ended, in seconds since 1970 UTC; 0 if there is none."""
    text: str = ""
    """What was wrong, as a sentence."""
    doubt: str = ""
    """A comparison that failed although nothing else is wrong, as a sentence."""
    place: str = ""
    """The folder of a backup."""


class SilenceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The users of whom no journal report has come."""

    total: int = 0
    named: tuple[str, ...] = ()
    """The main addresses of some of them."""
    days: int = 0
    """For how long."""


class HealthFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a vault."""

    archive: ArchiveFacts
    """What notifications look at, too."""
    reported: dict[str, str] = {}
    """Titles of the problems that notifications have reported and that are not over, by their key."""
    profiles: tuple[ProfileSwitches, ...] = ()
    broken: tuple[str, ...] = ()
    """Why the vault can't be read, or no run can start, as sentences without a full stop."""
    warnings: tuple[str, ...] = ()
    """Problems of the vault's folder, as sentences without a full stop."""
    journaling: tuple[str, ...] = ()
    """Problems with journal reports, as sentences."""
    refused_logins: tuple[str, ...] = ()
    """Logins of vault.toml that can't read any mail."""
    silence: SilenceFacts = SilenceFacts()
    quarantined: int = 0
    decisions: tuple[str, ...] = ()
    """Problems with legal holds and approvals, as sentences."""
    days_left: int | None = None
    """Days until the disk is full; None if that is not known, or far away."""
    verified: UpkeepFacts | None = None
    backups: tuple[UpkeepFacts, ...] = ()
    """The last backup to each folder, the newest first."""
