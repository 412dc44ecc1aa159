"""Sends the audit trail of a running service to the receiver that [audit_feed] in vault.toml names.

Events go out in the order of the ledger. The cursor is written once the receiver has read them
(`feed.connection`), so each event is sent at least once, also after a crash. A change of the settings is
taken up within seconds. While a receiver does not take events, they stay in the ledger, and are tried again
after longer and longer waits.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from muniment.archive.ledger.model import LedgerHead
from muniment.archive.vault.vault import Vault
from muniment.config.feed_receiver import receiver_of
from muniment.config.model import AuditFeedSection, Settings
from muniment.errors import CertificateRefused, ConfigError, MunimentError, VaultError
from muniment.feed.connection import ENDING, ReceiverEndpoint, SyslogConnection
from muniment.feed.rfc5424 import FACILITIES, framed
from muniment.service.access.audit_events import UnknownCursor, place_of
from muniment.service.host import feed_cursor
from muniment.service.host.feed_cursor import FeedCursor
from muniment.service.host.feed_events import FeedPage, compared, next_page
from muniment.service.host.session import ClientSession
from muniment.service.host.settings_on_disk import settings_on_disk

Say = Callable[[str, str], None]
"""Called with a line for the log and its level: "info" or "error"."""

LOOK = 1.0
"""Seconds between two looks at vault.toml and at the ledger."""
FIRST_WAIT, LONGEST_WAIT = 2.0, 300.0
"""Seconds before the second attempt; each further wait is twice as long, up to the longest."""
STANDING = 300.0
"""Seconds of failures after which a problem that can pass by itself is one for people."""
AT_ONCE = 2_000
"""Events after which a connection ends, so that the receiver confirms them."""
STOPPING = 5.0
"""Longest time to wait for the events in hand when the service stops, in seconds."""


class FeedStopped(VaultError):
    """The feed can't go on until a person decides."""


_keepers: dict[Path, FeedKeeper] = {}


def feed_keeper_of(folder: Path) -> FeedKeeper | None:
    """The keeper of a vault's audit feed; None if no service of this process serves the vault."""
    return _keepers.get(folder)


class FeedKeeper:
    """The audit feed of one service. A context that keeps it while it is open."""

    def __init__(
        self,
        session: ClientSession,
        settings: Callable[[], Settings],
        say: Say,
        *,
        look: float = LOOK,
        first_wait: float = FIRST_WAIT,
        standing: float = STANDING,
        ending: float = ENDING,
        at_once: int = AT_ONCE,
    ) -> None:
        """Make it; nothing is sent yet.

        Args:
            session: reads the vault.
            settings: gives the current settings. It must not raise.
            say: is called when a receiver is taken up, when events can't be sent, and when they can again.
            look: seconds between two looks.
            first_wait: seconds before the second attempt.
            standing: seconds of failures after which a problem is one for people.
            ending: longest time until a receiver has read everything, in seconds.
            at_once: events after which a connection ends.
        """
        self._session = session
        self._settings = settings
        self._say = say
        self._look = look
        self._first_wait = first_wait
        self._standing = standing
        self._ending = ending
        self._at_once = at_once
        self._section = AuditFeedSection()
        self._on_disk: object = None
        self._seen = -1
        """Records of the ledger of which all events are sent."""
        self._lacking = 0
        self._problem = ""
        self._lasting = False
        """Whether the problem stays until a person acts."""
        self._failures = 0
        self._failing_since = self._due = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="audit-feed", daemon=True)

    @property
    def problem(self) -> str:
        """Why events are not sent, as a sentence; "" if they are."""
        if self._problem or not self._lacking:
            return self._problem
        return (
            f"{self._lacking:,} audit events of the ledger were not sent, since the catalog lacks them: run "
            f"`muniment verify` and `muniment rebuild --catalog`, then delete {feed_cursor.NAME} in the "
            "vault to send the whole trail again."
        )

    @property
    def lasts(self) -> bool | None:
        """Whether people must do something about a problem; None if that is not known yet."""
        if self._lacking and not self._problem:
            return True
        if self._problem:
            long = time.monotonic() - self._failing_since >= self._standing
            return True if self._lasting or long else None
        return False if self._seen >= 0 else None

    def __enter__(self) -> FeedKeeper:
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
                self._follow()
            except Exception as error:  # noqa: BLE001 - the next look must come in any case
                self._fail(
                    f"An unexpected error ({type(error).__name__}) stops the audit feed.", lasting=False
                )
            if self._stop.wait(self._look):
                return

    def _follow(self) -> None:
        """Take up changed settings, and send what is new."""
        on_disk = settings_on_disk(self._session.folder)
        if on_disk != self._on_disk:
            self._take_up(self._settings().audit_feed)
            self._on_disk = on_disk
        if self._section.syslog and time.monotonic() >= self._due:
            self._try()

    def _take_up(self, section: AuditFeedSection) -> None:
        if section == self._section:
            return
        if section.syslog:
            self._say(f"the audit feed goes to {section.syslog}", "info")
        else:
            self._say("the audit feed is off: audit_feed.syslog in vault.toml is empty", "info")
        self._section = section
        self._seen, self._problem, self._lacking, self._failures, self._due = -1, "", 0, 0, 0.0

    def _try(self) -> None:
        try:
            while not self._stop.is_set() and self._deliver():
                pass
        except MunimentError as error:
            if not self._stop.is_set():
                lasting = isinstance(error, CertificateRefused | ConfigError | FeedStopped)
                self._fail(str(error), lasting)
            return
        if self._problem:
            self._say("the audit feed sends events again", "info")
        self._problem, self._failures, self._due = "", 0, 0.0

    def _fail(self, problem: str, lasting: bool) -> None:
        now = time.monotonic()
        if not self._problem:
            self._failing_since = now
        if problem != self._problem:
            self._say(f"audit events can't be sent: {problem}", "error")
        self._problem, self._lasting = problem, lasting
        self._due = now + min(LONGEST_WAIT, self._first_wait * 2 ** min(self._failures, 20))
        self._failures += 1

    def _deliver(self) -> bool:
        """Send the next events over one connection, and write the cursor; returns whether there are more."""
        with self._session.reading() as vault:
            head = vault.catalog.head
            if head.tree_size == self._seen and not self._lacking:
                return False
            before = feed_cursor.load(self._session.folder)
            page = next_page(vault, head, self._place(vault, before), before)
            if page.events or page.more:
                page = self._send(vault, head, page)
            cursor = page.cursor if page.more else compared(vault, head, page.cursor)
        if cursor != before:
            feed_cursor.save(self._session.folder, cursor)
        self._lacking = cursor.lacking
        if not page.more:
            self._seen = head.tree_size
        return page.more

    def _place(self, vault: Vault, cursor: FeedCursor) -> int:
        """The sequence of the last event that was sent; -1 for none.

        Raises:
            FeedStopped: the vault does not have that event.
        """
        try:
            return place_of(vault, cursor.cursor) if cursor.cursor else -1
        except MunimentError as error:
            why = error.why if isinstance(error, UnknownCursor) else "the cursor is damaged"
            raise FeedStopped(
                f"the last event that was sent is not in this vault ({why}): the vault was set back or "
                "replaced. Compare it with a checkpoint (`muniment verify --was`). To send the whole trail "
                f"again, delete {feed_cursor.NAME} in the vault."
            ) from error

    def _send(self, vault: Vault, head: LedgerHead, page: FeedPage) -> FeedPage:
        """Send a page and those that follow; returns the last one once the receiver has read all."""
        facility, host = FACILITIES[self._section.facility], socket.gethostname()
        first = page.cursor.number - len(page.events)
        with SyslogConnection(endpoint_of(self._section, self._session.folder), self._ending) as connection:
            while True:
                connection.send(b"".join(framed(event, facility, host) for event in page.events))
                full = page.cursor.number - first >= self._at_once
                if not page.more or full or self._stop.is_set():
                    break
                page = next_page(vault, head, page.place, page.cursor)
            connection.confirm()
        return page


def endpoint_of(section: AuditFeedSection, folder: Path) -> ReceiverEndpoint:
    """Where the receiver of a vault's feed is; paths are relative to the vault's folder."""
    receiver = receiver_of(section.syslog)
    return ReceiverEndpoint(
        host=receiver.host,
        port_number=receiver.port,
        encrypted=receiver.encrypted,
        ca_file=str(folder / section.ca_file) if section.ca_file else "",
        fingerprint=section.fingerprint,
        certificate=folder / section.certificate if section.certificate else None,
        key=folder / section.key if section.key else None,
    )
