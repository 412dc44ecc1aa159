"""Answers GetHealth: gathers the facts about a vault, and lets `health.problems` judge them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from muniment import api
from muniment.archive.catalog import ArrivalCount
from muniment.archive.files.disk_usage import vault_sizes
from muniment.archive.files.permissions import exposed, readable
from muniment.archive.operations.indexing import behind
from muniment.archive.vault.shown_alarms import shown_alarms
from muniment.archive.vault.vault import Vault
from muniment.config.model import Profile, Settings
from muniment.errors import MunimentError
from muniment.health.arrivals import day_starts, hour_starts, summed
from muniment.health.growth import SizeSample, days_left, growth
from muniment.health.model import HealthFacts, ProfileSwitches, SilenceFacts, UpkeepFacts
from muniment.health.problems import problems, verdict
from muniment.health.sizes import load as known_sizes
from muniment.notify import memory as notices
from muniment.notify.model import ArchiveFacts, ProfileFacts
from muniment.profiles.registry import KIND
from muniment.service.access.roles import AccessRole, Caller, role_of
from muniment.service.host import proof_memory
from muniment.service.host.last_run import last_run
from muniment.service.host.profile_source import SPOOL
from muniment.service.host.session import ClientSession
from muniment.service.operations import own_mail
from muniment.service.operations.checklist import progress
from muniment.service.operations.evidence.checkpoint_state import checkpoint_facts
from muniment.service.operations.feed_state import feed_facts
from muniment.service.operations.first_report import waiting_in_spool
from muniment.service.operations.gateway_state import gateway_facts
from muniment.service.operations.logins import refused_logins
from muniment.service.operations.operation import Operation
from muniment.service.operations.report_problems import (
    CLOSELY,
    NAMED,
    ReportProblems,
    report_problems,
)
from muniment.service.operations.retention.daily_state import disposal_facts
from muniment.service.operations.retention.waiting import waiting_decisions
from muniment.service.operations.time_zone import zone_asked

DAYS, HOURS = 30, 24


def get_health(session: ClientSession, request: api.GetHealth) -> api.Health:
    """Answer GetHealth, also for a vault that can't be opened."""
    settings, proof, now = session.settings(), proof_memory.load(session.folder), int(time.time())
    sizes, disk = vault_sizes(session.folder), _disk(session.folder, known_sizes(session.folder, now))
    base = api.Health(
        time=now,
        days=_series(day_starts(now, zone_asked(request.zone), DAYS), []),
        hours=_series(hour_starts(now, zone_asked(request.zone), HOURS), []),
        silent_days=settings.journaling.quiet_days,
        bytes_ledger=sizes.ledger,
        bytes_catalog=sizes.catalog,
        bytes_index=sizes.index,
        disk=disk,
        verified=proof.verified,
        backup=next(iter(proof.backups), None),
        signed_in=tuple(_signed_in(session, settings)),
    )
    noted = notices.load(session.folder)
    facts = HealthFacts(
        archive=ArchiveFacts(
            now=now,
            since=noted.since,
            disk=(disk.total, disk.free) if disk else None,
            gateway=gateway_facts(session.folder, settings),
            feed=feed_facts(session.folder, settings),
            checkpoints=checkpoint_facts(session.folder, settings),
        ),
        reported={key: one.title for key, one in noted.reported.items()},
        warnings=tuple(filter(None, [exposed(session.folder) or readable(session.folder)])),
        days_left=disk.days_left if disk else None,
        verified=_verified(proof),
        backups=tuple(
            UpkeepFacts(ok=one.ok, good=one.whole, text=one.error, place=one.path) for one in proof.backups
        ),
    )
    try:
        with session.reading() as vault:
            base, facts = _read(session, vault, settings, base, facts)
    except MunimentError as error:
        facts = msgspec.structs.replace(facts, broken=(str(error),))
    return _judged(base, facts, settings)


def _judged(base: api.Health, facts: HealthFacts, settings: Settings) -> api.Health:
    found = problems(facts, settings.notify)
    worst, summary = verdict(found)
    words = tuple(
        api.HealthProblem(key=one.key, severity=one.verdict.word, text=one.text, area=one.area, row=one.row)
        for one in found
    )
    return msgspec.structs.replace(base, verdict=worst.word, summary=summary, problems=words)


def _read(
    session: ClientSession, vault: Vault, settings: Settings, base: api.Health, facts: HealthFacts
) -> tuple[api.Health, HealthFacts]:
    """Add what the vault says."""
    now, totals, reports = base.time, vault.catalog.totals(), report_problems(vault, settings, base.time)
    profiles = tuple(_profiles(session, vault, settings))
    arrived = vault.catalog.arrivals(base.days.starts[0], now + 1)
    done, steps = progress(session, vault) if _role(session, settings) is AccessRole.ADMINISTRATOR else (0, 0)
    base = msgspec.structs.replace(
        base,
        messages=totals.messages,
        behind=behind(vault),
        last_report=vault.catalog.newest_report(now),
        days=_series(base.days.starts, arrived),
        hours=_series(base.hours.starts, arrived),
        profiles=profiles,
        users=len(vault.directory.users()),
        silent=tuple(_silent(vault, reports)),
        silent_total=len(reports.silent),
        quarantined=totals.quarantined,
        bytes_raw=totals.bytes,
        setup_done=done,
        setup_steps=steps,
    )
    archive = msgspec.structs.replace(
        facts.archive,
        profiles=tuple(ProfileFacts(name=one.name, last=one.last) for one in profiles if one.enabled),
        disposal=disposal_facts(vault, settings),
    )
    facts = msgspec.structs.replace(
        facts,
        archive=archive,
        profiles=tuple(
            ProfileSwitches(name=one.name, enabled=one.enabled, tested=one.tested)
            for one in profiles
            if one.enabled or not KIND[one.source].once  # an import is meant to run by hand
        ),
        broken=_alarms(vault),
        journaling=reports.flagged,
        refused_logins=tuple(login.login for login in refused_logins(vault.directory, settings.access.users)),
        silence=SilenceFacts(
            total=len(reports.silent),
            named=tuple(user.label for user in reports.silent[:NAMED]),
            days=settings.journaling.quiet_days,
        ),
        quarantined=totals.quarantined,
        decisions=waiting_decisions(vault, settings, now).problems,
    )
    return base, facts


def _alarms(vault: Vault) -> tuple[str, ...]:
    """What other places know of the ledger and the ledger lacks, if no process could open it for writing."""
    return () if vault.writable or vault.owner() else tuple(one.text for one in shown_alarms(vault.folder))


def _series(starts: tuple[int, ...] | list[int], arrived: list[ArrivalCount]) -> api.ArrivalSeries:
    return api.ArrivalSeries(
        starts=tuple(starts),
        reports=tuple(summed(starts, ((one.start, one.reports) for one in arrived))),
        others=tuple(summed(starts, ((one.start, one.others) for one in arrived))),
    )


def _profiles(session: ClientSession, vault: Vault, settings: Settings) -> Iterator[api.HealthProfile]:
    running, starts = session.running(), session.next_starts()
    for profile in settings.profiles:
        last = last_run(vault, profile.name)
        yield api.HealthProfile(
            name=profile.name,
            source=profile.source,
            enabled=profile.enabled,
            tested=not profile.untested,
            running=profile.name in running,
            next_start=starts.get(profile.name, 0),
            last=last,
            waiting=_waiting(session.folder, profile, last),
        )


def _waiting(folder: Path, profile: Profile, last: dict[str, Any] | None) -> int | None:
    """Messages that wait at a profile's source. A run that failed early has not seen the source."""
    if profile.source == SPOOL:
        return waiting_in_spool(folder)
    if last is None or "in_a_row" in last:
        return None
    return int(last.get("pending", 0)) + int(last.get("failed", 0))


def _silent(vault: Vault, reports: ReportProblems) -> Iterator[api.SilentUser]:
    for user in reports.silent[:CLOSELY]:
        name = vault.directory.user(user.id).name
        yield api.SilentUser(user=user.label, name=name, last=user.last)


def _verified(proof: proof_memory.ProofMemory) -> UpkeepFacts | None:
    last = proof.verified
    if last is None:
        return None
    good = max((one.time for one in (last, proof.deep) if one is not None and one.ok), default=0)
    return UpkeepFacts(ok=last.ok, good=good, text=_first_of(last.problems), doubt=_first_of(last.doubts))


def _first_of(sentences: tuple[str, ...]) -> str:
    more = f" ({len(sentences) - 1:,} more)" if len(sentences) > 1 else ""
    return "".join(sentences[:1]) + more


def _disk(folder: Path, sizes: tuple[SizeSample, ...]) -> api.DiskState | None:
    with suppress(OSError):
        state = os.statvfs(folder)
        free, a_day = state.f_bavail * state.f_frsize, growth(sizes)
        return api.DiskState(
            total=state.f_blocks * state.f_frsize,
            free=free,
            a_day=None if a_day is None else round(a_day),
            days_left=days_left(free, a_day),
        )
    return None


def _signed_in(session: ClientSession, settings: Settings) -> Iterator[api.SignedIn]:
    owner = session.folder.stat().st_uid
    for user in session.clients.present() if session.clients else ():
        caller = Caller.of(user.uid, -1, -1)
        role = role_of(caller, settings.access, owner)
        yield api.SignedIn(
            login=caller.name,
            role=role.name.lower() if role is not None else "",
            since=int(user.since),
            clients=user.clients,
        )


def _role(session: ClientSession, settings: Settings) -> AccessRole | None:
    return role_of(session.caller, settings.access, session.folder.stat().st_uid)


OPERATIONS = (Operation(api.GetHealth, (api.Health,), AccessRole.USER, get_health, own_mail=own_mail.health),)
