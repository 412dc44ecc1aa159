"""Forks: copies of one message that differ only in what transport or a store added.

Exchange makes one report for each fork of a message. Mail programs write their own notes into the header of a
copy. Two forks have the same content hash (`mail.content.content_hash`). The differences are kept as pieces,
so that each fork comes back byte for byte.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from muniment.mail.headers.fields import block, spans
from muniment.mail.model import MailBuffer

TRANSPORT_VERSION = 2
"""Version of the two tables below. It is part of the content hash, so hashes by different tables never
match."""

TRANSPORT_HEADERS = (
    # Trace and final delivery: RFC 5321 4.4, RFC 9228, and what servers wrote before there was a standard.
    b"received",
    b"x-received",
    b"return-path",
    b"delivered-to",
    b"x-delivered-to",
    b"x-original-to",
    b"envelope-to",
    b"x-envelope-to",
    b"x-envelope-from",
    b"x-forwarded-to",
    b"x-forwarded-for",
    # What a receiving server found when it checked the sender: RFC 8601, 7208, 8617.
    b"authentication-results",
    b"authentication-results-original",
    b"received-spf",
    b"arc-*",
    # Exchange and its filters: routing, scores and identities, which differ on each hop and in each fork.
    b"x-ms-exchange-*",
    b"x-microsoft-exchange-diagnostics*",
    b"x-microsoft-antispam*",
    b"x-exchange-antispam-*",
    b"x-forefront-antispam-*",
    b"x-forefront-prvs",
    b"x-ms-office365-filtering-*",
    b"x-ms-traffictypediagnostic",
    b"x-ms-publictraffictype",
    b"x-eopattributedmessage",
    b"x-eoptenantattributedmessage",
    b"x-originatororg",
    b"spamdiagnosticoutput",
    b"spamdiagnosticmetadata",
    # SpamAssassin and rspamd score each delivery for itself.
    b"x-spam-*",
    b"x-spamd-*",
    b"x-rspamd-*",
    # Google's relays number each copy that they hand on.
    b"x-google-smtp-source",
    b"x-gm-message-state",
    # Virus scanners at a relay (amavis, clamav-milter) or between a mailbox and its reader (Avast).
    b"x-virus-scanned",
    b"x-virus-status",
    b"x-antivirus",
    b"x-antivirus-status",
    # Programs that carry mail from one mailbox to another (fetchmail, getmail, Gmail's Mail Fetcher), and
    # Cyrus when it delivers.
    b"x-fetchmail-*",
    b"x-getmail-*",
    b"x-gmail-fetch-info",
    b"x-sieve",
)
"""Fields that transport adds. A name that ends in `*` means all names with this prefix.

Everything else except STORE_HEADERS is content: Message-ID, From, Date, Subject and all addressees, DKIM
signatures, List-* and Resent-* fields. Bcc is content, too: the sender's own copy has it, the others' copies
don't. A field that is missing here costs space, since a fork is then stored twice. A field too many would
merge two messages into one.
"""

STORE_HEADERS = (
    # mbox files as mutt, Pine, UW imapd and Dovecot keep them: flags, keywords, numbers and lengths (the mbox
    # pages of mutt's and Dovecot's manuals; UW's imap/docs/internal.txt for X-IMAP and X-IMAPbase).
    b"status",
    b"x-status",
    b"x-keywords",
    b"x-uid",
    b"x-imap",
    b"x-imapbase",
    b"content-length",
    b"lines",
    # What POP3 programs write on what they have fetched: Qpopper, Eudora, Thunderbird.
    b"x-uidl",
    # Thunderbird: flags, tags, the account that fetched it, the state of a draft (nsMsgMessageFlags.h).
    b"x-mozilla-status",
    b"x-mozilla-status2",
    b"x-mozilla-keys",
    b"x-mozilla-draft-info",
    b"x-account-key",
    b"x-identity-key",
    # Google Takeout, and programs that back up Gmail: labels and numbers (developers.google.com, "IMAP
    # extensions").
    b"x-gmail-labels",
    b"x-gm-thrid",
    b"x-gm-msgid",
    b"x-gm-labels",
    # Apple Mail and Notes.
    b"x-apple-content-length",
    b"x-apple-mail-labels",
    b"x-universally-unique-identifier",
    # Evolution (camel-mbox-summary.c), KMail, Gnus and Outlook: numbers and flags of the store, the account.
    b"x-evolution",
    b"x-evolution-*",
    b"x-kmail-*",
    b"x-length",
    b"x-gnus-mail-source",
    b"x-from-line",
    b"xref",
    b"x-olkeid",
    # Programs that keep two mailboxes alike: how they find again what they have copied (mbsync, OfflineIMAP).
    b"x-tuid",
    b"x-offlineimap",
)
"""Fields that a store of mail adds to its copy, in the form of TRANSPORT_HEADERS.

They say what somebody did with a copy, so a plain user never sees them. `Keywords` and `X-Label` belong to
the writer of the message: they are content.
"""

ADDED_HEADERS = TRANSPORT_HEADERS + STORE_HEADERS
"""The fields that are left out when two copies are compared."""


class _Names:
    """The names in a table. `in` tests for one in lower case."""

    def __init__(self, table: tuple[bytes, ...]) -> None:
        self._exact = frozenset(name for name in table if not name.endswith(b"*"))
        self._begun = tuple(name[:-1] for name in table if name.endswith(b"*"))

    def __contains__(self, name: bytes) -> bool:
        return name in self._exact or name.startswith(self._begun)


_STORE = _Names(STORE_HEADERS)
_TRANSPORT = _Names(TRANSPORT_HEADERS)
_ADDED = _Names(ADDED_HEADERS)
_STEP = 64 * 1024
_LONGEST = 95
"""Bytes of a field's name that are examined."""
_SMALLEST = 16
"""Shortest piece, in bytes, that is copied from elsewhere. For a shorter one the reference costs more than
the bytes."""


class ForkPiece(NamedTuple):
    """Bytes [start, end) of a fork.

    They equal the bytes from `offset` of the stored message on; if `offset` is None, they are kept literally.
    """

    start: int
    end: int
    offset: int | None


def is_transport(name: bytes) -> bool:
    """Whether transport adds header fields of this name, in any case of letters."""
    return _is_transport(name.rstrip(b" \t")[:_LONGEST])  # cached, so it must not be long


def is_store(name: bytes) -> bool:
    """Whether a store adds header fields of this name, in lower case."""
    return name in _STORE


def is_added(name: bytes) -> bool:
    """Whether transport or a store adds header fields of this name, in any case of letters."""
    return _is_added(name.rstrip(b" \t")[:_LONGEST])


@lru_cache(maxsize=2048)
def _is_transport(name: bytes) -> bool:
    return name.lower() in _TRANSPORT


@lru_cache(maxsize=2048)
def _is_added(name: bytes) -> bool:
    return name.lower() in _ADDED


def fork_cuts(fork: MailBuffer, stored: bytes) -> list[ForkPiece]:
    """Describe a fork by pieces of the stored message. Linear in time.

    A header field is found by its exact bytes anywhere in the stored header. The body is compared from its
    beginning and from its end.

    Args:
        fork: the copy to describe.
        stored: the message that is stored already.

    Returns:
        Pieces that cover the fork without gaps, in order.
    """
    head, known = block(fork), block(stored)
    places = {known[start:end]: start for start, end in spans(known)}
    pieces = _Pieces()
    for start, end in spans(head):
        content = head[start:end]
        follows = pieces.follows()
        if follows is not None and known.startswith(content, follows):
            pieces.add(start, end, follows)
        else:
            pieces.add(start, end, places.get(content) if len(content) >= _SMALLEST else None)
    _add_body(pieces, fork, len(head), stored, len(known))
    return pieces.done


class _Pieces:
    """Pieces in order. A piece that continues the one before is merged with it."""

    def __init__(self) -> None:
        self.done: list[ForkPiece] = []

    def follows(self) -> int | None:
        """The stored offset at which the last copied piece ended; None after a literal piece."""
        if not self.done:
            return None
        start, end, offset = self.done[-1]
        return None if offset is None else offset + end - start

    def add(self, start: int, end: int, offset: int | None) -> None:
        """Add bytes [start, end) of the fork. They begin where the last piece ended."""
        if start == end:
            return
        last = self.done[-1] if self.done else None
        if last is not None and offset == self.follows():
            self.done[-1] = ForkPiece(last.start, end, last.offset)
        else:
            self.done.append(ForkPiece(start, end, offset))


def _add_body(pieces: _Pieces, fork: MailBuffer, start: int, stored: bytes, offset: int) -> None:
    shortest = min(len(fork) - start, len(stored) - offset)
    front = _common_front(fork, start, stored, offset, shortest)
    if front < _SMALLEST and pieces.follows() != offset:
        front = 0
    back = _common_back(fork, stored, shortest - front)
    if back < _SMALLEST:
        back = 0
    pieces.add(start, start + front, offset)
    pieces.add(start + front, len(fork) - back, None)
    pieces.add(len(fork) - back, len(fork), len(stored) - back)


def _common_front(a: MailBuffer, at: int, b: bytes, offset: int, most: int) -> int:
    """How many bytes a[at:] and b[offset:] share at their beginning, at most `most`."""
    done = 0
    while done < most:
        step = min(_STEP, most - done)
        left, right = a[at + done : at + done + step], b[offset + done : offset + done + step]
        if left != right:
            return done + _first_difference(left, right)
        done += step
    return most


def _common_back(a: MailBuffer, b: bytes, most: int) -> int:
    """How many bytes a and b share at their end, at most `most`."""
    done = 0
    while done < most:
        step = min(_STEP, most - done)
        left = a[len(a) - done - step : len(a) - done]
        right = b[len(b) - done - step : len(b) - done]
        if left != right:
            return done + _first_difference(left[::-1], right[::-1])
        done += step
    return most


def _first_difference(left: bytes, right: bytes) -> int:
    """Offset of the first byte that differs, by bisection. The two are equally long and not equal."""
    low, high = 0, len(left)
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low
