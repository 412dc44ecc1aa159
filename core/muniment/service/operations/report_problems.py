"""Problems with journaling once reports arrive: silent users, returned reports, reports of other tenants."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from muniment.archive.facts import RoutingReason
from muniment.archive.operations.check_names import USUAL
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.health.silence import ReportTimes, WatchedUser, silent_since, silent_users
from muniment.mail.notes import PLACEHOLDER
from muniment.service.operations.first_report import FLAGGED, PIN

DAY = 86400
MINUTES = 300
"""Seconds for which a result is kept while nothing changes."""
RECENT = 30
"""Days for which returned reports and reports of other tenants are mentioned."""
LOOKED_AT = 20
"""How many of the newest messages of a folder are searched for a journaled one."""
CLOSELY = 50
"""Most users whose newest messages are looked at."""
NAMED = 5
"""How many users a sentence names."""
RETURNED = "came back in a non-delivery report"
"""The note of mail.journal.report on a report that came back as undeliverable."""


@dataclass(frozen=True, slots=True)
class ReportProblems:
    """What is wrong with the journal reports of a vault."""

    silent: tuple[WatchedUser, ...]
    """Users of whom no report came for `quiet_days`."""
    flagged: tuple[str, ...]
    """A sentence for each kind of report that needs attention."""


_cache: dict[Path, tuple[object, ReportProblems]] = {}
"""The last result for each vault and the state that it is for."""
_finding = threading.Lock()


def report_problems(vault: Vault, settings: Settings, now: int) -> ReportProblems:
    """The problems of a vault's reports. Cached for five minutes while nothing changes.

    Several callers wait for one search.

    Args:
        vault: the vault.
        settings: its settings.
        now: seconds since 1970 UTC.
    """
    with _finding:
        state = (vault.head, settings.journaling, now // MINUTES)
        known = _cache.get(vault.folder)
        if known is None or known[0] != state:
            found = ReportProblems(
                tuple(_silent(vault, settings.journaling.quiet_days, now)), tuple(_flagged(vault, now))
            )
            known = _cache[vault.folder] = (state, found)
        return known[1]


def sentences(problems: ReportProblems, days: int) -> tuple[str, ...]:
    """A sentence for each problem; `days` is `quiet_days`."""
    return (*_of_silent(problems.silent, days), *problems.flagged)


def _silent(vault: Vault, days: int, now: int) -> list[WatchedUser]:
    directory, since = vault.directory, silent_since(now, days)
    times = ReportTimes(vault.catalog.oldest_report(), vault.catalog.newest_report(now))
    users = [WatchedUser(user.id, user.primary, directory.added(user.id)) for user in directory.users()]
    found = silent_users(users, vault.catalog.reported_users(since, USUAL), times, since)
    # The catalog finds mail by its own date, which may be wrong by years: then only a look at the mail helps.
    seen = [replace(user, last=_newest(vault, user.id)) for user in found[:CLOSELY]]
    return [*(user for user in seen if user.last < since), *found[CLOSELY:]]


def _of_silent(silent: tuple[WatchedUser, ...], days: int) -> Iterator[str]:
    if silent:
        names = ", ".join(user.label for user in silent[:NAMED])
        more = f" and {len(silent) - NAMED:,} more" if len(silent) > NAMED else ""
        yield (
            f"No journal report for {days} days for {names}{more}: make sure that the journal rule covers "
            "them (muniment users list)."
        )


def _newest(vault: Vault, user: str) -> int:
    """When the newest of a user's newest journal reports was made, seconds since 1970 UTC; 0 if there is
    none among them."""
    newest = 0
    for folder in USUAL:
        for message in vault.catalog.page(user, folder, LOOKED_AT).sequences:
            reports = [
                copy.time
                for copy in vault.catalog.envelopes_of(message)
                if copy.report and copy.route & RoutingReason.JOURNAL
            ]
            if reports:
                newest = max(newest, *reports)
                break
    return newest


def _flagged(vault: Vault, now: int) -> Iterator[str]:
    since = now - RECENT * DAY
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
