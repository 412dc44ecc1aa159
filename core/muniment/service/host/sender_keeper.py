"""Judges the signatures of new messages by the keys of DNS, if [evidence] in vault.toml allows look-ups.

It follows the archive as the index does: what is judged are messages that are kept already, so nothing waits
for it. A record says up to which message it has come. Workers read the mail; here, only their facts and the
answers of DNS are compared.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from muniment.archive.catalog import MessageRow
from muniment.archive.files.contents import mail_from
from muniment.archive.files.temp_files import own_work
from muniment.archive.senders.evidence_record import KeyEvidence, MessageEvidence, SenderEvidence
from muniment.archive.vault.vault import Vault
from muniment.config.check import resolver_address
from muniment.config.model import Settings
from muniment.errors import Erased, LedgerDamaged, MailUnreadable, MunimentError
from muniment.mail.notes import OPAQUE
from muniment.mail.signatures.judge import judge, needs_key
from muniment.mail.signatures.model import KeyRecord, MessageSignatures
from muniment.net.txt_records import TxtAnswer, TxtRecords
from muniment.parsing.pool import mail_reader
from muniment.parsing.reader import OpenMail
from muniment.service.host.session import ClientSession

log = logging.getLogger("muniment.service")

LOOK = 5.0
"""Seconds between two looks for new messages."""
PAGE = 100
"""Messages in one record."""
RECENT = 7 * 86_400
"""How old a message may be, in seconds, when the first look-ups are allowed: later, its key may be gone."""
TOGETHER = 8
"""Look-ups at a time."""
STOPPING = 10.0
"""Longest time to wait for the messages in hand when the service stops, in seconds."""
UNREAD = "its signatures could not be read"
MAIL = "_domainkey"

Read = MessageSignatures | MailUnreadable


class SenderKeeper:
    """Judges the signatures of one vault's messages. A context that does so while it is open."""

    def __init__(
        self, session: ClientSession, settings: Callable[[], Settings], *, look: float = LOOK
    ) -> None:
        """Prepare it; nothing is looked up yet.

        Args:
            session: Reads and writes the vault.
            settings: Returns the current settings. It must not raise.
            look: Seconds between two looks for new messages.
        """
        self._session = session
        self._settings = settings
        self._look = look
        self._server = ""
        self._records = TxtRecords()
        self._problem = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="senders", daemon=True)

    def __enter__(self) -> SenderKeeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOPPING)

    # --- in the thread --------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._stop.wait(self._look):
            try:
                while self._allowed() and not self._stop.is_set() and self._judge_next():
                    pass
                self._problem = ""
            except MunimentError as error:
                self._say(str(error))
            except Exception as error:  # noqa: BLE001 - the next look must come in any case
                self._say(f"an unexpected error ({type(error).__name__})")

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("signatures of new messages can't be judged now: %s", problem)
        self._problem = problem

    def _allowed(self) -> bool:
        """Take up the settings; returns whether keys may be looked up."""
        settings = self._settings()
        if settings.journaling.resolver != self._server:
            self._server = settings.journaling.resolver
            self._records = TxtRecords(resolver_address(self._server) if self._server else None)
        return settings.evidence.dns

    def _judge_next(self) -> bool:
        """Judge the next messages, and record the results; returns whether there were any."""
        with self._session.reading() as vault:
            reached = vault.catalog.evidence_reached()
            if reached < 0:
                reached = last_before(vault, int(time.time()) - RECENT)
            rows = vault.catalog.messages_after(reached, PAGE)
            if not rows:
                return False
            found = dict(zip(rows, _signatures(vault, rows), strict=True))
            answers = self._look_up(found.values())
            evidence = SenderEvidence(
                first=reached + 1,
                through=rows[-1].sequence,
                keys=tuple(_key_evidence(name, answer) for name, answer in sorted(answers.items())),
                messages=tuple(_message_evidence(found, answers)),
            )
            if not self._stop.is_set():
                vault.record_senders(evidence, int(time.time()))
        return True

    def _look_up(self, found: Iterable[Read]) -> dict[str, TxtAnswer]:
        """Return the answers about all keys that are needed, by name."""
        names = sorted(
            {
                name_of(facts.domain, facts.selector)
                for one in found
                if not isinstance(one, MailUnreadable)
                for facts in one.found
                if needs_key(facts)
            }
        )
        if not names:
            return {}
        with ThreadPoolExecutor(TOGETHER, "keys") as executor:
            return dict(zip(names, executor.map(self._records.find, names), strict=True))


def name_of(domain: str, selector: str) -> str:
    """Return the name of a key in DNS."""
    return f"{selector}.{MAIL}.{domain}"


def last_before(vault: Vault, since: int) -> int:
    """Return a number before that of the first message received since a time, by halving."""
    low, high = -1, vault.catalog.head.tree_size
    while high - low > 1:
        middle = (low + high) // 2
        rows = vault.catalog.messages_after(middle, 1)
        if rows and rows[0].received < since:
            low = rows[0].sequence
        else:
            high = middle
    return low


def _signatures(vault: Vault, rows: Sequence[MessageRow]) -> Iterator[Read]:
    """Yield what the signatures of each message sign. Damaged and opaque ones are unreadable."""
    lost: set[bytes] = set()

    def mails() -> Iterator[OpenMail]:
        for row in rows:
            try:
                if OPAQUE not in row.notes:
                    content = vault.reader.content(row.sha)
                    yield mail_from(content, row.size, own_work(vault.folder), row.sha)
                    continue
            except (LedgerDamaged, Erased):
                pass
            lost.add(row.sha)
            yield OpenMail(b"")

    for row, one in zip(rows, mail_reader().signatures(mails()), strict=True):
        yield MailUnreadable(UNREAD) if row.sha in lost else one


def _message_evidence(
    found: dict[MessageRow, Read], answers: dict[str, TxtAnswer]
) -> Iterator[MessageEvidence]:
    """Yield the results of each message that has a signature, or that could not be read."""

    def key_of(domain: str, selector: str) -> KeyRecord:
        answer = answers[name_of(domain, selector)]
        return KeyRecord(key_text(answer), answer.authentic, answer.problem)

    for row, one in found.items():
        if isinstance(one, MailUnreadable):
            yield MessageEvidence(row.sha.hex(), problem=UNREAD)
        elif one.found:
            yield MessageEvidence(row.sha.hex(), tuple(judge(one.found, key_of)))


def key_text(answer: TxtAnswer) -> bytes | None:
    """Return the record that names a key; else the first, or None if there is none."""
    named = [text for text in answer.texts if b"p=" in text]
    return next(iter([*named, *answer.texts]), None)


def _key_evidence(name: str, answer: TxtAnswer) -> KeyEvidence:
    return KeyEvidence(name, answer.asked, key_text(answer), answer.authentic, answer.problem)
