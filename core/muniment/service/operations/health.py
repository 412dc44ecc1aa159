"""Problems with journaling once reports arrive: silent users, returned reports, reports of other tenants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from muniment.archive.facts import RoutingReason
from muniment.archive.operations.check_names import USUAL
from muniment.archive.vault.vault import Vault
from muniment.mail.notes import PLACEHOLDER
from muniment.people.directory import User
from muniment.service.operations.first_report import FLAGGED, PIN
from muniment.setup.model import SetupSituation

DAY = 86400
HOUR = 3600
RECENT = 30
"""Days for which returned reports and reports of other tenants are mentioned."""
LOOKED_AT = 20
"""How many of the newest messages of a folder are searched for a journaled one."""
NAMED = 5
"""How many users a sentence names."""
RETURNED = "came back in a non-delivery report"
"""The note of mail.journal.report on a report that came back as undeliverable."""


_cache: dict[Path, tuple[object, tuple[str, ...]]] = {}
"""The last result for each vault and the state that it is for, since a new one examines every user."""


def health(vault: Vault, situation: SetupSituation) -> tuple[str, ...]:
    """A sentence for each problem; empty if there is none. Cached for an hour while nothing changes."""
    state = (vault.head, situation.settings.journaling, situation.now // HOUR)
    known = _cache.get(situation.folder)
    if known is None or known[0] != state:
        problems = (*_silent(vault, situation), *_flagged(vault, situation))
        known = _cache[situation.folder] = (state, problems)
    return known[1]


def _silent(vault: Vault, situation: SetupSituation) -> Iterator[str]:
    """A sentence about users without a recent journal report: the rule may not cover them."""
    days = situation.settings.journaling.quiet_days
    since = situation.now - days * DAY
    quiet = [user for user in vault.directory.users() if not user.automatic and _newest(vault, user) < since]
    if quiet:
        names = ", ".join(user.primary for user in quiet[:NAMED])
        more = f" and {len(quiet) - NAMED:,} more" if len(quiet) > NAMED else ""
        yield (
            f"No journal report for {days} days for {names}{more}: make sure that the journal rule covers "
            "them (muniment users list)."
        )


def _newest(vault: Vault, user: User) -> int:
    """When the newest journal report of a user's mail was made, seconds since 1970 UTC; 0 if none is
    found."""
    newest = 0
    for folder in USUAL:
        for message in vault.catalog.page(user.id, folder, LOOKED_AT).sequences:
            reports = [
                copy.time
                for copy in vault.catalog.envelopes_of(message)
                if copy.report and copy.route & RoutingReason.JOURNAL
            ]
            if reports:
                newest = max(newest, *reports)
                break
    return newest


def _flagged(vault: Vault, situation: SetupSituation) -> Iterator[str]:
    since = situation.now - RECENT * DAY
    recent = [flags for time, flags in vault.catalog.flagged(FLAGGED) if time >= since]
    returned = sum(RETURNED in flags for flags in recent)
    foreign = sum(any(PIN in flag for flag in flags) for flags in recent)
    replaced = sum(PLACEHOLDER in flags for flags in recent)
    if replaced:
        yield (
            f"{_count(replaced, 'journal report')} of the last {RECENT} days had no original inside, and "
            f"{'is' if replaced == 1 else 'are'} listed by the envelope: find out what replaces or converts "
            "messages on the way, such as a virus scanner, a size limit or winmail.dat."
        )
    if returned:
        yield (
            f"{_count(returned, 'journal report')} came back as undeliverable in the last {RECENT} days and "
            f"{'was' if returned == 1 else 'were'} archived: look for others in the undeliverable mailbox."
        )
    if foreign:
        yield (
            f"{_count(foreign, 'report')} in the last {RECENT} days failed the tenant pin and went only to "
            "the catch-all: correct the profile's tenant, or find out who sends them."
        )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
