"""POP3 mailboxes: kinds `gateway` (MailStore Gateway: STLS) and `pop3`.

In RFC 1939, message numbers are valid for one session only, and DELE takes effect at QUIT. So every session
begins with UIDL. A deletion is confirmed by the answer to QUIT, or by a later UIDL without the key.

Several messages can have the same UIDL (RFC 1939, 7). All such twins are fetched. A twin is deleted only in
the session in which it was fetched, since in another session its key can be that of another twin.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from muniment.errors import SourceError
from muniment.net.events import ServerPause
from muniment.net.retry import RetryPolicy, TransientError
from muniment.net.server_text import quote
from muniment.sources.base import FetchedItem, MailItem, MailPlace, UnfetchedItem
from muniment.sources.endpoint import ServerEndpoint
from muniment.sources.listing_store import ListingStore, common_key
from muniment.sources.mail_limits import MOST_MESSAGES, require_believable
from muniment.sources.pop3.connection import Pop3Refused, Pop3Wire, judge
from muniment.sources.remote import Answer, RemoteSource

log = logging.getLogger("muniment.source")

GONE = "it is no longer in the mailbox"
LISTED_LINE = 256
"""Average number of bytes of a line of UIDL or LIST, for the limit on the whole answer."""
SPARE_LINES = 1000
"""Number of messages that can be listed beyond those that STAT counts."""
LONGEST_KEY = 1000
"""Most characters of a key; RFC 1939, 7, allows 70."""
LARGEST_NUMBER = 2**31 - 1
LARGEST_SIZE = 2**53
TWIN = "the mailbox has changed, and other messages there have the same UIDL: run again"
WRAPPED = (
    "it has UTF-8 in its header, and the server has no UTF8 command (RFC 6856), so it sends the message only "
    "inside another one: use IMAP there"
)
_WRAPPER = re.compile(
    rb"From: [^\r\n]*<postmaster[^\r\n]*\r?\nSubject: Cannot display Unicode content\r?\n.*?"
    rb"^Content-Type: message/",
    re.DOTALL | re.MULTILINE,
)
"""The beginning of what Courier sends instead of such a message; its boundary is different each time."""
_WRAPPER_READ = 4096
_NUMBER = re.compile(rb"[0-9]{1,20}\Z")


class Pop3Source(RemoteSource):
    """A POP3 mailbox. The listing of the current session is kept in a file of the work folder."""

    def __init__(self, endpoint: ServerEndpoint, sleep: Callable[[float], None]) -> None:
        super().__init__(endpoint, sleep)
        self._place = MailPlace(endpoint.address, endpoint.mailbox)
        self._live: tuple[Pop3Wire, ListingStore] | None = None
        self._short = False
        """Whether UIDL listed fewer messages than STAT: then a key that is absent proves nothing."""
        self._listed = False
        self._twins: set[str] = set()
        """Keys of messages that were fetched while others had the same UIDL."""
        self._fetched_now: set[str] = set()
        """Those of them that were fetched in this session."""

    def _is_open(self) -> bool:
        return self._live is not None

    def _open(self) -> None:
        wire = Pop3Wire(self._endpoint)
        try:
            wire.sign_on()
            self._live = wire, self._list_keys(wire)
        except BaseException as error:
            wire.close()
            if isinstance(error, TransientError) and error.wait:
                self._report_wait(error)
            raise
        self._listed = False

    def _report_wait(self, error: TransientError) -> None:
        """Report that the server demands a pause; the caller waits."""
        log.info("waiting %.0f s: %s", error.wait, error)
        self._endpoint.on_event(ServerPause(error.wait, str(error)))

    def _drop(self) -> None:
        if self._live:
            self._live[0].close()
        self._live = None
        self._fetched_now.clear()

    def _opened(self) -> tuple[Pop3Wire, ListingStore]:
        self._reopen()
        assert self._live is not None
        return self._live

    def _list_keys(self, wire: Pop3Wire) -> ListingStore:
        """The answer to UIDL. Raises SourceError if the server has no usable keys."""
        roll = ListingStore(self._endpoint.work, self._endpoint.limits)
        try:
            count = self._count(wire)
            room = self._room(MOST_MESSAGES if count is None else count)
            wire.command("UIDL", multiline=True)
            roll.add(listed_keys(wire.lines("UIDL", room)))
            self._short = count is not None and len(roll) < count
            if count is not None and self._short:
                self._note_missing(len(roll), count)
        except Pop3Refused as refusal:
            error = judge(self._endpoint, refusal)
            if isinstance(error, TransientError):
                raise error from refusal
            raise SourceError(
                f"{self._endpoint.address} has no UIDL ({quote(self._endpoint, str(refusal))}), so messages "
                "can't be distinguished: use IMAP."
            ) from refusal
        except ValueError as error:
            raise SourceError(
                f"{self._endpoint.address} gives an invalid answer to UIDL: use IMAP."
            ) from error
        return roll

    def _count(self, wire: Pop3Wire) -> int | None:
        """STAT's number of messages; None if it can't be read. Raises SourceError if it is absurd."""
        try:
            count = _number(wire.command("STAT").partition(" ")[0].encode(), 2**63)
        except (Pop3Refused, ValueError):  # a server with an unusable STAT is still read
            return None
        return require_believable(self._endpoint, count)

    def _note_missing(self, listed: int, count: int) -> None:
        address, mailbox = self._endpoint.address, self._endpoint.mailbox
        self.refuse(
            mailbox,
            f"{address} lists only {listed:,} of the {count:,} messages that it says are in {mailbox}: run "
            "again, and if that does not help, use IMAP.",
        )

    def _room(self, count: int) -> int:
        """The most bytes of a list of `count` messages."""
        return min((count + SPARE_LINES) * LISTED_LINE, self._endpoint.limits.message_list)

    def listing(self) -> Iterator[MailItem]:
        """List every message that is there now. A second call opens a new session, to see newer messages."""
        patience = RetryPolicy(self._sleep)
        if self._listed:
            self._drop()
        while True:
            wire, roll = self._opened()
            try:
                self._list_sizes(wire, roll)
                break
            except SourceError as error:
                self._drop()
                if not isinstance(error, TransientError):
                    raise
                patience.again(error)
        self._listed = True
        self._twins.clear()
        self.expected = len(roll)
        for key, size in roll.by_number():
            yield MailItem(self._place, key, size)

    def _list_sizes(self, wire: Pop3Wire, roll: ListingStore) -> None:
        try:
            wire.command("LIST", multiline=True)
            roll.add_sizes(listed_sizes(wire.lines("LIST", self._room(len(roll)))))
        except Pop3Refused as refusal:
            raise judge(self._endpoint, refusal) from refusal
        except ValueError as error:
            raise SourceError(
                f"{self._endpoint.address} gives an invalid answer to LIST: use IMAP."
            ) from error

    def _retrieve(self, items: list[MailItem]) -> Iterator[Answer]:
        refused = []
        for answer in self._retrieve_once(items):
            if isinstance(answer, UnfetchedItem) and not answer.gone:
                refused.append(answer.item)
            else:
                yield answer
        if refused:
            # Only a new session shows whether they were removed in the meantime.
            self._drop()
            yield from self._retrieve_once(refused)

    def _retrieve_once(self, items: list[MailItem]) -> Iterator[Answer]:
        wire, roll = self._opened()
        numbers = roll.numbers([item.key for item in items])
        there = [item for item in items if item.key in numbers]
        yield from (self._missing(roll, item) for item in items if item.key not in numbers)
        due = wire.pipeline(f"RETR {numbers[item.key]}" for item in there)
        try:
            for item, _ in zip(there, due, strict=False):
                yield self._answer(wire, roll, item)
        except BaseException:
            # Answers can still be on their way, so this session can't be used any more.
            self._drop()
            raise

    def _missing(self, roll: ListingStore, item: MailItem) -> UnfetchedItem:
        """The answer for a message whose key is not in the mailbox. A twin can be there under another key."""
        if roll.numbers([common_key(item.key)]):
            return UnfetchedItem(item, TWIN)
        return UnfetchedItem(item, GONE, gone=True)

    def _answer(self, wire: Pop3Wire, roll: ListingStore, item: MailItem) -> Answer:
        try:
            content = wire.message(item)
        except Pop3Refused as refusal:
            error = judge(self._endpoint, refusal)
            if isinstance(error, TransientError):
                raise error from refusal
            reason = quote(self._endpoint, str(refusal))
            return UnfetchedItem(item, f"the server refuses to send it: {reason}")
        if not wire.utf8 and _is_wrapper(content):
            return UnfetchedItem(item, WRAPPED)
        if roll.doubled() and roll.twins(item.key):
            self._twins.add(item.key)
            self._fetched_now.add(item.key)
        return FetchedItem(item, content)

    def delete(self, items: Iterable[MailItem]) -> list[MailItem]:
        """Delete items with DELE and QUIT; the next call opens a new session.

        A twin is deleted only if it was fetched in this session.

        Returns:
            The items that `+OK` to QUIT confirms. If that answer is lost, the items that the UIDL of a new
            session no longer has, unless it lists fewer messages than STAT.
        """
        remaining = {item.key: item for item in items}
        confirmed: list[MailItem] = []
        asked: set[str] = set()
        patience = RetryPolicy(self._sleep)
        while remaining:
            wire, roll = self._opened()
            for key in [key for key in remaining if self._is_doubtful(roll, key)]:
                del remaining[key]
            numbers = roll.numbers(list(remaining))
            missing = [(key, remaining.pop(key)) for key in list(remaining) if key not in numbers]
            gone = [item for key, item in missing if key in asked and not self._short]
            if gone:
                patience.progress()
            confirmed += gone
            if not numbers:
                break
            asked.update(numbers)
            try:
                marked = self._expunge(wire, numbers)
            except (TransientError, Pop3Refused) as error:
                patience.again(self._unconfirmed(error))
            else:
                return confirmed + [remaining[key] for key in marked]
        return confirmed

    def _is_doubtful(self, roll: ListingStore, key: str) -> bool:
        """Whether another message can have this key in the meantime."""
        if key in self._fetched_now:
            return False
        if key in self._twins or (roll.doubled() and roll.twins(key)):
            return bool(roll.numbers([common_key(key)]))
        return (
            key != common_key(key)
            and key not in roll.numbers([key])
            and bool(roll.numbers([common_key(key)]))
        )

    def _expunge(self, wire: Pop3Wire, numbers: dict[str, int]) -> list[str]:
        """Send DELE and QUIT; returns the deleted keys. The session ends in any case."""
        try:
            marked = self._mark(wire, numbers)
            wire.command("QUIT")
            return marked
        finally:
            self._drop()

    def _mark(self, wire: Pop3Wire, numbers: dict[str, int]) -> list[str]:
        """Send DELE; returns the keys that the server accepted."""
        marked = []
        due = wire.pipeline(f"DELE {number}" for number in numbers.values())
        for key, _ in zip(numbers, due, strict=False):
            try:
                wire.answer()
                marked.append(key)
            except Pop3Refused as refusal:
                self._note_kept(refusal)
        return marked

    def _note_kept(self, refusal: Pop3Refused) -> None:
        address, mailbox = self._endpoint.address, self._endpoint.mailbox
        self.refuse(
            mailbox,
            f"Some messages of {mailbox} could not be deleted and stay there: {address} answers with "
            f"{quote(self._endpoint, str(refusal))}; run again.",
            deleting=True,
        )

    def _unconfirmed(self, error: TransientError | Pop3Refused) -> TransientError:
        if isinstance(error, TransientError):
            return error
        return TransientError(
            f"{self._endpoint.address} could not remove messages from {self._endpoint.mailbox} "
            f"({quote(self._endpoint, str(error))}): run again later."
        )

    def remarks(self) -> list[str]:
        """What an administrator should know of this server (see base.RemarkingSource)."""
        wire, roll = self._opened()
        address = self._endpoint.address
        found = []
        if not wire.capabilities:
            found.append(
                f"{address} has no CAPA (RFC 2449), so messages are fetched one after the other, which takes "
                "longer"
            )
        elif not wire.offers("PIPELINING"):
            found.append(f"{address} has no PIPELINING, so fetching takes longer")
        if wire.capabilities and not wire.offers("TOP"):
            found.append(f"{address} has no TOP, which Muniment does not need")
        if wire.delay:
            found.append(f"{address} demands {wire.delay:,} s between two logins: a run waits that long")
        if doubled := roll.doubled():
            found.append(
                f"{address} gives several messages the same UIDL ({doubled:,} times): all are archived"
            )
        return found


def _is_wrapper(content: bytes | Path) -> bool:
    """Whether this is a message of Courier's that contains the real one."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            content = file.read(_WRAPPER_READ)
    return bool(_WRAPPER.match(content[:_WRAPPER_READ]))


def listed_keys(lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """Message numbers and keys from the lines of UIDL. Raises ValueError."""
    for number, key in _numbered(lines):
        if len(key) > LONGEST_KEY:
            raise ValueError(key[:LONGEST_KEY])
        yield number, key.decode("latin-1")


def listed_sizes(lines: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """Message numbers and sizes in bytes from the lines of LIST. Raises ValueError."""
    for number, size in _numbered(lines):
        yield number, _number(size.split()[0], LARGEST_SIZE)


def _numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Message numbers and values from the lines of UIDL or LIST. Raises ValueError."""
    for line in lines:
        number, _, value = line.partition(b" ")
        value = value.strip()
        if not value:
            raise ValueError(line)
        yield _number(number, LARGEST_NUMBER), value


def _number(text: bytes, most: int) -> int:
    """A number of only digits. Raises ValueError for signs, blanks and long numbers, which `int` accepts."""
    if not _NUMBER.match(text) or (number := int(text)) > most:
        raise ValueError(text)
    return number
