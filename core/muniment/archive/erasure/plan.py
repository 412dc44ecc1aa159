"""Plans an erasure: what the catalog and the ledger hold of some messages, and what must stay of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeVar

from muniment.archive.catalog import EnvelopeRow, MessageRow
from muniment.archive.catalog.projection import copy_content
from muniment.archive.erasure.closure import Closure, DoomedMail
from muniment.archive.erasure.kept_copies import kept_copies
from muniment.archive.erasure.redaction import MAX_FRAMES, MAX_MESSAGES, Redaction
from muniment.archive.facts import ErasedFrame, FramePosition, KeptCopy
from muniment.archive.files.contents import mail_from
from muniment.archive.files.temp_files import own_work
from muniment.archive.ledger.erased.frames import is_erased
from muniment.archive.ledger.model import Frame
from muniment.archive.vault.contents import VaultContents
from muniment.errors import VaultError
from muniment.mail.notes import OPAQUE
from muniment.parsing.pool import mail_reader

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ErasureOrder:
    """Who erases, and why."""

    basis: str
    """The legal basis or reason; sanitised."""
    who: str
    """Login of the person who decided it."""
    uid: int
    """The number of that login."""
    at: int
    """When it was decided, in seconds since 1970 UTC."""
    rule: tuple[str, int] | None = None
    """Id and version of the retention rule that disposes of the messages."""
    request: str = ""
    """The approved request to which it belongs."""


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """Everything that goes with some messages."""

    numbers: tuple[int, ...]
    """The messages' numbers, those that they have displaced included."""
    messages: tuple[bytes, ...]
    """SHA-256 of the same messages."""
    contents: dict[bytes, bytes]
    """Their content hashes, as far as they are known."""
    copies: tuple[bytes, ...]
    """SHA-256 of the copies that have brought them."""
    kept: tuple[KeptCopy, ...]
    """What stays of those copies that have also brought other messages."""
    frames: tuple[ErasedFrame, ...]
    """The records that are erased, in the order of the ledger."""
    needed: tuple[bytes, ...]
    """SHA-256 of messages whose bytes stay, since other mail has them as an attachment."""
    unreadable: int
    """Bytes of the ledger that are no intact record, so what they held is not known."""

    def redactions(self, order: ErasureOrder) -> Iterator[Redaction]:
        """Yield the records of the decision; all of them must be in one batch."""
        portions = zip_longest(
            _portions(self.messages, MAX_MESSAGES),
            _portions(self.copies, MAX_FRAMES),
            _portions(self.frames, MAX_FRAMES),
            fillvalue=(),
        )
        for messages, copies, frames in portions:
            yield Redaction(
                at=order.at,
                basis=order.basis,
                who=order.who,
                uid=order.uid,
                messages=messages,
                frames=frames,
                contents={sha: self.contents[sha] for sha in messages if sha in self.contents},
                copies=copies,
                kept=tuple(copy for copy in self.kept if copy.sha in copies),
                rule=order.rule,
                request=order.request,
            )


def _portions(values: tuple[T, ...], size: int) -> Iterator[tuple[T, ...]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def mail_of(vault: VaultContents, rows: Sequence[MessageRow]) -> DoomedMail:
    """Return the hashes of messages, of those that they have displaced, and of their copies.

    Raises:
        VaultError: The catalog can't be read.
    """
    return _mail(vault, rows)[0]


def _mail(
    vault: VaultContents, rows: Sequence[MessageRow]
) -> tuple[DoomedMail, dict[int, bytes], list[EnvelopeRow]]:
    """Return the hashes, the SHA-256 of each message by its number, and the copies."""
    numbers = {row.sequence: row.sha for row in rows}
    for formers in vault.catalog.displaced_by(list(numbers)).values():
        numbers |= dict(formers)
    copies = {copy.sequence: copy for row in rows for copy in vault.catalog.envelopes_of(row.sequence)}
    every = list(copies.values())
    shas = frozenset(numbers.values())
    mail = DoomedMail(shas, frozenset(copy.sha for copy in every), _spared(vault, every))
    return mail, numbers, every


def plan_erasure(
    vault: VaultContents, rows: Sequence[MessageRow], closure: Closure, batch: int
) -> ErasurePlan | None:
    """Say everything that goes with the messages of a batch. Nothing is changed.

    Args:
        vault: The vault.
        rows: The messages of the batch.
        closure: Has read the ledger for this batch.
        batch: Its number there.

    Returns:
        The plan; None if these are not the messages and copies any more that the closure knows.

    Raises:
        LedgerDamaged: A copy that has also brought other messages can't be read.
        VaultError: The catalog can't be read, or contradicts the ledger.
    """
    mail, numbers, copies = _mail(vault, rows)
    if not closure.matches(batch, mail):
        return None
    contents = vault.catalog.contents([row.sequence for row in rows])
    partly = [copy for copy in copies if not mail.messages.issuperset(copy.messages)]
    found = closure.records(batch)
    return ErasurePlan(
        numbers=tuple(sorted(numbers)),
        messages=tuple(numbers[number] for number in sorted(numbers)),
        contents={numbers[number]: content for number, content in contents.items()},
        copies=tuple(sorted(mail.copies)),
        kept=tuple(_kept(vault, partly)),
        frames=tuple(found.frames),
        needed=tuple(found.needed),
        unreadable=found.unreadable,
    )


def _spared(vault: VaultContents, copies: Sequence[EnvelopeRow]) -> frozenset[FramePosition]:
    """Return the records of copies with the same bytes that were read otherwise, and are of other mail.

    A mailbox of a person may have brought a journal report as a message of its own.
    """
    going = {(copy.sha, copy.report) for copy in copies}
    others = (
        vault.catalog.envelope_by_sha(sha, not report)
        for sha, report in going
        if (sha, not report) not in going
    )
    return frozenset(other.position for other in others if other is not None)


def _kept(vault: VaultContents, copies: Sequence[EnvelopeRow]) -> Iterator[KeptCopy]:
    """Yield what must stay of copies, by their bytes or by the decision that has erased these before."""
    frames = [vault.reader.read_frame(copy.position) for copy in copies]
    before = kept_copies(vault.segments) if any(map(is_erased, frames)) else {}
    for copy, frame in zip(copies, frames, strict=True):
        if not is_erased(frame):
            yield _read(vault, copy, frame)
        elif (copy.sha, copy.report) in before:
            yield before[copy.sha, copy.report]
        else:
            raise VaultError("the catalog has a copy that was erased: run `muniment rebuild --catalog`")


def _read(vault: VaultContents, copy: EnvelopeRow, frame: Frame) -> KeptCopy:
    if OPAQUE in copy.flags:
        return KeptCopy(copy.sha, False, None, (), (OPAQUE,))
    content = vault.reader.content_of(frame)
    mail = mail_from(content, frame.size, own_work(vault.folder), copy.sha, outline=True)
    (facts,) = mail_reader().copies([(mail, copy.report)])
    found = copy_content(copy.sha, copy.report, copy.flags, facts)
    return KeptCopy(found.sha, found.report, found.date, found.parties, found.notes, found.key)
