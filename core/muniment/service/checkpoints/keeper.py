"""Signs and publishes the checkpoints of a running service, in a thread of its own.

It signs after each run with news, at most every five minutes, and on each day. Nothing of it delays a run.
What a witness or a target does not take is tried again, after longer and longer waits, and is a problem
meanwhile.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from muniment.archive.vault.signed_checkpoints import FOLDER, STAMP
from muniment.archive.vault.vault import Vault
from muniment.config.model import CheckpointsSection, Settings
from muniment.errors import MunimentError
from muniment.evidence.checkpoint_body import read_body
from muniment.evidence.signed_note import SignedNote
from muniment.notify.telling import ArchiveOrigin
from muniment.service.checkpoints.desk import CheckpointDesk, Outlets, desk_of, outlets_of
from muniment.service.checkpoints.targets import SetBack, Target
from muniment.service.checkpoints.witnesses import WitnessClient
from muniment.service.host.session import ClientSession
from muniment.service.host.settings_on_disk import settings_on_disk
from muniment.system.atomic_files import write_file

Say = Callable[[str, str], None]
"""Called with a line for the log and its level: "info" or "error"."""

LOOK = 1.0
"""Seconds between two looks at vault.toml and at the ledger."""
PACE = 300.0
"""Least seconds between two checkpoints."""
FIRST_WAIT, LONGEST_WAIT = 5.0, 600.0
"""Seconds before the second attempt; each further wait is twice as long, up to the longest."""
STANDING = 900.0
"""Seconds of failures after which a problem is one for people."""
STOPPING = 5.0
"""Longest time to wait for the thread when the service stops, in seconds."""
SENT = "sent.json"
SINCE = "since:"
"""Before the name of an outlet in that file: the day on which it was first named."""


@dataclass(slots=True)
class _Attempt:
    """What is known of one outlet, or of signing itself."""

    done: object = None
    """What it was done for last."""
    problem: str = ""
    alarm: bool = False
    failures: int = 0
    since: float = 0.0
    due: float = 0.0


_keepers: dict[Path, CheckpointKeeper] = {}


def checkpoint_keeper_of(folder: Path) -> CheckpointKeeper | None:
    """The keeper of a vault's checkpoints; None if no service of this process serves the vault."""
    return _keepers.get(folder)


class CheckpointKeeper:
    """The checkpoints of one service. A context that keeps them while it is open."""

    def __init__(
        self,
        session: ClientSession,
        settings: Callable[[], Settings],
        say: Say,
        *,
        look: float = LOOK,
        pace: float = PACE,
        first_wait: float = FIRST_WAIT,
        standing: float = STANDING,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make it; nothing is signed yet.

        Args:
            session: reads the vault.
            settings: gives the current settings. It must not raise.
            say: is called when a problem begins, and when it is over.
            look: seconds between two looks.
            pace: least seconds between two checkpoints.
            first_wait: seconds before the second attempt.
            standing: seconds of failures after which a problem is one for people.
            clock: gives seconds since 1970 UTC.
        """
        self._session = session
        self._settings = settings
        self._say = say
        self._look = look
        self._pace = pace
        self._first_wait = first_wait
        self._standing = standing
        self._clock = clock
        self._section = CheckpointsSection()
        self._on_disk: object = None
        self._outlets = Outlets()
        self._note: SignedNote | None = None
        """The last note, with the signatures of witnesses so far; None before the first."""
        self._signed = float("-inf")
        """When it was signed, by `clock`."""
        self._noted: dict[str, str] = {}
        """The days that `_note_days` has noted."""
        self._attempts: dict[str, _Attempt] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="checkpoints", daemon=True)

    @property
    def problems(self) -> list[str]:
        """Why checkpoints are not signed, or do not reach a place, a sentence each; [] if all is well."""
        return [one.problem for one in self._attempts.values() if one.problem and not one.alarm]

    @property
    def alarms(self) -> list[str]:
        """What shows that the ledger was cut, set back or rewritten, a sentence each."""
        return [one.problem for one in self._attempts.values() if one.alarm]

    @property
    def lasts(self) -> bool | None:
        """Whether people must do something about the problems; None if that is not known yet."""
        failing = [one.since for one in self._attempts.values() if one.problem and not one.alarm]
        if not failing:
            return False
        return True if time.monotonic() - min(failing) >= self._standing else None

    @property
    def reached(self) -> dict[str, float]:
        """When the day began on which each outlet took a checkpoint last, or was named first, by its name.

        "" means signing itself. The times are in seconds since 1970 UTC.
        """
        if not self._section.sign:
            return {}
        sent = self._sent()
        days = {name: sent.get(name) or sent.get(SINCE + name) for name in self._named()}
        found = {name: _start_of(day) for name, day in days.items() if day}
        return found if self._note is None else found | {"": self._signed}

    def follow(self) -> None:
        """Look once, in this thread."""
        with self._lock:
            self._follow()

    def __enter__(self) -> CheckpointKeeper:
        _keepers[self._session.folder] = self
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        _keepers.pop(self._session.folder, None)
        self._thread.join(STOPPING)

    # --- in the thread --------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            try:
                self.follow()
            except Exception as error:  # noqa: BLE001 - the next look must come in any case
                self._fail("", f"An unexpected error ({type(error).__name__}) stops the checkpoints.")
            if self._stop.wait(self._look):
                return

    def _follow(self) -> None:
        """Take up changed settings, sign if it is time, and send what was not sent."""
        on_disk = settings_on_disk(self._session.folder)
        if on_disk != self._on_disk:
            self._take_up(self._settings())
            self._on_disk = on_disk
        if not self._section.sign:
            return
        with self._session.reading() as vault:
            desk = desk_of(vault, self._settings())
            if self._note is None:
                self._remember(desk)
            if self._due(vault) and self._may_try(""):
                self._try("", lambda: self._sign(desk))
            if self._note is not None and not self._stop.is_set():
                self._send(desk)

    def _take_up(self, settings: Settings) -> None:
        """Take up the settings. Outlets that stay keep what is known of them, also a witness's size."""
        if settings.checkpoints == self._section and self._on_disk is not None:
            return
        self._section = settings.checkpoints
        origin = ArchiveOrigin(
            settings.name or self._session.folder.name or "Muniment", str(self._session.folder)
        )
        self._outlets = outlets_of(settings, self._session.folder, lambda: origin)
        names = {"", *self._named()} if self._section.sign else set()
        self._attempts = {name: one for name, one in self._attempts.items() if name in names}
        if self._section.sign:
            self._note_days(SINCE + name for name in self._named())

    def _named(self) -> list[str]:
        """The names of all outlets."""
        return [one.name for group in self._outlets for one in group]

    def _remember(self, desk: CheckpointDesk) -> None:
        """Take up the last note of an earlier service."""
        with suppress(MunimentError, OSError):
            note = desk.kept.newest()
            if note is None or read_body(note.text).origin not in {key.name for key in desk.keys.present()}:
                return
            self._note = note
            self._signed = desk.kept.path(read_body(note.text).size).stat().st_mtime

    def _due(self, vault: Vault) -> bool:
        """Whether it is time for the next checkpoint."""
        head, now = vault.head, self._clock()
        if not head.tree_size:
            return False
        if self._note is None or _day(now) != _day(self._signed):
            return True
        known = read_body(self._note.text).size
        if head.tree_size == known or 0 <= now - self._signed < self._pace:
            return False
        if head.tree_size < known:
            return True  # which raises the alarm
        runs = vault.catalog.runs(limit=1)
        return bool(runs) and runs[0].sequence >= known

    def _sign(self, desk: CheckpointDesk) -> None:
        new_day = self._note is None or _day(self._clock()) != _day(self._signed)
        self._note = desk.sign()
        self._signed = self._clock()
        if new_day:
            with suppress(OSError):  # it is tried again tomorrow
                desk.kept.thin(self._clock())
        self._say(f"signed the checkpoint of {read_body(self._note.text).size} records", "info")

    def _send(self, desk: CheckpointDesk) -> None:
        """Send the note where it was not sent, first to witnesses, whose signatures the others get too."""
        for witness in self._outlets.witnesses:
            if self._attempt(witness.name).done != self._signed and self._may_try(witness.name):
                self._try(witness.name, lambda witness=witness: self._ask(desk, witness))  # type: ignore[misc]
        for target in self._outlets.stamps:
            self._publish_daily(desk, target)
        assert self._note is not None
        stamped = desk.kept.path(read_body(self._note.text).size).with_suffix(STAMP).exists()
        for target in self._outlets.always:
            self._publish(desk, target, f"{self._note}{stamped}")
            attempt = self._attempt(target.name)
            if attempt.done is not None and not attempt.problem:
                self._note_days([target.name], again=True)  # also on a day without a new record
        for target in self._outlets.daily:
            self._publish_daily(desk, target)

    def _publish_daily(self, desk: CheckpointDesk, target: Target) -> None:
        """Publish the note unless that was done today, also before a restart."""
        if self._attempt(target.name).done is None:
            self._attempt(target.name).done = self._sent().get(target.name)
        if self._publish(desk, target, _day(self._clock())):
            self._note_days([target.name], again=True)

    def _ask(self, desk: CheckpointDesk, witness: WitnessClient) -> None:
        assert self._note is not None
        self._note = desk.cosigned(self._note, witness)
        self._attempt(witness.name).done = self._signed
        self._note_days([witness.name], again=True)

    def _publish(self, desk: CheckpointDesk, target: Target, key: str) -> bool:
        """Publish the note unless that was done for this key; returns whether it was done now."""
        attempt, note = self._attempt(target.name), self._note
        if attempt.done == key or not self._may_try(target.name) or note is None:
            return False
        self._try(target.name, lambda: target.publish(desk.publication(note)))
        if not attempt.problem:
            attempt.done = key
        return not attempt.problem

    # --- attempts -------------------------------------------------------------------------------------

    def _attempt(self, name: str) -> _Attempt:
        return self._attempts.setdefault(name, _Attempt())

    def _may_try(self, name: str) -> bool:
        return not self._stop.is_set() and time.monotonic() >= self._attempt(name).due

    def _try(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except SetBack as error:
            self._fail(name, str(error), alarm=True)
            return
        except MunimentError as error:
            self._fail(name, str(error))
            return
        attempt = self._attempt(name)
        if attempt.problem:
            self._say(f"checkpoints: {name or 'signing'} works again", "info")
        attempt.problem, attempt.alarm, attempt.failures, attempt.due = "", False, 0, 0.0

    def _fail(self, name: str, problem: str, alarm: bool = False) -> None:
        attempt, now = self._attempt(name), time.monotonic()
        if not attempt.problem:
            attempt.since = now
        if attempt.problem != problem:
            self._say(f"checkpoints: {problem}", "error")
        attempt.problem, attempt.alarm = problem, alarm
        attempt.due = now + min(LONGEST_WAIT, self._first_wait * 2 ** min(attempt.failures, 20))
        attempt.failures += 1

    # --- what was sent on which day -------------------------------------------------------------------

    def _sent(self) -> dict[str, str]:
        try:
            found = json.loads((self._session.folder / FOLDER / SENT).read_bytes())
            return {str(name): str(day) for name, day in found.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def _note_days(self, names: Iterable[str], again: bool = False) -> None:
        """Note today for names that have no day yet, or for all of them."""
        today = _day(self._clock())
        due = [name for name in names if self._noted.get(name) != today]
        if not due:
            return
        sent = self._sent()
        new = {name: today for name in due if again or name not in sent}
        self._noted |= dict.fromkeys(due, today)
        with suppress(OSError):  # then it is sent once more after a restart
            (self._session.folder / FOLDER).mkdir(mode=0o700, exist_ok=True)
            write_file(self._session.folder / FOLDER / SENT, json.dumps(sent | new).encode(), durable=False)


def _day(when: float) -> str:
    """The day of a time in seconds since 1970 UTC, in UTC."""
    return datetime.fromtimestamp(max(when, 0.0), UTC).strftime("%Y-%m-%d")


def _start_of(day: str) -> float:
    """The beginning of a day in UTC, in seconds since 1970; 0 if it can't be read."""
    try:
        return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
