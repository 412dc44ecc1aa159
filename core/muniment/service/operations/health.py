"""What needs care once reports arrive: silent users, undeliverable reports, reports of strangers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from muniment.archive.facts import Route
from muniment.archive.operations.check_names import USUAL
from muniment.archive.vault.vault import Vault
from muniment.mail.notes import PLACEHOLDER
from muniment.people.directory import User
from muniment.service.operations.first_report import FLAGGED, PIN
from muniment.setup.model import Situation

DAY = 86400
HOUR = 3600
RECENT = 30
"""Days for which returned and foreign reports are told of."""
LOOKED_AT = 20
"""A user's newest messages of a folder among which a journaled one is looked for."""
NAMED = 5
"""So many users are named in a sentence."""
RETURNED = "came back in a non-delivery report"
"""The note of mail.journal.report on a report that was returned."""


_told: dict[Path, tuple[object, tuple[str, ...]]] = {}
"""What was told last of a vault, and of which state of it: every user is looked at for it."""


def health(vault: Vault, situation: Situation) -> tuple[str, ...]:
    """What needs care, a sentence each; nothing where all is well."""
    state = (vault.head, situation.settings.journaling, situation.now // HOUR)
    known = _told.get(situation.folder)
    if known is None or known[0] != state:
        said = (*_silent(vault, situation), *_flagged(vault, situation))
        known = _told[situation.folder] = (state, said)
    return known[1]


def _silent(vault: Vault, situation: Situation) -> Iterator[str]:
    """Users of whom no report came for a while; a rule may not reach them."""
    days = situation.settings.journaling.quiet_days
    since = situation.now - days * DAY
    quiet = [user for user in vault.directory.users() if not user.automatic and _newest(vault, user) < since]
    if quiet:
        names = ", ".join(user.primary for user in quiet[:NAMED])
        more = f" and {len(quiet) - NAMED:,} more" if len(quiet) > NAMED else ""
        yield (
            f"No journal report for {days} days of {names}{more}: see that the rule reaches them "
            "(muniment users list)."
        )


def _newest(vault: Vault, user: User) -> int:
    """When the newest journal report of a user's mail was made, seconds since 1970 UTC; 0 for never."""
    newest = 0
    for folder in USUAL:
        for message in vault.catalog.page(user.id, folder, LOOKED_AT).sequences:
            reports = [
                copy.time
                for copy in vault.catalog.envelopes_of(message)
                if copy.report and copy.route & Route.JOURNAL
            ]
            if reports:
                newest = max(newest, *reports)
                break
    return newest


def _flagged(vault: Vault, situation: Situation) -> Iterator[str]:
    since = situation.now - RECENT * DAY
    recent = [flags for time, flags in vault.catalog.flagged(FLAGGED) if time >= since]
    returned = sum(RETURNED in flags for flags in recent)
    foreign = sum(any(PIN in flag for flag in flags) for flags in recent)
    replaced = sum(PLACEHOLDER in flags for flags in recent)
    if replaced:
        yield (
            f"{_count(replaced, 'journal report')} of the last {RECENT} days held no original, and "
            f"{'is' if replaced == 1 else 'are'} listed by the envelope: see what on the way replaces or "
            "converts messages, such as a virus scanner, a size limit or winmail.dat."
        )
    if returned:
        yield (
            f"{_count(returned, 'journal report')} came back as undeliverable in the last {RECENT} days, and "
            "is archived: look for others in the undeliverable mailbox."
        )
    if foreign:
        yield (
            f"{_count(foreign, 'report')} in the last {RECENT} days failed the tenant pin, and went to the "
            "catch-all alone: correct the profile's tenant, or find out who sends them."
        )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
