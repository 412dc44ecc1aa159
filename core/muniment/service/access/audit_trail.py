"""The audit trail: who read what, and who was refused.

The event of a message, of its bytes and of an export is committed before the answer. Events of lists,
searches and refusals are committed together, within a second. Equal refusals within a minute become one event
with a count.

An engine in the caller's own process reads the caller's own files. Their reads are recorded only if [access]
in vault.toml sets anything. Each event is then committed by itself before the answer: the vault is opened as
its writer, and the read is refused while another process writes the vault.
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
from muniment.config.model import AccessSection
from muniment.errors import MunimentError, ReasonNeeded
from muniment.people.changes import Change
from muniment.service.access.roles import AccessRole, Caller

if TYPE_CHECKING:
    from muniment.service.host.session import ClientSession

log = logging.getLogger("muniment.audit")

SOON = 0.5
"""Seconds between two commits of waiting events."""
MERGED = 60.0
"""Seconds within which equal refusals become one event."""
WAITING = 5_000
"""Longest queue of waiting events. A caller that makes it longer waits for the commit."""
DIFFERENT = 100
"""Different refusals of one user within MERGED that are recorded in full. Further ones are recorded by the
name of the request only, so no user can fill the ledger with refused requests."""
ALIKE = ("event", "who", "uid", "role", "word", "at")
"""The fields of a refusal that is not recorded in full."""
PEOPLE = 100
"""Most people that an event names."""
TEXT = 1_000
"""Longest recorded text of a caller, in characters."""

RECORDED = (
    "id", "what", "query", "user", "folder", "path", "reason", "name", "to", "alias", "filename", "since",
    "profile", "zone", "of", "form", "bates", "list", "group",
)  # fmt: skip
"""The text fields of requests that events have."""

Event = dict[str, Any]


def audit_event(kind: str, caller: Caller, role: AccessRole | None, request: Request, **detail: Any) -> Event:
    """An event in the form that the ledger stores.

    Args:
        kind: "read", "changed", "started", "refused", "affirmed" or "withdrawn".
        caller: who sent the request.
        role: the caller's role; None for a caller without a role.
        request: the request. Its text fields, such as `query` and `reason`, are recorded.
        detail: further fields; empty ones are left out.
    """
    value: Event = {
        "event": kind,
        "who": recordable(caller.name),
        "uid": caller.uid,
        "role": role.name.lower() if role is not None else "",
        "word": type(request).__name__,
        "at": int(time.time()),
    }
    for name in RECORDED:
        typed = getattr(request, name, "")
        if typed and isinstance(typed, str):
            value[name] = recordable(typed)
    return value | {name: given for name, given in detail.items() if given}


def recordable(text: str) -> str:
    """A caller's text or name, cut, and with characters that UTF-8 can encode."""
    return text[:TEXT].encode("utf-8", "backslashreplace").decode()


class AuditTrail:
    """The audit trail of a vault that this process has open as its writer. For any thread.

    It has a thread of its own, and closes with the vault.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._changed = threading.Condition()
        self._waiting: list[Event] = []
        self._refused: dict[str, tuple[float, Event]] = {}
        """Refusals of the last minute by `_refusal_key`: the time of the first on the monotonic clock, and an
        event whose `count` is the number of repeats that are not recorded yet."""
        self._differing: Counter[int] = Counter()
        """Entries of `_refused` by user id."""
        self._failing = False
        """Whether the last commit failed."""
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
        self._thread.start()
        vault.before_close.append(self.close)

    def now(self, events: Sequence[Event]) -> None:
        """Commit events. They are on disk when this returns.

        Raises:
            OSError, MunimentError: they are not on disk, so the requests must not be answered.
        """
        self._vault.log(events)

    def soon(self, event: Event) -> None:
        """Commit an event within a second. After a failed commit, or with a full queue, commit it now.

        Raises:
            OSError, MunimentError: the event had to be committed now, and that failed.
        """
        with self._changed:
            self._waiting.append(event)
            full = len(self._waiting) >= WAITING or self._closed or self._failing
            self._changed.notify()
        if full:
            self._flush()

    def refused(self, refusal: Event) -> None:
        """Commit a refusal within a second; count a repeat, and commit it within a minute.

        Raises:
            OSError, MunimentError: as `soon`.
        """
        with self._changed:
            if self._counted(refusal):
                return
            if self._differing[refusal["uid"]] >= DIFFERENT:
                refusal = {name: refusal[name] for name in ALIKE} | {"refusal": "too many to list each"}
                if self._counted(refusal):
                    return
            self._refused[_refusal_key(refusal)] = (time.monotonic(), refusal | {"count": 0})
            self._differing[refusal["uid"]] += 1
        self.soon(refusal | {"count": 1})

    def _counted(self, refusal: Event) -> bool:
        """Count a refusal that repeats one of the last minute; False if it repeats none."""
        known = self._refused.get(_refusal_key(refusal))
        if known is not None:
            known[1]["count"] += 1
            known[1]["at"] = refusal["at"]
        return known is not None

    def close(self) -> None:
        """Commit all waiting events. Safe to call twice.

        Raises:
            OSError, MunimentError: they could not be committed.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._queue_repeats(everything=True)
        self._flush()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._closed:
                    self._changed.wait(MERGED if not (self._waiting or self._refused) else SOON)
                if self._closed:
                    return
            time.sleep(SOON / 5)
            self._queue_repeats()
            try:
                self._flush()
            except (OSError, MunimentError) as error:
                log.error("the audit trail could not be written; the service tries again: %s", error)

    def _queue_repeats(self, everything: bool = False) -> None:
        """Forget refusals whose minute is over, and queue those that were repeated, with their count."""
        ended = time.monotonic() - MERGED
        with self._changed:
            for key, (since, repeated) in list(self._refused.items()):
                if everything or since <= ended:
                    del self._refused[key]
                    self._differing[repeated["uid"]] -= 1
                    if repeated["count"]:
                        self._waiting.append(repeated)

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


def _refusal_key(refusal: Event) -> str:
    """A key that is the same for equal refusals: all fields but the time."""
    return json.dumps({**refusal, "at": 0}, sort_keys=True)


_trails: WeakKeyDictionary[Vault, AuditTrail] = WeakKeyDictionary()
_making = threading.Lock()


def trail_of(vault: Vault) -> AuditTrail:
    """The trail of a vault that is open for writing: one for each vault object."""
    with _making:
        trail = _trails.get(vault)
        if trail is None:
            trail = _trails[vault] = AuditTrail(vault)
        return trail


def record(session: ClientSession, event: Event, *, soon: bool) -> None:
    """Commit an event before its request is answered.

    Args:
        session: the session of the request.
        event: the event.
        soon: in a service, commit it within a second instead.

    Raises:
        VaultLocked: another process writes the vault, so the read must go through that process.
        OSError, MunimentError: the event could not be committed.
    """
    with session.reading() as vault:
        if vault.writable:
            trail = trail_of(vault)
            if soon:
                trail.soon(event)
            else:
                trail.now([event])
            return
    if session.settings().access != AccessSection():
        with session.writing() as vault:
            vault.log([event])


def require_reason(session: ClientSession, request: Request) -> None:
    """Check that a request to read others' mail has the reason that [access] may require.

    Raises:
        ReasonNeeded: it has none.
    """
    if session.settings().access.require_reason and not getattr(request, "reason", "").strip():
        raise ReasonNeeded(
            "reading others' mail needs a reason, which is kept in the audit trail: give it with --reason "
            "TEXT"
        )


def directory_events(session: ClientSession, request: Request, made: Sequence[Change]) -> list[Event]:
    """The event of a request that changes the directory, to be committed with the changes.

    It is left out where `record` would leave it out.

    Args:
        session: the session of the request.
        request: the request of an administrator.
        made: the changes.
    """
    if not session.shared and session.settings().access == AccessSection():
        return []
    # An event that names no one concerns everybody (catalog.audit_keys).
    people = sorted({change["user"] for change in made if "user" in change})
    return [
        audit_event(
            "changed", session.caller, AccessRole.ADMINISTRATOR, request,
            addresses=list(getattr(request, "addresses", ())),
            members=list(getattr(request, "members", ()))[:PEOPLE],
            people=people if len(people) <= PEOPLE else [],
        )
    ]  # fmt: skip


def record_change(session: ClientSession, event: Event) -> None:
    """Commit the event of a change within a second. A failure is logged, since the change is made already."""
    try:
        record(session, event, soon=True)
    except (OSError, MunimentError) as error:
        log.error("a change could not be written to the audit trail: %s", error)


def record_start(session: ClientSession, event: Event) -> bool:
    """Commit the event of work that starts. A failure does not stop the work; a service logs it.

    Returns:
        Whether the event is kept, or need not be (see `record`).
    """
    try:
        if session.shared or session.settings().access != AccessSection():
            record(session, event, soon=False)
    except (OSError, MunimentError) as error:
        level = logging.ERROR if session.shared else logging.INFO
        log.log(level, "the start of work could not be written to the audit trail: %s", error)
        return False
    return True


def record_refusal(session: ClientSession, refusal: Event) -> None:
    """Commit a refusal. A failure to do so is logged, and the request stays refused."""
    try:
        with session.reading() as vault:
            if vault.writable:
                trail_of(vault).refused(refusal)
                return
        with session.writing() as vault:
            vault.log([refusal | {"count": 1}])
    except (OSError, MunimentError) as error:
        log.error("a refusal could not be written to the audit trail: %s", error)
