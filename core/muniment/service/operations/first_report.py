"""The facts in a vault that the set-up checklist depends on: runs, users, and the first journal report."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from muniment.archive.catalog import EnvelopeRow
from muniment.archive.files.contents import mail_from
from muniment.archive.files.lock import holder
from muniment.archive.files.temp_files import own_work
from muniment.archive.vault.vault import Vault
from muniment.errors import MunimentError
from muniment.parsing.pool import mail_reader
from muniment.service.host.last_run import last_end
from muniment.service.host.profile_source import SPOOL
from muniment.service.host.session import ClientSession
from muniment.setup.model import LastRun, ReportArrival, SetupSituation

log = logging.getLogger("muniment.service")

FLAGGED = 10_000
"""How many of the newest flagged copies are examined."""
READ = 8 * 1024 * 1024
"""Largest report, in bytes, whose tenant is read from its bytes."""
STRANGER = "report from "
"""Beginning of the flag of a report that failed the tenant pin (see runs.pipeline.plan)."""
PIN = ", not from the pinned tenant"
"""The part of that flag after the sender."""


class _Seen(NamedTuple):
    """The first report of a profile, cached for a state of the vault."""

    tree_size: int
    arrival: ReportArrival | None


_seen: dict[tuple[Path, str], _Seen] = {}


def situation_of(session: ClientSession, vault: Vault) -> SetupSituation:
    """The current facts for guides, commands and checks."""
    settings = session.settings()
    bare = SetupSituation(session.folder, settings, int(time.time()))
    profile = bare.profile
    return SetupSituation(
        folder=session.folder,
        settings=settings,
        now=bare.now,
        users=sum(not user.automatic for user in vault.directory.users()),
        last_run=_last_run(vault, profile.name) if profile else None,
        arrival=_arrival(session.folder, vault, profile.name) if profile else None,
        strangers=strangers(vault) if profile and profile.tenant else (),
        waiting=waiting_in_spool(session.folder) if profile and profile.source == SPOOL else 0,
        served=holder(session.folder),
    )


def _last_run(vault: Vault, profile: str) -> LastRun | None:
    ended = last_end(vault, profile)
    if ended is None:
        return None
    time, summary = ended
    return LastRun(time, str(summary["state"]), int(summary["fetched"]), str(summary.get("error", "")))


def _arrival(folder: Path, vault: Vault, profile: str) -> ReportArrival | None:
    """The first report. It is searched for again only if none was found and the ledger has changed."""
    size = vault.head.tree_size
    seen = _seen.get((folder, profile))
    if seen is None or (seen.tree_size != size and (seen.arrival is None or seen.tree_size > size)):
        row = vault.catalog.first_report(profile)
        seen = _seen[folder, profile] = _Seen(size, _described(vault, row) if row else None)
    return seen.arrival


def _described(vault: Vault, row: EnvelopeRow) -> ReportArrival:
    senders = [party.address for party in row.parties if party.role.name in ("SENDER", "ON_BEHALF_OF")]
    others = [party.address for party in row.parties if party.address not in senders]
    known = [vault.catalog.message_by_sha(sha) for sha in row.messages]
    placed = vault.catalog.folders_of([message.sequence for message in known if message])
    users = {folder.rpartition("/")[0] for folders in placed.values() for folder in folders}
    return ReportArrival(
        time=row.time,
        profile=row.profile,
        sender=next(iter(senders), ""),
        recipients=tuple(dict.fromkeys(others)),
        users=tuple(sorted(users)),
        tenant=_tenant(vault, row),
    )


def _tenant(vault: Vault, row: EnvelopeRow) -> str:
    """The `Sender` field of the report itself, read from its bytes; "" if it can't be read."""
    if row.size > READ:
        return ""
    try:
        content = vault.reader.content_at(row.position)
        mail = mail_from(content, row.size, own_work(vault.folder), outline=True)
        return mail_reader().copy(mail, journal=True).tenant
    except (MunimentError, OSError) as error:
        log.warning("the first journal report can't be read: %s", error)
        return ""


def strangers(vault: Vault) -> tuple[str, ...]:
    """Senders of reports that failed the tenant pin, among the newest flagged copies, the newest first."""
    found = {
        flag.removeprefix(STRANGER).partition(PIN)[0]: None
        for _, flags in vault.catalog.flagged(FLAGGED)
        for flag in flags
        if flag.startswith(STRANGER) and PIN in flag
    }
    return tuple(found)


def waiting_in_spool(folder: Path) -> int:
    """How many messages the embedded gateway has received and no run has fetched."""
    with suppress(OSError):
        return sum(1 for _ in (folder / SPOOL / "new").iterdir())
    return 0
