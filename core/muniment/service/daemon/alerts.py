"""Watches the archive and notifies people: collects facts, finds problems, and passes them to the outbox.

It works in a thread of its own, opens no mail, and can't delay a run.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from muniment import api
from muniment.archive.files.disk_usage import vault_sizes
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.scan import has_commit
from muniment.archive.operations.indexing import behind
from muniment.archive.vault.known_roots import as_json
from muniment.archive.vault.vault import Vault
from muniment.config.model import Profile, Settings
from muniment.errors import MunimentError
from muniment.health.sizes import note_size
from muniment.notify import daily
from muniment.notify.findings import DAY, findings
from muniment.notify.memory import NotifyMemory, news
from muniment.notify.model import ArchiveFacts, NotifyEvent, ProfileFacts
from muniment.notify.outbox import Outbox
from muniment.notify.ways import ways
from muniment.service.daemon.certificates import CertificateWatch
from muniment.service.host.last_run import last_run
from muniment.service.host.session import ClientSession
from muniment.service.operations.evidence.checkpoint_state import checkpoint_facts
from muniment.service.operations.feed_state import feed_facts
from muniment.service.operations.gateway_state import gateway_facts
from muniment.service.operations.notifying import origin
from muniment.service.operations.retention.daily_state import disposal_facts

log = logging.getLogger("muniment.notify")

EVERY = 60.0
"""Seconds between two checks. A run that is not ok causes one at once."""
SETTLED = 1800.0
"""Seconds after the start in which the service fetches what came while it was not running."""
LOOK_BACK = 100_000
"""How many of the newest records the first check searches for journal reports."""
RUNS = 2000
"""How many runs are read at most: those of a day, and those since the last report."""


class VaultAlerts:
    """Checks a vault regularly, and notifies people of problems. A context that starts and closes it."""

    def __init__(
        self,
        session: ClientSession,
        settings: Callable[[], Settings],
        clock: Callable[[], float] = time.time,
        settled: float = SETTLED,
    ) -> None:
        """Make it; `start` begins.

        Args:
            session: reads the vault.
            settings: gives the current settings at each check. If it raises, the check is skipped.
            clock: gives seconds since 1970 UTC.
            settled: seconds until the absence of reports counts as a problem.
        """
        self._session = session
        self._settings = settings
        self._clock = clock
        self._settles = clock() + settled
        self._ended: dict[str, dict[str, Any]] = {}
        self._watermark = (-1, 0.0)
        """The index's watermark, and since when it has had this value."""
        self._facts = ArchiveFacts(now=0.0)
        self._certificates = CertificateWatch(session.folder, clock)
        self.outbox = Outbox(session.folder, self._ways, lambda: origin(session, settings()), clock)
        self._awake = threading.Event()
        self._stopped = self._closed = False
        self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)

    def start(self) -> None:
        """Begin to check and to notify."""
        self.outbox.start()
        self._thread.start()

    def close(self) -> None:
        """Stop. Notifications are sent if that is quick; the rest is kept for the next start."""
        self._stopped = True
        self._awake.set()
        if self._ended:
            self._look_safely()
        self.outbox.update(self._shut)
        self.outbox.close()

    def _shut(self, memory: NotifyMemory) -> list[NotifyEvent]:
        """Stop reading the vault, which its opener closes after this."""
        self._closed = True
        return []

    def __enter__(self) -> VaultAlerts:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run_ended(self, summary: api.RunSummary) -> None:
        """Take the summary of a run that has ended. Returns at once. From any thread."""
        self._ended[summary.profile] = {key: getattr(summary, key) for key in summary.__struct_fields__}
        if summary.state != "ok" or not summary.balanced:
            self.wake()

    def wake(self) -> None:
        """Cause a check soon, in the thread."""
        self._awake.set()

    def look(self) -> list[NotifyEvent]:
        """Check once, in this thread; returns the new events, which are sent now.

        Raises:
            MunimentError: vault.toml can't be read.
        """
        settings = self._settings()
        return self.outbox.update(lambda memory: self._news(memory, settings))

    # --- in the thread --------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._stopped:
            self._look_safely()
            self._certificates.look(self._settings_or_none())
            self._awake.wait(EVERY)
            self._awake.clear()

    def _look_safely(self) -> None:
        try:
            self.look()
        except Exception as error:  # noqa: BLE001 - the next check must come in any case
            log.debug("the archive could not be checked: %s", type(error).__name__)

    def _settings_or_none(self) -> Settings | None:
        try:
            return self._settings()
        except MunimentError:
            return None

    def _ways(self) -> list[Any]:
        settings = self._settings_or_none()
        return ways(settings.notify, self._session.folder) if settings else []

    def _news(self, memory: NotifyMemory, settings: Settings) -> list[NotifyEvent]:
        if self._closed:
            return []
        now = self._clock()
        memory.since = memory.since or int(now)
        runs, messages = self._gather(memory, settings, now)
        note_size(self._session.folder, now, lambda: vault_sizes(self._session.folder).total)
        events = news(memory, list(findings(self._facts, settings.notify, memory.reported)), now)
        if daily.due(settings.notify.daily, memory, now):
            events.append(daily.summary(self._facts, runs, memory, messages))
        return events

    def _gather(
        self, memory: NotifyMemory, settings: Settings, now: float
    ) -> tuple[list[dict[str, Any]], int]:
        """Update the facts. If the vault can't be read, only the summaries of runs are new."""
        ended, self._ended = self._ended, {}
        try:
            with self._session.reading() as vault:
                runs, messages = self._read(vault, memory, settings, now)
        except (MunimentError, OSError) as error:
            log.warning("the vault can't be read for notifications: %s", type(error).__name__)
            runs, messages = [], 0
        profiles = tuple(
            msgspec.structs.replace(profile, last=ended.get(profile.name, profile.last))
            for profile in self._facts.profiles
        )
        self._facts = msgspec.structs.replace(
            self._facts,
            now=now,
            profiles=profiles,
            disk=self._disk(),
            gateway=gateway_facts(self._session.folder, settings),
            feed=feed_facts(self._session.folder, settings),
            checkpoints=checkpoint_facts(self._session.folder, settings),
        )
        return runs, messages

    def _read(
        self, vault: Vault, memory: NotifyMemory, settings: Settings, now: float
    ) -> tuple[list[dict[str, Any]], int]:
        """Read the facts from the vault; returns the summaries of the last day, and the number of
        messages."""
        self._reports(vault, memory)
        lacking, head = behind(vault), vault.head
        known = has_commit(vault.segments, vault.catalog.vault_id, head)
        if known and head.tree_size:
            memory.checkpoint = {"vault": vault.catalog.vault_id.hex(), **as_json(head)}
            vault.note_checkpoint()
        self._facts = ArchiveFacts(
            now=now,
            since=memory.since,
            profiles=tuple(_profile(vault, p, memory) for p in settings.profiles if p.enabled),
            settled=now >= self._settles,
            certificates=self._certificates.known(settings),
            behind=lacking,
            behind_since=self._unchanged_since(vault.index_place.state().watermark, now) if lacking else None,
            checkpoint=str(Checkpoint(head.tree_size, head.root)) if known and head.tree_size else "",
            altered=not known,
            disposal=disposal_facts(vault, settings),
        )
        rows = vault.catalog.runs(limit=RUNS) if settings.notify.daily else []
        runs = [json.loads(row.summary) for row in rows if row.time >= now - DAY]
        return runs, vault.catalog.totals().messages

    def _reports(self, vault: Vault, memory: NotifyMemory) -> None:
        """Store when the last journal report of each profile was archived."""
        size = vault.head.tree_size
        first = not memory.seen or memory.seen > size
        after = max(0, size - LOOK_BACK) if first else memory.seen
        for name, place in vault.catalog.last_reports(after).items():
            memory.reports[name] = self._archived(vault, name, place)
        memory.seen = size

    def _archived(self, vault: Vault, name: str, place: int) -> int:
        """When a record of a profile was archived: the end of its run, or now while the run is under way."""
        ends = [run.time for run in vault.catalog.runs(name, limit=RUNS) if run.sequence > place]
        return ends[-1] if ends else int(self._clock())

    def _unchanged_since(self, watermark: int, now: float) -> float:
        """Since when the index has had this watermark, seconds since 1970 UTC."""
        if watermark != self._watermark[0]:
            self._watermark = (watermark, now)
        return self._watermark[1]

    def _disk(self) -> tuple[int, int] | None:
        try:
            state = os.statvfs(self._session.folder)
        except OSError:
            return None
        return state.f_blocks * state.f_frsize, state.f_bavail * state.f_frsize


def _profile(vault: Vault, profile: Profile, memory: NotifyMemory) -> ProfileFacts:
    return ProfileFacts(
        name=profile.name,
        journal=profile.journal_on,
        last=last_run(vault, profile.name),
        report=memory.reports.get(profile.name, 0),
    )
