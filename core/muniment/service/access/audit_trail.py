"""The audit trail: who read what, and who was refused.

A message is shown only after its event is committed. Lists, searches and refusals are committed
within a second, many at once; equal refusals within a minute are one event with a count.

Where the engine is in the caller's own process, they read files that are theirs. Such reads are logged
once vault.toml has an [access] that says anything: each event is then committed by itself, before the
answer, for which the vault is opened as its writer; while another process writes it, the read is refused.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from muniment.api import Request
from muniment.archive.vault.vault import Vault
from muniment.config.model import Access
from muniment.errors import MunimentError
from muniment.service.access.roles import Caller, Role

if TYPE_CHECKING:
    from muniment.service.host.session import Session

log = logging.getLogger("muniment.audit")

SOON = 0.5
"""Seconds after which what may wait is committed."""
MERGED = 60.0
"""Seconds within which equal refusals are one event."""
WAITING = 5_000
"""Events that wait at most; past them, whoever adds one waits for their commit."""
DIFFERENT = 100
"""Refusals of one user that are told apart within MERGED; past them only the words are: nobody fills the
ledger with what is refused to them."""
ALIKE = ("event", "who", "uid", "role", "word", "at")
"""What is kept of refusals past these."""
TEXT = 1_000
"""Characters that are kept of a text that a caller typed."""

Event = dict[str, Any]


def event(kind: str, caller: Caller, role: Role | None, request: Request, **detail: Any) -> Event:
    """An event as the ledger keeps it; `kind` is "read" or "refused", empty details are left out."""
    value: Event = {
        "event": kind,
        "who": _kept(caller.name),
        "uid": caller.uid,
        "role": role.name.lower() if role is not None else "",
        "word": type(request).__name__,
        "at": int(time.time()),
    }
    for name in ("id", "what", "query", "user", "folder", "path", "reason", "name", "profile", "zone"):
        typed = getattr(request, name, "")
        if typed and isinstance(typed, str):
            value[name] = _kept(typed)
    return value | {name: said for name, said in detail.items() if said}


def _kept(text: str) -> str:
    return text[:TEXT].encode("utf-8", "backslashreplace").decode()


class Trail:
    """A vault's trail while a service owns it. For any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._changed = threading.Condition()
        self._waiting: list[Event] = []
        self._refused: dict[str, tuple[float, Event]] = {}
        """Refusals of the last minute by what they have in common; `count` of those not told yet."""
        self._differing: Counter[int] = Counter()
        """How many of them each user has."""
        self._failing = False
        """Whether it could not be written last time."""
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
        self._thread.start()
        vault.before_close.append(self.close)

    def now(self, events: Sequence[Event]) -> None:
        """Commit events; they are on disk when this returns.

        Raises:
            OSError, MunimentError: they are not, so what they are about must not happen.
        """
        self._vault.log(events)

    def soon(self, happened: Event) -> None:
        """Commit an event within a second; at once where the trail could not be written last time.

        Raises:
            OSError, MunimentError: it could not be committed then, or too many wait and could not be.
        """
        with self._changed:
            self._waiting.append(happened)
            full = len(self._waiting) >= WAITING or self._closed or self._failing
            self._changed.notify()
        if full:
            self._flush()

    def refused(self, happened: Event) -> None:
        """Commit a refusal within a second, or with others like it within a minute."""
        with self._changed:
            if self._again(happened):
                return
            if self._differing[happened["uid"]] >= DIFFERENT:
                happened = {name: happened[name] for name in ALIKE} | {"refusal": "too many to be told apart"}
                if self._again(happened):
                    return
            self._refused[_alike(happened)] = (time.monotonic(), happened | {"count": 0})
            self._differing[happened["uid"]] += 1
        self.soon(happened | {"count": 1})

    def _again(self, happened: Event) -> bool:
        """Count a refusal, if there was one like it within a minute."""
        known = self._refused.get(_alike(happened))
        if known is not None:
            known[1]["count"] += 1
            known[1]["at"] = happened["at"]
        return known is not None

    def close(self) -> None:
        """Commit all that waits. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._due(everything=True)
        self._flush()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._closed:
                    self._changed.wait(MERGED if not (self._waiting or self._refused) else SOON)
                if self._closed:
                    return
            time.sleep(SOON / 5)
            self._due()
            try:
                self._flush()
            except (OSError, MunimentError) as error:
                log.error("the audit trail could not be written, and will be tried again: %s", error)

    def _due(self, everything: bool = False) -> None:
        """Let refusals go whose minute is over; those that came again are told with their count."""
        ended = time.monotonic() - MERGED
        with self._changed:
            for alike, (since, again) in list(self._refused.items()):
                if everything or since <= ended:
                    del self._refused[alike]
                    self._differing[again["uid"]] -= 1
                    if again["count"]:
                        self._waiting.append(again)

    def _flush(self) -> None:
        with self._changed:
            events, self._waiting = self._waiting, []
        if not events:
            return
        try:
            self._vault.log(events)
        except BaseException:
            with self._changed:
                self._waiting = events + self._waiting
                self._failing = True
            raise
        self._failing = False


def _alike(happened: Event) -> str:
    """What equal refusals have in common."""
    return json.dumps({**happened, "at": 0}, sort_keys=True)


_trails: WeakKeyDictionary[Vault, Trail] = WeakKeyDictionary()
_making = threading.Lock()


def trail_of(vault: Vault) -> Trail:
    """The trail of a vault that is open to be written; it ends with the vault."""
    with _making:
        trail = _trails.get(vault)
        if trail is None:
            trail = _trails[vault] = Trail(vault)
        return trail


def record(session: Session, happened: Event, *, soon: bool) -> None:
    """Commit an event before what it is about goes on; with `soon`, within a second where a service runs.

    Raises:
        VaultLocked: another process writes the vault, so reads go through it.
        OSError, MunimentError: it could not be committed.
    """
    with session.reading() as vault:
        if vault.writable:
            trail = trail_of(vault)
            if soon:
                trail.soon(happened)
            else:
                trail.now([happened])
            return
    if session.settings().access != Access():
        with session.writing() as vault:
            vault.log([happened])


def record_refusal(session: Session, happened: Event) -> None:
    """Commit a refusal; that it can't be is logged, and refuses no less."""
    try:
        with session.reading() as vault:
            if vault.writable:
                trail_of(vault).refused(happened)
                return
        with session.writing() as vault:
            vault.log([happened | {"count": 1}])
    except (OSError, MunimentError) as error:
        log.error("a refusal could not be written into the audit trail: %s", error)
